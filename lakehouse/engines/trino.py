"""Trino's client. The session's catalog is `lakehouse`, so SQL says `core.orders`; times are in UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.engines.tls import ca_bundle
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, get_settings

if TYPE_CHECKING:
    from trino.dbapi import Connection

CATALOG = "lakehouse"
TIMEOUT_SECONDS = 120.0


class TrinoUnavailable(LakehouseError):
    """Trino did not answer, or has not finished its start."""


class TrinoQueryFailed(LakehouseError):
    """Trino refused a query; the message is Trino's own."""


def trino_connection(settings: Settings | None = None, *, schema: str | None = None) -> Connection:
    """A DB-API connection; nothing is sent before the first query. Values come back as Python types."""
    from urllib.parse import urlsplit

    from trino.auth import BasicAuthentication
    from trino.dbapi import connect

    s = settings or get_settings()
    url = urlsplit(s.trino_url)
    password = s.trino_password.get_secret_value() if s.trino_password else None
    return connect(
        host=url.hostname,
        port=url.port,
        http_scheme=url.scheme,
        user=s.trino_user,
        auth=BasicAuthentication(s.trino_user, password) if password else None,
        verify=ca_bundle(s) or True,
        catalog=CATALOG,
        schema=schema,
        timezone="UTC",
        request_timeout=TIMEOUT_SECONDS,
        max_attempts=1,
    )


def query(sql: str, *, settings: Settings | None = None) -> list[tuple[Any, ...]]:
    """All rows of a statement, as tuples. Raises `TrinoUnavailable` or `TrinoQueryFailed`."""
    import requests
    from trino.exceptions import Error, HttpError, TrinoConnectionError, TrinoQueryError

    s = settings or get_settings()
    connection = trino_connection(s)
    try:
        cursor = connection.cursor()
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]
    except TrinoQueryError as error:
        if error.error_name == "SERVER_STARTING_UP":
            raise TrinoUnavailable("Trino is still starting") from error
        raise TrinoQueryFailed(f"{error.error_name}: {error.message}") from error
    except (TrinoConnectionError, HttpError, requests.RequestException) as error:
        raise TrinoUnavailable(
            f"Trino does not answer at {s.trino_url}: {error!r}", "start it with `lakehouse stack up trino`"
        ) from error
    except Error as error:
        raise TrinoQueryFailed(str(error)) from error
    finally:
        connection.close()
