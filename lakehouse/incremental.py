"""What is new since last time, by Iceberg snapshot id.

A clock column cannot tell: a row stamped at 10:00:00 may be committed at 10:00:05, after a reader has moved its
watermark to 10:00:03, and is then never read. A snapshot id follows commits, so what was committed later is later.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse import metadata

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

log = logging.getLogger(__name__)

ADDS_ROWS = "append"
KEEPS_ROWS = "replace"
"""Compaction: the same rows in other files."""


@dataclass(frozen=True)
class Commit:
    """One snapshot of a table: its parent (None for the first) and Iceberg's word for what it did."""

    snapshot_id: int
    parent_id: int | None
    operation: str


@dataclass(frozen=True)
class Window:
    """Which snapshots of a source are to be read: after `start` up to and with `end`.

    `start` None means all rows at `end`; `end` None means that the source has no snapshot. `reason` says why it
    is a full read. `same_rows`: all that was committed since `start` is compaction.
    """

    source: str
    start: int | None
    end: int | None
    reason: str = ""
    same_rows: bool = False

    @property
    def empty(self) -> bool:
        return self.end is None or self.start == self.end or self.same_rows

    @property
    def full(self) -> bool:
        return not self.empty and self.start is None


@dataclass(frozen=True)
class NewRows:
    """The rows of a window, lazily, and the window, whose `end` is to be given to `merge` as the source's snapshot."""

    frame: DataFrame
    window: Window


def plan_window(source: str, commits: Mapping[int, Commit], current: int | None, last: int | None) -> Window:
    """From a table's history and the last snapshot that was read to the window to read now.

    Follows parents from the current snapshot: it reads on from `last` only when `last` is an ancestor and all
    snapshots in between appended rows or only moved them; else it reads all, and says why.
    """
    if current is None:
        return Window(source, None, None, "the source is empty")
    if last is None:
        return Window(source, None, current, "it was never read before")
    if current == last:
        return Window(source, last, current)
    at: int | None = current
    added = False
    while at is not None and at != last:
        commit = commits.get(at)
        if commit is None:
            return Window(source, None, current, f"snapshot {last} was expired")
        if commit.operation not in (ADDS_ROWS, KEEPS_ROWS):
            return Window(source, None, current, f"snapshot {at} rewrote rows ({commit.operation})")
        added = added or commit.operation == ADDS_ROWS
        at = commit.parent_id
    if at is None:
        return Window(source, None, current, f"snapshot {last} is not in the table's history: it was replaced")
    return Window(source, last, current, same_rows=not added)


def history(table: str) -> tuple[dict[int, Commit], int | None]:
    """All kept snapshots of a table and the id of the current one (None: no snapshot, or no such table)."""
    from pyiceberg.exceptions import NoSuchTableError

    try:
        loaded = metadata.catalog().load_table(table)
    except NoSuchTableError:
        return {}, None
    commits = {
        s.snapshot_id: Commit(
            s.snapshot_id, s.parent_snapshot_id, s.summary.operation.value if s.summary is not None else ADDS_ROWS
        )
        for s in loaded.snapshots()
    }
    current = loaded.current_snapshot()
    return commits, None if current is None else current.snapshot_id


def snapshots(tables: Iterable[str]) -> dict[str, int | None]:
    """The current snapshot id of each table; None for one with no snapshot."""
    return {table: history(table)[1] for table in tables}


def window(source: str, target: str) -> Window:
    """What `target` has not yet read of `source`; logs the reason when that is everything."""
    known = metadata.watermarks(target).get(source)
    commits, current = history(source)
    planned = plan_window(source, commits, current, known.last_snapshot_id if known else None)
    if planned.full:
        log.info("%s reads all of %s: %s", target, source, planned.reason)
    return planned


def read_window(spark: SparkSession, window: Window) -> DataFrame:
    """The rows of a window, pinned: what is committed meanwhile is not in it."""
    if window.empty or window.full:
        everything = read_at(spark, window.source, window.end)
        return everything.where("false") if window.empty else everything
    return (
        spark.read.format("iceberg")
        .option("start-snapshot-id", str(window.start))
        .option("end-snapshot-id", str(window.end))
        .load(window.source)
    )


def read_at(spark: SparkSession, table: str, snapshot_id: int | None) -> DataFrame:
    """A table as it was at a snapshot; as it is now when there is none to name."""
    if snapshot_id is None:
        return spark.table(table)
    return spark.sql(f"SELECT * FROM {table} VERSION AS OF {snapshot_id}")


def read_new(spark: SparkSession, source: str, target: str) -> NewRows:
    """The rows of an append-only table that `target` has not read, and their window.

    Falls back to all rows when the last snapshot was expired, the table was replaced, or rows were rewritten.
    """
    planned = window(source, target)
    return NewRows(read_window(spark, planned), planned)


def unchanged(spark: SparkSession, sources: Iterable[str] | Mapping[str, int | None], target: str) -> bool:
    """Whether `target` was already built from these sources as they are now: then its step has nothing to do.

    A source that was only compacted since then has not changed.
    """
    now = dict(sources) if isinstance(sources, Mapping) else snapshots(sources)
    return not changed(metadata.watermarks(target), now)


def changed(known: Mapping[str, metadata.Watermark], now: Mapping[str, int | None]) -> list[str]:
    """Those of the sources, as they are now, whose rows are not the ones that the watermarks in `known` stand for."""
    return [s for s in now if s not in known or not _same(s, known[s].last_snapshot_id, now[s])]


def _same(source: str, then: int | None, now: int | None) -> bool:
    """Whether two snapshots of a table hold the same rows, the second being the later one."""
    if then == now or then is None or now is None:
        return then == now
    return plan_window(source, history(source)[0], now, then).empty
