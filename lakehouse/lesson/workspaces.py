"""A learner's own copies of lessons and sheets, so that several work on one machine without writing into one file.

They lie in the stack's data folder, `learners/<name>/`, with the same folders as the repository: links between lessons
and sheets lead to one's own copies. What a learner has changed is never overwritten, unless they ask for it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lakehouse.lesson import learners, sheets
from lakehouse.lesson.book import EXERCISE_DIR
from lakehouse.runner import NOTEBOOK_DIR
from lakehouse.settings import get_settings


def folder(name: str) -> Path:
    """Where a learner's copies are, or would be. Raises `BadName`."""
    return get_settings().data_dir / "learners" / learners.check_name(name)


def prepare(name: str) -> Path:
    """Copy the lessons and sheets that this learner has not got yet; returns their folder."""
    for source in (NOTEBOOK_DIR, EXERCISE_DIR):
        target = folder(name) / source.name
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(source.glob("*.ipynb")):
            if not (target / path.name).exists():
                shutil.copyfile(path, target / path.name)
    return folder(name)


def sheet_of(solution: Path, name: str) -> Path:
    """The sheet that this learner works on: their own copy where they have one, else the repository's."""
    own = folder(name) / EXERCISE_DIR.name / f"{solution.stem}.ipynb"
    return own if own.exists() else sheets.sheet_of(solution)


def remove(name: str) -> bool:
    """Delete a learner's copies; whether there were any."""
    there = folder(name).exists()
    if there:
        shutil.rmtree(folder(name))
    return there
