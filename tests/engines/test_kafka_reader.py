"""Messages are read by their place: these, all of these, and none after them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from lakehouse.engines import kafka, kafka_reader

pytestmark = pytest.mark.stack


@pytest.fixture
def topic(live_stack: None) -> Iterator[str]:
    """A topic of one partition with ten messages."""
    from confluent_kafka import Producer
    from confluent_kafka.admin import NewTopic

    name, client = f"scratch.test.{uuid.uuid4().hex[:8]}", kafka.admin()
    client.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])[name].result(timeout=20)
    producer = Producer(kafka.client_config())
    for number in range(10):
        producer.produce(name, key=f"k{number}", value=b"\xff%d" % number, headers=[("number", str(number))])
    assert producer.flush(20) == 0
    yield name
    client.delete_topics([name])[name].result(timeout=20)


def test_a_range_of_a_partition(topic: str) -> None:
    found = kafka_reader.read({(topic, 0): (3, 6)})
    assert [(one.offset, one.key, one.value) for one in found] == [
        (3, "k3", b"\xff3"), (4, "k4", b"\xff4"), (5, "k5", b"\xff5"),
    ]  # fmt: skip
    assert found[0].headers == {"number": "3"}


def test_all_that_a_topic_holds_and_nothing_of_an_empty_range(topic: str) -> None:
    assert [one.offset for one in kafka_reader.read_all([topic])] == list(range(10))
    assert kafka_reader.read({(topic, 0): (4, 4)}) == []


def test_what_does_not_come_is_named(topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_reader, "READ_TIMEOUT_SECONDS", 0.5)
    with pytest.raises(kafka_reader.NotRead, match="2 messages did not come"):
        kafka_reader.read({(topic, 0): (8, 12)})
