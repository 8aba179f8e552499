"""Generated: each lesson's last cell (exercise, previous, index, next) and the index of all lessons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lakehouse.lesson import book
from lakehouse.lesson.book import Lesson
from lakehouse.lesson.saving import as_committed
from lakehouse.runner import NOTEBOOK_DIR

INDEX = NOTEBOOK_DIR / "index.ipynb"
TAG = "navigation"
PARTS = (
    ("The way of the data", "00", "12"),
    ("Running it", "13", "16"),
    ("Keeping it", "17", "20"),
    ("Growing out", "21", "99"),
)


def _link(lesson: Lesson | None, arrow: str) -> str:
    return "" if lesson is None else f"[{arrow.format(lesson.title)}]({lesson.path.name})"


def navigation(lesson: Lesson, previous: Lesson | None, following: Lesson | None) -> str:
    """The last cell: the exercise sheet where there is one, and the way on."""
    sheet = f"**Exercises:** [{lesson.sheet.stem}](../exercises/{lesson.sheet.name})\n\n" if lesson.sheet else ""
    links = [_link(previous, "← {}"), f"[index]({INDEX.name})", _link(following, "{} →")]
    return f"---\n{sheet}" + "  |  ".join(link for link in links if link)


def with_navigation(lesson: Lesson, previous: Lesson | None, following: Lesson | None) -> Any:
    """The lesson's notebook with its last cell as it should be."""
    from nbformat.v4 import new_markdown_cell

    notebook = book.read(lesson.path)
    kept = [cell for cell in notebook.cells if TAG not in cell.metadata.get("tags", [])]
    text = navigation(lesson, previous, following)
    notebook.cells = [*kept, new_markdown_cell(text, id=f"{lesson.number}-navigation", metadata={"tags": [TAG]})]
    return notebook


def index(all_lessons: list[Lesson]) -> Any:
    """The index: every lesson with its promise, its time, its sheet."""
    from nbformat.v4 import new_markdown_cell, new_notebook

    total = sum(lesson.minutes for lesson in all_lessons)
    cells = [
        "# The workbook\n\nSigned webhooks of three senders flow through a broker, a stream processor and a lakehouse"
        " to dashboards. Every step of that way is a lesson here, and the same files run in production."
        f"\n\n{len(all_lessons)} lessons, {total // 60} h {total % 60} min in all. Begin with the first one: it starts"
        " the stack. Each lesson can be run alone, and again."
    ]
    for title, first, last in PARTS:
        rows = [_row(lesson) for lesson in all_lessons if first <= lesson.number <= last]
        if rows:
            cells.append(f"## {title}\n\n| lesson | what it shows | minutes | exercises |\n|:--|:--|--:|:--|\n"
                         + "\n".join(rows))  # fmt: skip
    return new_notebook(
        cells=[new_markdown_cell(text, id=f"index-{position:02d}") for position, text in enumerate(cells)],
        metadata=dict(book.METADATA),
    )


def _row(lesson: Lesson) -> str:
    sheet = f"[sheet](../exercises/{lesson.sheet.name})" if lesson.sheet else ""
    return f"| [{lesson.title}]({lesson.path.name}) | {lesson.promise} | {lesson.minutes} | {sheet} |"


def wanted() -> dict[Path, str]:
    """Every file that is generated here, with the text that it should have. Raises `BadLesson`."""
    found = book.lessons()
    around = zip(found, [None, *found[:-1]], [*found[1:], None], strict=True)
    files = {lesson.path: book.text(with_navigation(lesson, before, after)) for lesson, before, after in around}
    return {**files, INDEX: book.text(index(found))}


def stale() -> list[str]:
    """Names of the files that are not as generated.

    What an editor notes in the index about the kernel is none of the index: any that saves it writes its own.
    """
    return [path.name for path, new in wanted().items() if not path.exists() or _without_notes(path) != new]


def _without_notes(path: Path) -> str:
    """A file's text; the index without what an editor adds to its metadata."""
    if path != INDEX:
        return path.read_text(encoding="utf-8")
    notebook = book.read(path)
    as_committed(notebook.metadata)
    return book.text(notebook)


def build() -> list[str]:
    """Write the files that differ; their names."""
    differ = {
        path: new for path, new in wanted().items() if not path.exists() or path.read_text(encoding="utf-8") != new
    }
    for path, new in differ.items():
        path.write_text(new, encoding="utf-8")
    return [path.name for path in differ]
