"""Every notebook keeps the house's rules: one tagged parameters cell, no outputs, no hosts, no secrets, no sleep."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from lakehouse.runner import KERNEL, NOTEBOOK_DIR

NOTEBOOKS = sorted(NOTEBOOK_DIR.glob("[0-9][0-9]_*.ipynb"))
FORBIDDEN = {
    "a host or port": r"127\.0\.0\.1|localhost|:\d{4}\b",
    "a sleep": r"\bsleep\(",
    "a password": r"password\s*=\s*['\"]",
    "a swallowed error": r"except[^:]*:\s*pass",
}


def test_there_is_one_for_each_task_of_the_dag() -> None:
    dag = (NOTEBOOK_DIR.parent / "dags" / "lakehouse_pipeline.py").read_text(encoding="utf-8")
    named = set(re.findall(r'"(\d\d_\w+)"', dag))
    assert named <= {path.stem for path in NOTEBOOKS}
    assert len(named) == 8


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def book(request: pytest.FixtureRequest) -> Any:
    path: Path = request.param
    return nbformat.read(path, as_version=4)


def test_one_parameters_cell_with_a_run_id(book: Any) -> None:
    tagged = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert "run_id = " in tagged[0].source


def test_it_is_stripped_and_names_the_kernel(book: Any) -> None:
    assert book.metadata.kernelspec.name == KERNEL
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_it_begins_with_a_title_and_explains_itself(book: Any) -> None:
    assert book.cells[0].cell_type == "markdown"
    assert book.cells[0].source.startswith("# ")
    assert sum(cell.cell_type == "markdown" for cell in book.cells) >= 3 or "Reconcile" in book.cells[0].source


@pytest.mark.parametrize("what", FORBIDDEN)
def test_it_holds_nothing_that_belongs_elsewhere(book: Any, what: str) -> None:
    code = "\n".join(cell.source for cell in book.cells if cell.cell_type == "code")
    assert not re.search(FORBIDDEN[what], code), what
