"""A million records through entity resolution, whole and one percent changed: `bench.entity_resolution`, as it is."""

from __future__ import annotations

import json
from typing import Any

from bench.context import Bench, PartFailed, python
from bench.figures import Figure, Goal, Measured

QUICK_PEOPLE = 2_000
TIMEOUT_SECONDS = 7200


def figures(results: dict[str, dict[str, Any]]) -> list[Figure]:
    """Its results as figures of the suite. Raises `PartFailed` with the error of a part that has none."""
    from bench.entity_resolution import GOALS

    for name in ("full", "delta", "quality"):
        if "error" in results[name]:
            raise PartFailed(f"{name}: {results[name]['error']}")
    full, delta, quality = (results[name] for name in ("full", "delta", "quality"))
    return [
        Figure("a million records", full["seconds"], "s", Goal(GOALS["seconds"]),
               f"{full['records']:,} records; {beside(results)}"),
        Figure("its peak memory", full["memory_gb"], "GB", Goal(GOALS["memory_gb"])),
        Figure("1 % changed ÷ all", 100 * delta["seconds"] / full["seconds"], "%", Goal(100 * GOALS["delta_share"]),
               f"{delta['seconds']:.1f} s"),
        Figure("F1 over pairs", quality["f1"], "", None,
               f"precision {quality['precision']:.4f}, recall {quality['recall']:.4f}"),
    ]  # fmt: skip


def beside(results: dict[str, dict[str, Any]]) -> str:
    """How plain Splink did: on all records, else on the largest share of them that it ended in time."""
    full = results["full"]
    for name in ("plain", "plain_share"):
        part = results.get(name, {"error": ""})
        if "error" not in part:
            records = part.get("records", full["records"])
            ratio = part["seconds"] / records / (full["seconds"] / full["records"])
            return f"plain Splink on {records:,}: {ratio:.1f} times the seconds a record, F1 {part['f1']:.3f}"
    return "plain Splink did not end"


def run(bench: Bench) -> Measured:
    """In its own stack, with this one down: both would want the memory."""
    bench.stack.end()
    people = bench.size(bench.people, QUICK_PEOPLE)
    python("bench.entity_resolution", "--people", people, timeout=TIMEOUT_SECONDS)
    file = bench.settings.home / "bench" / "entity_resolution.json"
    results: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return Measured(tuple(figures(results)), results)
