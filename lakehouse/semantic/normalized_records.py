"""semantic.normalized_records: each sender's record of a person, as sent and in comparable form.

Written by the step of `blocking_index`. Only records that have changed since last time are normalised.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse import metadata
from lakehouse.semantic import records
from lakehouse.semantic.correspondence import Correspondence, compare
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


def bring_up(sent: pa.Table, before: pa.Table) -> tuple[pa.Table, Correspondence]:
    """The records normalised, sorted by key; of those that are as `before`, in whatever order, what was made before.

    Also where each of them was in `before`.
    """
    if not before.num_rows:
        people = records.normalise(sent)
        return people, Correspondence(np.full(people.num_rows, -1), np.zeros(people.num_rows, dtype=bool), 0)
    found = compare(sent.select(SENT.names), before.select(SENT.names))
    changed = np.flatnonzero(~found.same)
    made = sent.take(pa.array(changed))
    order = pc.sort_indices(made.select(records.KEY), records.BY_KEY).to_numpy().astype(np.int64)
    kept = found.place[found.same]
    people, order = _together(before, kept, records.normalise(made.take(pa.array(order))), order)
    place = np.concatenate([kept, found.place[changed]])[order]
    return people, Correspondence(place, order < len(kept), before.num_rows)


def changed_ids(people: pa.Table, before: pa.Table, origin: Correspondence) -> pa.Array:
    """Ids of all records that were added, changed or taken away."""
    now = people.column("source_id").filter(pa.array(~origin.same))
    gone = before.column("source_id").take(pa.array(origin.gone()))
    return pc.unique(pa.chunked_array([*now.chunks, *gone.chunks], pa.string()))


def _together(before: pa.Table, kept: np.ndarray, made: pa.Table, numbers: np.ndarray) -> tuple[pa.Table, np.ndarray]:
    """Some of the rows of before and the new ones, sorted by key, and for each its number: among the kept, or behind
    them its one of `numbers`. The wide rows are moved once.
    """
    both = pa.concat_tables([before, made.select(before.column_names).cast(before.schema)])
    places = np.concatenate([kept, np.arange(before.num_rows, both.num_rows)])
    order = pc.sort_indices(both.select(records.KEY).take(places), records.BY_KEY).to_numpy()
    chosen = pa.array(places[order])
    with ThreadPoolExecutor() as pool:
        columns = list(pool.map(lambda column: column.take(chosen), both.columns))
    taken = pa.table(columns, schema=both.schema)
    return taken, np.concatenate([np.arange(len(kept)), len(kept) + numbers])[order]
