"""semantic.entity_index: which person each sender's record is of. Also writes semantic.entity_resolution_stats."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lakehouse import incremental, metadata
from lakehouse.merge import StepResult, merge
from lakehouse.semantic import blocking, records
from lakehouse.semantic.frames import to_frame
from lakehouse.semantic.records import Key
from lakehouse.semantic.resolution import Resolution, resolve
from lakehouse.semantic.tables import BLOCKING_INDEX, ENTITY_INDEX, ENTITY_RESOLUTION_STATS

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

TABLE = ENTITY_INDEX


def entity_rows(resolution: Resolution) -> pa.Table:
    """Rows of semantic.entity_index."""
    import pyarrow as pa
    import pyarrow.compute as pc

    people = resolution.people
    as_written = pc.binary_join_element_wise(
        people.column("first_name"), people.column("last_name"), " ", null_handling="skip"
    )
    whole = pc.if_else(pc.equal(as_written, ""), pa.scalar(None, pa.string()), as_written)
    columns = {
        "entity_id": pa.array(resolution.entity, pa.string()),
        "email_normalized": people.column("email_n"),
        "phone_normalized": people.column("phone_n"),
        "full_name": pc.coalesce(people.column("full_name"), whole),
        "match_confidence": pc.cast(pa.array(resolution.confidence), pa.decimal128(5, 2), safe=False),
    }
    kept = ("source", "source_id", "email", "phone", "first_name", "last_name", "created_at", "updated_at")
    return pa.table({**columns, **{name: people.column(name) for name in kept}})


def _previous() -> dict[Key, str]:
    rows = metadata.load(TABLE).scan(selected_fields=("source", "source_id", "entity_id")).to_arrow()
    columns = (rows.column(name).to_pylist() for name in ("source", "source_id", "entity_id"))
    return {(source, source_id): entity for source, source_id, entity in zip(*columns, strict=True)}


def _blocks(snapshot: int | None) -> pa.Table:
    import pyarrow as pa

    if snapshot is None:
        names = ("blocking_key", "blocking_type", "source", "source_id")
        return pa.table({name: pa.array([], pa.string()) for name in names})
    return metadata.load(BLOCKING_INDEX).scan(snapshot_id=snapshot).to_arrow()


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
    blocks = _blocks(sources[BLOCKING_INDEX.name])
    resolution = resolve(records.read(sources), _previous(), fill_blocks=lambda con: blocking.load(con, blocks))
    frame = to_frame(spark, TABLE, entity_rows(resolution))
    result = merge(spark, TABLE, frame, sources=sources, delete_missing=True, run_id=run_id)
    if result.changed:
        _write_stats(resolution.stats, run_id)
    return replace(result, seconds=time.monotonic() - began)
