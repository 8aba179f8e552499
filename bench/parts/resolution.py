"""A million records through entity resolution, whole and one percent changed: `bench.entity_resolution`, as it is."""

from __future__ import annotations

import json
from typing import Any

from bench.context import Bench, PartFailed, python
from bench.figures import Figure, Goal, Measured

QUICK_PEOPLE = 2_000
TIMEOUT_SECONDS = 3600


def figures(results: dict[str, dict[str, Any]]) -> list[Figure]:
    """Its results as figures of the suite. Raises `PartFailed` with the error of a part that has none."""
    from bench.entity_resolution import GOALS

    for name in ("full", "delta", "quality"):
        if "error" in results[name]:
            raise PartFailed(f"{name}: {results[name]['error']}")
    full, delta, quality, plain = (results.get(name, {}) for name in ("full", "delta", "quality", "plain"))
    beside = f"plain Splink: {plain['seconds']:.0f} s, F1 {plain['f1']:.3f}" if "f1" in plain else ""
    return [
        Figure("a million records", full["seconds"], "s", Goal(GOALS["seconds"]),
               f"{full['records']:,} records; {beside or 'plain Splink did not end'}"),
        Figure("its peak memory", full["memory_gb"], "GB", Goal(GOALS["memory_gb"])),
        Figure("1 % changed ÷ all", 100 * delta["seconds"] / full["seconds"], "%", Goal(100 * GOALS["delta_share"]),
               f"{delta['seconds']:.1f} s"),
        Figure("F1 over pairs", quality["f1"], "", None,
               f"precision {quality['precision']:.4f}, recall {quality['recall']:.4f}"),
    ]  # fmt: skip


def run(bench: Bench) -> Measured:
    """In its own stack, with this one down: both would want the memory."""
    bench.stack.end()
    people = bench.size(bench.people, QUICK_PEOPLE)
    python("bench.entity_resolution", "--people", people, timeout=TIMEOUT_SECONDS)
    file = bench.settings.home / "bench" / "entity_resolution.json"
    results: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return Measured(tuple(figures(results)), results)
