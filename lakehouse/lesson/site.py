"""Executed copies of all lessons as a folder of pages that can be read offline, with an index."""

from __future__ import annotations

import html
import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.lesson import book, navigation
from lakehouse.lesson.book import Lesson
from lakehouse.lesson.footprint import Watch
from lakehouse.runner import NotebookFailed, run_notebook
from lakehouse.settings import get_settings

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1f2937}
h2{margin:2rem 0 .5rem;font-size:1.2rem}table{border-collapse:collapse;width:100%;table-layout:fixed}
td,th{text-align:left;vertical-align:top;padding:.5rem;border-bottom:1px solid #e5e7eb}th:nth-child(1){width:28%}
td.n,th.n{text-align:right;width:6rem}.failed{color:#b91c1c}a{color:#1d4ed8}"""

BOOK = "executed.json"
"""Beside the pages: the last run of each lesson."""


@dataclass(frozen=True)
class Executed:
    """One lesson's last run: `seconds` it took, its error where it failed, and the largest memory of each service
    meanwhile, in MB."""

    lesson: Lesson
    seconds: float
    error: str = ""
    memory_mb: dict[str, float] = field(default_factory=dict)


def run_all(folder: Path, lessons: list[Lesson], run_id: str) -> Iterator[Executed]:
    """Run lessons in order, each to its page; a failed one stops no other.

    The index is written after each, with all lessons that have a page: of this run or of one before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for lesson in lessons:
        archive, began, error = folder / "tries" / lesson.path.stem, time.monotonic(), ""
        try:
            with Watch(get_settings()) as watch:
                page = run_notebook(lesson.path.stem, {"run_id": run_id}, archive).html
        except NotebookFailed as failed:
            error, page = str(failed), max(archive.glob("try-*.html"), key=lambda path: path.stat().st_mtime)
        shutil.copyfile(page, folder / f"{lesson.path.stem}.html")
        _link_pages(folder / f"{lesson.path.stem}.html")
        one = Executed(lesson, time.monotonic() - began, error, watch.peak)
        (folder / "index.html").write_text(index_page(remember(folder, one)), encoding="utf-8")
        yield one


def remember(folder: Path, one: Executed) -> list[Executed]:
    """Note a run in the site's book; gives the last run of each lesson that there is, in the lessons' order."""
    file = folder / BOOK
    noted = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    noted[one.lesson.path.stem] = {"seconds": round(one.seconds, 1), "error": one.error, "memory_mb": one.memory_mb}
    file.write_text(json.dumps(noted, indent=1) + "\n", encoding="utf-8")
    return last_runs(folder)


def last_runs(folder: Path) -> list[Executed]:
    """The last run of each lesson that the site's book has, in the lessons' order."""
    file = folder / BOOK
    noted = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    lessons = [lesson for lesson in book.lessons() if lesson.path.stem in noted]
    return [Executed(lesson, **noted[lesson.path.stem]) for lesson in lessons]


def _link_pages(page: Path) -> None:
    """Links between lessons lead to pages, not to notebooks; a sheet, which is no page, is only named."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r'href="((?:\d\d_\w+|index))\.ipynb"', r'href="\1.html"', text)
    text = re.sub(r'<a href="\.\./(exercises/\w+\.ipynb)"[^>]*>.*?</a>', r"<code>\1</code>", text)
    page.write_text(text, encoding="utf-8")


def index_page(done: list[Executed]) -> str:
    """The site's first page, in the parts of the workbook's own index."""
    parts = []
    for title, first, last in navigation.PARTS:
        rows = "\n".join(_row(one) for one in done if first <= one.lesson.number <= last)
        if rows:
            head = "<tr><th>lesson<th>what it shows<th class='n'>minutes to work<th class='n'>seconds to run</tr>"
            parts.append(f"<h2>{title}</h2><table>{head}{rows}</table>")
    failed = sum(bool(one.error) for one in done)
    said = f"{len(done)} lessons as they ran last" + (f"; <b class='failed'>{failed} failed</b>" if failed else "")
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>The workbook, executed</title><style>{STYLE}</style><h1>The workbook, executed</h1><p>{said}."
        f" Pictures show without a network; to run and change a lesson: <code>make lab</code>.</p>"
        f"{''.join(parts)}</html>"
    )


def _text(markdown: str) -> str:
    """A sentence of a lesson's first cell as HTML: emphasis and code."""
    text = re.sub(r"\*(.+?)\*", r"<em>\1</em>", html.escape(markdown))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", text)


def _row(one: Executed) -> str:
    lesson = one.lesson
    state = f"<div class='failed'>{html.escape(one.error[:300])}</div>" if one.error else ""
    return (
        f"<tr><td><a href='{lesson.path.stem}.html'>{_text(lesson.title)}</a><td>{_text(lesson.promise)}"
        f"{state}<td class='n'>{lesson.minutes}<td class='n'>{one.seconds:.0f}</tr>"
    )


def chosen(names: list[str]) -> list[Lesson]:
    """The lessons of these numbers or names; all where none is given. Raises `ValueError` for one there is not."""
    found = book.lessons()
    if not names:
        return found
    known = {key: lesson for lesson in found for key in (lesson.number, lesson.path.stem)}
    missing = [name for name in names if name not in known]
    if missing:
        raise ValueError(f"no lesson {', '.join(missing)}; there are: {', '.join(x.path.stem for x in found)}")
    return [known[name] for name in names]
