"""The HTTP server. `python -m stack.native.clickhouse.server` serves the stack's settings, on its host alone."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lakehouse.settings import Settings, get_settings
from stack.native.clickhouse.engine import Engine, literal
from stack.native.clickhouse.protocol import ClickHouseError, authenticate, credentials, decoded, parse

MARTS, LAKE = "marts", "ice"
QUERIES_AT_ONCE = 8
MAX_BODY_BYTES = 256 * 1024 * 1024
ENGINE_THREADS = 2
MAX_MEMORY_BYTES = 1_000_000_000


def _prepare(engine: Engine, settings: Settings) -> None:
    for statement in databases(settings):
        engine.execute(statement)


def databases(settings: Settings) -> list[str]:
    """The database that dashboards read, and the lake's tables as they are in the catalog. They hold secrets."""
    secret = f"{settings.catalog_client_id}:{settings.catalog_client_secret.get_secret_value()}"
    bucket = settings.warehouse.removeprefix("s3://").strip("/")
    keys = [literal(key.get_secret_value()) for key in (settings.s3_access_key, settings.s3_secret_key)]
    options = {
        "catalog_type": "rest",
        "warehouse": settings.catalog_warehouse,
        "storage_endpoint": f"{settings.s3_endpoint}/{bucket}",
        "catalog_credential": secret,
        "oauth_server_uri": settings.catalog_oauth2_uri,
        "auth_scope": settings.catalog_scope,
    }
    said = ", ".join(f"{name} = {literal(value)}" for name, value in options.items())
    where = ", ".join([literal(f"{settings.catalog_uri}/v1"), *keys])
    return [
        f"CREATE DATABASE IF NOT EXISTS {MARTS} ENGINE = Atomic",
        "SET allow_database_iceberg = 1",
        # made anew each time: endpoints and secrets are the settings' of now
        f"DROP DATABASE IF EXISTS {LAKE}",
        f"CREATE DATABASE {LAKE} ENGINE = DataLakeCatalog({where}) SETTINGS {said}",
    ]


def _failure(error: ClickHouseError, query_id: str) -> Response:
    headers = {"X-ClickHouse-Exception-Code": str(error.code), "X-ClickHouse-Query-Id": query_id}
    if error.status == 403 and error.code == 516:
        headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
    return PlainTextResponse(error.text + "\n", status_code=error.status, headers=headers)


async def _body(http: HttpRequest) -> bytes:
    """What was sent, decoded; refused as soon as it is too large."""
    chunks, size = [], 0
    async for chunk in http.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise ClickHouseError(307, f"Code: 307. DB::Exception: the body has more than {MAX_BODY_BYTES} bytes.")
        chunks.append(chunk)
    return decoded(b"".join(chunks), http.headers.get("content-encoding", "").lower(), MAX_BODY_BYTES)


class Api:
    """The routes, bound to one engine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limit = anyio.CapacityLimiter(QUERIES_AT_ONCE)
        self._engine: Engine

    @asynccontextmanager
    async def life(self, _: Starlette) -> AsyncIterator[None]:
        """The engine is opened in a thread that stays: chDB keeps signal handlers and state by thread."""
        folder = self._settings.var_dir / "clickhouse"
        with ThreadPoolExecutor(1) as opener:
            self._engine = opener.submit(Engine, folder / "data", folder / "incoming").result()
            opener.submit(_prepare, self._engine, self._settings).result()
            yield

    async def query(self, http: HttpRequest) -> Response:
        """Any query, by GET (then nothing can be written) or POST."""
        query_id = http.query_params.get("query_id") or str(uuid.uuid4())
        s = self._settings
        try:
            given = credentials(http.headers, http.query_params)
            authenticate(given, s.clickhouse_user, s.clickhouse_password.get_secret_value())
            request = parse(http.method, http.headers, http.query_params, await _body(http))
            if not request.sql:
                # what ClickHouse answers to a browser
                return PlainTextResponse("Ok.\n")
            answer = await anyio.to_thread.run_sync(self._engine.run, request, limiter=self._limit)
        except ClickHouseError as error:
            return _failure(error, query_id)
        summary = {
            "read_rows": str(answer.rows_read),
            "read_bytes": str(answer.bytes_read),
            "written_rows": str(answer.rows_read if request.data else 0),
            "elapsed_ns": str(int(answer.seconds * 1e9)),
        }
        headers = {
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Format": request.format,
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Server-Display-Name": s.stack_name,
            "X-ClickHouse-Summary": json.dumps(summary),
        }
        return Response(answer.content, media_type="text/plain; charset=UTF-8", headers=headers)

    async def ping(self, _: HttpRequest) -> Response:
        """For health checks; asks nothing of the engine and needs no password, as at ClickHouse."""
        return PlainTextResponse("Ok.\n")


def build(settings: Settings) -> Starlette:
    """The application."""
    api = Api(settings)
    return Starlette(
        routes=[Route("/ping", api.ping), Route("/", api.query, methods=["GET", "POST"])], lifespan=api.life
    )


def main() -> None:
    """Serve until stopped."""
    settings = get_settings()
    # no access log: the address of a request holds its query, and may hold a password
    uvicorn.run(
        build(settings), host=settings.host, port=settings.clickhouse_port, access_log=False, log_level="warning"
    )


if __name__ == "__main__":
    main()
