"""semantic.blocking_index: the keys that every record can be found by. Also writes semantic.normalized_records."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from lakehouse import incremental, metadata
from lakehouse.arrow_merge import merge_arrow
from lakehouse.merge import StepResult, batch_id
from lakehouse.semantic import blocking, normalized_records, records
from lakehouse.semantic.resolution import connect
from lakehouse.semantic.tables import BLOCKING_INDEX, NORMALIZED_RECORDS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TABLE = BLOCKING_INDEX
SOURCES = tuple(records.SOURCES)


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Normalise the staged records that have changed and bring the index up to them; nothing when none has."""
    began = time.monotonic()
    sources = incremental.snapshots(SOURCES)
    if incremental.unchanged(spark, sources, TABLE.name):
        return StepResult(TABLE.name)
    known = metadata.watermarks(TABLE.name)
    # after `metadata.forget` everything is made anew
    trusted = any(known[source].last_snapshot_id is not None for source in sources if source in known)
    before = normalized_records.read(None)
    before = before if trusted else before.slice(0, 0)
    people, origin = normalized_records.bring_up(normalized_records.read_staged(sources), before)
    batch = batch_id(TABLE.name, known, sources)
    with connect() as con:
        blocking.register(con, people)
        blocking.index(con)
        rows = blocking.index_rows(con)
    only = normalized_records.changed_ids(people, before, origin) if trusted else None
    # the index first: when it is there and the records are not, the next run finds the same change and repeats it
    result = merge_arrow(
        TABLE, rows, by="source_id", only=only, sources=sources, run_id=run_id, watermark=False, batch=batch
    )
    merge_arrow(
        NORMALIZED_RECORDS,
        people,
        by="source_id",
        only=only,
        sources=sources,
        run_id=run_id,
        watermark=False,
        batch=batch,
    )
    metadata.advance(TABLE.name, sources, batch)
    return replace(result, seconds=time.monotonic() - began)
