"""Where the seconds of a task went: the parts add up to the whole, whatever the notebook did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.notebook_times import split

START = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = st.floats(0, 100).map(lambda value: round(value, 3))


def cell(source: str, at: float, duration: float) -> dict[str, Any]:
    stamp = {"start_time": (START + timedelta(seconds=at)).isoformat(), "duration": duration}
    return {"cell_type": "code", "source": source.splitlines(keepends=True), "metadata": {"papermill": stamp}}


def notebook(cells: list[dict[str, Any]], end: float) -> dict[str, Any]:
    stamp = {"start_time": START.isoformat(), "end_time": (START + timedelta(seconds=end)).isoformat()}
    text = {"cell_type": "markdown", "source": ["# a text"], "metadata": {}}
    return {"metadata": {"papermill": stamp}, "cells": [text, *cells]}


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=6), SECONDS, SECONDS, SECONDS, SECONDS)
def test_the_parts_are_the_whole(
    work: list[tuple[float, float]], kernel: float, begin: float, html: float, end: float
) -> None:
    cells, at = [], kernel
    for number, (pause, duration) in enumerate(work):
        cells.append(cell("from lakehouse import lesson" if number == 1 else f"x = {number}", at, duration))
        at += duration + pause
    t0 = START.timestamp()
    times = split(notebook(cells, at), t0 + at + html, t0 - begin, t0 + at + html + end)
    assert times.total == pytest.approx(begin + at + html + end, abs=1e-3)
    assert times.kernel == pytest.approx(kernel, abs=1e-3)
    assert times.imports == pytest.approx(work[1][1] if len(work) > 1 else 0)
    assert times.cells == pytest.approx(sum(duration for _, duration in work) - times.imports, abs=1e-3)
    assert times.between == pytest.approx(sum(pause for pause, _ in work), abs=1e-3)
    assert times.html == pytest.approx(html, abs=1e-3)


@pytest.mark.parametrize("html_at", [None, START.timestamp() + 5])
def test_a_page_that_is_written_after_the_task_is_no_part_of_it(html_at: float | None) -> None:
    t0 = START.timestamp()
    times = split(notebook([cell("x = 1", 1.0, 2.0)], 3.0), html_at, t0, t0 + 4)
    assert (times.html, times.end, times.total) == (0, pytest.approx(1), pytest.approx(4))


def test_a_copy_that_no_run_has_finished_has_no_times() -> None:
    with pytest.raises(ValueError, match="not executed"):
        split(notebook([], 1.0), 0, 0, 0)
