"""Pictures are drawn from the results' file alone; here from a small one, as HTML, which needs no browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import pictures

TIMES = {"begin": 1.0, "kernel": 2.0, "imports": 1.0, "cells": 0.5, "between": 0.1, "html": 2.0, "end": 0.1}
LANDED = {"rows": 100, "seconds": 2.0, "cpu_seconds": 1.0}
PARTS: dict[str, dict[str, Any]] = {
    "webhooks": {"most": {"per_second": 3100.0}, "cpu_microseconds": {"ingestion": 200.0, "kafka": 90.0}},
    "landing": {"rows": 100, "flink": LANDED, "python": LANDED, "connect": {"error": "no jars"}},
    "freshness": {"checkpoint_seconds": 5.0, "seconds": [1.0, 2.0, 5.5]},
    "pipeline": {"orders": 10, "tasks": {"full": {"orders": 9.0, "publish": 1.0}, "delta": {"orders": 2.0}}},
    "task": {"tasks": {"orders": TIMES, "publish": TIMES}},
    "queries": {"rows": 10, "p50": {"totals": {"Trino": 100.0, "Spark": 300.0}}},
    "start": {"memory_mb": {"kafka": 300.0, "trino": 900.0}},
}


def test_every_picture_is_drawn_from_details_that_json_has_carried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "BROWSERS", ())
    (tmp_path / "start.png").write_bytes(b"of an earlier run")
    parts = json.loads(json.dumps({name: {"details": details} for name, details in PARTS.items()}))
    assert PARTS.keys() == pictures.DRAWN.keys()
    written = pictures.draw(parts, tmp_path)
    assert {path.name for path in written} == {path.name for path in tmp_path.glob("*")} - {"plotly.min.js"} == {
        f"{name}.html" for name in PARTS
    }  # fmt: skip
    assert all("https://cdn" not in path.read_text(encoding="utf-8") for path in written)
    assert max(path.stat().st_size for path in written) < 50_000


def test_what_was_not_measured_has_no_bar() -> None:
    made = pictures.landing(PARTS["landing"])
    assert list(made.data[0].x) == ["Flink job", "Python, pyiceberg"]
    assert list(made.data[0].y) == [50.0, 50.0]
