"""What a topic still holds of a person, and its head deleted: on a topic of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lakehouse.engines.kafka import admin, client_config
from lakehouse.privacy.topics import remaining, retention_ms, truncate

pytestmark = pytest.mark.stack
TOPIC = "test.privacy"


@pytest.fixture
def topic(live_stack: None) -> Iterator[str]:
    from confluent_kafka import Producer
    from confluent_kafka.admin import NewTopic

    client = admin()
    client.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])[TOPIC].result(timeout=15)
    producer = Producer(client_config())
    for number in range(5):
        producer.produce(TOPIC, f"message {number}".encode())
    producer.flush(15)
    yield TOPIC
    client.delete_topics([TOPIC])[TOPIC].result(timeout=15)


def test_the_head_of_the_log_goes_up_to_the_last_message(topic: str) -> None:
    mine = {topic: [(0, 1), (0, 3)]}
    logs = remaining(mine)
    assert [(log.held, log.last, log.kept_ms) for log in logs] == [(2, 3, retention_ms(topic))]
    truncate(logs)
    assert remaining(mine) == []
    assert [log.held for log in remaining({topic: [(0, number) for number in range(5)]})] == [1]
    truncate([])
