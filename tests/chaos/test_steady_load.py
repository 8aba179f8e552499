"""A load that goes on when the days which were made beforehand are over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.chaos import load
from lakehouse.commands.world import generate_day
from lakehouse.lesson.load import open_deliveries
from lakehouse.settings import Settings
from lakehouse.waiting import wait_until
from tests.webhook_receiver import Receiver, receiving

RATE = 50


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    with receiving(tmp_path, Receiver().answer) as found:
        generate_day(found, 1, people=50)
        yield found


def test_days_are_made_beside_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "STOCK_SECONDS", 12)
    (there,) = load.unsent_days(settings).values()
    with load.SteadyLoad(settings, rate=RATE) as storm:
        wait_until(lambda: storm.begun > there + RATE, timeout=60, what="more than the first day to be sent")
        storm.pause()
        # somebody waits for something else under the load that has ended, and looks at the books
        wait_until(lambda: storm.ended and not any(open_deliveries(settings, day) for day in storm.days),
                   timeout=30, what="an answer to each delivery of the days that were begun")  # fmt: skip
        days = list(storm.days)
    assert storm.days == days
    found = load.figures(storm.attempts(), storm.began, storm.ended)
    assert len(storm.days) > 1
    assert found.new >= found.taken >= there
    assert found.rate <= RATE * load.MARGIN * 1.1
