"""Bring a table to hold Arrow rows of this process: the same contract as `merge`, written by pyiceberg.

For what is computed here and not in Spark. Rows are compared in DuckDB; a first load is one append. Later the places
of the rows that go and the rows that come are written, in one commit; every now and then the whole table is instead.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
    from concurrent.futures import Future

    import pyarrow as pa
    from duckdb import DuckDBPyConnection
    from pyiceberg.table import Table as IcebergTable

    from lakehouse.row_delta import Stored

MOST_DEAD = 0.2
"""Share of the rows in data files that may be deleted ones; if more would be, the table is written whole."""
MOST_FILES = 24
"""Files of rows and of deletes in a partition, on average; a table that has more is written whole."""
_ROW = "_row"


def fit(table: Table, rows: pa.Table) -> pa.Table:
    """The rows with the contract's columns, in its order and types."""
    return rows.select(table.column_names).cast(iceberg_schema(table).as_arrow())


def _differences(table: Table, old: pa.Table, new: pa.Table) -> dict[str, pa.Table]:
    """What to insert, update and delete: the rows' numbers in `new` and their places in the table.

    `old` has their places. Raises `NotOneRowPerKey`.
    """
    import duckdb

    from lakehouse.row_delta import FILE, POS

    values = [name for name in table.column_names if name not in table.key and not is_audit(name)]
    differs = " OR ".join(f'n."{name}" IS DISTINCT FROM o."{name}"' for name in values) or "false"
    on = " AND ".join(f'n."{key}" = o."{key}"' for key in table.key)
    with duckdb.connect() as con:
        con.register("n", _numbered(new))
        con.register("o", old)
        _check_keys(con, table, new.num_rows)
        wanted = {
            INSERT: f"SELECT {_ROW} FROM n ANTI JOIN o ON {on}",
            DELETE: f"SELECT {FILE}, {POS} FROM o ANTI JOIN n ON {on}",
            UPDATE: f"SELECT {_ROW}, {FILE}, {POS} FROM n JOIN o ON {on} WHERE {differs}",
        }
        return {action: con.sql(sql).to_arrow_table() for action, sql in wanted.items()}


def _numbered(rows: pa.Table) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    return rows.append_column(_ROW, pa.array(np.arange(rows.num_rows)))


def _check_keys(con: DuckDBPyConnection, table: Table, rows: int) -> None:
    keys = ", ".join(f'"{key}"' for key in table.key)
    there = " AND ".join(f'"{key}" IS NOT NULL' for key in table.key)
    distinct = con.execute(f"SELECT count(*) FROM (SELECT DISTINCT {keys} FROM n WHERE {there})").fetchall()[0][0]
    if rows != distinct:
        raise NotOneRowPerKey(
            f"{table.name}: {rows - distinct} of {rows} rows repeat a key ({', '.join(table.key)}) or have none",
            "the transform must give one row per key",
        )


def _write(current: IcebergTable, old: Stored, new: pa.Table, changes: Mapping[str, pa.Table],
           summary: dict[str, str]) -> None:  # fmt: skip
    """One commit: the rows that come, and the places of those that go; or all rows, where too many have gone."""
    import numpy as np
    import pyarrow as pa

    from lakehouse.row_delta import FILE, POS, commit

    come = np.sort(np.concatenate([changes[action].column(_ROW).to_numpy() for action in (INSERT, UPDATE)]))
    rows = new if len(come) == new.num_rows else new.take(pa.array(come))
    gone = pa.concat_tables([changes[action].select([FILE, POS]) for action in (UPDATE, DELETE)])
    if _is_worn(old, gone.num_rows):
        commit(current, pa.concat_tables([_without(old, gone, new.schema), rows]), {}, summary, whole=True)
        return
    number, position = gone.column(FILE).to_numpy(), gone.column(POS).to_numpy()
    commit(current, rows, {old.files[n].file: position[number == n] for n in np.unique(number).tolist()}, summary)


def _is_worn(old: Stored, gone: int) -> bool:
    """Whether so many rows would be deleted ones, or the files so many, that the table is better written whole."""
    stored = sum(task.file.record_count for task in old.files)
    return gone > 0 and (old.dead() + gone > MOST_DEAD * stored or old.files_per_partition() > MOST_FILES)


def _without(old: Stored, gone: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows of a table but for those that go."""
    import duckdb

    from lakehouse.row_delta import FILE, POS

    with duckdb.connect() as con:
        con.register("o", old.rows)
        con.register("gone", gone)
        kept = con.sql(f"FROM o ANTI JOIN gone USING ({FILE}, {POS})").to_arrow_table()
    return kept.select(schema.names).cast(schema)


def _among(rows: pa.Table, by: str, values: pa.Array) -> pa.Table:
    """The rows with these values of a column."""
    import pyarrow.compute as pc

    return rows.filter(pc.is_in(rows.column(by), value_set=values.cast(rows.schema.field(by).type)))


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
    stored: Stored | None = None,
    after: Future[Any] | None = None,
) -> StepResult:
    """Bring `table` to hold exactly `rows`, by key; when none differ there is no commit.

    `only` are the values of the column `by` whose rows may differ, where the caller knows that all others are as they
    were; those others need not be in `rows`. `stored` is the whole table as the caller has read it; it is read again
    if it is another by now. Nothing is written before `after` has ended, and nothing if it failed; what differs is
    found meanwhile. The other parameters are those of `merge`. Raises `NotOneRowPerKey`, and pyiceberg's
    `CommitFailedException` when other writers were first each time.
    """
    began = time.monotonic()
    batch = batch or batch_id(table.name, metadata.watermarks(table.name), sources)
    current, counts = metadata.load(table), dict[str, int]()
    if committed(table, batch, current) is None:
        new = fit(table, rows)
        summary = {BATCH_ID: batch, RUN_ID: run_id}
        current, counts = _merge_batch(table, current, new, by, only, stored, summary, after)
    if after is not None:
        # also where there was nothing to write: who waits for this waits for that
        after.result()
    if watermark:
        metadata.advance(table.name, sources, batch)
    snapshot = current.current_snapshot()
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


def _merge_batch(table: Table, current: IcebergTable, new: pa.Table, by: str, only: pa.Array | None,
                 stored: Stored | None, summary: dict[str, str], after: Future[Any] | None
                 ) -> tuple[IcebergTable, dict[str, int]]:  # fmt: skip
    """The table as it is then, and rows by action. The comparison is made again when another writer was first."""
    from pyiceberg.exceptions import CommitFailedException

    from lakehouse.row_delta import read

    if only is not None and not len(only):
        return current, {}
    pause = threading.Event()
    for attempt in range(1, ATTEMPTS + 1):
        newest = current.current_snapshot()
        if stored is None or newest is None or stored.snapshot_id != newest.snapshot_id:
            stored = read(current)
        old, wanted = (stored.rows, new) if only is None else (_among(t, by, only) for t in (stored.rows, new))
        changes = _differences(table, old, wanted)
        counts = {action: keys.num_rows for action, keys in changes.items()}
        if not any(counts.values()):
            break
        if after is not None:
            after.result()
        try:
            _write(current, stored, wanted, changes, summary)
        except CommitFailedException:
            if attempt == ATTEMPTS:
                raise
            pause.wait(0.2 * 2**attempt)
            current = metadata.load(table)
        else:
            break
    return current, counts


def append_arrow(table: Table, rows: pa.Table, batch: str, run_id: str) -> None:
    """Add rows, once per batch; nothing where there are none."""
    if rows.num_rows and committed(table, batch, current := metadata.load(table)) is None:
        current.append(fit(table, rows), snapshot_properties={BATCH_ID: batch, RUN_ID: run_id})


def upsert_arrow(table: Table, rows: pa.Table) -> None:
    """Put a few rows in the place of those with their keys. Raises `MetadataNotWritten`."""
    new, key = fit(table, rows), list(table.key)
    metadata.commit(table, lambda current, mark: current.upsert(new, key, snapshot_properties=mark))
