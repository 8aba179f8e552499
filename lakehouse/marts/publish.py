"""marts.publish: the marts as ClickHouse tables, which dashboards read. ClickHouse fetches the Iceberg files itself.

A mart is loaded into a table beside the published one, counted, and then exchanged with it: a reader sees the old
rows or the new ones, never none and never half. The snapshot that a table holds is in its own comment, so that both
change in one step; a repeat finds it there and does nothing.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from lakehouse import incremental, metadata
from lakehouse.engines.clickhouse import clickhouse_client, lake_table
from lakehouse.errors import LakehouseError
from lakehouse.marts import customer_360, sales_dashboard_daily
from lakehouse.merge import StepResult
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from pyspark.sql import SparkSession

STEP = "marts.publish"
DATABASE = "marts"
PUBLISHED = (customer_360.TABLE, sales_dashboard_daily.TABLE)
SOURCES = tuple(table.name for table in PUBLISHED)
TYPES = {
    "string": "String",
    "long": "Int64",
    "int": "Int32",
    "double": "Float64",
    "boolean": "Bool",
    "date": "Date32",
    "timestamptz": "DateTime64(6, 'UTC')",
}
_COMMENT = re.compile(r"Iceberg snapshot (\d+)")


class NotPublished(LakehouseError):
    """A mart could not be published whole; what was published before is still there."""


def clickhouse_type(column: Column) -> str:
    """ClickHouse's type for a contract's. Raises `NotPublished` for one that no mart has had so far."""
    found = TYPES.get(column.type)
    if found is None and (decimal := re.fullmatch(r"decimal\((\d+), ?(\d+)\)", column.type)):
        found = f"Decimal({decimal[1]}, {decimal[2]})"
    if found is None:
        raise NotPublished(f"{column.name} is of type {column.type}", "add it to lakehouse.marts.publish.TYPES")
    return found if column.required else f"Nullable({found})"


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def create_statement(table: Table, name: str, comment: str) -> str:
    """The table in ClickHouse, sorted by its key, with the contract's meanings as comments."""
    columns = ",\n  ".join(f"`{c.name}` {clickhouse_type(c)} COMMENT {_text(c.doc)}" for c in table.columns)
    key = ", ".join(f"`{name}`" for name in table.key)
    return f"CREATE TABLE {name} (\n  {columns}\n) ENGINE = MergeTree ORDER BY ({key}) COMMENT {_text(comment)}"


def published_snapshot(client: Client, table: Table) -> int | None:
    """The Iceberg snapshot that the published table holds; None if it was never published, 0 for an empty mart."""
    rows = client.query(
        "SELECT comment FROM system.tables WHERE database = {database:String} AND name = {name:String}",
        parameters={"database": DATABASE, "name": table.name.split(".")[1]},
    ).result_rows
    found = _COMMENT.search(rows[0][0]) if rows else None
    return int(found[1]) if found else None


def _expected_rows(table: Table, snapshot_id: int) -> int:
    """What the catalog says the snapshot holds."""
    loaded = metadata.load(table)
    return metadata.rows_in(loaded, snapshot_id) if loaded.snapshot_by_id(snapshot_id) else 0


def publish(client: Client, table: Table, snapshot_id: int, name: str = "") -> int:
    """Bring one published table to a snapshot (0: none, the mart is empty); returns its rows. Raises `NotPublished`.

    It is called as the mart, or `name`, in the database of published marts.
    """
    name = f"{DATABASE}.{name or table.name.split('.')[1]}"
    fresh = f"{name}__loading"
    client.command(f"DROP TABLE IF EXISTS {fresh} SYNC")
    client.command(create_statement(table, fresh, f"{table.grain}. Iceberg snapshot {snapshot_id} of {table.name}"))
    columns = ", ".join(f"`{column}`" for column in table.column_names)
    expected = 0
    if snapshot_id:
        source = f"SELECT {columns} FROM {lake_table(table.name)} SETTINGS iceberg_snapshot_id = {snapshot_id}"
        client.command(f"INSERT INTO {fresh} ({columns}) {source}")
        expected = _expected_rows(table, snapshot_id)
    rows = int(client.query(f"SELECT count() FROM {fresh}").result_rows[0][0])
    if rows != expected:
        raise NotPublished(
            f"{table.name}: ClickHouse loaded {rows:,} rows of snapshot {snapshot_id}, which holds {expected:,}",
            "run `lakehouse pipeline run --step marts.publish` again; the rows published before are still there",
        )
    # SYNC: the rows of before are deleted now, not minutes later; an erased person must not be among them
    exists = int(client.command(f"EXISTS TABLE {name}"))
    client.command(f"EXCHANGE TABLES {fresh} AND {name}" if exists else f"RENAME TABLE {fresh} TO {name}")
    client.command(f"DROP TABLE IF EXISTS {fresh} SYNC")
    return rows


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Publish each mart whose newest snapshot is not the published one."""
    began, written, changed = time.monotonic(), 0, False
    sources = incremental.snapshots(SOURCES)
    client = clickhouse_client()
    try:
        for table in PUBLISHED:
            wanted = sources[table.name] or 0
            if published_snapshot(client, table) != wanted:
                written += publish(client, table, wanted)
                changed = True
    finally:
        client.close()
    return StepResult(STEP, read=written, inserted=written, changed=changed, seconds=time.monotonic() - began)
