"""The page of figures is what the results' file says, and shows every picture that there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as suite
from bench import figures, page
from bench.figures import Figure, Goal, Measured
from lakehouse.errors import LakehouseError

MACHINE = {"date": "2026-01-02", "cores": 2, "cpu": "A Processor", "memory_gb": 23.5, "system": "Linux 6.1",
           "load_before": 0.1, "versions": {"python": "3.11.7", "Kafka": "4.3.1", "other": "1"}}  # fmt: skip


def _results(verdict_at: float) -> dict[str, Any]:
    measured = Measured((Figure("the share | of it", verdict_at, "%", Goal(25), "a note"), Figure("rows", 1e6, "/s")))
    part = figures.as_json(measured, title="A part", seconds=12.3)
    return {"parts": {"task": {"machine": MACHINE, **part}}}


def test_a_figure_has_its_value_goal_and_verdict(tmp_path: Path) -> None:
    text = page.generated(_results(20.0), ["start", "task"], tmp_path)
    assert "| the share \\| of it | 20 % | ≤ 25 | met | a note |" in text
    assert "| rows | 1,000,000 /s |  |  |  |" in text
    assert "2 cores of A Processor, 23.5 GB, Linux 6.1; python 3.11.7, Kafka 4.3.1." in text
    assert "![" not in text
    assert "| **missed** |" in page.generated(_results(26.0), ["task"], tmp_path)


def test_a_picture_is_shown_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "task.png").write_bytes(b"")
    assert "![A part](../bench/pictures/task.png)" in page.generated(_results(1.0), ["task"], tmp_path)


def test_only_the_made_part_of_a_page_changes() -> None:
    before = f"# Title\n{page.BEGIN}\nold\n{page.END}\nafter\n"
    after = page.with_figures(before, "new\n")
    assert after == before.replace("old", "new")
    assert page.with_figures(after, "new\n") == after
    with pytest.raises(LakehouseError, match="no place"):
        page.with_figures("# Title", "new")


def test_the_page_says_what_the_results_say() -> None:
    out = suite.results_file(quick=False)
    text = page.PAGE.read_text(encoding="utf-8")
    made = page.generated(json.loads(out.read_text(encoding="utf-8")), list(suite.TITLES), out.parent / "pictures")
    assert page.with_figures(text, made) == text
    for name in re.findall(r"\]\(\.\./(bench/pictures/[\w.]+)\)", text):
        assert (page.PAGE.parent.parent / name).exists(), name


def test_figures_that_the_prose_repeats_are_those_of_the_table() -> None:
    """Numbers in the text are written `{value unit}` of a figure, and found in a row of the tables."""
    text = page.PAGE.read_text(encoding="utf-8")
    prose, _, made = text.partition(page.BEGIN)
    rows = made.partition(page.END)[0]
    for said in re.findall(r"\*\*([\d,.]+ (?:s|ms|/s|%|GB|µs|rows/s))\*\*", prose):
        assert f"| {said} |" in rows, said
