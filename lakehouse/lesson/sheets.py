"""Exercise sheets, generated from their solutions.

`exercises/solutions/NN_topic.py` is the one source: a notebook as text (cells begin with `# %%`). What stands between
`# BEGIN SOLUTION` and `# END SOLUTION` is left out of the sheet; lines in it that begin with `# | ` are put there
instead, without that mark: the sheet's form of the answer, with its `____`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lakehouse.errors import LakehouseError
from lakehouse.lesson.book import EXERCISE_DIR, METADATA, text
from lakehouse.lesson.questions import all_questions

SOLUTION_DIR = EXERCISE_DIR / "solutions"
_REGION = re.compile(r"^# BEGIN SOLUTION\n(.*?)^# END SOLUTION\n?", re.DOTALL | re.MULTILINE)
_CHECKED = re.compile(r"""^check\(["'](\d\d\.\d+)["']""", re.MULTILINE)
_MARK = "# | "


class NoSuchSheet(LakehouseError):
    """There is no sheet of that number or name; the message lists those there are."""


class BadSheet(ValueError):
    """A solution that no sheet can be made from; the message says which cell."""


def solutions() -> list[Path]:
    """The sources of all sheets, in order."""
    return sorted(SOLUTION_DIR.glob("[0-9][0-9]_*.py"))


def find_solution(name: str) -> Path:
    """By number (`05`) or name (`05_staging`). Raises `NoSuchSheet`."""
    for path in solutions():
        if name in (path.stem, path.stem[:2]):
            return path
    raise NoSuchSheet(f"there is no sheet {name!r}", f"there are: {', '.join(path.stem for path in solutions())}")


def sheet_of(solution: Path) -> Path:
    """Where a solution's sheet is."""
    return EXERCISE_DIR / f"{solution.stem}.ipynb"


def title_of(sheet: str) -> str:
    """A sheet's title, by its number: `05 · …`."""
    found = re.search(r"^# # (.+)$", find_solution(sheet).read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else sheet


def notebook(solution: Path) -> Any:
    """The solution as a notebook that can be run."""
    import jupytext

    book = jupytext.reads(solution.read_text(encoding="utf-8"), fmt="py:percent")
    book.metadata = dict(METADATA)
    book.nbformat, book.nbformat_minor = 4, 5
    for position, cell in enumerate(book.cells):
        # the same ids each time: a sheet is compared byte by byte
        cell["id"] = f"{solution.stem[:2]}-{position:02d}"
    return book


def _blanked(source: str) -> str:
    """A cell as the learner gets it."""

    def form(region: re.Match[str]) -> str:
        lines = region[1].splitlines()
        return "".join(f"{line.removeprefix(_MARK)}\n" for line in lines if line.startswith(_MARK))

    return _REGION.sub(form, source + "\n").rstrip("\n")


def _answered(source: str) -> str:
    """A cell as a right answer: without marks and forms."""
    kept = (line for line in source.splitlines() if not line.startswith((_MARK, "# BEGIN SOLUTION", "# END SOLUTION")))
    return "\n".join(kept)


def sheet(solution: Path) -> Any:
    """The learner's sheet. Raises `BadSheet` where a checked cell has no gap."""
    book = notebook(solution)
    for cell in book.cells:
        if cell.cell_type != "code":
            continue
        asked = checked(cell.source)
        cell.source = _blanked(cell.source)
        if asked and "____" not in cell.source:
            raise BadSheet(f"{solution.name}: the cell of {asked[0]} leaves nothing to fill in")
    return book


def checked(source: str) -> list[str]:
    """The ids of the questions that a cell, or a whole sheet, checks, in order."""
    return _CHECKED.findall(source)


def solution_of(question_id: str) -> str:
    """The cell that answers a question, without its check. Raises `NoSuchSheet`."""
    for cell in notebook(find_solution(question_id.split(".")[0])).cells:
        if cell.cell_type == "code" and question_id in checked(cell.source):
            lines = _answered(cell.source).splitlines()
            return "\n".join(line for line in lines if not line.startswith("check(")).strip()
    raise NoSuchSheet(f"no sheet checks {question_id}", f"known: {', '.join(all_questions())}")


def build() -> list[str]:
    """Write all sheets that differ from what their solutions give; their names."""
    written = []
    for solution in solutions():
        target, wanted = sheet_of(solution), text(sheet(solution))
        if not target.exists() or target.read_text(encoding="utf-8") != wanted:
            target.write_text(wanted, encoding="utf-8")
            written.append(target.name)
    return written
