"""On the live broker: one that comes back slowly after a crash makes no copies of messages that it acknowledged."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from lakehouse.ingestion.messages import Message
from lakehouse.ingestion.publisher import NotAcknowledged, Publisher
from lakehouse.lesson import event_log
from lakehouse.settings import Settings, load_settings
from lakehouse.waiting import wait_until
from stack.native import faults, supervisor

TOPIC, PARTITIONS = "slow", 3
EVERY_SECONDS = 0.004
STUTTERS, HALTED_SECONDS, AT_WORK_SECONDS = 12, 0.35, 0.15
"""The broker's return: it halts again and again, so that answers take longer than what is left of senders' patience."""


@pytest.fixture
def prefix(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("WORKBOOK_LEARNER", "ada")
    prefix = event_log.scratch_log("publisher")
    event_log.create_topic(f"{prefix}{TOPIC}", PARTITIONS)
    yield prefix
    event_log.drop_scratch_log(prefix)


def _listens(settings: Settings) -> bool:
    host, _, port = settings.kafka_bootstrap.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 0.2).close()
    except OSError:
        return False
    return True


def _crash_and_stutter(settings: Settings, pause: threading.Event) -> None:
    """Kill the broker; when it listens again, halt it a dozen times on its way. `pause` is set when it is well."""
    killed = faults.kill(settings, "kafka")
    wait_until(
        lambda: (found := supervisor.find(settings, "kafka")) is not None and found.pid != killed.pid,
        timeout=60, what="a new process of the broker",
    )  # fmt: skip
    wait_until(lambda: _listens(settings), timeout=60, what="the broker's port", every=0.03)
    broker = supervisor.find(settings, "kafka")
    assert broker is not None
    for _ in range(STUTTERS):
        os.kill(broker.pid, signal.SIGSTOP)
        pause.wait(HALTED_SECONDS)
        os.kill(broker.pid, signal.SIGCONT)
        pause.wait(AT_WORK_SECONDS)
    faults.wait_until_back(settings, killed)
    pause.set()


async def _publish_until_well(settings: Settings, prefix: str) -> dict[str, bool]:
    """Message → whether it was acknowledged, of a steady stream from before the crash until the broker is well."""
    publisher, found, well = Publisher(settings, prefix), dict[str, bool](), threading.Event()

    async def publish(name: str) -> None:
        try:
            await publisher.publish([Message(TOPIC, name, name.encode(), {})])
        except NotAcknowledged:
            found[name] = False
        else:
            found[name] = True

    crash = asyncio.create_task(asyncio.to_thread(_crash_and_stutter, settings, well))
    async with asyncio.TaskGroup() as group:
        number = 0
        while not crash.done():
            group.create_task(publish(str(number)))
            number += 1
            # a steady pace: the next message, or the end
            await asyncio.wait([crash], timeout=EVERY_SECONDS)
    await crash
    publisher.close()
    return found


@pytest.mark.stack
@pytest.mark.chaos
def test_what_was_acknowledged_is_stored_once_however_slowly_the_broker_comes_back(prefix: str) -> None:
    settings = load_settings()
    acknowledged = asyncio.run(_publish_until_well(settings, prefix))
    stored = Counter(value.decode() for value in event_log.messages(f"{prefix}{TOPIC}")["value"])
    kept = [name for name, stood in acknowledged.items() if stood]
    assert len(kept) > 100
    assert len(kept) < len(acknowledged), "no message was in doubt: the broker was back too soon to show anything"
    assert [name for name in kept if stored[name] == 0] == []
    assert [name for name in kept if stored[name] > 1] == []
