"""A step that computes a table from its sources as they are, and writes only the rows that differ."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from lakehouse import incremental, metadata
from lakehouse.held import FEW_ROWS, few, hold
from lakehouse.merge import StepResult, merge, of_the_same_keys
from lakehouse.tables import Table, create_all, find_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

WRITTEN_AT = "_staged_at"
"""The column of a staging table in which a row that was written again differs from what it was: the time of that."""


def _frames(spark: SparkSession, sources: Mapping[str, int | None]) -> dict[str, DataFrame]:
    missing = [find_table(name) for name, snapshot in sources.items() if snapshot is None]
    if missing:
        create_all(metadata.catalog(), missing)  # a source that was never written is an empty table
    return {name: incremental.read_at(spark, name, snapshot) for name, snapshot in sources.items()}


def rebuild(
    spark: SparkSession,
    run_id: str,
    table: Table,
    sources: Sequence[str],
    transform: Callable[..., DataFrame],
    *,
    by_row: str | None = None,
) -> StepResult:
    """Bring `table` to `transform(*sources)`, all pinned to one snapshot each; a no-op while no source has changed.

    `by_row` is a staging table of which each row alone gives the row of the same key, so when no other source has
    changed, only the keys whose rows have are computed.
    """
    began = time.monotonic()
    current = incremental.snapshots(sources)
    known = metadata.watermarks(table.name)
    changed = incremental.changed(known, current)
    if not changed:
        return StepResult(table.name)
    frames = _frames(spark, current)
    with ExitStack() as kept:
        keys = None
        if by_row in known and changed == [by_row]:
            keys = changed_keys(spark, by_row, known[by_row].last_snapshot_id, frames[by_row], table.key, kept)
            if keys is not None:
                frames[by_row] = of_the_same_keys(frames[by_row], keys, table.key, FEW_ROWS)
        result = merge(
            spark, table, transform(*frames.values()), sources=current, delete_missing=True, run_id=run_id, among=keys
        )
    return replace(result, seconds=time.monotonic() - began)


def changed_keys(
    spark: SparkSession, source: str, then: int | None, now: DataFrame, key: Sequence[str], kept: ExitStack
) -> DataFrame | None:
    """Keys of rows that are new, gone or written again since a snapshot of a staging table; held until `kept` ends.

    None where that takes reading everything: the snapshot is not kept any more, or more keys than a few have changed.
    """
    from pyspark.sql import functions as F

    if then is None or then not in incremental.history(source)[0]:
        return None
    marks = [*key, WRITTEN_AT]
    sides = now.select(*marks, F.lit(1).alias("side")).unionByName(
        incremental.read_at(spark, source, then).select(*marks, F.lit(-1).alias("side"))
    )
    differ = sides.groupBy(*marks).agg(F.sum("side").alias("side")).where("side <> 0")
    keys = hold(differ.select(*key).distinct(), None, kept)
    rows = keys.count()
    return hold(keys, rows, kept) if few(rows) else None
