"""Figures, goals, and the file of results."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from bench import figures
from bench.figures import Figure, Goal, Measured


@pytest.mark.parametrize(
    ("goal", "value", "verdict"),
    [
        (Goal(3000, least=True), 3000.0, "met"),
        (Goal(3000, least=True), 2999.9, "missed"),
        (Goal(8), 8.0, "met"),
        (Goal(8), 8.01, "missed"),
        (None, 1.0, ""),
    ],
)
def test_a_goal_is_met_at_its_limit(goal: Goal | None, value: float, verdict: str) -> None:
    assert Figure("x", value, "s", goal).verdict == verdict


@pytest.mark.parametrize(
    ("value", "text"),
    [(3000, "3,000"), (12, "12"), (1234.5, "1,234"), (0.01234, "0.0123"), (99.95, "100"), (8.0, "8"), (250.0, "250")],
)
def test_numbers_are_for_people(value: float, text: str) -> None:
    assert figures.number(value) == text


def test_a_part_replaces_itself_and_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    old = Measured((Figure("a", 1.23456789, "s", Goal(2)),), {"samples": [1]})
    figures.merge(file, {"cores": 2}, {"one": figures.as_json(old, seconds=3), "two": figures.as_json(old)})
    new = Measured((Figure("a", 5, "s", Goal(2)),))
    figures.merge(file, {"cores": 8}, {"one": figures.as_json(new)})
    parts = json.loads(file.read_text(encoding="utf-8"))["parts"]
    assert parts["two"]["machine"] == {"cores": 2}
    assert parts["two"]["figures"] == [{"name": "a", "value": 1.23457, "unit": "s", "goal": "≤ 2", "verdict": "met"}]
    assert parts["one"]["machine"] == {"cores": 8}
    assert parts["one"]["figures"][0]["verdict"] == "missed"
    assert parts["one"]["details"] == {}


def test_the_table_has_each_figure_and_why_a_part_has_none() -> None:
    written = io.StringIO()
    console = Console(width=160, file=written)
    console.print(figures.table([("good", Measured((Figure("speed", 1, "/s", Goal(2)),))), ("bad", "it broke")]))
    text = written.getvalue()
    assert "speed" in text
    assert "met" in text
    assert "it broke" in text
