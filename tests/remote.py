"""Settings as somebody has them whose services run elsewhere, and a way to put TLS before a service that has none."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import trustme
from pydantic import SecretStr

from lakehouse.settings import ENV_PREFIX, OF_SERVICES_HERE, Settings
from stack.compose.environment import _plain

ADDRESSES = ("catalog_uri", "catalog_oauth2_uri", "s3_endpoint", "kafka_bootstrap", "flink_rest_url",
             "flink_gateway_url", "spark_remote", "trino_url", "clickhouse_url", "airflow_url", "ingestion_url",
             "public_base_url")  # fmt: skip


def remote_environment(settings: Settings, data_dir: Path, **changes: str) -> dict[str, str]:
    """The environment of a process that knows endpoints and logins, and no secrets file, port or service of ours.

    `changes` are settings by name; an empty one is left out.
    """
    said = {"profile": "remote", "data_dir": str(data_dir)}
    for name, value in settings:
        secrets = value if isinstance(value, tuple) else (value,)
        if name in ADDRESSES:
            said[name] = str(value)
        elif name not in OF_SERVICES_HERE and any(isinstance(one, SecretStr) for one in secrets):
            said[name] = _plain(value)
    said |= changes
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    return kept | {f"{ENV_PREFIX}{name.upper()}": value for name, value in said.items() if value}


REQUEST = re.compile(rb"\A[A-Z]+ \S+ HTTP/1\.1\r\n")
FORWARDED = b"X-Forwarded-Proto: https\r\n"


class TlsRelay:
    """Ports that speak TLS before services that do not, as a load balancer would; on loopback, in a thread."""

    def __init__(self, authority: trustme.CA, host: str) -> None:
        self._host = host
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host, "localhost").configure_cert(self._context)
        self._context.set_alpn_protocols(["h2", "http/1.1"])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tls-relay", daemon=True)
        self._thread.start()

    def before(self, url: str, forwarded: bool = False) -> int:
        """A new port that leads to the service at `url`; `forwarded` tells the service that TLS ended here."""
        target = urlsplit(url)
        assert target.hostname
        serve = self._serve(target.hostname, int(target.port or 0), FORWARDED if forwarded else b"")
        return asyncio.run_coroutine_threadsafe(serve, self._loop).result(10)

    async def _serve(self, host: str, port: int, header: bytes) -> int:
        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection(host, port)
            await asyncio.gather(_copy(reader, back, header), _copy(there, writer))

        # an h2 client's own protocol is what the service must speak: gRPC's does, and httpx asks for 1.1
        server = await asyncio.start_server(client, self._host, 0, ssl=self._context)
        return int(server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter, header: bytes = b"") -> None:
    with suppress(OSError, ssl.SSLError):
        while data := await source.read(65_536):
            sink.write(REQUEST.sub(lambda line: line[0] + header, data, count=1) if header else data)
            await sink.drain()
    with suppress(OSError, ssl.SSLError):
        sink.close()


@contextmanager
def tls_before(authority: trustme.CA, host: str) -> Iterator[TlsRelay]:
    """A relay that is stopped at the end."""
    relay = TlsRelay(authority, host)
    try:
        yield relay
    finally:
        relay.stop()
