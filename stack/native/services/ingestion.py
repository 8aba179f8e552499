"""The webhook API of `lakehouse.ingestion`, one uvicorn process."""

from __future__ import annotations

import httpx

from lakehouse.settings import Settings
from stack.native.service import NotHealthy, Service


def command(settings: Settings) -> list[str]:
    return [
        str(settings.home / "env" / "bin" / "uvicorn"),
        "lakehouse.ingestion.app:create_app",
        "--factory",
        f"--host={settings.host}",
        f"--port={settings.ingestion_port}",
        "--no-access-log",
        "--no-server-header",
        # nothing here asks who the client was; the origin that senders see is a setting
        "--no-proxy-headers",
        "--timeout-graceful-shutdown=10",
        # A request that comes in the moment its connection is closed for idleness fails. Senders keep theirs for less.
        "--timeout-keep-alive=75",
    ]


def healthy(settings: Settings) -> None:
    """It answers, and the broker answers it."""
    try:
        answer = httpx.get(f"{settings.ingestion_url}/ready", timeout=5)
    except httpx.HTTPError as error:
        raise NotHealthy(f"{settings.ingestion_url}/ready: {error!r}") from error
    if answer.status_code != 200:
        raise NotHealthy(f"{settings.ingestion_url}/ready: {answer.status_code} {answer.text[:200]}")


SERVICES = (
    Service(
        name="ingestion",
        title="Webhook API",
        requires=("kafka",),
        ports={"http": "ingestion_port"},
        command=command,
        healthy=healthy,
        start_timeout_seconds=60,
        url=lambda s: f"{s.ingestion_url}/docs",
    ),
)
