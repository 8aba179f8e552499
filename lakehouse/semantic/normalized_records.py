"""semantic.normalized_records: each sender's record of a person, as sent and in comparable form.

Written by the step of `blocking_index`. Only records that have changed since last time are normalised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse import metadata
from lakehouse.semantic import records
from lakehouse.semantic.records import SENT, SOURCES
from lakehouse.semantic.tables import NORMALIZED_RECORDS

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

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
    loaded = metadata.load(TABLE)
    return from_iceberg(loaded, snapshot)


def from_iceberg(loaded: IcebergTable, snapshot: int | None = None) -> pa.Table:
    """A table of normalised records as `records.normalise` gives it."""
    fields = [*SENT, *(pa.field(name, pa.string()) for name in records.COMPARABLE)]
    found = loaded.scan(snapshot_id=snapshot).to_arrow().cast(pa.schema(fields))
    return found.sort_by([("source", "ascending"), ("source_id", "ascending")])


def bring_up(sent: pa.Table, before: pa.Table) -> tuple[pa.Table, pa.Array]:
    """The records normalised, sorted by key; of those that are as before, what was made before.

    Also the ids of all records that were added, changed or taken away.
    """
    import duckdb

    if not before.num_rows:
        return records.normalise(sent), pa.array(sent.column("source_id").to_pylist(), pa.string())
    said = [name for name in SENT.names if name not in ("source", "source_id")]
    same = " AND ".join(f"s.{name} IS NOT DISTINCT FROM b.{name}" for name in said)
    with duckdb.connect() as con:
        con.register("sent", sent)
        con.register("before", before)
        matching = f"s.source = b.source AND s.source_id = b.source_id AND {same}"
        changed = con.sql(f"FROM sent s ANTI JOIN before b ON {matching}").to_arrow_table().cast(SENT)
        kept = con.sql(f"FROM before b SEMI JOIN sent s ON {matching}").to_arrow_table().cast(before.schema)
        gone = con.sql("SELECT source_id FROM before ANTI JOIN sent USING (source, source_id)").to_arrow_table()
    people = pa.concat_tables([kept, records.normalise(changed)])
    ids = changed.column("source_id").to_pylist() + gone.column("source_id").to_pylist()
    return people.sort_by([("source", "ascending"), ("source_id", "ascending")]), pa.array(
        sorted(set(ids)), pa.string()
    )
