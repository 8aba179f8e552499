"""`lakehouse pipeline …`: the steps from raw to the published marts, run here instead of in Airflow."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import typer
from rich import box
from rich.table import Table

from lakehouse.commands._services import wide_console
from lakehouse.merge import StepResult

app = typer.Typer(no_args_is_help=True, help="The steps from raw to marts. Airflow runs the same ones, as notebooks.")
console = wide_console()


def new_run_id(prefix: str = "manual") -> str:
    """A name for a run by its time, to the millisecond."""
    return f"{prefix}-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S.%f')[:-3]}"


def _result_line(result: StepResult) -> str:
    if not result.changed:
        return f"  {result.table:<32} [dim]nothing new[/]"
    counts = [f"{getattr(result, name):,} {name}" for name in ("inserted", "updated", "deleted", "rejected")
              if getattr(result, name)]  # fmt: skip
    return f"  {result.table:<32} {', '.join(counts)}"


@app.command()
def run(
    step: list[str] = typer.Option(None, "--step", help="only this step (may be given again); default: all"),
    anew: bool = typer.Option(False, "--anew", help="compare everything, as after a change of code or an edit by hand"),
) -> None:
    """Run the steps in order. Each takes what is new since its last time; with nothing new nothing is written."""
    from lakehouse import metadata
    from lakehouse.engines.spark import spark_session
    from lakehouse.pipeline import STEPS, find_step, run_step

    run_id, began, changed = new_run_id(), time.monotonic(), 0
    steps = [find_step(name) for name in step] if step else list(STEPS)
    with console.status("connecting to Spark"):
        spark = spark_session()
    for current in steps:
        if anew:
            metadata.forget(current.name)
        started = time.monotonic()
        with console.status(f"{current.name} …"):
            result = run_step(current.name, run_id, spark)
        changed += result.changed
        console.print(f"{time.monotonic() - started:7.1f} s {_result_line(result)}", highlight=False)
    console.print(
        f"run {run_id}: {len(steps)} steps in {time.monotonic() - began:.0f} s, {changed} of them wrote something",
        highlight=False,
    )


@app.command()
def steps() -> None:
    """The steps, in order, and how far each has read."""
    from lakehouse import metadata
    from lakehouse.pipeline import STEPS

    table = Table("step", "sources", "read up to", box=box.SIMPLE_HEAD, pad_edge=False)
    for step in STEPS:
        known = metadata.watermarks(step.name)
        times = [metadata.commit_time(source, mark.last_snapshot_id) for source, mark in known.items()]
        latest = max((moment for moment in times if moment), default=None)
        table.add_row(
            step.name, ", ".join(sorted(known)) or "never run", f"{latest:%Y-%m-%d %H:%M:%S}" if latest else ""
        )
    console.print(table)


@app.command()
def runs(last: int = typer.Option(20, min=1, help="how many rows")) -> None:
    """The last runs of steps that changed something or failed."""
    from lakehouse import metadata

    rows = metadata.load(metadata.RUNS).scan().to_arrow().to_pylist()
    table = Table("finished (UTC)", "run", "step", "status", "inserted", "updated", "deleted", "seconds", "error",
                  box=box.SIMPLE_HEAD, pad_edge=False)  # fmt: skip
    for row in sorted(rows, key=lambda row: row["finished_at"])[-last:]:
        seconds = (row["finished_at"] - row["started_at"]).total_seconds()
        counts = [f"{row[name]:,}" if row[name] is not None else "" for name in ("inserted", "updated", "deleted")]
        table.add_row(f"{row['finished_at']:%m-%d %H:%M:%S}", row["run_id"], row["step"], row["status"], *counts,
                      f"{seconds:.1f}", row["error"] or "")  # fmt: skip
    console.print(table)


@app.command()
def pending(as_json: bool = typer.Option(False, "--json", help="for a program")) -> None:
    """What the next run has to do: the steps whose sources have changed, and those after them."""
    from lakehouse.pending import work

    found = work()
    if as_json:
        typer.echo(json.dumps([{"step": w.step, "pending": w.pending, "reason": w.reason} for w in found]))
        return
    table = Table("step", "", "why", box=box.SIMPLE_HEAD, pad_edge=False)
    for one in found:
        table.add_row(one.step, "runs" if one.pending else "[dim]is skipped[/]", one.reason or "[dim]nothing new[/]")
    console.print(table)


@app.command()
def trigger(
    everything: bool = typer.Option(False, "--everything", help="also the tasks whose sources have not changed"),
) -> None:
    """Start a run in Airflow, and follow its tasks until it ends."""
    from lakehouse.commands import _airflow
    from lakehouse.engines.airflow import Airflow

    airflow = Airflow()
    run_id = _airflow.trigger(airflow, everything)
    console.print(f"run {run_id}: {airflow.url}/dags/{_airflow.DAG_ID}/runs/{run_id}", highlight=False, soft_wrap=True)
    done = _airflow.follow(console, airflow, run_id)
    console.print(f"{done.outcome} in {done.seconds:.0f} s", highlight=False)
