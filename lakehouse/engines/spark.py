"""A session on the stack's Spark Connect server. Only connects: no table and no transform lives here."""

from __future__ import annotations

import atexit
import logging
import os
import re
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import quote, urlparse

from lakehouse.engines.tls import context
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, get_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.session import SparkSession as ConnectSession

log = logging.getLogger(__name__)
PROBE_SECONDS = 3.0
_DEFAULT_CONNECT_PORT = 15002


class SparkNotReachable(LakehouseError):
    """Nothing answers where Spark Connect should be."""


def _probe(remote: str, trust: ssl.SSLContext) -> None:
    """Open the port once: Spark's own client would retry a dead or untrusted server for minutes, in silence."""
    address = urlparse(re.sub(r"^sc://", "http://", remote))
    host, port = address.hostname or "127.0.0.1", address.port or _DEFAULT_CONNECT_PORT
    try:
        with socket.create_connection((host, port), timeout=PROBE_SECONDS) as connection:
            if "use_ssl=true" in address.params.lower():
                trust.wrap_socket(connection, server_hostname=host).close()
    except OSError as error:
        raise SparkNotReachable(
            f"no Spark Connect server answers at {host}:{port}: {error}", "run `lakehouse stack up spark`"
        ) from error


def connect_url(settings: Settings) -> str:
    """The address as Spark's client takes it, with the token in it: not for showing.

    A token travels over TLS, or on this machine; the client takes the latter from the name `localhost` alone.
    """
    if settings.spark_token is None:
        return settings.spark_remote
    address, _, parameters = settings.spark_remote.partition("/;")
    address = address.rstrip("/").replace("//127.0.0.1", "//localhost")
    kept = [one for one in parameters.split(";") if one]
    return "/;".join([address, ";".join([*kept, f"token={quote(settings.spark_token.get_secret_value(), safe='')}"])])


def spark_session(settings: Settings | None = None) -> SparkSession:
    """This process's session: the catalog `lakehouse` is the default one, times are UTC.

    The same session is given again while the server still knows it; after the server was restarted a new one is.
    Raises `SparkNotReachable`.
    """
    s = settings or get_settings()
    remote = connect_url(s)
    _probe(remote, context(s))
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    # pyspark.sql.functions looks here to know which kind of session it builds expressions for
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    active = ConnectSession.getActiveSession()
    if active is not None and not active.is_stopped:
        try:
            active.conf.get("spark.sql.session.timeZone")
        except PySparkException:
            # The server was restarted and has forgotten this session: let go of it without a word to the server.
            active.client.close()
            ConnectSession._set_default_and_active_session(None)
            ConnectSession._active_session.session = None
        else:
            return active
    session = ConnectSession.builder.remote(remote).create()
    # The client wants to clean a cache of models when this process ends, and where the server has gone by then it tries
    # for ten minutes. We train no models there.
    atexit.unregister(session.client._cleanup_ml_cache)
    # The server would keep all plans of this session for half an hour more; of a day's notebooks they fill its memory.
    atexit.register(_release, session, s)
    return session


def _release(session: ConnectSession, settings: Settings) -> None:
    """Tell the server that a session has ended, if it is there to be told: its client would try for ten minutes."""
    if session.is_stopped:
        return
    try:
        _probe(connect_url(settings), context(settings))
    except SparkNotReachable as gone:
        log.debug("nothing to release: %s", gone.message)
    else:
        session.stop()
