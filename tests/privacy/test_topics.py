"""What a topic still holds of a person, and its head deleted: on a topic of the test's own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse.engines.kafka import admin, client_config
from lakehouse.privacy import topics
from lakehouse.privacy.person import Scope
from lakehouse.privacy.topics import SEGMENT, Log, forget, missing_in_raw, remaining, retention_ms, search
from lakehouse.settings import Settings, get_settings
from lakehouse.waiting import wait_until
from stack.native import secret_scan

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
    forget(logs)
    assert remaining(mine) == []
    assert [log.held for log in remaining({topic: [(0, number) for number in range(5)]})] == [1]
    assert forget([]) is None


def stored_in_files(settings: Settings, mark: bytes) -> list[Path]:
    """Files of the broker that hold some bytes; the messages of this test are not compressed."""
    return [path for path in secret_scan.files([settings.var_dir / "kafka"]) if mark in secret_scan.read(path)]


def test_the_brokers_files_hold_nothing_when_the_retention_has_passed(topic: str) -> None:
    """Not even that of a topic to which nothing is written any more: then no new file would ever begin."""
    from confluent_kafka import Producer

    settings, mark = get_settings(), uuid.uuid4().hex.encode()
    producer = Producer(client_config())
    producer.produce(topic, mark)
    assert producer.flush(15) == 0
    wait_until(lambda: stored_in_files(settings, mark), timeout=60, what="the message on disk", every=1)
    began = datetime.now(UTC)
    gone_by = forget(remaining({topic: [(0, 5)]}), kept=timedelta(seconds=1))
    assert gone_by is not None
    assert gone_by >= began + SEGMENT
    assert retention_ms(topic) == 1000
    # the broker looks each half minute, and lets a file lie for one
    wait_until(lambda: not stored_in_files(settings, mark), timeout=180, what="the file to go", every=1)


def test_a_longer_retention_is_shortened_and_a_shorter_one_stays(topic: str) -> None:
    logs = remaining({topic: [(0, 0)]})
    forget(logs, kept=timedelta(days=2))
    forget(logs, kept=timedelta(days=3))
    assert retention_ms(topic) == 2 * 86_400_000
    forget(logs, kept=timedelta(days=1))
    assert retention_ms(topic) == 86_400_000


def test_what_can_be_read_is_searched(topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "TOPICS", (topic,))
    assert search(["message 3", "nobody"]) == {topic: 1}
    forget(remaining({topic: [(0, 3)]}))
    assert search(["message 3"]) == {}


def test_what_raw_has_not_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {
        "raw.shopify_orders": [{"_kafka_partition": 0, "_kafka_offset": n} for n in (0, 1, 3, 9)],
        "metadata.erased_places": [{"source_topic": "shopify.orders", "kafka_partition": 0, "kafka_offset": 2}],
    }
    monkeypatch.setattr(Scope, "rows", lambda self, name, *columns: pa.Table.from_pylist(rows[name]))
    assert missing_in_raw([Log("shopify.orders", 0, 1, 3, None)]) == {}
    assert missing_in_raw([Log("shopify.orders", 0, 1, 9, None)]) == {("shopify.orders", 0): 5}
