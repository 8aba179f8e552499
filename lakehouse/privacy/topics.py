"""What the event log still holds of an erased person. A log is not edited: messages go by age, or all up to a place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakehouse.engines.kafka import ADMIN_TIMEOUT_SECONDS, QUIET, TOPICS, admin, client_config
from lakehouse.engines.kafka_reader import read_all
from lakehouse.privacy.person import Scope
from lakehouse.settings import Settings, get_settings
from lakehouse.streaming.tables import raw_table

KEPT_AFTER_ERASURE = timedelta(days=28)
"""With a day for the file and what the broker takes to notice: within the 30 days that privacy requests allow."""
SEGMENT, SLACK = timedelta(days=1), timedelta(hours=1)


@dataclass(frozen=True)
class Log:
    """One partition of a topic: how many of the messages it still holds, up to which offset they are, and for how long
    messages are kept (None: for ever)."""

    topic: str
    partition: int
    held: int
    last: int
    kept_ms: int | None


def remaining(places: Mapping[str, Sequence[tuple[int, int]]], settings: Settings | None = None) -> list[Log]:
    """Of messages by topic, as (partition, offset): those that the log still holds, a line a partition."""
    from confluent_kafka import Consumer, TopicPartition

    s = settings or get_settings()
    consumer = Consumer(client_config(s) | {"group.id": "lakehouse-privacy"} | QUIET)
    found = []
    try:
        for topic, messages in sorted(places.items()):
            for partition in sorted({partition for partition, _ in messages}):
                first, _ = consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=ADMIN_TIMEOUT_SECONDS
                )
                held = [offset for of, offset in messages if of == partition and offset >= first]
                if held:
                    found.append(Log(topic, partition, len(held), max(held), retention_ms(topic, s)))
    finally:
        consumer.close()
    return found


def retention_ms(topic: str, settings: Settings | None = None) -> int | None:
    """For how long a topic keeps messages, in milliseconds; None: for ever."""
    from confluent_kafka.admin import ConfigResource

    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    client = admin(settings)  # held until the answer is there
    config = client.describe_configs([resource])[resource].result(timeout=ADMIN_TIMEOUT_SECONDS)
    value = int(config["retention.ms"].value)
    return None if value < 0 else value


def missing_in_raw(logs: Sequence[Log], scope: Scope | None = None) -> dict[tuple[str, int], int]:
    """By (topic, partition): messages up to the last of these that have no row in raw, nor had one that was erased.

    Nothing is lost by `forget` only where there is none.
    """
    scope = scope or Scope()
    erased = scope.rows("metadata.erased_places", "source_topic", "kafka_partition", "kafka_offset").to_pylist()
    found = {}
    for log in logs:
        landed = scope.rows(raw_table(log.topic), "_kafka_partition", "_kafka_offset").to_pylist()
        offsets = {row["_kafka_offset"] for row in landed if row["_kafka_partition"] == log.partition}
        offsets |= {row["kafka_offset"] for row in erased
                    if (row["source_topic"], row["kafka_partition"]) == (log.topic, log.partition)}  # fmt: skip
        missing = log.last + 1 - sum(offset <= log.last for offset in offsets)
        if missing:
            found[log.topic, log.partition] = missing
    return found


def forget(
    logs: Sequence[Log], settings: Settings | None = None, kept: timedelta = KEPT_AFTER_ERASURE
) -> datetime | None:
    """Delete the head of each partition up to the last of these messages, everybody's before it included: from now on
    nobody can read them, nor fill raw with them again.

    Their bytes lie in a file beside later messages. So these topics begin a new file each day, and keep one for `kept`
    after its newest message. Returns when the last byte is gone at the latest; None when there is nothing to forget.
    """
    from confluent_kafka import TopicPartition

    if not logs:
        return None
    client = admin(settings)  # held until the answers are there
    wanted = [TopicPartition(log.topic, log.partition, log.last + 1) for log in logs]
    for future in client.delete_records(wanted).values():
        future.result(timeout=ADMIN_TIMEOUT_SECONDS)
    for topic in {log.topic for log in logs}:
        _let_go(topic, settings, kept)
    return datetime.now(UTC) + SEGMENT + kept + SLACK


def _let_go(topic: str, settings: Settings | None, kept: timedelta) -> None:
    """Give a topic a retention, if it has none or a longer one."""
    from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

    limits = {"segment.ms": min(SEGMENT, kept), "retention.ms": kept}
    now = retention_ms(topic, settings)
    if now is not None and timedelta(milliseconds=now) <= kept:
        del limits["retention.ms"]
    entries = [
        ConfigEntry(name, str(int(limit.total_seconds() * 1000)), incremental_operation=AlterConfigOpType.SET)
        for name, limit in limits.items()
    ]
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
    client = admin(settings)  # held until the answer is there
    client.incremental_alter_configs([resource])[resource].result(timeout=ADMIN_TIMEOUT_SECONDS)


def search(values: Sequence[str], settings: Settings | None = None) -> dict[str, int]:
    """By topic: messages that can be read and hold one of the values. Every message is read. Raises `NotRead`."""
    wanted = [value.encode() for value in values]
    found: dict[str, int] = {}
    for topic in TOPICS:
        times = sum(any(value in message.value for value in wanted) for message in read_all([topic], settings))
        if times:
            found[topic] = times
    return found
