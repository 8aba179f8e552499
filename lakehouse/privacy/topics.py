"""What the event log still holds of an erased person. A log is not edited: messages go by age, or all up to a place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakehouse.engines.kafka import ADMIN_TIMEOUT_SECONDS, admin, client_config
from lakehouse.settings import Settings, get_settings


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
    consumer = Consumer({**client_config(s), "group.id": "lakehouse-privacy"})
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


def truncate(logs: Sequence[Log], settings: Settings | None = None) -> None:
    """Delete the head of each partition up to the last of these messages, everybody's before it included.

    Nothing is lost by it where raw holds all of them: the log's head is only read to fill raw anew. The broker
    removes the bytes with the segment that they are in.
    """
    from confluent_kafka import TopicPartition

    wanted = [TopicPartition(log.topic, log.partition, log.last + 1) for log in logs]
    if wanted:
        client = admin(settings)  # held until the answers are there
        for future in client.delete_records(wanted).values():
            future.result(timeout=ADMIN_TIMEOUT_SECONDS)
