"""ClickHouse over HTTP on the live stack: its own client works, strangers do not, clients do not disturb each other."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import clickhouse_connect
import httpx
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from lakehouse.engines.clickhouse import ClickHouseQueryFailed, clickhouse_client, query
from lakehouse.settings import get_settings

pytestmark = pytest.mark.stack
NOW = dt.datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=dt.UTC)


def test_its_own_client_writes_and_reads_with_its_defaults() -> None:
    client = clickhouse_client()
    client.command(
        "CREATE TABLE marts.round_trip (a Int64, s Nullable(String), t DateTime64(6, 'UTC'), m Decimal(18, 2))"
        " ENGINE = MergeTree ORDER BY a"
    )
    try:
        rows = [[9_223_372_036_854_775_807, "é\t\n'", NOW, Decimal("12.30")], [2, None, NOW, Decimal("-0.01")]]
        assert client.insert("marts.round_trip", rows, column_names=["a", "s", "t", "m"]).written_rows == 2
        found = client.query("SELECT * FROM marts.round_trip ORDER BY a").result_rows
        assert [[*row[:2], row[3]] for row in found] == [
            [2, None, Decimal("-0.01")],
            [2**63 - 1, "é\t\n'", Decimal("12.30")],
        ]
        assert found[0][2].replace(tzinfo=dt.UTC) == NOW
        asked = client.query("SELECT count() FROM marts.round_trip WHERE a > {least:Int64}", parameters={"least": 2})
        assert asked.result_rows == [(1,)]
        assert client.query_df("SELECT sum(m) AS total FROM marts.round_trip")["total"][0] == Decimal("12.29")
    finally:
        client.command("DROP TABLE marts.round_trip")


def test_a_wrong_password_and_none_are_refused() -> None:
    s = get_settings()
    with pytest.raises(ClickHouseError, match="516"):
        clickhouse_connect.get_client(host=s.host, port=s.clickhouse_port, username=s.clickhouse_user, password="wrong")
    bare = httpx.get(s.clickhouse_url, params={"query": "SELECT 1"})
    assert (bare.status_code, bare.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
    assert httpx.get(f"{s.clickhouse_url}/ping").text == "Ok.\n"


def test_errors_carry_clickhouses_code() -> None:
    with pytest.raises(ClickHouseQueryFailed, match="UNKNOWN_TABLE"):
        query("SELECT * FROM marts.nowhere")
    with pytest.raises(ClickHouseQueryFailed, match="SYNTAX_ERROR"):
        query("SELEC 1")


def test_a_get_cannot_write() -> None:
    s = get_settings()
    auth = (s.clickhouse_user, s.clickhouse_password.get_secret_value())
    sql = "CREATE TABLE marts.by_get (a Int8) ENGINE = MergeTree ORDER BY a"
    answer = httpx.get(s.clickhouse_url, params={"query": sql}, auth=auth)
    assert answer.status_code == 403
    assert query("EXISTS TABLE marts.by_get") == [(0,)]


def test_eight_clients_at_once_get_their_own_answers_and_settings() -> None:
    def ask(number: int) -> bool:
        client = clickhouse_client()
        try:
            for _ in range(10):
                asked = client.query(
                    f"SELECT count(), getSetting('max_block_size') FROM numbers({1000 + number})",
                    settings={"max_block_size": 1000 + number},
                )
                if asked.result_rows != [(1000 + number, 1000 + number)]:
                    return False
        finally:
            client.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))


def test_no_client_sees_the_secrets_of_the_lake() -> None:
    s = get_settings()
    shown = str(query("SHOW CREATE DATABASE ice")) + str(query("SELECT * FROM system.databases"))
    assert s.catalog_client_secret.get_secret_value() not in shown
    assert s.s3_secret_key.get_secret_value() not in shown
