"""Faults on purpose: end a service as a crash would, and wait until its supervisor has brought it back.

A process is found by its service's name in supervisord, never by a pattern over command lines: what does not belong to
this stack cannot be hit. Nothing here starts a service; if it does not come back by itself, that is the finding.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.waiting import TookTooLong, wait_until
from stack.native import lifecycle, processes, supervisor

GONE_SECONDS = 10


class CannotKill(LakehouseError):
    """The service does not run, or is no single service."""


class NotBack(LakehouseError):
    """A service that was killed did not become healthy again by itself; `tail` is the end of its log."""

    def __init__(self, service: str, why: str, tail: str) -> None:
        super().__init__(
            f"{service} was killed and is not back: {why}", f"`lakehouse stack up {service}`, then read its log"
        )
        self.tail = tail


@dataclass(frozen=True)
class Killed:
    """A service that was ended: the pid it had, and when, in seconds since 1970."""

    service: str
    pid: int
    at: float


@dataclass(frozen=True)
class Recovery:
    """A service that came back by itself: its new pid, and when it answered its health question again."""

    service: str
    killed_at: float
    pid: int
    healthy_at: float

    @property
    def seconds(self) -> float:
        return self.healthy_at - self.killed_at


def kill(settings: Settings, service: str) -> Killed:
    """End a service and all processes below it with SIGKILL, all at once: no handler runs, nothing is flushed.

    Returns when the process is gone. Raises `CannotKill` for one that does not run.
    """
    found = supervisor.find(settings, service)
    if found is None or found.state != "RUNNING":
        raise CannotKill(
            f"{service} does not run (supervisord says: {found.state if found else 'unknown'})",
            f"`lakehouse stack up {service}`",
        )
    tree = processes.descendants({found.pid}, processes.all_processes())
    at = time.time()
    for pid in tree:
        with suppress(ProcessLookupError):  # it ended with its parent
            os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: not any(processes.is_alive(pid) for pid in tree),
        timeout=GONE_SECONDS, what=f"the killed {service} to be gone", every=0.05,
    )  # fmt: skip
    return Killed(service, found.pid, at)


def wait_until_back(settings: Settings, killed: Killed, timeout: float | None = None) -> Recovery:
    """Wait until supervisord has a new process of the service and it is healthy.

    `timeout` is in seconds; default: what the service may take to start. Raises `NotBack`.
    """
    (service,) = lifecycle.select([killed.service], with_required=False)

    def back() -> bool:
        now = supervisor.find(settings, service.name)
        if now is not None and now.state == "FATAL":
            raise NotBack(service.name, now.message, lifecycle.log_tail(settings, service.name))
        fresh = now is not None and now.state == "RUNNING" and now.pid not in (0, killed.pid)
        return fresh and lifecycle.why_not_healthy(service, settings) is None

    try:
        wait_until(back, timeout=timeout or service.start_timeout_seconds, what=f"{service.name} to be back", every=0.2)
    except TookTooLong as error:
        why = lifecycle.why_not_healthy(service, settings) or error.message
        raise NotBack(service.name, why, lifecycle.log_tail(settings, service.name)) from error
    again = supervisor.find(settings, service.name)
    return Recovery(service.name, killed.at, again.pid if again else 0, time.time())
