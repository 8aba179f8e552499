"""Which record of now was which record of an earlier table, and whether anything of it has changed since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Correspondence:
    """By position now: `place`, the position before, -1 for a new record; `same`, whether every column is as it was.

    `records` is how many there were before.
    """

    place: Numbers
    same: Numbers
    records: int

    def now(self) -> Numbers:
        """By position before: the position now, -1 where the record is gone."""
        positions = np.full(self.records, -1, dtype=np.int64)
        known = np.flatnonzero(self.place >= 0)
        positions[self.place[known]] = known
        return positions

    def gone(self) -> Numbers:
        """Positions before of the records that are no more."""
        return np.flatnonzero(self.now() < 0)


def compare(now: pa.Table, before: pa.Table) -> Correspondence:
    """The correspondence of two tables of the same columns by (source, source_id), in whatever order their rows are."""
    import duckdb

    # a column without any value, as two of the three senders have many, needs no look at its rows
    said = [
        name for name in now.column_names
        if name not in ("source", "source_id")
        and (now[name].null_count < now.num_rows or before[name].null_count < before.num_rows)
    ]  # fmt: skip
    same = " AND ".join(f'n."{name}" IS NOT DISTINCT FROM b."{name}"' for name in said) or "true"
    with duckdb.connect() as con:
        for name, rows in (("n", now), ("b", before)):
            needed = rows.select(["source", "source_id", *said])
            con.register(name, needed.append_column("_place", pa.array(np.arange(rows.num_rows))))
        found = con.execute(
            f"SELECT n._place AS now, b._place AS before, {same} AS same"
            " FROM n JOIN b ON n.source = b.source AND n.source_id = b.source_id"
        ).fetchnumpy()
    result = Correspondence(
        np.full(now.num_rows, -1, dtype=np.int64), np.zeros(now.num_rows, dtype=bool), before.num_rows
    )
    result.place[found["now"]] = found["before"]
    result.same[found["now"]] = found["same"]
    return result
