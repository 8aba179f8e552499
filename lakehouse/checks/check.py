"""One line of the ledger, and how a check reads tables: always at the snapshot that the next table was made from."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from lakehouse import incremental, metadata

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NAMED = 5
"""How many rows that do not agree a line names."""


@dataclass(frozen=True)
class Check:
    """Two numbers that must be equal: rows, or money in major units of `currency`.

    `detail` names the rows that do not agree; a line with a detail is not balanced even if its numbers are equal, for
    a row too many can hide one too few. `note` is for the reader and takes part in nothing.
    """

    check: str
    left_name: str
    left: Decimal | int
    right_name: str
    right: Decimal | int
    currency: str | None = None
    detail: str = ""
    note: str = ""

    @property
    def balanced(self) -> bool:
        return self.left == self.right and not self.detail


def read_up_to(source: str, target: str) -> int | None:
    """The snapshot of `source` that `target` has read; None if it never has."""
    known = metadata.watermarks(target).get(source)
    return known.last_snapshot_id if known else None


def read_by(spark: SparkSession, source: str, target: str) -> DataFrame:
    """`source` as `target` has read it; as it is now if it never has."""
    return incremental.read_at(spark, source, read_up_to(source, target))


def waiting(source: str, target: str) -> str:
    """A note when `source` has a newer snapshot than the one that `target` was made from; else nothing."""
    known = metadata.watermarks(target).get(source)
    current = incremental.history(source)[1]
    if current is None or (known is not None and known.last_snapshot_id == current):
        return ""
    return f"newer rows in {source}: for the next run"


def named(what: str, rows: list[str]) -> str:
    """The first few rows by name, and how many there are; nothing for none."""
    if not rows:
        return ""
    more = f", … ({len(rows):,} in all)" if len(rows) > NAMED else ""
    return f"{what}: {', '.join(rows[:NAMED])}{more}"
