"""What runs: state, ports, memory of each service. Memory is proportional set size, so shared pages count once."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lakehouse.settings import Settings
from stack.native import supervisor
from stack.native.lifecycle import why_not_healthy
from stack.native.registry import all_services
from stack.native.service import Service


@dataclass(frozen=True)
class Row:
    """One service as `status` shows it. `state`: healthy, starting, unhealthy, failed, stopped."""

    name: str
    title: str
    state: str
    reason: str
    ports: str
    pid: int
    memory_mb: float
    started_at: datetime | None
    url: str

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "started_at": self.started_at.isoformat() if self.started_at else None}


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # the process ended while we looked
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    return children


def process_tree(pid: int) -> list[int]:
    """A process and all below it."""
    children, tree, queue = _children(), [], [pid]
    while queue:
        current = queue.pop()
        tree.append(current)
        queue.extend(children.get(current, []))
    return tree


def _pss_mb(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    match = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) / 1024 if match else 0.0


def memory_mb(pid: int) -> float:
    """Memory of a process and all below it, in MB."""
    return sum(_pss_mb(each) for each in process_tree(pid))


def _inspect(service: Service, process: supervisor.Process | None, settings: Settings) -> Row:
    ports = " ".join(f"{label}:{getattr(settings, name)}" for label, name in service.ports.items())
    state, reason, pid = "stopped", "", 0
    if process and process.state in ("RUNNING", "STARTING"):
        pid = process.pid
        problem = why_not_healthy(service, settings)
        state, reason = ("healthy", "") if problem is None else ("unhealthy", problem[:160])
    elif process and process.state in ("FATAL", "BACKOFF"):
        state, reason = "failed", process.message[:160]
    started = datetime.fromtimestamp(process.started_at, UTC).astimezone() if process and pid else None
    url = service.url(settings) if service.url and pid else ""
    memory = memory_mb(pid) if pid else 0.0
    return Row(service.name, service.title, state, reason, ports, pid, memory, started, url)


def inspect_all(settings: Settings) -> list[Row]:
    """A row for each service, in their order."""
    processes = {process.name: process for process in supervisor.processes(settings)}
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda s: _inspect(s, processes.get(s.name), settings), all_services()))
