"""Every lesson keeps the skeleton, and navigation and index are as generated; each rule is proved to complain."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from ipykernel.ipkernel import IPythonKernel
from nbformat.v4 import new_code_cell, new_markdown_cell

from lakehouse.lesson import book, navigation, site, skeleton

LESSONS = book.paths()
GOOD = next(path for path in LESSONS if path.stem == "05_staging")


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_keeps_the_rules(path: Path) -> None:
    assert skeleton.complaints(path) == []


def test_navigation_and_index_are_as_generated() -> None:
    differ = [path.name for path, text in navigation.wanted().items() if path.read_text(encoding="utf-8") != text]
    assert differ == [], "run `lakehouse lessons build`"


INDEX = navigation.INDEX.name


@pytest.mark.parametrize(("change", "stale"), [("language", []), ("cell", [INDEX]), ("kernel", [INDEX])])
def test_only_what_an_editor_notes_in_the_index_may_differ(
    change: str, stale: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = book.read(navigation.INDEX)
    if change == "language":
        notebook.metadata.language_info = IPythonKernel.language_info
    elif change == "cell":
        notebook.cells[1].source += "\n"
    else:
        notebook.metadata.kernelspec.name = "python3"
    saved = tmp_path / navigation.INDEX.name
    saved.write_text(book.text(notebook), encoding="utf-8")
    monkeypatch.setattr(navigation, "INDEX", saved)
    assert navigation.stale() == stale


def test_every_link_of_a_lesson_leads_to_a_file() -> None:
    for path in [*LESSONS, navigation.INDEX]:
        for cell in book.read(path).cells:
            targets = re.findall(r"\]\(([^)#:]+)\)", cell.source) if cell.cell_type == "markdown" else []
            for target in targets:
                assert (path.parent / target).is_file(), f"{path.name} links to {target}"


def _code(source: str, **metadata: Any) -> Any:
    return new_code_cell(source, metadata=metadata)


BAD: dict[str, tuple[str, Any]] = {
    "a host": ("holds a host or a port", _code('url = "http://127.0.0.1:8090"')),
    "a sleep": ("holds a sleep", _code("time.sleep(3)")),
    "a password": ("holds a password", _code('password = "x"')),
    "swallowed": ("holds a swallowed error", _code("try:\n    f()\nexcept ValueError: pass")),
    "exit": ("holds a silent success", _code("sys.exit(0)")),
    "long": ("has 19 lines", _code("\n".join(["x = 1"] * 19))),
    "second parameters": ("2 cells tagged", _code("x = 1  # one", tags=["parameters"])),
    "outputs": ("stored with its output", new_code_cell("x", execution_count=1)),
    "a service more": ("uses Trino, and `Before you start` does not name it", _code("trino.query('SELECT 1')")),
    "section after": ("does not end with", new_markdown_cell("## More")),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_cell_is_complained_about(what: str, tmp_path: Path) -> None:
    says, cell = BAD[what]
    notebook = book.read(GOOD)
    notebook.cells.append(cell)
    copy = tmp_path / GOOD.name
    nbformat.write(notebook, copy)
    assert any(says in complaint for complaint in skeleton.complaints(copy))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("**You will learn**", "", "list of what is learned"),
        ("**Time:**", "Time", "Time:"),
        ("**Before you start:**", "", "Before you start"),
        ("services: catalog, object store, Spark", "services: catalog, Spark", "uses object store"),
        ("; services:", "; needs", "names no services"),
        ("the stack is up", "lesson [17](17_maintenance.ipynb)", "needs lesson 17, which comes later"),
        ("## Recap", "## Summary", "no section `## Recap`"),
        ("assert ", "bool ", "asserts nothing"),
        ("px.", "py.", "has no picture"),
        ("  # the staging table to bring up to date", "", "no trailing comment"),
        ('run_id = "by-hand"', "run_id = str(1)", "more than literals"),
    ],
)
def test_what_is_missing_is_complained_about(old: str, new: str, says: str, tmp_path: Path) -> None:
    notebook = book.read(GOOD)
    for cell in notebook.cells:
        cell.source = cell.source.replace(old, new)
    copy = tmp_path / GOOD.name
    nbformat.write(notebook, copy)
    assert any(says in complaint for complaint in skeleton.complaints(copy))


def test_links_of_the_site_lead_to_pages(tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    links = '<a href="05_staging.ipynb">x</a><a href="index.ipynb">i</a>'
    page.write_text(f'{links}<a href="../exercises/05_staging.ipynb" target="_blank">s</a>', encoding="utf-8")
    site._link_pages(page)
    wanted = '<a href="05_staging.html">x</a><a href="index.html">i</a><code>exercises/05_staging.ipynb</code>'
    assert page.read_text(encoding="utf-8") == wanted


def test_the_sites_index_says_what_failed() -> None:
    lesson = book.lesson(GOOD)
    page = site.index_page([site.Executed(lesson, 3.2, "cell 4: <boom>")])
    assert "&lt;boom&gt;" in page
    assert f"{GOOD.stem}.html" in page


def test_the_sites_index_keeps_what_ran_before(tmp_path: Path) -> None:
    first, second = book.lesson(LESSONS[0]), book.lesson(LESSONS[1])
    site.remember(tmp_path, site.Executed(second, 2.0, "cell 4: boom"))
    site.remember(tmp_path, site.Executed(first, 3.0))
    assert site.remember(tmp_path, site.Executed(second, 1.0)) == [
        site.Executed(first, 3.0), site.Executed(second, 1.0),
    ]  # fmt: skip


def test_an_unknown_lesson_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="05_staging"):
        site.chosen(["77"])
    assert [lesson.path for lesson in site.chosen([GOOD.stem[:2]])] == [GOOD]


def test_navigation_leads_on_and_back() -> None:
    one, two = book.lesson(LESSONS[0]), book.lesson(LESSONS[1])
    assert "←" not in navigation.navigation(one, None, two)
    assert two.path.name in navigation.navigation(one, None, two)
    assert one.path.name in navigation.navigation(two, one, None)


def test_the_generated_files_are_repeatable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in LESSONS:
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(book, "NOTEBOOK_DIR", tmp_path)
    monkeypatch.setattr(navigation, "INDEX", tmp_path / "index.ipynb")
    assert navigation.build() == ["index.ipynb"]
    assert navigation.build() == []
