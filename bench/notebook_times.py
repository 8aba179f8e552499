"""Where the seconds of a notebook task went, from what it leaves: the executed copy, its HTML, Airflow's own times."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Times:
    """Seconds of one task. `cells` are those of the notebook's own work; all else is what a task costs anyway."""

    begin: float
    """From the task's start to papermill's: the process, imports, the check of the parameters."""
    kernel: float
    """Until the kernel runs its first cell."""
    imports: float
    """The cell that imports the project."""
    cells: float
    """All other cells."""
    between: float
    """Between cells, and after the last one: messages, and the executed copy being written."""
    html: float
    """The copy to read; 0 where it is written after the task's end, as in Airflow."""
    end: float
    """From what was written last to the task's end."""

    @property
    def total(self) -> float:
        return self.begin + self.kernel + self.imports + self.cells + self.between + self.html + self.end

    @property
    def overhead(self) -> float:
        return self.total - self.cells


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _imports(source: str) -> bool:
    return source.lstrip().startswith(("from lakehouse import", "import lakehouse"))


def split(notebook: dict[str, Any], html_at: float | None, began: float, ended: float) -> Times:
    """The parts of a task; moments are seconds since 1970, `html_at` None where there is no HTML yet.

    Raises `ValueError` for a copy that no run has finished.
    """
    stamp = notebook["metadata"]["papermill"]
    cells = [cell for cell in notebook["cells"] if cell["metadata"].get("papermill", {}).get("start_time")]
    if not cells or stamp.get("end_time") is None:
        raise ValueError("this notebook was not executed to its end")
    seconds = {"imports": 0.0, "cells": 0.0}
    for cell in cells:
        own = cell["metadata"]["papermill"]
        source = "".join(cell["source"])
        kind = "imports" if _imports(source) and seconds["imports"] == 0 else "cells"
        seconds[kind] += float(own["duration"] or 0)
    first = min(_at(cell["metadata"]["papermill"]["start_time"]) for cell in cells)
    start, end = _at(stamp["start_time"]), _at(stamp["end_time"])
    html = html_at - end if html_at is not None and html_at <= ended else 0.0
    return Times(
        begin=start - began, kernel=first - start, imports=seconds["imports"], cells=seconds["cells"],
        between=end - first - sum(seconds.values()), html=html, end=ended - end - html,
    )  # fmt: skip


def of_try(executed: Path, began: float, ended: float) -> Times:
    """The parts of a task from its archived try, a file `try-N.ipynb` with an HTML beside it."""
    notebook, html = json.loads(executed.read_text(encoding="utf-8")), executed.with_suffix(".html")
    return split(notebook, html.stat().st_mtime if html.exists() else None, began, ended)
