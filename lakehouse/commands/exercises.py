"""`lakehouse exercises …`: progress, check a whole sheet, begin a sheet anew, generate the sheets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer
from rich import box
from rich.table import Table

from lakehouse.commands._services import wide_console
from lakehouse.errors import LakehouseError

if TYPE_CHECKING:
    from lakehouse.endpoints import Answer

app = typer.Typer(no_args_is_help=True, help="Exercise sheets: progress, check, begin anew.")
console = wide_console()
STYLE = {"right": "green", "wrong": "red", "error": "yellow", "not attempted": "dim"}


LEARNER = typer.Option(None, "--learner", help="whose; default: WORKBOOK_LEARNER, else `me`")


def _as(learner: str | None) -> str:
    """From here on this learner; their name. Raises `BadName`."""
    from lakehouse.lesson import learners

    if learner:
        os.environ["WORKBOOK_LEARNER"] = learner
    return learners.learner()


class NotSolved(LakehouseError):
    """A sheet that has not only right answers."""


@app.command("list")
def list_sheets(learner: str = LEARNER) -> None:
    """All sheets, and how far one learner is in each."""
    from lakehouse.lesson import learners, sheets

    table = Table(box=box.SIMPLE_HEAD, title=f"progress of {_as(learner)}", title_justify="left")
    for column in ("sheet", "solved", "of"):
        table.add_column(column, justify="left" if column == "sheet" else "right")
    for number, (solved, there) in learners.by_sheet().items():
        style = "green" if solved == there else ""
        table.add_row(sheets.title_of(number), str(solved), str(there), style=style)
    console.print(table)


@app.command("progress")
def progress_of_all() -> None:
    """Everybody who learns on this stack: questions solved in each sheet, hints taken, last seen."""
    from lakehouse.lesson import learners

    everyone = learners.known()
    if not everyone:
        console.print("nobody has checked an answer yet")
        return
    sheets = list(learners.by_sheet(everyone[0]))
    title = f"questions solved, {len(everyone)} learner{'s' if len(everyone) > 1 else ''}"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("learner", *sheets, "all", "hints", "last seen"):
        text = column in ("learner", "last seen")
        table.add_column(column, justify="left" if text else "right", no_wrap=text)
    for name in everyone:
        counts, seen = learners.by_sheet(name), learners.last_seen(name)
        solved = sum(done for done, _ in counts.values())
        cells = [f"[green]{done}[/]" if done == there else str(done or "·") for done, there in counts.values()]
        hints = sum(int(entry.get("hints", 0)) for entry in learners.read(name).values())
        table.add_row(name, *cells, str(solved), str(hints), seen.strftime("%d %b %H:%M") if seen else "")
    table.add_section()
    there = [str(count) for _, count in learners.by_sheet(everyone[0]).values()]
    table.add_row("[dim]questions[/]", *there, str(sum(map(int, there))), "", "")
    console.print(table)


@app.command()
def check(
    sheet: str = typer.Argument(help="number or name of a sheet, as in `05`"),
    solved: bool = typer.Option(False, "--solution", help="run the solution instead of the learner's sheet"),
    learner: str = LEARNER,
) -> None:
    """Run a sheet from its first cell to its last and judge each answer; ends with an error unless all are right."""
    from lakehouse.lesson import proof, sheets, workspaces

    source = sheets.find_solution(sheet)
    with console.status(f"running {source.stem} …"):
        found = proof.outcomes(sheets.notebook(source), "solution") if solved else proof.run_sheet(
            workspaces.sheet_of(source, _as(learner))
        )  # fmt: skip
    for question, said in found.items():
        console.print(f"  {question:<6} [{STYLE[said['outcome']]}]{said['outcome']:<14}[/] {said['message']}")
    if not proof.all_right(found):
        right = sum(said["outcome"] == "right" for said in found.values())
        raise NotSolved(
            f"{right} of {len(found)} answers of {source.stem} are right", 'in the sheet, hint("NN.k") helps'
        )


@app.command()
def reset(
    sheet: str = typer.Argument(None, help="number or name of a sheet; without it all sheets and the progress"),
    learner: str = LEARNER,
    everything: bool = typer.Option(
        False, "--all", help="also all that this learner's lessons have left in the services, and copies of lessons"
    ),
) -> None:
    """Put the untouched sheet back in the place of the one that was worked on."""
    from lakehouse.lesson import learners, leftovers, sheets, workspaces

    if sheet and everything:
        raise LakehouseError("a sheet and --all at once", "leave one of them out")
    name = _as(learner)
    wanted = [sheets.find_solution(sheet)] if sheet else sheets.solutions()
    silent: list[Answer] = []
    if everything:
        dropped, silent = leftovers.drop_all_of(name)
        for kind, names in dropped.items():
            console.print(f"  {kind}: {', '.join(names) or 'none'}", highlight=False, soft_wrap=True)
        if workspaces.remove(name):
            console.print(f"  {name}'s copies of lessons and sheets are gone; `lakehouse lab` makes new ones")
        # the repository's own sheets belong to whoever works without a name
        wanted = wanted if name == learners.NAMELESS else []
    for source in wanted:
        target = workspaces.sheet_of(source, name)
        target.write_text(sheets.text(sheets.sheet(source)), encoding="utf-8")
        console.print(f"  {target.name} is untouched again")
    if not sheet:
        learners.forget()
        console.print(f"  the progress of {name} is forgotten")
    leftovers.complain(name, silent)


@app.command()
def build() -> None:
    """Generate the sheets from their solutions (`exercises/solutions`)."""
    from lakehouse.lesson import sheets

    written = sheets.build()
    console.print(f"written: {', '.join(written)}" if written else "all sheets are as their solutions give them")
