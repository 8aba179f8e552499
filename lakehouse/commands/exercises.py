"""`lakehouse exercises …`: progress, check a whole sheet, begin a sheet anew, generate the sheets."""

from __future__ import annotations

import typer
from rich import box
from rich.table import Table

from lakehouse.commands._services import wide_console
from lakehouse.errors import LakehouseError

app = typer.Typer(no_args_is_help=True, help="Exercise sheets: progress, check, begin anew.")
console = wide_console()
STYLE = {"right": "green", "wrong": "red", "error": "yellow", "not attempted": "dim"}


class NotSolved(LakehouseError):
    """A sheet that has not only right answers."""


@app.command("list")
def list_sheets() -> None:
    """All sheets, and how far this learner (`WORKBOOK_LEARNER`) is in each."""
    from lakehouse.lesson import learners, sheets

    table = Table(box=box.SIMPLE_HEAD, title=f"progress of {learners.learner()}", title_justify="left")
    for column in ("sheet", "solved", "of"):
        table.add_column(column, justify="left" if column == "sheet" else "right")
    for number, (solved, there) in learners.by_sheet().items():
        style = "green" if solved == there else ""
        table.add_row(sheets.title_of(number), str(solved), str(there), style=style)
    console.print(table)


@app.command()
def check(
    sheet: str = typer.Argument(help="number or name of a sheet, as in `05`"),
    solved: bool = typer.Option(False, "--solution", help="run the solution instead of the learner's sheet"),
) -> None:
    """Run a sheet from its first cell to its last and judge each answer; ends with an error unless all are right."""
    from lakehouse.lesson import proof, sheets

    source = sheets.find_solution(sheet)
    with console.status(f"running {source.stem} …"):
        found = proof.outcomes(sheets.notebook(source), "solution") if solved else proof.run_sheet(
            sheets.sheet_of(source)
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
) -> None:
    """Put the untouched sheet back in the place of the one that was worked on."""
    from lakehouse.lesson import learners, sheets

    for source in [sheets.find_solution(sheet)] if sheet else sheets.solutions():
        sheets.sheet_of(source).write_text(sheets.text(sheets.sheet(source)), encoding="utf-8")
        console.print(f"  {sheets.sheet_of(source).name} is untouched again")
    if not sheet:
        learners.forget()
        console.print(f"  the progress of {learners.learner()} is forgotten")


@app.command()
def build() -> None:
    """Generate the sheets from their solutions (`exercises/solutions`)."""
    from lakehouse.lesson import sheets

    written = sheets.build()
    console.print(f"written: {', '.join(written)}" if written else "all sheets are as their solutions give them")
