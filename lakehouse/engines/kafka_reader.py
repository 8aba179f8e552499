"""Read messages of the event log by their place, to look at them; no consumer group remembers it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lakehouse.engines.kafka import ADMIN_TIMEOUT_SECONDS, QUIET, client_config
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, get_settings

READ_TIMEOUT_SECONDS = 20.0

Place = tuple[str, int]
"""(topic, partition)."""


class NotRead(LakehouseError):
    """Messages that should be in the event log did not come."""


@dataclass(frozen=True)
class Logged:
    """One message and its place. Header values are text; `value` is what was received, to the byte."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: dict[str, str]


def _logged(message: Any) -> Logged:
    headers = {name: (value or b"").decode() for name, value in message.headers() or []}
    return Logged(
        message.topic(), message.partition(), message.offset(), (message.key() or b"").decode(),
        message.value() or b"", headers,
    )  # fmt: skip


def read(ranges: Mapping[Place, tuple[int, int]], settings: Settings | None = None) -> list[Logged]:
    """The messages of each place from its first offset up to, and without, its second; by place and offset.

    Raises `NotRead` when the broker does not give them all in time.
    """
    from confluent_kafka import TopicPartition

    wanted = {place: (start, end) for place, (start, end) in ranges.items() if end > start}
    missing = {(*place, offset) for place, (start, end) in wanted.items() for offset in range(start, end)}
    found: list[Logged] = []
    consumer = _consumer(settings or get_settings())
    try:
        consumer.assign([TopicPartition(*place, start) for place, (start, _) in wanted.items()])
        deadline = time.monotonic() + READ_TIMEOUT_SECONDS
        while missing:
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                one = _logged(message)
                # a partition goes on after the range that is asked for
                if (one.topic, one.partition, one.offset) in missing:
                    missing.remove((one.topic, one.partition, one.offset))
                    found.append(one)
            if missing and time.monotonic() > deadline:
                raise NotRead(f"{len(missing):,} messages did not come, the first of {min(missing)}",
                              "look at the broker: `lakehouse stack logs kafka`")  # fmt: skip
    finally:
        consumer.close()
    return sorted(found, key=lambda one: (one.topic, one.partition, one.offset))


def read_all(topics: list[str], settings: Settings | None = None) -> list[Logged]:
    """Every message that these topics hold now: for topics of a few thousand."""
    from confluent_kafka import TopicPartition

    s = settings or get_settings()
    consumer = _consumer(s)
    try:
        known = consumer.list_topics(timeout=ADMIN_TIMEOUT_SECONDS).topics
        places = [(topic, number) for topic in topics for number in known[topic].partitions]
        ranges = {
            place: consumer.get_watermark_offsets(TopicPartition(*place), timeout=ADMIN_TIMEOUT_SECONDS)
            for place in places
        }
    finally:
        consumer.close()
    return read(ranges, s)


def _consumer(settings: Settings) -> Any:
    from confluent_kafka import Consumer

    own = {"group.id": f"look-{uuid.uuid4()}", "enable.auto.commit": False, **QUIET}
    return Consumer(client_config(settings) | own)
