"""Bring a table to hold Arrow rows of this process: the same contract as `merge`, written by pyiceberg.

For what is computed here and not in Spark. Rows are compared in DuckDB; a first load is one append. Later the data
files that hold a changed row are written anew, and all of it becomes visible in one commit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lakehouse import metadata
from lakehouse.merge import (
    ATTEMPTS,
    BATCH_ID,
    DELETE,
    INSERT,
    RUN_ID,
    UPDATE,
    NotOneRowPerKey,
    StepResult,
    batch_id,
    committed,
    is_audit,
)
from lakehouse.tables import Table, iceberg_schema

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table as IcebergTable

MOST_NAMED = 100_000
"""Rows that a delete names; if more differ, the whole table is written anew."""


def fit(table: Table, rows: pa.Table) -> pa.Table:
    """The rows with the contract's columns, in its order and types."""
    return rows.select(table.column_names).cast(iceberg_schema(table).as_arrow())


def _differences(table: Table, old: pa.Table, new: pa.Table) -> dict[str, pa.Table]:
    """The keys of the rows to insert, update and delete. Raises `NotOneRowPerKey`."""
    import duckdb

    keys = ", ".join(f'"{key}"' for key in table.key)
    own = ", ".join(f'n."{key}"' for key in table.key)
    values = [name for name in table.column_names if name not in table.key and not is_audit(name)]
    differs = " OR ".join(f'n."{name}" IS DISTINCT FROM o."{name}"' for name in values) or "false"
    on = " AND ".join(f'n."{key}" = o."{key}"' for key in table.key)
    with duckdb.connect() as con:
        con.register("n", new)
        con.register("o", old)
        rows, distinct = con.execute(f"SELECT count(*), count(DISTINCT ({keys})) FROM n").fetchall()[0]
        if rows != distinct:
            raise NotOneRowPerKey(
                f"{table.name}: {rows - distinct} of {rows} rows repeat a key ({', '.join(table.key)}) or have none",
                "the transform must give one row per key",
            )
        wanted = {
            INSERT: f"SELECT {keys} FROM n ANTI JOIN o ON {on}",
            DELETE: f"SELECT {keys} FROM o ANTI JOIN n ON {on}",
            UPDATE: f"SELECT {own} FROM n JOIN o ON {on} WHERE {differs}",
        }
        return {action: con.sql(sql).to_arrow_table() for action, sql in wanted.items()}


def _write(current: IcebergTable, by: str, new: pa.Table, changes: Mapping[str, pa.Table],
           summary: dict[str, str]) -> None:  # fmt: skip
    """One commit. Rows are replaced in groups: all with one value of the column `by`."""
    import pyarrow as pa
    from pyiceberg.expressions import AlwaysTrue, In

    replaced = pa.concat_tables([changes[UPDATE], changes[DELETE]])
    if not replaced.num_rows:
        current.append(_chosen(new, changes[INSERT]), snapshot_properties=summary)
        return
    with current.transaction() as transaction:
        values = pa.concat_tables([replaced.select([by]), changes[INSERT].select([by])]).column(by).unique()
        # a delete that names most of the table would take longer than writing it anew
        every = len(values) > MOST_NAMED
        transaction.delete(AlwaysTrue() if every else In(by, values.to_pylist()), snapshot_properties=summary)
        rows = new if every else new.filter(_among(new, by, values))
        if rows.num_rows:
            transaction.append(rows, snapshot_properties=summary)


def _among(rows: pa.Table, by: str, values: pa.Array) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.is_in(rows.column(by), value_set=values.cast(rows.schema.field(by).type))


def _chosen(new: pa.Table, keys: pa.Table) -> pa.Table:
    """The rows with these keys, in their order."""
    if keys.num_rows == new.num_rows:
        return new
    import duckdb

    on = ", ".join(f'"{name}"' for name in keys.column_names)
    with duckdb.connect() as con:
        con.register("n", new)
        con.register("k", keys)
        return con.sql(f"FROM n SEMI JOIN k USING ({on})").to_arrow_table().cast(new.schema)


def _changes(table: Table, current: IcebergTable, new: pa.Table, by: str, only: pa.Array | None
             ) -> dict[str, pa.Table]:  # fmt: skip
    """What differs, looked for only among rows with these values of `by` where they are given."""
    from pyiceberg.expressions import In

    if only is None or len(only) > MOST_NAMED:
        return _differences(table, current.scan().to_arrow(), new)
    if not len(only):
        return {action: new.select(table.key).slice(0, 0) for action in (INSERT, UPDATE, DELETE)}
    old = current.scan(row_filter=In(by, only.to_pylist())).to_arrow()
    return _differences(table, old, new.filter(_among(new, by, only)))


def merge_arrow(
    table: Table,
    rows: pa.Table,
    *,
    by: str,
    sources: Mapping[str, int | None],
    run_id: str,
    only: pa.Array | None = None,
    watermark: bool = True,
    batch: str | None = None,
) -> StepResult:
    """Bring `table` to hold exactly `rows`, by key; when none differ there is no commit.

    `by` is a column of the key with many values: rows are replaced together with all that share their value of it.
    `only` are the values of `by` whose rows may differ, where the caller knows that all others are as they were. The
    other parameters are those of `merge`. Raises `NotOneRowPerKey`, and pyiceberg's `CommitFailedException` when
    other writers were first each time.
    """
    began = time.monotonic()
    batch = batch or batch_id(table.name, metadata.watermarks(table.name), sources)
    counts: dict[str, int] = {}
    if committed(table, batch) is None:
        counts = _merge_batch(table, fit(table, rows), by, only, {BATCH_ID: batch, RUN_ID: run_id})
    if watermark:
        metadata.advance(table.name, sources, batch)
    snapshot = metadata.load(table).current_snapshot()
    return StepResult(
        table.name,
        read=rows.num_rows,
        inserted=counts.get(INSERT, 0),
        updated=counts.get(UPDATE, 0),
        deleted=counts.get(DELETE, 0),
        snapshot_id=snapshot.snapshot_id if snapshot is not None else None,
        changed=any(counts.values()),
        seconds=time.monotonic() - began,
    )


def _merge_batch(table: Table, new: pa.Table, by: str, only: pa.Array | None, summary: dict[str, str]
                 ) -> dict[str, int]:  # fmt: skip
    """Rows by action. The comparison is made again when another writer was first."""
    from pyiceberg.exceptions import CommitFailedException

    pause = threading.Event()
    for attempt in range(1, ATTEMPTS + 1):
        current = metadata.load(table)
        changes = _changes(table, current, new, by, only)
        counts = {action: keys.num_rows for action, keys in changes.items()}
        if not any(counts.values()):
            break
        try:
            _write(current, by, new, changes, summary)
        except CommitFailedException:
            if attempt == ATTEMPTS:
                raise
            pause.wait(0.2 * 2**attempt)
        else:
            break
    return counts


def append_arrow(table: Table, rows: pa.Table, batch: str, run_id: str) -> None:
    """Add rows, once per batch; nothing where there are none."""
    if rows.num_rows and committed(table, batch) is None:
        metadata.load(table).append(fit(table, rows), snapshot_properties={BATCH_ID: batch, RUN_ID: run_id})


def upsert_arrow(table: Table, rows: pa.Table) -> None:
    """Put a few rows in the place of those with their keys."""
    metadata.load(table).upsert(fit(table, rows), join_cols=list(table.key))
