"""What the running stack says of itself, as samples, and alert rules over them.

A sample is a name, labels and a number, as Prometheus has it. A rule over samples that nobody sends never fires, and
looks just like one that has no reason to; `Rule.state` tells the two apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from lakehouse.engines import flink, kafka
from lakehouse.engines.kafka import PARTITIONS, TOPICS
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, get_settings

RAW_GROUP = "flink-raw"
"""The consumer group in whose name the job that fills raw commits its offsets, with each checkpoint."""
TIMEOUT_SECONDS = 15
FIRING, QUIET, NO_SERIES = "firing", "quiet", "no series"


class MetricsUnavailable(LakehouseError):
    """A part of the stack does not answer when it is asked for its metrics."""


@dataclass(frozen=True)
class Sample:
    """One number at one moment. Seconds, messages and bytes are plain; the name says which."""

    name: str
    labels: Mapping[str, str]
    value: float

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether it is of that metric and has all these labels."""
        return self.name == name and all(self.labels.get(key) == value for key, value in labels.items())


@dataclass(frozen=True)
class Rule:
    """An alert: it fires when a series of `metric` with these labels is above a threshold."""

    name: str
    metric: str
    above: float
    labels: Mapping[str, str]

    def series(self, samples: Iterable[Sample]) -> list[Sample]:
        """What feeds the rule."""
        return [sample for sample in samples if sample.matches(self.metric, self.labels)]

    def state(self, samples: Iterable[Sample]) -> str:
        """`firing`, `quiet`, or `no series`: then it cannot fire, whatever happens."""
        found = self.series(samples)
        if not found:
            return NO_SERIES
        return FIRING if any(sample.value > self.above for sample in found) else QUIET


# -- ingestion --------------------------------------------------------------------------------------------------


def parse(text: str) -> list[Sample]:
    """The samples of a page in Prometheus' text format. Raises `ValueError` for one that is none."""
    from prometheus_client.parser import text_string_to_metric_families

    return [
        Sample(sample.name, dict(sample.labels), float(sample.value))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]


def ingestion_samples(settings: Settings | None = None) -> list[Sample]:
    """What the webhook API counts since it started. A counter has no series before its first event."""
    url = f"{(settings or get_settings()).ingestion_url}/metrics"
    try:
        answer = httpx.get(url, timeout=TIMEOUT_SECONDS).raise_for_status()
    except httpx.HTTPError as error:
        raise MetricsUnavailable(f"{url}: {error!r}", "start it with `lakehouse stack up ingestion`") from error
    return parse(answer.text)


# -- the log ------------------------------------------------------------------------------------------------------


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


def log_samples(settings: Settings | None = None) -> list[Sample]:
    """`kafka_group_lag` of the job that fills raw, in messages, for each topic and partition."""
    every = [(topic, partition) for topic in TOPICS for partition in range(PARTITIONS)]
    return [
        Sample(
            "kafka_group_lag",
            {"group": RAW_GROUP, "topic": found.topic, "partition": str(found.partition)},
            found.messages,
        )
        for found in backlogs(RAW_GROUP, every, settings)
    ]


# -- Flink --------------------------------------------------------------------------------------------------------


def _age(milliseconds: float) -> float:
    """Seconds since a moment that is given in milliseconds of the epoch."""
    return datetime.now(UTC).timestamp() - milliseconds / 1000


def checkpoint_samples(checkpoints: Mapping[str, Any], job: str) -> list[Sample]:
    """From Flink's statistics: what the last checkpoint took, how long ago it was, how many failed."""
    counts, last = checkpoints["counts"], checkpoints["latest"]["completed"]
    found = [Sample(f"flink_checkpoints_{state}", {"job": job}, counts[state]) for state in ("completed", "failed")]
    if last:
        found += [
            Sample("flink_checkpoint_duration_ms", {"job": job}, last["end_to_end_duration"]),
            Sample("flink_checkpoint_age_seconds", {"job": job}, _age(last["latest_ack_timestamp"])),
        ]
    return found


def flink_samples(job_name: str, settings: Settings | None = None) -> list[Sample]:
    """Checkpoints and the sources' own lag of a running job; nothing of a job that does not run.

    `flink_records_lag_max` is reported by the consumer itself: it ends with it, and a source that has fetched nothing
    lately has no value, which is no sample here.
    """
    rest = flink.FlinkRest(settings)
    job = rest.running(job_name)
    if job is None:
        return []
    found = checkpoint_samples(rest.checkpoints(job.job_id), job_name)
    for metric, value in rest.vertex_metrics(job.job_id, "KafkaConsumer.records-lag-max"):
        if not math.isnan(value):
            found.append(Sample("flink_records_lag_max", {"job": job_name, "source": metric}, value))
    return found


# -- tables ---------------------------------------------------------------------------------------------------------


def table_samples(tables: Iterable[str]) -> list[Sample]:
    """Snapshots, files and bytes that an Iceberg table keeps, and seconds since its last commit.

    A table without a snapshot gives its count of snapshots, 0, and nothing else.
    """
    from lakehouse import metadata

    found = []
    for name in tables:
        table = metadata.catalog().load_table(name)
        labels, current = {"table": name}, table.current_snapshot()
        found.append(Sample("iceberg_snapshots", labels, len(table.snapshots())))
        if current is None or current.summary is None:
            continue
        for metric, key in _SUMMARY.items():
            found.append(Sample(metric, labels, float(current.summary[key] or 0)))
        found.append(Sample("iceberg_commit_age_seconds", labels, _age(current.timestamp_ms)))
    return found


_SUMMARY = {
    "iceberg_rows": "total-records",
    "iceberg_data_files": "total-data-files",
    "iceberg_delete_files": "total-delete-files",
    "iceberg_bytes": "total-files-size",
}
