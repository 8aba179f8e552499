"""`lakehouse streaming`: the Flink job from topics to raw tables."""

from __future__ import annotations

from datetime import UTC, datetime

import typer
from rich import box
from rich.table import Table

from lakehouse.commands._services import wide_console
from lakehouse.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="The Flink job from topics to raw tables.")
console = wide_console()


@app.command()
def start() -> None:
    """Create the raw tables and start the job, from where it stopped; a running one is left alone."""
    from lakehouse.streaming import jobs

    job = jobs.ensure_running(load_settings())
    console.print(f"[green]{job.name}[/] runs as {job.job_id}")


@app.command("list")
def list_jobs(everything: bool = typer.Option(False, "--all", help="also what else Flink ran")) -> None:
    """The job and those before it: state, since when, checkpoints; and why a running one had to begin again."""
    from lakehouse.engines.flink import RUNNING_STATES, FlinkRest
    from lakehouse.streaming.jobs import JOB_NAME

    rest = FlinkRest(load_settings())
    table, failures = Table(box=box.SIMPLE_HEAD, pad_edge=False), list[str]()
    for column in ("job", "state", "since", "checkpoints", "last one", "failed", "id"):
        table.add_column(column)
    for job in rest.jobs():
        if not everything and job.name != JOB_NAME:
            continue
        found = rest.checkpoints(job.job_id)
        latest = (found["latest"] or {}).get("completed")
        age = "none yet"
        if latest:
            done = datetime.fromtimestamp(latest["latest_ack_timestamp"] / 1000, UTC)
            age = f"{(datetime.now(UTC) - done).seconds} s ago, took {latest['end_to_end_duration']} ms"
        since = job.started_at.astimezone().strftime("%m-%d %H:%M:%S")
        counts = found["counts"]
        table.add_row(
            job.name.splitlines()[0],
            job.state,
            since,
            str(counts["completed"]),
            age,
            str(counts["failed"]),
            job.job_id,
        )
        if job.state in RUNNING_STATES and (why := rest.exceptions(job.job_id)):
            failures.append(f"{job.name.splitlines()[0]} went back to its last checkpoint: {why}")
    console.print(table)
    for failure in failures:
        console.print(failure, style="yellow", markup=False, highlight=False)


@app.command()
def stop() -> None:
    """Stop the job with a savepoint; `start` goes on from it."""
    from lakehouse.streaming import jobs

    path = jobs.stop(load_settings())
    console.print(f"stopped; savepoint {path}" if path else "no job runs", soft_wrap=True)


@app.command()
def restart() -> None:
    """Stop with a savepoint and start from it."""
    stop()
    start()


@app.command()
def lag() -> None:
    """Messages in each topic, rows in its raw table, messages whose row was erased with its person."""
    from lakehouse.streaming import jobs

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("topic", "messages", "rows in raw", "erased", "behind"):
        table.add_column(column, justify="left" if column == "topic" else "right")
    for each in jobs.lags(load_settings()):
        table.add_row(each.topic, f"{each.logged:,}", f"{each.raw:,}", f"{each.erased:,}", f"{each.behind:,}")
    console.print(table)


@app.command()
def wait(timeout: float = typer.Option(120, help="seconds without any new row before giving up")) -> None:
    """Wait until raw shows all that the topics hold."""
    from lakehouse.streaming import jobs

    found = jobs.wait_until_caught_up(load_settings(), timeout)
    console.print(f"raw shows all {sum(each.raw for each in found):,} messages")


@app.command()
def sql() -> None:
    """The SQL of the job as it is submitted, secrets masked."""
    from lakehouse.streaming.statements import script

    for statement in script(load_settings(), masked=True):
        console.print(f"{statement};\n", markup=False, highlight=False, soft_wrap=True)
