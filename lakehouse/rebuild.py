"""A step that computes a whole table from its sources as they are, and writes only the rows that differ."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lakehouse import incremental, metadata
from lakehouse.merge import StepResult, merge
from lakehouse.tables import Table, create_all, find_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def _frames(spark: SparkSession, sources: Mapping[str, int | None]) -> list[DataFrame]:
    missing = [find_table(name) for name, snapshot in sources.items() if snapshot is None]
    if missing:
        create_all(metadata.catalog(), missing)  # a source that was never written is an empty table
    return [incremental.read_at(spark, name, snapshot) for name, snapshot in sources.items()]


def rebuild(
    spark: SparkSession,
    run_id: str,
    table: Table,
    sources: Sequence[str],
    transform: Callable[..., DataFrame],
) -> StepResult:
    """Bring `table` to `transform(*sources)`, all pinned to one snapshot each; a no-op while no source has changed."""
    began = time.monotonic()
    current = incremental.snapshots(sources)
    if incremental.unchanged(spark, current, table.name):
        return StepResult(table.name)
    frame = transform(*_frames(spark, current))
    result = merge(spark, table, frame, sources=current, delete_missing=True, run_id=run_id)
    return replace(result, seconds=time.monotonic() - began)
