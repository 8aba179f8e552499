"""ClickHouse: its engine (chDB) behind its own HTTP interface, from one process."""

from __future__ import annotations

import httpx

from lakehouse.settings import Settings
from stack.native.service import NotHealthy, Service, stack_environment


def _command(settings: Settings) -> list[str]:
    return [str(settings.home / "env" / "bin" / "python"), "-m", "stack.native.clickhouse.server"]


def _healthy(settings: Settings) -> None:
    """It answers a query with the stack's password."""
    headers = {
        "X-ClickHouse-User": settings.clickhouse_user,
        "X-ClickHouse-Key": settings.clickhouse_password.get_secret_value(),
    }
    try:
        answer = httpx.post(settings.clickhouse_url, content="SELECT 41 + 1", headers=headers, timeout=10)
    except httpx.HTTPError as error:
        raise NotHealthy(f"{settings.clickhouse_url}: {error!r}") from error
    if answer.text.strip() != "42":
        raise NotHealthy(f"SELECT 41 + 1 came back as {answer.status_code} {answer.text[:200]}")


SERVICES = (
    Service(
        name="clickhouse",
        title="ClickHouse (chDB over HTTP)",
        requires=("catalog", "object-store"),
        ports={"http": "clickhouse_port"},
        command=_command,
        environment=stack_environment,
        healthy=_healthy,
        start_timeout_seconds=60,
    ),
)
