"""What is new since last time, by Iceberg snapshot id.

A clock column cannot tell: a row stamped at 10:00:00 may be committed at 10:00:05, after a reader has moved its
watermark to 10:00:03, and is then never read. A snapshot id follows commits, so what was committed later is later.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse import metadata

if TYPE_CHECKING:
    from pyiceberg.table.snapshots import Snapshot
    from pyspark.sql import DataFrame, SparkSession

log = logging.getLogger(__name__)

ADDS_ROWS = "append"
KEEPS_ROWS = "replace"
"""Compaction: the same rows in other files."""


@dataclass(frozen=True)
class Commit:
    """One snapshot of a table: its parent (None for the first), Iceberg's word for what it did, and how many rows it
    added and holds, if it says so."""

    snapshot_id: int
    parent_id: int | None
    operation: str
    added: int | None = None
    total: int | None = None


@dataclass(frozen=True)
class Window:
    """Which snapshots of a source are to be read: after `start` up to and with `end`.

    `start` None means all rows at `end`; `end` None means that the source has no snapshot. `reason` says why it
    is a full read. `same_rows`: all that was committed since `start` is compaction. `rows`: how many there are to
    read, if the snapshots say so.
    """

    source: str
    start: int | None
    end: int | None
    reason: str = ""
    same_rows: bool = False
    rows: int | None = None

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
    if current == last:
        return Window(source, last, current)
    path = list(_back(commits, current, last))
    if why := _why_all(commits, path, last):
        rows = commits[current].total if current in commits else None
        return Window(source, None, current, why, rows=rows)
    added = [commit.added for commit in path if commit.operation == ADDS_ROWS]
    known = [rows for rows in added if rows is not None]
    return Window(source, last, current, same_rows=not added, rows=sum(known) if len(known) == len(added) else None)


def _back(commits: Mapping[int, Commit], current: int, last: int | None) -> Iterator[Commit]:
    """The kept commits from the current one back to, and without, the last that was read."""
    at: int | None = current
    while at is not None and at != last and at in commits:
        yield commits[at]
        at = commits[at].parent_id


def _why_all(commits: Mapping[int, Commit], path: Sequence[Commit], last: int | None) -> str:
    """Why rows after `last` cannot be told from the others; nothing if they can."""
    if last is None:
        return "it was never read before"
    for commit in path:
        if commit.operation not in (ADDS_ROWS, KEEPS_ROWS):
            return f"snapshot {commit.snapshot_id} rewrote rows ({commit.operation})"
    ends_at = path[-1].parent_id if path else None
    if not path or (ends_at is not None and ends_at != last and ends_at not in commits):
        return f"snapshot {last} was expired"
    return "" if ends_at == last else f"snapshot {last} is not in the table's history: it was replaced"


def history(table: str) -> tuple[dict[int, Commit], int | None]:
    """All kept snapshots of a table and the id of the current one (None: no snapshot, or no such table)."""
    from pyiceberg.exceptions import NoSuchTableError

    try:
        loaded = metadata.catalog().load_table(table)
    except NoSuchTableError:
        return {}, None
    commits = {snapshot.snapshot_id: _commit(snapshot) for snapshot in loaded.snapshots()}
    current = loaded.current_snapshot()
    return commits, None if current is None else current.snapshot_id


def _commit(snapshot: Snapshot) -> Commit:
    if snapshot.summary is None:
        return Commit(snapshot.snapshot_id, snapshot.parent_snapshot_id, ADDS_ROWS)
    said = snapshot.summary.additional_properties
    added, total = (int(said[name]) if name in said else None for name in ("added-records", "total-records"))
    operation = snapshot.summary.operation.value
    return Commit(snapshot.snapshot_id, snapshot.parent_snapshot_id, operation, added, total)


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
