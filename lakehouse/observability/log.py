"""The event log: how much is in it, and how far the job that fills raw has read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakehouse.engines import kafka
from lakehouse.engines.kafka import PARTITIONS, TOPICS
from lakehouse.observability.samples import TIMEOUT_SECONDS, Sample
from lakehouse.settings import Settings

RAW_GROUP = "flink-raw"
"""The consumer group in whose name the job that fills raw commits its offsets, with each checkpoint."""
HELP: Mapping[str, str] = {
    "kafka_group_lag": "messages of a partition that a consumer group has not committed",
    "kafka_log_end_offset": "messages that a partition has ever held",
}


@dataclass(frozen=True)
class Backlog:
    """One partition for one consumer group: where the log ends, and the next message to read (None: never committed).

    The broker answers for both, so it can be asked while the consumer is dead.
    """

    topic: str
    partition: int
    end: int
    committed: int | None

    @property
    def messages(self) -> int:
        """Not read yet; all of them for a group that never committed."""
        return self.end - (self.committed or 0)


def backlogs(group: str, partitions: Sequence[tuple[str, int]], settings: Settings | None = None) -> list[Backlog]:
    """The backlog of a consumer group in each (topic, partition). Raises `ConnectionError`."""
    from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
    from confluent_kafka.admin import OffsetSpec

    admin = kafka.admin(settings)
    asked = [TopicPartition(topic, partition) for topic, partition in partitions]
    try:
        request = ConsumerGroupTopicPartitions(group, asked)
        committed = admin.list_consumer_group_offsets([request], request_timeout=TIMEOUT_SECONDS)[group].result()
        ends = admin.list_offsets({one: OffsetSpec.latest() for one in asked}, request_timeout=TIMEOUT_SECONDS)
        end = {(one.topic, one.partition): future.result().offset for one, future in ends.items()}
    except KafkaException as error:
        raise ConnectionError(f"no broker answers for the group {group}: {error}") from error
    # a negative offset says that the group has committed nothing there
    at = {(o.topic, o.partition): o.offset if o.offset >= 0 else None for o in committed.topic_partitions}
    return [Backlog(topic, partition, end[topic, partition], at[topic, partition]) for topic, partition in partitions]


def raw_backlogs(settings: Settings | None) -> list[Backlog]:
    """The backlog of the job that fills raw, in every partition of every topic. Raises `ConnectionError`."""
    every = [(topic, partition) for topic in TOPICS for partition in range(PARTITIONS)]
    return backlogs(RAW_GROUP, every, settings)


def _lag(found: Backlog) -> Sample:
    labels = {"group": RAW_GROUP, "topic": found.topic, "partition": str(found.partition)}
    return Sample("kafka_group_lag", labels, found.messages)


def log_samples(settings: Settings | None = None) -> list[Sample]:
    """`kafka_group_lag` of the job that fills raw, in messages, for each topic and partition."""
    return [_lag(found) for found in raw_backlogs(settings)]


def collect(settings: Settings) -> list[Sample]:
    """The lag and the length of each partition."""
    samples = []
    for found in raw_backlogs(settings):
        labels = {"topic": found.topic, "partition": str(found.partition)}
        samples += [_lag(found), Sample("kafka_log_end_offset", labels, found.end)]
    return samples
