"""semantic.entity_index: which person each sender's record is of. Also writes semantic.entity_resolution_stats."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lakehouse import incremental, metadata
from lakehouse.merge import StepResult, merge
from lakehouse.semantic import blocking, records
from lakehouse.semantic.frames import to_frame
from lakehouse.semantic.records import Key, Record
from lakehouse.semantic.resolution import Resolution, resolve
from lakehouse.semantic.tables import BLOCKING_INDEX, ENTITY_INDEX, ENTITY_RESOLUTION_STATS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TABLE = ENTITY_INDEX


def entity_rows(people: list[Record], resolution: Resolution) -> list[dict[str, Any]]:
    """Rows of semantic.entity_index."""
    return [
        {
            "entity_id": resolution.entity[record.key],
            "source": record.source,
            "source_id": record.source_id,
            "email": record.email,
            "email_normalized": record.email_n,
            "phone": record.phone,
            "phone_normalized": record.phone_n,
            "first_name": record.first_name,
            "last_name": record.last_name,
            "full_name": record.full_name,
            "match_confidence": resolution.confidence[record.key],
            "created_at": record.created_at,
            "updated_at": record.updated_at,
        }
        for record in people
    ]


def _previous() -> dict[Key, str]:
    rows = metadata.load(TABLE).scan(selected_fields=("source", "source_id", "entity_id")).to_arrow().to_pylist()
    return {(row["source"], row["source_id"]): row["entity_id"] for row in rows}


def _blocking_rows(snapshot: int | None) -> list[blocking.BlockingRow]:
    if snapshot is None:
        return []
    rows = metadata.load(BLOCKING_INDEX).scan(snapshot_id=snapshot).to_arrow().to_pylist()
    return [blocking.BlockingRow(**row) for row in rows]


def _write_stats(stats: Mapping[tuple[str, str], float], run_id: str) -> None:
    now = datetime.now(UTC)
    metadata.append(
        ENTITY_RESOLUTION_STATS,
        [
            {"run_id": run_id, "metric": metric, "value": float(value), "detail": detail, "created_at": now}
            for (metric, detail), value in sorted(stats.items())
        ],
    )


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Resolve the staged records again when they or their keys have changed; entities keep their ids.

    Deleted and merged records stay, so that their orders remain the person's.
    """
    began = time.monotonic()
    sources = incremental.snapshots([*records.SOURCES, BLOCKING_INDEX.name])
    if incremental.unchanged(spark, sources, TABLE.name):
        return StepResult(TABLE.name)
    people = records.read(sources)
    known = {record.key for record in people}
    index = [row for row in _blocking_rows(sources[BLOCKING_INDEX.name]) if (row.source, row.source_id) in known]
    resolution = resolve(people, blocking.candidates(index), _previous())
    frame = to_frame(spark, TABLE, entity_rows(people, resolution))
    result = merge(spark, TABLE, frame, sources=sources, delete_missing=True, run_id=run_id)
    if result.changed:
        _write_stats(resolution.stats, run_id)
    return replace(result, seconds=time.monotonic() - began)
