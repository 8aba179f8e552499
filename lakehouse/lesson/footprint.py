"""What lessons take: the memory of each service while one runs, and what that makes for a workshop's routes."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lakehouse.lesson.book import Lesson
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from lakehouse.lesson.site import Executed

EVERY_SECONDS = 2.0
NOTEBOOK = "notebook"
"""In figures of memory: the kernel, and whoever runs the lesson in it."""
STATED = {
    "ingestion": "ingestion", "Kafka": "kafka", "Flink": "flink", "Spark": "spark", "catalog": "catalog",
    "object store": "object-store", "Trino": "trino", "ClickHouse": "clickhouse", "Airflow": "airflow",
}  # fmt: skip
"""A service as `Before you start` names it → as `lakehouse stack up` does."""
ROUTES: Mapping[str, tuple[str, ...]] = {
    "half a day": ("00", "01", "03", "05", "08", "12", "16", "20"),
    "two days": tuple(f"{number:02d}" for number in range(22)),
}
"""The routes of docs/workshop.md, by lessons."""


class Watch:
    """Within its `with`: the largest memory of each running service, in MB (`peak`), asked every few seconds."""

    def __init__(self, settings: Settings, every: float = EVERY_SECONDS) -> None:
        self.peak: dict[str, float] = {}
        self._settings, self._every = settings, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="footprint", daemon=True)

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._over.wait(self._every):
            self._look()

    def _look(self) -> None:
        from stack.native import supervisor
        from stack.native.processes import all_processes, memory_mb

        seen = all_processes()
        pids = {process.name: process.pid for process in supervisor.processes(self._settings) if process.pid}
        for name, pid in {**pids, NOTEBOOK: os.getpid()}.items():
            self.peak[name] = max(self.peak.get(name, 0.0), round(memory_mb(pid, seen), 1))


def stated(lesson: Lesson) -> tuple[str, ...]:
    """What a lesson says it needs, as `lakehouse stack up` takes it; none for *all*."""
    said = lesson.before.partition("services:")[2]
    if re.search(r"\ball\b(?! of)", said):
        return ()
    return shortest(name for word, name in STATED.items() if word in said)


def services(names: Iterable[str]) -> frozenset[str]:
    """The services that `lakehouse stack up` starts for these names."""
    from stack.native import lifecycle

    return frozenset(service.name for service in lifecycle.select(names))


def shortest(names: Iterable[str]) -> tuple[str, ...]:
    """The names without those that others bring with them."""
    kept = list(names)
    for name in list(kept):
        others = [other for other in kept if other != name]
        if others and services([name]) <= services(others):
            kept = others
    return tuple(kept)


@dataclass(frozen=True)
class Need:
    """What some lessons take together: `names` for `lakehouse stack up`, how many `services` those are, memory in GB
    with one notebook open, `minutes` as the lessons say, `run_minutes` as they ran.

    Memory is the sum of each service's largest figure in any of these lessons, so at most this.
    """

    lessons: tuple[str, ...]
    names: tuple[str, ...]
    services: int
    gb: float
    minutes: int
    run_minutes: float


def need(done: Iterable[Executed]) -> Need:
    """What lessons that were run take together."""
    lessons = list(done)
    wanted = [stated(one.lesson) for one in lessons]
    names = shortest(dict.fromkeys(name for some in wanted for name in some)) if all(wanted) else ()
    running = services(names)
    peaks = [max((one.memory_mb.get(name, 0.0) for one in lessons), default=0.0) for name in [*running, NOTEBOOK]]
    return Need(
        tuple(one.lesson.number for one in lessons), names, len(running), sum(peaks) / 1024,
        sum(one.lesson.minutes for one in lessons), sum(one.seconds for one in lessons) / 60,
    )  # fmt: skip


def by_services(done: Iterable[Executed]) -> list[Need]:
    """Lessons that need the same services together, the smallest set first."""
    groups: dict[tuple[str, ...], list[Executed]] = {}
    for one in done:
        groups.setdefault(stated(one.lesson), []).append(one)
    return sorted((need(some) for some in groups.values()), key=lambda found: (found.services, found.lessons))


def routes(done: Iterable[Executed]) -> dict[str, Need]:
    """Route → what it takes; without routes of which a lesson has not run."""
    known = {one.lesson.number: one for one in done}
    return {name: need(known[number] for number in numbers)
            for name, numbers in ROUTES.items() if known.keys() >= set(numbers)}  # fmt: skip
