"""How good a resolution is, against a truth that is given. The pipeline never calls this: it knows no truth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from lakehouse.errors import LakehouseError
from lakehouse.semantic.records import Key

K = TypeVar("K", bound=Hashable)


class NothingToEvaluate(LakehouseError):
    """Prediction and truth have no record in common."""


@dataclass(frozen=True)
class Score:
    """Precision: of what was joined, the share that belongs together. Recall: of what belongs, the share joined."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True)
class Evaluation:
    """Scores over the records that prediction and truth have in common; the counts say how many that are."""

    pairwise: Score
    b_cubed: Score
    records: int
    predicted_clusters: int
    true_clusters: int
    exact_clusters: int
    largest_predicted: int
    largest_true: int
    only_predicted: int
    only_true: int


def _pairs(size: int) -> int:
    return size * (size - 1) // 2


def _share(part: float, whole: float) -> float:
    # nothing to find and nothing found is no mistake
    return part / whole if whole else 1.0


def evaluate(predicted: Mapping[K, Hashable], truth: Mapping[K, Hashable]) -> Evaluation:
    """Compare two partitions, each a record's key → its cluster's id. Counts only, so it is linear in the records.

    Raises `NothingToEvaluate`.
    """
    keys = predicted.keys() & truth.keys()
    if not keys:
        raise NothingToEvaluate("prediction and truth share no record", "check that both name records the same way")
    mine = Counter(predicted[key] for key in keys)
    real = Counter(truth[key] for key in keys)
    both = Counter((predicted[key], truth[key]) for key in keys)
    agreed = sum(_pairs(n) for n in both.values())
    pairwise = Score(
        _share(agreed, sum(_pairs(n) for n in mine.values())), _share(agreed, sum(_pairs(n) for n in real.values()))
    )
    b_cubed = Score(
        sum(n * n / mine[p] for (p, _), n in both.items()) / len(keys),
        sum(n * n / real[t] for (_, t), n in both.items()) / len(keys),
    )
    return Evaluation(
        pairwise=pairwise,
        b_cubed=b_cubed,
        records=len(keys),
        predicted_clusters=len(mine),
        true_clusters=len(real),
        exact_clusters=sum(1 for (p, t), n in both.items() if n == mine[p] == real[t]),
        largest_predicted=max(mine.values()),
        largest_true=max(real.values()),
        only_predicted=len(predicted.keys() - keys),
        only_true=len(truth.keys() - keys),
    )


def read_truth(file: Path) -> dict[Key, str]:
    """The generator's identities (`truth/identities.jsonl`): record's key → person. Raises `NothingToEvaluate`."""
    if not file.exists():
        raise NothingToEvaluate(f"there is no {file}", "only generated data has a truth: run `make demo` first")
    truth = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        truth[row["source"], str(row["source_id"])] = str(row["person_id"])
    return truth


def read_prediction() -> dict[Key, str]:
    """`semantic.entity_index` as it is now: record's key → entity."""
    from lakehouse import metadata
    from lakehouse.semantic.tables import ENTITY_INDEX

    rows = metadata.load(ENTITY_INDEX).scan(selected_fields=("source", "source_id", "entity_id")).to_arrow()
    return {(row["source"], row["source_id"]): row["entity_id"] for row in rows.to_pylist()}


def evaluate_generated(world_dir: Path) -> Evaluation:
    """The entities of the running lakehouse against the truth of the world that was sent to it."""
    return evaluate(read_prediction(), read_truth(world_dir / "truth" / "identities.jsonl"))


def record_generated(world_dir: Path, run_id: str) -> Evaluation | None:
    """Evaluate as `evaluate_generated` does and keep the figures in semantic.entity_resolution_stats.

    None, and nothing is kept, where there is no truth: the data are not generated.
    """
    import pyarrow as pa

    from lakehouse.arrow_merge import upsert_arrow
    from lakehouse.semantic.tables import ENTITY_RESOLUTION_STATS
    from lakehouse.tables import iceberg_schema

    try:
        found = evaluate_generated(world_dir)
    except NothingToEvaluate:
        return None
    values: dict[tuple[str, str], float] = {
        (f"{kind}_{part}", "against the truth"): getattr(score, part)
        for kind, score in (("pairwise", found.pairwise), ("b_cubed", found.b_cubed))
        for part in ("precision", "recall", "f1")
    }
    counts = ("records", "predicted_clusters", "true_clusters", "exact_clusters", "largest_predicted", "largest_true")
    values |= {(name, "against the truth"): float(getattr(found, name)) for name in counts}
    now = datetime.now(UTC)
    rows = [
        {"run_id": run_id, "metric": metric, "value": value, "detail": detail, "created_at": now}
        for (metric, detail), value in values.items()
    ]
    schema = iceberg_schema(ENTITY_RESOLUTION_STATS).as_arrow()
    upsert_arrow(ENTITY_RESOLUTION_STATS, pa.Table.from_pylist(rows, schema=schema))
    return found
