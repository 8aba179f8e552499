"""The one way to write a table below raw: compare, write only rows that differ, and commit at most once.

Each commit carries the batch's id in its snapshot summary. The id follows from the target, the source snapshots read
and how far the target was before, so a repeat after a crash between the data's commit and the watermark's finds it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lakehouse import metadata
from lakehouse.errors import LakehouseError
from lakehouse.held import FEW_ROWS, few, hold
from lakehouse.tables import Table

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

BATCH_ID = "lakehouse.batch-id"
RUN_ID = "lakehouse.run-id"
ATTEMPTS = 4
LARGE_TABLE = 200_000
"""From so many rows on, a MERGE of a few rows writes these alone; a smaller table's files are written anew faster."""
DEAD_SHARE, DELETE_FILES = 0.2, 100
"""So much of a table may be rows that are marked as deleted, in so many files, before its files are written anew."""
INSERT, UPDATE, DELETE, SAME = "insert", "update", "delete", "same"
_ACTION = "_action"
_MODE = "write.merge.mode"
_CONFLICTS = ("CommitFailedException", "ValidationException", "Found conflicting files", "CommitStateUnknownException")
_SPARK_TYPES = {"long": "bigint", "timestamptz": "timestamp", "timestamp": "timestamp_ntz"}


@dataclass(frozen=True)
class StepResult:
    """What a step did. `read` counts source rows; `changed` is whether data was committed; seconds are wall clock."""

    table: str
    read: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    rejected: int = 0
    snapshot_id: int | None = None
    changed: bool = False
    seconds: float = 0.0


class NotOneRowPerKey(LakehouseError):
    """The rows to be merged have no key, or several rows share one."""


def is_audit(column: str) -> bool:
    """Columns that say when and by which delivery a row was written: a difference in them alone is no change."""
    return column.startswith("_") and (column.endswith("_at") or column in ("_raw_id", "_run_id", "_batch_id"))


def batch_id(target: str, before: Mapping[str, metadata.Watermark], sources: Mapping[str, int | None]) -> str:
    """The same for every repeat of a batch, another one for every other: from what, to what, after which batch."""
    parts: list[object] = [target]
    for source in sorted(sources):
        known = before.get(source, metadata.Watermark(None, None))
        parts.append([source, known.last_snapshot_id, known.batch_id, sources[source]])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def committed(table: Table, batch: str, loaded: IcebergTable | None = None) -> int | None:
    """The snapshot in which a batch was committed to a table, if it was; `loaded`: as it was loaded already."""
    for snapshot in (metadata.load(table) if loaded is None else loaded).snapshots():
        if snapshot.summary is not None and snapshot.summary.additional_properties.get(BATCH_ID) == batch:
            return snapshot.snapshot_id
    return None


def conform(frame: DataFrame, table: Table) -> DataFrame:
    """The frame with the contract's columns, in its order and types; a column that lacks is an error."""
    from pyspark.sql import functions as F

    missing = set(table.column_names) - set(frame.columns)
    if missing:
        raise LakehouseError(f"{table.name}: the transform gives no {', '.join(sorted(missing))}")
    return frame.select(
        *(F.col(c.name).cast(_SPARK_TYPES.get(c.type, c.type)).alias(c.name) for c in table.columns),
    )


def of_the_same_keys(frame: DataFrame, others: DataFrame, key: Sequence[str], rows: int | None = None) -> DataFrame:
    """The rows of `frame` whose key is in `others`, of which there are at most so many `rows`, if that is known."""
    from pyspark.sql import functions as F

    keys = others.select(*key).distinct()
    return frame.join(F.broadcast(keys) if few(rows) else keys, list(key), "left_semi")


def classify(new: DataFrame, old: DataFrame, table: Table, delete_missing: bool) -> DataFrame:
    """The contract's columns and `_action` for each key: insert, update, delete or same.

    `new` and `old` hold the contract's columns. Of rows that stay the same only the key is kept.
    """
    from pyspark.sql import functions as F

    n = new.withColumn("_in_new", F.lit(True)).alias("n")
    o = old.select(*table.column_names).withColumn("_in_old", F.lit(True)).alias("o")
    on = [F.col(f"n.{key}") == F.col(f"o.{key}") for key in table.key]
    joined = n.join(o, on, "full_outer" if delete_missing else "left")
    differs: SparkColumn = F.lit(False)
    for name in table.column_names:
        if name not in table.key and not is_audit(name):
            differs = differs | ~F.col(f"n.{name}").eqNullSafe(F.col(f"o.{name}"))
    action = (
        F.when(F.col("_in_old").isNull(), INSERT)
        .when(F.col("_in_new").isNull(), DELETE)
        .when(differs, UPDATE)
        .otherwise(SAME)
    )
    columns = [
        F.coalesce(f"n.{name}", f"o.{name}").alias(name)
        if name in table.key
        else F.when(action != SAME, F.col(f"n.{name}")).alias(name)
        for name in table.column_names
    ]
    return joined.select(*columns, action.alias(_ACTION))


def _count(changes: DataFrame, table: Table) -> dict[str, int]:
    """Rows by action. Raises `NotOneRowPerKey`."""
    from pyspark.sql import functions as F

    no_key: SparkColumn = F.lit(False)
    for key in table.key:
        no_key = no_key | F.col(key).isNull()
    rows = (
        changes.groupBy(_ACTION)
        .agg(
            F.count(F.lit(1)).alias("rows"),
            F.count_distinct(F.struct(*table.key)).alias("keys"),
            F.count_if(no_key).alias("no_key"),
        )
        .collect()
    )
    for row in rows:
        if row["no_key"] or row["rows"] != row["keys"]:
            raise NotOneRowPerKey(
                f"{table.name}: of {row['rows']} rows to {row[_ACTION]}, {row['no_key']} have no key"
                f" ({', '.join(table.key)}) and {row['rows'] - row['keys']} repeat one",
                "the transform must give one row per key",
            )
    return {row[_ACTION]: row["rows"] for row in rows}


def merge_mode(said: Mapping[str, str], changed: int) -> str:
    """How a MERGE that changes so many rows of a table is to write, by what the table's newest snapshot says of it.

    Copy on write gives the files anew that hold such a row, which may be all of them. Merge on read gives the rows, and
    marks their old ones, which every reader then has to leave out. `maintenance.compact` takes the marked rows away.
    """
    rows, dead, files = (int(said.get(f"total-{of}", 0)) for of in ("records", "position-deletes", "delete-files"))
    light = changed + dead <= DEAD_SHARE * rows and files < DELETE_FILES
    return "merge-on-read" if rows >= LARGE_TABLE and light else "copy-on-write"


def _said(table: IcebergTable) -> Mapping[str, str]:
    """What a table's newest snapshot says of the table: counts by name."""
    snapshot = table.current_snapshot()
    return snapshot.summary.additional_properties if snapshot is not None and snapshot.summary is not None else {}


def _set_mode(table: Table, changed: int) -> None:
    """Spark reads the mode from the table's properties, where a commit puts it if it is another one."""
    current = metadata.load(table)
    mode = merge_mode(_said(current), changed)
    if current.properties.get(_MODE, "copy-on-write") != mode:
        metadata.commit_properties(table, {_MODE: mode})


def _write(spark: SparkSession, table: Table, changes: DataFrame, counts: Mapping[str, int],
           summary: Mapping[str, str], within: str | None) -> None:  # fmt: skip
    """One commit: an append when all rows are new, else a MERGE of the rows that differ."""
    wanted = changes.where(f"{_ACTION} <> '{SAME}'")
    if not counts.get(UPDATE) and not counts.get(DELETE):
        writer = wanted.drop(_ACTION).writeTo(table.name)
        for key, value in summary.items():
            writer = writer.option(f"snapshot-property.{key}", value)
        writer.append()
        return
    from pyspark.sql import functions as F

    _set_mode(table, counts.get(UPDATE, 0) + counts.get(DELETE, 0))
    target = table.name.split(".")[-1]
    condition = F.expr(f"`{target}`.{within}") if within else F.lit(True)
    for key in table.key:
        condition = condition & (F.col(f"`{target}`.`{key}`") == F.col(f"s.`{key}`"))
    values = {name: F.col(f"s.`{name}`") for name in table.column_names}
    action = F.col(f"s.{_ACTION}")
    prefix = "spark.sql.iceberg.snapshot-property."
    try:
        for key, value in summary.items():
            spark.conf.set(prefix + key, value)
        (
            wanted.alias("s")
            .mergeInto(table.name, condition)
            .whenMatched(action == DELETE)
            .delete()
            .whenMatched(action == UPDATE)
            .update(values)
            .whenNotMatched(action == INSERT)
            .insert(values)
            .merge()
        )
    finally:
        for key in summary:
            spark.conf.unset(prefix + key)


Made = Callable[[ExitStack], "tuple[DataFrame, DataFrame]"]
"""Gives rows for a target and, beside them, the target's rows of their keys, from which they were made."""


@dataclass(frozen=True)
class _Part:
    """Which rows of a target a writer compares with its frame: those of a predicate, those of some keys."""

    within: str | None
    among: DataFrame | None
    delete_missing: bool
    rows: int | None


def _sides(spark: SparkSession, table: Table, frame: DataFrame | Made, part: _Part,
           kept: ExitStack) -> tuple[DataFrame, DataFrame, int | None]:  # fmt: skip
    """New rows, the target's rows to compare them with, and how many there may be of both together, if known."""
    if callable(frame):
        new, old = frame(kept)
        return conform(new, table), old, part.rows
    new, old = conform(frame, table), spark.table(table.name)
    old = old.where(part.within) if part.within else old
    if part.among is not None:
        return new, of_the_same_keys(old, part.among, table.key, FEW_ROWS), FEW_ROWS
    stored = int(_said(metadata.load(table)).get("total-records", 0))
    if part.delete_missing or not stored:
        # a table that is computed whole is expected to be about as long as it was: nothing is wrong if it is not
        return new, old, stored or part.rows
    new = hold(new, part.rows, kept)
    rows = new.count()
    return new, of_the_same_keys(old, new, table.key, rows) if few(rows) else old, rows


def _attempt(spark: SparkSession, table: Table, frame: DataFrame | Made, part: _Part,
             summary: Mapping[str, str]) -> dict[str, int]:  # fmt: skip
    with ExitStack() as kept:
        new, old, rows = _sides(spark, table, frame, part, kept)
        changes = hold(classify(new, old, table, part.delete_missing), rows, kept)
        counts = _count(changes, table)
        if any(rows for action, rows in counts.items() if action != SAME):
            _write(spark, table, changes, counts, summary, part.within)
        return counts


def merge(
    spark: SparkSession,
    table: Table,
    frame: DataFrame | Made,
    *,
    sources: Mapping[str, int | None],
    delete_missing: bool,
    run_id: str,
    within: str | None = None,
    among: DataFrame | None = None,
    rows: int | None = None,
    watermark: bool = True,
    batch: str | None = None,
) -> StepResult:
    """Bring `table` to hold `frame`'s rows, by key; rows that do not differ are not touched.

    `sources` are the snapshots that were read. `delete_missing` removes rows whose key is not in the frame.
    `within` is a predicate on one column of the target (`raw_table = 'raw.x'`) which bounds what this writer owns,
    so that two writers of different parts do not conflict. `among` are keys, at most `FEW_ROWS`, which the frame is
    about: rows of other keys stay as they are. `frame` may be a function (`Made`) where rows are made from the
    target's own: it is called for each attempt, for another writer's commit gives both anew. `rows`: the frame has at
    most so many, if that is known. `watermark` False leaves the watermark to the caller, who writes more tables
    first, and `batch` is then the id that they share. A batch that was committed before only moves the watermark.
    Raises `NotOneRowPerKey`.
    """
    began = time.monotonic()
    batch = batch or batch_id(table.name, metadata.watermarks(table.name), sources)
    result = StepResult(table.name, snapshot_id=committed(table, batch))
    if result.snapshot_id is None:
        part = _Part(within, among, delete_missing, rows)
        result = _merge_batch(spark, table, frame, part, batch, run_id)
    if watermark:
        metadata.advance(table.name, sources, batch)
    return replace(result, seconds=time.monotonic() - began)


def _merge_batch(spark: SparkSession, table: Table, frame: DataFrame | Made, part: _Part, batch: str,
                 run_id: str) -> StepResult:  # fmt: skip
    from pyspark.errors import PySparkException

    for attempt in range(1, ATTEMPTS + 1):
        try:
            counts = _attempt(spark, table, frame, part, {BATCH_ID: batch, RUN_ID: run_id})
            break
        except PySparkException as error:
            if attempt == ATTEMPTS or not any(name in str(error) for name in _CONFLICTS):
                raise
            # another writer committed first, or the answer to our commit was lost
            if (snapshot := committed(table, batch)) is not None:
                return StepResult(table.name, snapshot_id=snapshot, changed=True)
    inserted, updated, deleted = (counts.get(action, 0) for action in (INSERT, UPDATE, DELETE))
    changed = bool(inserted or updated or deleted)
    current = metadata.load(table).current_snapshot()
    return StepResult(
        table=table.name,
        read=inserted + updated + counts.get(SAME, 0),
        inserted=inserted,
        updated=updated,
        deleted=deleted,
        snapshot_id=committed(table, batch) if changed else (current.snapshot_id if current else None),
        changed=changed,
    )
