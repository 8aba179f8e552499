"""ClickHouse's client. Dashboards read its database `marts`; `ice` shows the lake's tables as the catalog has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.engines.tls import ca_bundle
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, get_settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

LAKE = "ice"
TIMEOUT_SECONDS = 120
HTTPS_PORT = 8443


class ClickHouseUnavailable(LakehouseError):
    """ClickHouse does not answer."""


class ClickHouseQueryFailed(LakehouseError):
    """ClickHouse refused a query; the message is ClickHouse's own."""


def lake_table(name: str) -> str:
    """A table of the lake as ClickHouse's SQL names it."""
    return f"{LAKE}.`{name}`"


def clickhouse_client(settings: Settings | None = None, *, database: str = "default") -> Client:
    """A client; times come back in UTC. Raises `ClickHouseUnavailable`."""
    from urllib.parse import urlsplit

    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError

    s = settings or get_settings()
    url = urlsplit(s.clickhouse_url)
    try:
        return clickhouse_connect.get_client(
            host=url.hostname or s.host,
            port=url.port or (HTTPS_PORT if url.scheme == "https" else s.clickhouse_port),
            secure=url.scheme == "https",
            ca_cert=ca_bundle(s),
            username=s.clickhouse_user,
            password=s.clickhouse_password.get_secret_value(),
            database=database,
            send_receive_timeout=TIMEOUT_SECONDS,
            # each query stands for itself: threads may share a client
            autogenerate_session_id=False,
        )
    except ClickHouseError as error:
        raise ClickHouseUnavailable(
            f"ClickHouse does not answer at {s.clickhouse_url}: {error}",
            "start it with `lakehouse stack up clickhouse`",
        ) from error


def query(sql: str, *, settings: Settings | None = None) -> list[tuple[Any, ...]]:
    """All rows of a query, as tuples. Raises `ClickHouseUnavailable` or `ClickHouseQueryFailed`."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    client = clickhouse_client(settings)
    try:
        return [tuple(row) for row in client.query(sql).result_rows]
    except ClickHouseError as error:
        raise ClickHouseQueryFailed(str(error)) from error
    finally:
        client.close()
