"""Bring services up in the order they need each other, and down again; what is healthy is left alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.waiting import TookTooLong, wait_until
from stack.doctor import check_before_start
from stack.native import leftovers, supervisor
from stack.native.registry import all_services
from stack.native.service import CORE, NotHealthy, Service

STARTS_AT_ONCE = 3
LOG_TAIL_LINES = 25
ENDS_BEFORE_GIVING_UP = 3
"""A process that starts and ends this often while we wait for its health will not come up by itself."""

Report = Callable[[str, str, float], None]
"""Called with service, what happened (`preparing`, `starting`, `warming`, `healthy`), and seconds so far."""


class ServiceFailed(LakehouseError):
    """A service did not become healthy; `tail` is the end of its log."""

    def __init__(self, service: str, why: str, tail: str) -> None:
        super().__init__(
            f"{service} did not start: {why}",
            f"read the whole log with `lakehouse stack logs {service}`, then `lakehouse stack up {service}` again",
        )
        self.tail = tail


class Interrupted(LakehouseError):
    """A person pressed Ctrl-C while services started; those already started go on running."""


def select(names: Iterable[str], with_required: bool = True) -> list[Service]:
    """Services by name, family (`flink` is all `flink-…`) or profile, with all they require; the core without names."""
    services = {service.name: service for service in all_services()}
    names = list(names) or [CORE]
    chosen: set[str] = set()
    for name in names:
        family = [s.name for s in services.values() if name in (s.name, s.profile) or s.name.startswith(f"{name}-")]
        if not family:
            raise LakehouseError(f"there is no service {name!r}", f"use one of: {', '.join(services)}")
        chosen.update(family)
    queue = list(chosen) if with_required else []
    while queue:
        for required in services[queue.pop()].requires:
            if required not in chosen:
                chosen.add(required)
                queue.append(required)
    return [service for service in services.values() if service.name in chosen]


def log_tail(settings: Settings, name: str, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines of a service's log, or a word that there is none."""
    path: Path = settings.log_dir / f"{name}.log"
    if not path.exists():
        return "(no log yet)"
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def why_not_healthy(service: Service, settings: Settings) -> str | None:
    """None when the service answers its health question, else what came back."""
    try:
        service.healthy(settings)
    except NotHealthy as problem:
        return str(problem)
    return None


def _fresh(service: Service, settings: Settings) -> bool:
    running = supervisor.state_of(settings, service.name) == "RUNNING"
    return running and why_not_healthy(service, settings) is None


def _wait_healthy(service: Service, settings: Settings, cancelled: threading.Event) -> None:
    pids: set[int] = set()

    def give_up(why: str) -> ServiceFailed:
        supervisor.stop(settings, service.name)
        return ServiceFailed(service.name, why, log_tail(settings, service.name))

    def ready() -> bool:
        if cancelled.is_set():
            raise Interrupted("interrupted", f"`lakehouse stack up {service.name}` goes on, `down` stops all")
        process = supervisor.find(settings, service.name)
        if process is None or process.state in ("FATAL", "STOPPED"):
            raise give_up(process.message if process else "supervisord does not know it")
        pids.add(process.pid)
        if len(pids - {0}) > ENDS_BEFORE_GIVING_UP:
            raise give_up("it ended again and again")
        return process.state == "RUNNING" and why_not_healthy(service, settings) is None

    try:
        wait_until(ready, timeout=service.start_timeout_seconds, what=f"{service.name} to be healthy")
    except TookTooLong as error:
        why = why_not_healthy(service, settings) or "it was too slow"
        raise ServiceFailed(service.name, f"{error.message}: {why}", log_tail(settings, service.name)) from error


def start_one(service: Service, settings: Settings, report: Report, cancelled: threading.Event) -> None:
    """Prepare, start, wait for health, finish. Nothing is done to a service that is healthy and complete."""
    began = time.monotonic()
    with supervisor.lock(settings, service.name):
        if _fresh(service, settings) and service.complete(settings):
            report(service.name, "healthy", 0.0)
            return
        if supervisor.state_of(settings, service.name) not in ("RUNNING", "STARTING"):
            supervisor.stop(settings, service.name)
            report(service.name, "preparing", time.monotonic() - began)
            service.prepare(settings)
            report(service.name, "starting", time.monotonic() - began)
            supervisor.start(settings, service.name)
        _wait_healthy(service, settings, cancelled)
        report(service.name, "warming", time.monotonic() - began)
        service.after_start(settings)
        report(service.name, "healthy", time.monotonic() - began)


def up(settings: Settings, services: list[Service], report: Report) -> None:
    """Start services, at most `STARTS_AT_ONCE` at a time, each after those it requires.

    Raises `ServiceFailed` or `CannotPrepare` of the first that fails, after those under way have ended.
    """
    if not supervisor.is_running(settings):
        leftovers.end(settings)
    check_before_start(settings, services)
    supervisor.ensure_running(all_services(), settings)
    waiting = {service.name: service for service in services}
    running: dict[Future[None], str] = {}
    cancelled = threading.Event()
    with ThreadPoolExecutor(STARTS_AT_ONCE) as pool:
        try:
            while waiting or running:
                for name, service in list(waiting.items()):
                    blocked = any(r in waiting or r in running.values() for r in service.requires)
                    if not blocked and len(running) < STARTS_AT_ONCE:
                        running[pool.submit(start_one, service, settings, report, cancelled)] = name
                        del waiting[name]
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    del running[future]
                    future.result()
        except KeyboardInterrupt:
            cancelled.set()
            raise


def _stop_one(service: Service, settings: Settings, report: Report) -> None:
    began = time.monotonic()
    if supervisor.state_of(settings, service.name) not in supervisor.ALIVE:
        return
    try:
        service.before_stop(settings)
    except (LakehouseError, NotHealthy) as problem:
        # the service may be the broken one: stopping goes on, the person is told
        report(service.name, f"could not be prepared for its stop: {problem}", time.monotonic() - began)
    supervisor.stop(settings, service.name)
    report(service.name, "stopped", time.monotonic() - began)


def down(settings: Settings, services: list[Service], report: Report, everything: bool) -> list[str]:
    """Stop services, each before those it requires; with `everything`, supervisord ends too.

    Returns the processes that had outlived their supervisord and were ended by force.
    """
    if supervisor.is_running(settings):
        waiting = {service.name: service for service in services}
        running: dict[Future[None], str] = {}
        with ThreadPoolExecutor(STARTS_AT_ONCE) as pool:
            while waiting or running:
                busy = {*waiting, *running.values()}
                needed = {r for service in services if service.name in busy for r in service.requires}
                for name in [name for name in waiting if name not in needed]:
                    running[pool.submit(_stop_one, waiting.pop(name), settings, report)] = name
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    del running[future]
                    future.result()
        if everything:
            supervisor.shutdown(settings)
    return leftovers.end(settings) if everything else []
