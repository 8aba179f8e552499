"""semantic.blocking_index: the keys that every record can be found by."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from lakehouse import incremental
from lakehouse.merge import StepResult, merge
from lakehouse.semantic import blocking, records
from lakehouse.semantic.frames import to_frame
from lakehouse.semantic.resolution import connect
from lakehouse.semantic.tables import BLOCKING_INDEX

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TABLE = BLOCKING_INDEX


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Bring the index up to the staged records; nothing when they are as they were."""
    began = time.monotonic()
    sources = incremental.snapshots(records.SOURCES)
    if incremental.unchanged(spark, sources, TABLE.name):
        return StepResult(TABLE.name)
    with connect() as con:
        blocking.register(con, records.read(sources))
        blocking.index(con)
        rows = blocking.index_rows(con)
    result = merge(spark, TABLE, to_frame(spark, TABLE, rows), sources=sources, delete_missing=True, run_id=run_id)
    return replace(result, seconds=time.monotonic() - began)
