"""Every task of the DAG is a notebook that is there; what a notebook must be is checked in tests/lesson."""

from __future__ import annotations

import re

from lakehouse.runner import NOTEBOOK_DIR


def test_there_is_one_for_each_task_of_the_dag() -> None:
    dag = (NOTEBOOK_DIR.parent / "dags" / "lakehouse_pipeline.py").read_text(encoding="utf-8")
    named = set(re.findall(r'"(\d\d_\w+)"', dag))
    assert named <= {path.stem for path in NOTEBOOK_DIR.glob("*.ipynb")}
    assert len(named) == 8
