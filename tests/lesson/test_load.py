"""The load of a lesson: whatever the receiver does meanwhile, at the end each delivery has its final answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_generators import ledger
from lakehouse.checks.deliveries import sent_days
from lakehouse.commands.world import generate_day
from lakehouse.lesson.load import Load, NotFinished, finish, open_deliveries
from lakehouse.settings import Settings
from lakehouse.waiting import wait_until
from tests.webhook_receiver import Receiver, receiving

PEOPLE = 6


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def settings(tmp_path: Path, receiver: Receiver) -> Iterator[Settings]:
    """Settings whose webhook API is a server that can be away, with a world whose first day is generated."""
    with receiving(tmp_path, receiver.answer) as found:
        generate_day(found, 1, people=PEOPLE)
        yield found


def test_an_outage_in_the_middle_ends_with_a_final_answer_for_each(settings: Settings, receiver: Receiver) -> None:
    with Load(settings, rate=20, most=200, retry_scale=0.0001) as load:
        wait_until(lambda: receiver.asked >= 10, timeout=10, what="the first requests")
        receiver.away.set()
        before = receiver.asked
        wait_until(lambda: receiver.asked >= before + 10, timeout=10, what="requests that fail")
        receiver.away.clear()

    assert load.days[0] == 2
    assert load.begun > 0
    assert [open_deliveries(settings, day) for day in load.days] == [[] for _ in load.days]
    outcomes = {attempt["outcome"] for attempt in load.attempts()}
    assert {"accepted", "failed"} <= outcomes
    accepted = [a["delivery_id"] for a in load.attempts() if a["outcome"] == "accepted"]
    assert len(accepted) == len(set(accepted)), "a delivery that was accepted was sent again"


def test_a_run_that_was_interrupted_is_finished_by_the_next(settings: Settings, receiver: Receiver) -> None:
    class Interrupted(Exception):
        pass

    def cut_off() -> None:
        with Load(settings, rate=2, most=50):
            wait_until(lambda: receiver.asked > 0, timeout=10, what="the first request")
            raise Interrupted

    with pytest.raises(Interrupted):
        cut_off()
    (day,) = sent_days(settings.world_dir)
    assert open_deliveries(settings, day)

    with Load(settings, most=0):
        pass

    assert open_deliveries(settings, day) == []


def test_it_works_where_an_event_loop_runs_already(settings: Settings) -> None:
    async def as_in_a_notebook() -> list[int]:
        with Load(settings, rate=5, most=5) as load:
            wait_until(lambda: load.begun == 5, timeout=10, what="five deliveries")
        return load.days

    (day,) = asyncio.run(as_in_a_notebook())
    assert open_deliveries(settings, day) == []


def test_what_is_given_up_for_good_is_named(settings: Settings, receiver: Receiver) -> None:
    receiver.away.set()
    with pytest.raises(NotFinished, match=r"by day: \{1: \d+\}"):
        finish(settings, [1], rate=5000, retry_scale=0)
    last = ledger.summary(ledger.read_attempts(settings.world_dir, 1))
    assert set(last["outcomes"]) == {"failed:broker_unavailable"}


def test_there_are_never_more_than_asked_for(settings: Settings) -> None:
    with Load(settings, rate=3, most=5) as load:
        wait_until(lambda: load.begun >= 5, timeout=10, what="five deliveries")
    assert load.begun == 5
