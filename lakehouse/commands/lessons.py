"""`lakehouse lessons …`: list, check and run the lessons; generate their navigation."""

from __future__ import annotations

import logging

import typer
from rich import box
from rich.table import Table

from lakehouse.commands._services import wide_console
from lakehouse.errors import LakehouseError

app = typer.Typer(no_args_is_help=True, help="The lessons: list, check, run all, generate the navigation.")
console = wide_console()


class LessonsFailed(LakehouseError):
    """A lesson does not keep the rules, or did not run."""


@app.command("list")
def list_lessons() -> None:
    """All lessons with their promise, time and exercise sheet."""
    from lakehouse.lesson import book

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("lesson", "what it shows", "minutes", "exercises"):
        table.add_column(column, justify="right" if column == "minutes" else "left")
    for lesson in book.lessons():
        table.add_row(lesson.title, lesson.promise, str(lesson.minutes), lesson.sheet.stem if lesson.sheet else "")
    console.print(table)


@app.command()
def lint() -> None:
    """Check each lesson against the house's rules, and that navigation and index are as generated."""
    from lakehouse.lesson import book, navigation, skeleton

    found = {path.name: skeleton.complaints(path) for path in book.paths()}
    for name, complaints in found.items():
        for complaint in complaints:
            console.print(f"  [red]{name}[/]: {complaint}", highlight=False)
    if any(found.values()):
        raise LessonsFailed(
            f"{sum(map(len, found.values()))} complaints", "mend them; the rules are in docs/lessons.md"
        )
    if stale := navigation.stale():
        raise LessonsFailed(f"navigation is stale in {', '.join(stale)}", "run `lakehouse lessons build`")
    console.print(f"{len(found)} lessons keep the rules")


@app.command()
def build() -> None:
    """Write each lesson's navigation cell and the index."""
    from lakehouse.lesson import navigation

    written = navigation.build()
    console.print(f"written: {', '.join(written)}" if written else "navigation and index are up to date")


@app.command()
def run(
    lesson: list[str] = typer.Argument(None, help="numbers or names; default: all, in order"),
    run_id: str = typer.Option("by-hand", help="the run's name in the tables' audit columns"),
) -> None:
    """Run lessons on the running stack and write a site of executed copies that can be read offline."""
    from lakehouse.lesson import site
    from lakehouse.settings import get_settings

    folder = get_settings().runs_dir / "site"
    try:
        wanted = site.chosen(lesson or [])
    except ValueError as error:
        raise LessonsFailed(str(error)) from error
    # what a cell says on its error stream is on its page; here it would stand between the lines
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    failed, longest = 0, max(len(lesson.title) for lesson in wanted)
    for position, one in enumerate(site.run_all(folder, wanted, run_id), start=1):
        failed += bool(one.error)
        sign = "[red]✗[/]" if one.error else "[green]✓[/]"
        counted = f"{position:>{len(str(len(wanted)))}}/{len(wanted)}"
        console.print(f"  {sign} {counted}  {one.lesson.title:<{longest}} {one.seconds:6.1f} s", highlight=False)
        if one.error:
            console.print(f"      {one.error}", style="red", highlight=False, markup=False)
    console.print(f"pages: {folder / 'index.html'}", soft_wrap=True, highlight=False)
    if failed:
        raise LessonsFailed(f"{failed} of {len(wanted)} lessons failed", "open its page: the failing cell is in it")


@app.command()
def figures() -> None:
    """Minutes and memory of lessons and routes, as `lessons run` has measured them, in Markdown."""
    from lakehouse.lesson import footprint, site
    from lakehouse.settings import get_settings

    done = site.last_runs(get_settings().runs_dir / "site")
    if not done:
        raise LessonsFailed("no lesson has run yet", "run `make notebooks`")

    def say(*cells: object) -> None:
        typer.echo(f"| {' | '.join(map(str, cells))} |")

    say("lesson", "minutes", "seconds to run", "GB of its services")
    say(":--", "--:", "--:", "--:")
    for one in done:
        took = footprint.need([one])
        say(one.lesson.title, took.minutes, f"{one.seconds:.0f}", f"{took.gb:.1f}")
    typer.echo()
    say("for", "`lakehouse stack up …`", "services", "GB", "minutes", "minutes to run")
    say(":--", ":--", "--:", "--:", "--:", "--:")
    groups = [(", ".join(found.lessons), found) for found in footprint.by_services(done)]
    for title, took in [*groups, *footprint.routes(done).items()]:
        names = f"`{' '.join(took.names)}`" if took.names else "*(no name: all)*"
        say(title, names, took.services, f"{took.gb:.1f}", took.minutes, f"{took.run_minutes:.1f}")
