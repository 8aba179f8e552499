"""What runs: state, ports, memory of each service. Memory is proportional set size, so shared pages count once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from lakehouse.settings import Settings
from stack.native import supervisor
from stack.native.lifecycle import why_not_healthy
from stack.native.processes import memory_mb
from stack.native.registry import all_services
from stack.native.service import CORE, Service


@dataclass(frozen=True)
class Row:
    """One service as `status` shows it. `state`: healthy, starting, unhealthy, failed, stopped."""

    name: str
    title: str
    state: str
    reason: str
    ports: dict[str, int]
    pid: int
    memory_mb: float
    started_at: datetime | None
    url: str

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "started_at": self.started_at.isoformat() if self.started_at else None}


def _not_healthy(service: Service, process: supervisor.Process) -> str:
    """A service that does not answer yet is starting for as long as its start may take."""
    return "starting" if time.time() - process.started_at < service.start_timeout_seconds else "unhealthy"


def _inspect(service: Service, process: supervisor.Process | None, settings: Settings) -> Row:
    ports = {label: getattr(settings, name) for label, name in service.ports.items()}
    state, reason, pid = "stopped", "", 0
    if process and process.state in ("RUNNING", "STARTING"):
        pid = process.pid
        problem = why_not_healthy(service, settings)
        state, reason = ("healthy", "") if problem is None else (_not_healthy(service, process), problem[:160])
    elif process and process.state in ("FATAL", "BACKOFF"):
        state, reason = "failed", process.message[:160]
    started = datetime.fromtimestamp(process.started_at, UTC).astimezone() if process and pid else None
    url = service.url(settings) if service.url and pid else ""
    memory = memory_mb(pid) if pid else 0.0
    return Row(service.name, service.title, state, reason, ports, pid, memory, started, url)


def inspect_all(settings: Settings) -> list[Row]:
    """A row for each service of the core, in their order, and for those of add-ons that were started."""
    processes = {process.name: process for process in supervisor.processes(settings)}
    started = {name for name, process in processes.items() if process.state != "STOPPED"}
    shown = [service for service in all_services() if service.profile == CORE or service.name in started]
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda s: _inspect(s, processes.get(s.name), settings), shown))
