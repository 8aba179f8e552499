"""Every task of the DAGs is a notebook that is there; what a lesson must be is checked in tests/lesson."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.lesson import skeleton
from lakehouse.runner import EXPLAINS, NOTEBOOK_DIR, UnknownParameter, check_parameters

TASKS = sorted((NOTEBOOK_DIR / "tasks").glob("*.ipynb"))


def test_there_is_one_for_each_task_of_the_dag() -> None:
    dag = (NOTEBOOK_DIR.parent / "dags" / "lakehouse_pipeline.py").read_text(encoding="utf-8")
    named = set(re.findall(r'"(\d\d_\w+)"', dag))
    assert named <= {path.stem for path in NOTEBOOK_DIR.glob("*.ipynb")}
    assert len(named) == 8


def test_the_small_dag_runs_the_notebooks_of_the_folder_of_tasks() -> None:
    dag = (NOTEBOOK_DIR.parent / "dags" / "workbook_daily_close.py").read_text(encoding="utf-8")
    assert set(re.findall(r'notebook_task\("(\w+)"\)', dag)) == {path.stem for path in TASKS}
    for path in TASKS:
        check_parameters(path, {"namespace": "scratch_x", "day": "2026-01-01", "run_id": "x"})
        with pytest.raises(UnknownParameter, match="dya"):
            check_parameters(path, {"dya": "2026-01-01"})


def test_a_task_that_is_no_lesson_is_stored_as_lessons_are() -> None:
    for path in TASKS:
        # the rules of parameters and of cells; the skeleton of title, recap and links is for lessons
        notebook = skeleton.book.read(path)
        found = [*skeleton._parameters(path, notebook), *skeleton._cells(path, notebook)]
        assert found == []


@pytest.mark.parametrize("path", sorted(NOTEBOOK_DIR.glob("[0-9]*.ipynb")), ids=lambda path: path.stem)
def test_no_cell_that_a_task_runs_needs_one_that_it_leaves_out(path: Path) -> None:
    code = [cell for cell in skeleton.book.read(path).cells if cell.cell_type == "code"]
    kept = "\n".join(cell.source for cell in code if EXPLAINS not in cell.metadata.get("tags", []))
    rules = ["check", "--isolated", "--select=F821", "--config=builtins=['display']", "--quiet", "-"]
    command = [sys.executable, "-m", "ruff", *rules]
    done = subprocess.run(command, input=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
