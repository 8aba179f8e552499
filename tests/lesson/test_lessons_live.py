"""Every lesson on the live stack, in order, under nbval. Airflow runs the same files through papermill (test_demo)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lakehouse.lesson import book
from lakehouse.runner import PROJECT_ROOT

pytestmark = [pytest.mark.notebook, pytest.mark.usefixtures("first_day")]
CELL_SECONDS = 300


def test_all_lessons_run_in_order_under_nbval() -> None:
    lessons = [str(path) for path in book.paths()]
    options = ("--nbval-lax", f"--nbval-cell-timeout={CELL_SECONDS}", "-p", "no:cacheprovider", "-q", "--timeout=0")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(PROJECT_ROOT / "notebooks"), "-c", os.devnull,
         *lessons],
        cwd=PROJECT_ROOT / "notebooks", env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
