"""semantic.normalized_records: each sender's record of a person, as sent and in comparable form.

Written by the step of `blocking_index`. Only records that have changed since last time are normalised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse import metadata
from lakehouse.semantic import records
from lakehouse.semantic.records import SENT, SOURCES
from lakehouse.semantic.tables import NORMALIZED_RECORDS

if TYPE_CHECKING:
    from lakehouse.row_delta import Stored

TABLE = NORMALIZED_RECORDS


def read_staged(snapshots: Mapping[str, int | None]) -> pa.Table:
    """Records of the staging tables at these snapshots, as sent; a table without a snapshot has none.

    Read by pyiceberg into this process: no JVM holds them twice.
    """
    parts = [SENT.empty_table()]
    for table, source in SOURCES.items():
        snapshot = snapshots.get(table)
        if snapshot is not None:
            found = metadata.catalog().load_table(table).scan(snapshot_id=snapshot).to_arrow()
            parts.append(records.from_staging(found, source))
    return pa.concat_tables(parts)


def read(snapshot: int | None) -> pa.Table:
    """The table at a snapshot, sorted by key; None: as it is now."""
    return records.sorted_by_key(of_rows(metadata.load(TABLE).scan(snapshot_id=snapshot).to_arrow()))


def stored(snapshot: int | None = None) -> Stored:
    """The table at a snapshot with the places of its rows; None: as it is now."""
    from lakehouse.row_delta import read as read_stored

    return read_stored(metadata.load(TABLE), snapshot_id=snapshot)


def of_rows(rows: pa.Table) -> pa.Table:
    """Rows of the table as `records.normalise` gives them, in the order that they have."""
    fields = [*SENT, *(pa.field(name, pa.string()) for name in records.COMPARABLE)]
    return rows.select([field.name for field in fields]).cast(pa.schema(fields))


def bring_up(sent: pa.Table, before: pa.Table) -> tuple[pa.Table, pa.Array]:
    """The records normalised, sorted by key; of those that are as `before`, in whatever order, what was made before.

    Also the ids of all records that were added, changed or taken away.
    """
    import duckdb

    if not before.num_rows:
        return records.normalise(sent), pc.unique(sent.column("source_id"))
    said = [name for name in SENT.names if name not in ("source", "source_id")]
    same = " AND ".join(f"s.{name} IS NOT DISTINCT FROM b.{name}" for name in said)
    with duckdb.connect() as con:
        con.register("s", _numbered(sent.select(SENT.names)))
        con.register("b", _numbered(before.select(SENT.names)))
        pairs = con.sql(
            f"SELECT s.place AS sent, b.place AS before, coalesce({same}, false) AS same"
            " FROM s FULL JOIN b ON s.source = b.source AND s.source_id = b.source_id"
        ).to_arrow_table()
    same_now = pairs.column("same")
    changed = sent.take(pairs.filter(pc.invert(same_now)).column("sent").drop_null())
    gone = before.take(pairs.filter(pc.is_null(pairs.column("sent"))).column("before")).column("source_id")
    ids = pa.chunked_array([*changed.column("source_id").chunks, *gone.chunks], pa.string())
    kept = pairs.filter(same_now).column("before")
    return _together(before, kept, records.normalise(changed)), pc.unique(ids)


def _numbered(rows: pa.Table) -> pa.Table:
    return rows.append_column("place", pa.array(np.arange(rows.num_rows)))


def _together(before: pa.Table, kept: pa.ChunkedArray, made: pa.Table) -> pa.Table:
    """Some of the rows of before and the new ones, sorted by key; the wide rows are moved once."""
    both = pa.concat_tables([before, made.select(before.column_names).cast(before.schema)])
    places = np.concatenate([kept.to_numpy(), np.arange(before.num_rows, both.num_rows)])
    order = pc.sort_indices(both.select(records.KEY).take(places), records.BY_KEY)
    return both.take(places[order.to_numpy()])
