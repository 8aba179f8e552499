"""`lakehouse demo`: the whole way once. Run again, it sends the next day."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import typer
from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from lakehouse.commands import _airflow
from lakehouse.commands._services import MEMORY_BUDGET_GB, progress, total_gb, wide_console
from lakehouse.commands.stack import _initialised
from lakehouse.settings import Settings

app = typer.Typer(help="The whole way once: services, a day of webhooks, raw, the pipeline, the ledger.")
console = wide_console()
RATE = 1000.0
"""Requests a second at most; what the machine can take is usually less."""


@dataclass
class Report:
    """What the demo did, one line a part."""

    lines: list[tuple[str, str, float]] = field(default_factory=list)

    @contextmanager
    def part(self, title: str) -> Iterator[list[str]]:
        """Announce a part, measure it; what it puts into the list becomes its line."""
        console.rule(f"[bold]{title}", align="left")
        began, said = time.monotonic(), list[str]()
        yield said
        self.lines.append((title, "".join(said), time.monotonic() - began))


def _start(settings: Settings) -> int:
    from stack.native import lifecycle

    services = lifecycle.select([])
    with progress(console) as report:
        lifecycle.up(settings, services, report)
    return len(services)


def unsent_day(settings: Settings) -> int | None:
    """A generated day of which deliveries are still to be sent: a demo that was cut off goes on with it."""
    from data_generators import ledger
    from data_generators.generate import read_manifest

    manifest = read_manifest(settings.world_dir) or {"days": {}}
    for day in sorted(int(name) for name in manifest["days"]):
        final = ledger.final_outcomes(ledger.read_attempts(settings.world_dir, day), gave_up=False)
        if len(final) < manifest["days"][str(day)]["deliveries"]:
            return day
    return None


def _send(settings: Settings, day: int, people: int | None, rate: float) -> str:
    from lakehouse.commands import world

    if unsent_day(settings) is None:
        with console.status(f"making day {day} of the world"):
            world.show_day(day, world.generate_day(settings, day, people=people))
    began = time.monotonic()
    sent = world.send_day(settings, day, rate=rate, gave_up=True)
    pace = sent["sent_now"] / max(time.monotonic() - began, 0.001)
    outcomes = ", ".join(f"{count:,} {name}" for name, count in sent["outcomes"].items())
    console.print(f"  {outcomes}; {pace:,.0f} requests a second", highlight=False)
    return f"{sent['final']:,} requests, {sent['messages'] + sent['quarantined']:,} messages"


def _land(settings: Settings) -> str:
    from lakehouse.streaming import jobs

    jobs.ensure_running(settings)
    columns = (SpinnerColumn(), TextColumn("rows in raw"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("raw", total=None)

        def report(lags: list[jobs.Lag]) -> None:
            bar.update(task, total=sum(lag.logged for lag in lags), completed=sum(lag.raw for lag in lags))

        found = jobs.wait_until_caught_up(settings, report=report)
    rows = sum(lag.raw for lag in found)
    console.print(f"  raw shows all {rows:,} messages")
    return f"{rows:,} rows in raw"


def _pipeline(settings: Settings) -> str:
    from lakehouse.engines.airflow import Airflow

    airflow = Airflow(settings)
    run_id = _airflow.trigger(airflow)
    done = _airflow.follow(console, airflow, run_id)
    return done.outcome


def table_sizes() -> list[tuple[str, int, int, float]]:
    """(table, rows, data files, MB) of every table that has a snapshot, in the order of the way of the data."""
    from lakehouse import metadata
    from lakehouse.tables import all_tables

    found = []
    for table in all_tables():
        loaded = metadata.load(table)
        snapshot = loaded.current_snapshot()
        if snapshot is None or snapshot.summary is None:
            continue
        counts = snapshot.summary.additional_properties
        size = float(counts.get("total-files-size", 0)) / 1e6
        found.append((table.name, metadata.rows_in(loaded), int(counts.get("total-data-files", 0)), size))
    return found


def _summary(settings: Settings, report: Report) -> None:
    from stack.native.inspection import inspect_all

    sizes = Table(
        "table", "rows", "files", "MB", box=box.SIMPLE_HEAD, pad_edge=False, title="tables", title_justify="left"
    )
    for name, rows, files, size in table_sizes():
        sizes.add_row(name, f"{rows:,}", f"{files:,}", f"{size:.2f}")
    for column in sizes.columns[1:]:
        column.justify = "right"
    parts = Table("part", "what", "seconds", box=box.SIMPLE_HEAD, pad_edge=False, title="times", title_justify="left")
    for title, said, seconds in report.lines:
        parts.add_row(title, said, f"{seconds:.1f}")
    parts.columns[2].justify = "right"
    services = inspect_all(settings)
    pages = Table("page", "address", box=box.SIMPLE_HEAD, pad_edge=False, title="open", title_justify="left")
    for row in services:
        if row.url:
            pages.add_row(row.name, row.url)
    pages.add_row("notebooks", "make lab")
    console.print(sizes)
    console.print(parts)
    console.print(pages)
    console.print(
        f"users and passwords: {settings.data_dir / 'secrets.env'} (mode 0600)\n"
        f"memory of all services together: {total_gb(services):.2f} GB of {MEMORY_BUDGET_GB:.0f} GB",
        highlight=False,
        soft_wrap=True,
    )


def run_demo(settings: Settings, people: int | None = None, rate: float = RATE) -> Report:
    """The demo on a stack whose settings are these; returns what it did. Raises the error of the part that failed."""
    from lakehouse.commands import world
    from lakehouse.commands.reconcile import reconcile_and_show

    report = Report()
    with report.part("start the services") as said:
        said.append(f"{_start(settings)} services healthy")
    day = unsent_day(settings) or world.next_day(settings.world_dir)
    with report.part(f"send the webhooks of day {day}") as said:
        said.append(_send(settings, day, people, rate))
    with report.part("Flink: topics to raw") as said:
        said.append(_land(settings))
    with report.part("Airflow: raw to marts") as said:
        said.append(_pipeline(settings))
    with report.part("the ledger") as said:
        said.append(f"{reconcile_and_show()} lines balance")
    return report


@app.callback(invoke_without_command=True)
def main(
    people: int = typer.Option(None, min=50, help="people of a new world; default: 3,000"),
    rate: float = typer.Option(RATE, min=1, help="requests a second, at most"),
) -> None:
    """Start all, send a day of webhooks, land them, run the pipeline in Airflow, balance the ledger.

    The first time it sends a history of 30 days, each further time the next day. Cut off, it goes on where it was.
    """
    settings = _initialised()
    _summary(settings, run_demo(settings, people, rate))
