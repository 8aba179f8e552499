"""The balance brought forward: what a balanced ledger has counted of raw is not counted again by the next one.

Raw is only appended to, and a snapshot of it never changes. So a figure of a snapshot stays true, and the next ledger
adds what the rows that were appended since change in it. Of tables below raw, which are changed in place, it takes
over only what is of the very same snapshots. Where that cannot be told (rows were rewritten, as an erasure does; the
snapshot is not kept any more; too many rows came), or where a line does not balance this way, every row is counted;
and once a week in any case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lakehouse import incremental, metadata
from lakehouse.held import few
from lakehouse.incremental import Commit, Window
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyspark.sql import DataFrame, SparkSession

COUNTED_AGAIN_AFTER = timedelta(days=7)
TABLE = Table(
    name="metadata.brought_forward",
    grain="one row per figure that the last balanced ledger of the pipeline leaves to the next one",
    key=("part", "table", "figure"),
    columns=(
        Column("part", "string", "part of the ledger", required=True),
        Column("table", "string", "table that was counted", required=True),
        Column("figure", "string", "what was counted in it: rows, a currency, a partition's end", required=True),
        Column("value", "decimal(38,2)", "how much there is of it up to the snapshot", required=True),
        Column("snapshot_id", "long", "the table's snapshot of which that is true; null: it is no table"),
        Column("counted_at", "timestamptz", "when all rows were counted; later ones were added since", required=True),
    ),
    properties=metadata.TRIMMED,
)
TABLES = (TABLE,)
Figures = dict[str, Decimal]
"""Name of a figure → its value."""
Of = tuple[str, str]
"""(part of the ledger, table)."""


@dataclass(frozen=True)
class Counted:
    """Figures that one part of the ledger has of a table at a snapshot; `since`: when its rows were counted one by one.

    `snapshot_id` is None for what is no table.
    """

    figures: Figures
    snapshot_id: int | None
    since: datetime


@dataclass(frozen=True)
class Brought:
    """Figures of a table at `then`, and the snapshot `now` up to which `rows` were appended since, few enough to look
    at by themselves."""

    figures: Figures
    table: str
    then: int
    now: int
    rows: int

    def added(self, spark: SparkSession) -> DataFrame:
        """The rows that were appended since."""
        return incremental.read_window(spark, Window(self.table, self.then, self.now))

    def before(self, spark: SparkSession) -> DataFrame:
        """The rows of which the figures are."""
        return incremental.read_at(spark, self.table, self.then)


def bring(
    counted: Counted | None, table: str, commits: Mapping[int, Commit], now: int | None, at: datetime
) -> Brought | None:
    """What can be brought forward of a table to its snapshot `now` at a time; None: its rows have to be counted."""
    if counted is None or now is None or at - counted.since > COUNTED_AGAIN_AFTER:
        return None
    then = counted.snapshot_id
    if then is None or then not in commits:
        return None
    window = incremental.plan_window(table, commits, now, then)
    if window.full or not (window.empty or few(window.rows)):
        return None
    return Brought(counted.figures, table, then, now, 0 if window.empty else window.rows or 0)


def _holds(counted: Counted | None, now: int | None, at: datetime) -> bool:
    """Whether figures are of a table's snapshot `now`, and not too old at a time."""
    return (
        counted is not None and now is not None and counted.snapshot_id == now
        and at - counted.since <= COUNTED_AGAIN_AFTER
    )  # fmt: skip


class Forward:
    """What the last balanced ledger counted, and what this one does. The ledger's parts use it side by side: each has
    keys of its own."""

    def __init__(self, known: Mapping[Of, Counted] | None = None, now: datetime | None = None) -> None:
        self.known: Mapping[Of, Counted] = dict(known or {})
        self._now = now or datetime.now(UTC)
        self._next: dict[Of, Counted] = {}

    @classmethod
    def last(cls) -> Forward:
        """What the last balanced ledger has left."""
        return cls(_known(metadata.load(TABLE).scan().to_arrow().to_pylist()))

    def of(self, part: str, table: str, now: int | None) -> Brought | None:
        """What is known of a table at its snapshot `now`; None: its rows have to be counted."""
        counted = self.known.get((part, table))
        return None if counted is None else bring(counted, table, incremental.history(table)[0], now, self._now)

    def same(self, part: str, tables: Mapping[str, int | None]) -> Figures | None:
        """Figures that a part has of several tables together, if each still stands at the snapshot that they are of."""
        found = [self.known.get((part, table)) for table in tables]
        if not all(_holds(counted, now, self._now) for counted, now in zip(found, tables.values(), strict=True)):
            return None
        return next((counted.figures for counted in found if counted is not None), None)

    def figures(self, part: str, what: str) -> Figures:
        """Figures of what is no table; empty if there are none."""
        counted = self.known.get((part, what))
        return {} if counted is None else counted.figures

    def count(
        self, part: str, table: str, snapshot_id: int | None, figures: Mapping[str, Decimal | int], *, brought: bool
    ) -> None:
        """Remember what this ledger has found; `brought`: it has not counted every row for that."""
        known = self.known.get((part, table))
        since = known.since if brought and known is not None else self._now
        values = {name: Decimal(value) for name, value in figures.items()}
        self._next[part, table] = Counted(values, snapshot_id, since)

    @property
    def counted(self) -> Mapping[Of, Counted]:
        """What this ledger has found so far."""
        return self._next

    def keep(self) -> None:
        """Leave it to the next ledger, in place of what was known. To be called for a ledger that balances."""
        rows = list(_rows(self._next))

        def change(current: IcebergTable, mark: dict[str, str]) -> None:
            metadata.expire_oldest(current, metadata.KEPT_SNAPSHOTS)
            write = current.overwrite if current.current_snapshot() else current.append
            write(metadata.arrow(TABLE, rows), snapshot_properties=mark)

        metadata.commit(TABLE, change)


def _rows(counted: Mapping[Of, Counted]) -> Iterable[dict[str, Any]]:
    for (part, table), found in sorted(counted.items()):
        for figure, value in found.figures.items():
            yield {
                "part": part, "table": table, "figure": figure, "value": value,
                "snapshot_id": found.snapshot_id, "counted_at": found.since,
            }  # fmt: skip


def _known(rows: Iterable[Mapping[str, Any]]) -> dict[Of, Counted]:
    found: dict[Of, Counted] = {}
    for row in rows:
        of = (row["part"], row["table"])
        counted = found.setdefault(of, Counted({}, row["snapshot_id"], row["counted_at"]))
        counted.figures[row["figure"]] = row["value"]
    return found
