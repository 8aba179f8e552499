"""Faults on purpose: end a service as a crash would, and wait until its supervisor has brought it back.

A process is found by its service's name in supervisord, never by a pattern over command lines: what does not belong to
this stack cannot be hit. Nothing here starts a service; if it does not come back by itself, that is the finding.
"""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.waiting import TookTooLong, wait_until
from stack.native import lifecycle, processes, supervisor

GONE_SECONDS = 10
FULL_BYTES = 0
WATCH_SECONDS = 0.1
"""A new process of a service has the limit of its disk before it has come to its first write."""
COMMAND_LINE = 200_000


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
    tree, at = _tree(settings, service), time.time()
    _signal(tree, signal.SIGKILL)
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


@contextmanager
def held(settings: Settings, service: str) -> Iterator[Killed]:
    """Within the `with` all processes of a service stand still (SIGSTOP): it takes connections and answers nothing.

    It goes on afterwards, whatever happened. Raises `CannotKill` for a service that does not run.
    """
    tree, at = _tree(settings, service), time.time()
    try:
        _signal(tree, signal.SIGSTOP)
        yield Killed(service, min(tree), at)
    finally:
        _signal(tree, signal.SIGCONT)


@contextmanager
def disk_full(settings: Settings, service: str) -> Iterator[None]:
    """Within the `with` no process of a service can make a file longer: to it, its disk is full.

    By the limit on a file's size (RLIMIT_FSIZE), which needs no rights and leaves all other services alone. A write
    fails with EFBIG instead of ENOSPC. What supervisord starts meanwhile gets the limit too; afterwards none has it.
    """
    over = threading.Event()

    def keep_full() -> None:
        while not over.wait(WATCH_SECONDS):
            with suppress(CannotKill):  # between two processes of it
                _limit(_tree(settings, service), FULL_BYTES)

    _limit(_tree(settings, service), FULL_BYTES)
    watch = threading.Thread(target=keep_full, name=f"disk-full-{service}", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()
        with suppress(CannotKill):
            _limit(_tree(settings, service), None)


def kill_below(settings: Settings, service: str, program: str) -> Killed:
    """SIGKILL to the processes below a service whose command line names a program: a worker's executors, for one.

    Raises `CannotKill` when there is none.
    """
    pids = below(settings, service, program)
    if not pids:
        raise CannotKill(f"{service} has no process {program}", f"`lakehouse stack logs {service}`")
    at = time.time()
    _signal(pids, signal.SIGKILL)
    return Killed(service, min(pids), at)


def below(settings: Settings, service: str, program: str) -> set[int]:
    """The processes below a service whose command line names a program."""
    return {pid for pid in _tree(settings, service) if program in processes.title(pid, COMMAND_LINE).split()}


def _tree(settings: Settings, service: str) -> set[int]:
    """All processes of a service. Raises `CannotKill` for one that does not run."""
    found = supervisor.find(settings, service)
    if found is None or not found.pid:
        raise CannotKill(f"{service} does not run", f"`lakehouse stack up {service}`")
    return processes.descendants({found.pid}, processes.all_processes())


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # it has ended
            os.kill(pid, number)


def _limit(pids: Iterable[int], size: int | None) -> None:
    """Set the soft limit on a file's size in bytes, or (None) raise it to the hard one."""
    for pid in pids:
        with suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))
