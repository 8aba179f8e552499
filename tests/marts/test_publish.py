"""Publishing: types follow the contract; on the live stack a reader never sees a table that is empty or half."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from lakehouse import incremental
from lakehouse.engines import clickhouse
from lakehouse.marts import publish
from lakehouse.marts.sales_dashboard_daily import TABLE
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.parametrize(
    ("kind", "required", "expected"),
    [
        ("string", True, "String"),
        ("long", False, "Nullable(Int64)"),
        ("decimal(18,2)", False, "Nullable(Decimal(18, 2))"),
        ("timestamptz", True, "DateTime64(6, 'UTC')"),
        ("boolean", False, "Nullable(Bool)"),
    ],
)
def test_types(kind: str, required: bool, expected: str) -> None:
    assert publish.clickhouse_type(Column("x", kind, "", required)) == expected


def test_a_type_that_is_not_known_says_what_to_do() -> None:
    with pytest.raises(publish.NotPublished, match="binary"):
        publish.clickhouse_type(Column("x", "binary", ""))


def test_a_quote_in_a_meaning_is_text() -> None:
    table = Table("marts.x", "one row per person's day", ("a",), (Column("a", "long", "the person's \\ id", True),))
    sql = publish.create_statement(table, "marts.x", table.grain)
    assert "COMMENT 'the person\\'s \\\\ id'" in sql
    assert sql.endswith("COMMENT 'one row per person\\'s day'")


@pytest.mark.stack
@pytest.mark.usefixtures("first_day")
class TestLive:
    def test_a_second_run_does_nothing(self, spark: SparkSession) -> None:
        publish.run(spark, "test-publish")
        again = publish.run(spark, "test-publish")
        assert (again.changed, again.inserted) == (False, 0)

    def test_a_reader_sees_all_rows_or_all_rows(self, spark: SparkSession) -> None:
        publish.run(spark, "test-publish")
        rows = clickhouse.query(f"SELECT count() FROM {TABLE.name}")[0][0]
        assert rows > 0
        seen, done = set[int](), threading.Event()

        def read() -> None:
            client = clickhouse.clickhouse_client()
            while not done.is_set():
                seen.add(client.query(f"SELECT count() FROM {TABLE.name}").result_rows[0][0])
            client.close()

        reader = threading.Thread(target=read)
        reader.start()
        client = clickhouse.clickhouse_client()
        snapshot = incremental.history(TABLE.name)[1]
        try:
            for _ in range(5):
                publish.publish(client, TABLE, snapshot or 0)
        finally:
            done.set()
            reader.join()
            client.close()
        assert seen == {rows}

    def test_a_table_left_over_by_a_crash_is_no_obstacle(self) -> None:
        client = clickhouse.clickhouse_client()
        client.command(publish.create_statement(TABLE, f"{TABLE.name}__loading", "left over"))
        snapshot = incremental.history(TABLE.name)[1]
        assert publish.publish(client, TABLE, snapshot or 0) > 0
        assert clickhouse.query(f"EXISTS TABLE {TABLE.name}__loading") == [(0,)]
        client.close()
