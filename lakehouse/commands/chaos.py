"""`lakehouse chaos`: kill services under load, and prove that nothing was lost."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import typer
from rich import box
from rich.table import Table

from lakehouse.commands._services import progress, wide_console
from lakehouse.settings import ENV_PREFIX, HOME, Settings, get_settings, load_settings, secrets_file

if TYPE_CHECKING:
    from lakehouse.chaos.scenario import Scenario
    from lakehouse.chaos.suite import Results, Say

app = typer.Typer(no_args_is_help=True, help="Kill services under load, and prove that nothing was lost.")
console = wide_console()
PEOPLE = 1000
RATE = 200
SECONDS = 15.0
PORT_OFFSET = 900
OWN_STACK = {
    "DATA_DIR": str(HOME / "chaos"),
    "STACK_NAME": "chaos",
    "PIPELINE_SCHEDULE": "none",  # the suite starts the runs itself
}
ONLY = typer.Option("", help="scenarios with commas between, as `list` names them; default: all")


@app.command("list")
def list_scenarios() -> None:
    """The scenarios, and what must hold in each."""
    from lakehouse.chaos.suite import SCENARIOS

    table = Table("scenario", "what happens", "what must hold", box=box.SIMPLE_HEAD, pad_edge=False)
    for scenario in SCENARIOS:
        table.add_row(scenario.name, scenario.title, scenario.holds)
    console.print(table)


@app.command()
def run(
    only: str = ONLY,
    rate: int = typer.Option(RATE, min=1, help="new webhooks a second, at least"),
    seconds: float = typer.Option(SECONDS, min=0, help="how long a load lasts at least"),
    people: int = typer.Option(PEOPLE, min=50, help="people of a new world"),
    tables: bool = typer.Option(True, help="at the end: the pipeline, the ledger, every table against its rebuild"),
    own_stack: bool = typer.Option(False, "--own-stack", help="in a stack made for it, on ports of its own"),
    port_offset: int = typer.Option(PORT_OFFSET, help="where the ports of that stack begin, as LAKEHOUSE_PORT_OFFSET"),
) -> None:
    """Make each fault under a load of signed webhooks; print the times to recover, and prove that nothing was lost.

    Services are really killed: nobody else should be at work on that stack. What does not run yet is started first;
    after that nothing is.
    """
    from lakehouse.chaos import suite

    scenarios = suite.find(filter(None, only.split(",")))
    with stack_of_its_own(port_offset) if own_stack else nullcontext(_running()) as settings:
        _begin(settings, suite.services_of(scenarios, tables), people)
        _make_faults(settings, scenarios, suite.Results(rate), seconds, tables)


def _running() -> Settings:
    from lakehouse.commands.stack import _initialised

    return _initialised()


@contextmanager
def stack_of_its_own(port_offset: int) -> Iterator[Settings]:
    """An empty stack on ports of its own, ended afterwards; its data stays until the next time, to be looked at."""
    from lakehouse.commands.stack import _data_dir, _initialised
    from stack.native import lifecycle, supervisor

    for name, value in {**OWN_STACK, "PORT_OFFSET": str(port_offset)}.items():
        os.environ[f"{ENV_PREFIX}{name}"] = value
    if secrets_file(_data_dir()).exists() and supervisor.is_running(load_settings()):
        supervisor.shutdown(load_settings())
    shutil.rmtree(_data_dir(), ignore_errors=True)
    settings = _initialised()
    get_settings.cache_clear()
    try:
        yield settings
    finally:
        with progress(console) as report:
            lifecycle.down(settings, lifecycle.select([]), report, everything=True)


def _make_faults(settings: Settings, scenarios: list[Scenario], results: Results, seconds: float, tables: bool) -> None:
    from lakehouse.chaos import report, suite

    try:
        for group in suite.by_load(scenarios):
            names = ", ".join(scenario.name for scenario in group)
            console.rule(f"[bold]one load:[/] {names}", align="left")
            with _part(results, names) as say:
                suite.run_under_load(settings, group, results, seconds, say)
        console.rule("[bold]nothing lost?", align="left")
        with _part(results, "raw") as say:
            suite.prove_healthy(settings, suite.services_of(scenarios, tables))
            suite.prove_raw(settings, results, say)
        if tables:
            with _part(results, "tables") as say:
                suite.prove_tables(settings, results, say)
        suite.prove_survived(results)
        suite.prove_rate(results)
    finally:
        report.show(console, results)
        data, page = report.write(results, settings.data_dir / "chaos")
        console.print(f"written: {data}, {page}", highlight=False, soft_wrap=True)


def _begin(settings: Settings, names: list[str], people: int) -> None:
    """Services that are needed, and a world whose first day was sent."""
    from data_generators.generate import read_manifest
    from lakehouse.commands import world
    from lakehouse.streaming import jobs
    from stack.native import lifecycle

    with progress(console) as report:
        lifecycle.up(settings, lifecycle.select(names), report)
    if read_manifest(settings.world_dir) is None:
        with console.status("making the world"):
            world.generate_day(settings, 1, people=people)
        world.send_day(settings, 1)
    jobs.wait_until_caught_up(settings)


@contextmanager
def _part(results: Results, name: str) -> Iterator[Say]:
    """A part with its clock: what it says is shown with the seconds so far."""
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"  {time.monotonic() - began:6.1f} s  {text}", highlight=False, markup=False)

    yield say
    results.seconds[name] = round(time.monotonic() - began, 1)
