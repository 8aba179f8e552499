"""What lessons take: services as they state them, memory of what really runs, sums for routes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.lesson import book, footprint
from lakehouse.lesson.footprint import NOTEBOOK, need, services, shortest, stated
from lakehouse.lesson.site import Executed
from lakehouse.settings import Settings, secrets_file
from stack.native import supervisor
from stack.native.secrets import ensure_secrets

LESSONS = {lesson.number: lesson for lesson in book.lessons()}


def test_what_others_bring_with_them_is_not_named() -> None:
    assert shortest(["kafka", "ingestion"]) == ("ingestion",)
    assert shortest(["kafka"]) == ("kafka",)
    assert services(shortest(["catalog", "object-store", "spark"])) == services(["spark"])


@pytest.mark.parametrize("number", sorted(LESSONS))
def test_what_a_lesson_states_are_services(number: str) -> None:
    assert services(stated(LESSONS[number]))


def test_the_memory_of_lessons_together_is_each_services_largest() -> None:
    log, started = LESSONS["02"], LESSONS["00"]
    small = Executed(log, 30.0, memory_mb={"kafka": 400.0, "trino": 1_000.0, NOTEBOOK: 100.0})
    large = Executed(started, 90.0, memory_mb={"kafka": 500.0, "trino": 900.0, NOTEBOOK: 50.0})
    alone = need([small])
    assert (alone.names, alone.services, alone.gb) == (("kafka",), 1, 500 / 1024)
    both = need([small, large])
    assert (both.names, both.gb) == ((), 1_600 / 1024)
    assert (both.minutes, both.run_minutes) == (log.minutes + started.minutes, 2.0)
    assert [found.lessons for found in footprint.by_services([large, small])] == [("02",), ("00",)]
    assert footprint.routes([small, large]) == {}


def test_memory_is_that_of_the_process_and_all_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_secrets(tmp_path)
    settings = Settings(_env_file=secrets_file(tmp_path), data_dir=tmp_path)
    code = "kept = bytearray(b'x' * 80_000_000); print('there', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as held:
        assert held.stdout is not None
        held.stdout.readline()
        known = [supervisor.Process("held", "RUNNING", held.pid, 0, "")]
        monkeypatch.setattr(supervisor, "processes", lambda _: known)
        with footprint.Watch(settings, every=0.05) as watch:
            held.communicate(b"\n")
        # it has ended: what counts is the largest that was seen
    assert 80 < watch.peak["held"] < 200
    assert watch.peak[NOTEBOOK] > 80
