"""The event log's client: topics, how much they hold, what a producer needs. Connects only when called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, get_settings

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

PARTITIONS = 2
QUARANTINE_TOPIC = "ingestion.quarantine"
ENTITY_TOPICS = (
    "shopify.orders",
    "shopify.customers",
    "stripe.charges",
    "stripe.customers",
    "hubspot.contacts",
    "hubspot.companies",
    "privacy.requests",
)
TOPICS = (*ENTITY_TOPICS, QUARANTINE_TOPIC)
ADMIN_TIMEOUT_SECONDS = 15


class BrokerUnavailable(LakehouseError, ConnectionError):
    """No broker answers."""


def _ignore_log(_: object) -> None:
    """librdkafka reports connection errors to its callback too; the caller raises them itself."""


def admin(settings: Settings | None = None) -> AdminClient:
    """An admin client of the broker; it connects on first use."""
    from confluent_kafka.admin import AdminClient

    s = settings or get_settings()
    return AdminClient({"bootstrap.servers": s.kafka_bootstrap, "error_cb": _ignore_log, "log_level": 2})


def topic_names(settings: Settings | None = None, timeout: float = ADMIN_TIMEOUT_SECONDS) -> set[str]:
    """The topics there are. Raises `BrokerUnavailable` when none answers in `timeout` seconds."""
    from confluent_kafka import KafkaException

    s = settings or get_settings()
    try:
        return set(admin(s).list_topics(timeout=timeout).topics)
    except KafkaException as error:
        said = error.args[0].str()
        raise BrokerUnavailable(
            f"no broker answers at {s.kafka_bootstrap}: {said}", "look at `lakehouse stack status`, then at its log"
        ) from error


def consumer_groups(settings: Settings | None = None) -> set[str]:
    """The ids of the groups that the broker knows. Raises the broker's error."""
    from confluent_kafka import KafkaException

    client = admin(settings)  # it has to live until the answer is there
    found = client.list_consumer_groups().result(timeout=ADMIN_TIMEOUT_SECONDS)
    for error in found.errors:
        raise KafkaException(error)
    return {group.group_id for group in found.valid}


def ensure_topics(settings: Settings | None = None) -> list[str]:
    """Create the topics that are missing; returns those it created. Repeatable."""
    from confluent_kafka.admin import NewTopic

    missing = [name for name in TOPICS if name not in topic_names(settings)]
    if missing:
        client = admin(settings)
        futures = client.create_topics([NewTopic(n, num_partitions=PARTITIONS, replication_factor=1) for n in missing])
        for future in futures.values():
            future.result(timeout=ADMIN_TIMEOUT_SECONDS)
    return missing


def end_offsets(settings: Settings | None = None) -> dict[tuple[str, int], int]:
    """How many messages each (topic, partition) has ever held; nothing is ever compacted or expired here."""
    from confluent_kafka import Consumer, TopicPartition

    s = settings or get_settings()
    config: dict[str, Any] = {
        "bootstrap.servers": s.kafka_bootstrap,
        "group.id": "lakehouse-offsets",
        "enable.auto.commit": False,
        "error_cb": _ignore_log,
    }
    consumer = Consumer(config)
    try:
        present = topic_names(s)
        offsets = {}
        for topic in TOPICS:
            if topic in present:
                for partition in range(PARTITIONS):
                    _, high = consumer.get_watermark_offsets(
                        TopicPartition(topic, partition), timeout=ADMIN_TIMEOUT_SECONDS
                    )
                    offsets[topic, partition] = high
        return offsets
    finally:
        consumer.close()
