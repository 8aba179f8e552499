"""A lesson as a file: what its first cell says about it. No stack is needed to read one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.runner import KERNEL, NOTEBOOK_DIR, PROJECT_ROOT

EXERCISE_DIR = PROJECT_ROOT / "exercises"
METADATA = {
    "kernelspec": {"display_name": "Lakehouse (Python 3.11)", "language": "python", "name": KERNEL},
    "language_info": {"name": "python"},
}
"""Of every notebook that is generated."""


@dataclass(frozen=True)
class Lesson:
    """A lesson and what its first cell says: `minutes` to work through it, `before` what it needs."""

    path: Path
    title: str
    promise: str
    learn: tuple[str, ...]
    before: str
    minutes: int

    @property
    def number(self) -> str:
        return self.path.stem[:2]

    @property
    def sheet(self) -> Path | None:
        """Its exercise sheet, where it has one."""
        return next(iter(sorted(EXERCISE_DIR.glob(f"{self.number}_*.ipynb"))), None)


class BadLesson(ValueError):
    """A first cell that does not follow the skeleton; the message says what is missing."""


def _part(pattern: str, source: str, what: str, name: str) -> str:
    found = re.search(pattern, source, re.DOTALL | re.MULTILINE)
    if found is None:
        raise BadLesson(f"{name}: the first cell has no {what}")
    return " ".join(found[1].split()) if what != "list of what is learned" else found[1]


def read(path: Path) -> Any:
    """The notebook of a lesson."""
    import nbformat

    return nbformat.read(path, as_version=4)


def text(notebook: Any) -> str:
    """A notebook as its file's text."""
    import nbformat

    return nbformat.writes(notebook, version=4) + "\n"


def lesson(path: Path) -> Lesson:
    """What the first cell says. Raises `BadLesson`."""
    source = str(read(path).cells[0].source)
    learn = _part(r"^\*\*You will learn\*\*\n+((?:- .+\n?)+)", source, "list of what is learned", path.name)
    return Lesson(
        path=path,
        title=_part(r"\A# (\d\d · .+?)$", source, "title `# NN · …`", path.name),
        promise=_part(r"\A# .+?\n+(.+?)\n\n", source, "promise", path.name),
        learn=tuple(re.findall(r"^- (.+)$", learn, re.MULTILINE)),
        before=_part(r"^\*\*Before you start:\*\* (.+?)$", source, "line `**Before you start:** …`", path.name),
        minutes=int(_part(r"^\*\*Time:\*\* (\d+) minutes", source, "line `**Time:** N minutes`", path.name)),
    )


def paths() -> list[Path]:
    """The files of all lessons, in order."""
    return sorted(NOTEBOOK_DIR.glob("[0-9][0-9]_*.ipynb"))


def lessons() -> list[Lesson]:
    """All lessons, in order."""
    return [lesson(path) for path in paths()]
