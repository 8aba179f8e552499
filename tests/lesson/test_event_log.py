"""Topics and groups of a learner's own on the live broker: made, read, and gone at the end, also after a crash."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lakehouse.engines import kafka
from lakehouse.lesson import event_log as log
from lakehouse.lesson.event_log import Place


def test_names_of_others_are_not_deleted() -> None:
    for name in ("shopify.", "scratch_me_02", ""):
        with pytest.raises(ValueError, match="nothing of `scratch_log`"):
            log.drop_scratch_log(name)


@pytest.mark.stack
def test_options_are_written_with_underscores() -> None:
    found = log.config(group_id="g", auto_offset_reset="error")
    assert (found["group.id"], found["auto.offset.reset"]) == ("g", "error")


@pytest.fixture
def prefix(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("WORKBOOK_LEARNER", "ada")
    prefix = log.scratch_log("test")
    yield prefix
    log.drop_scratch_log(prefix)


def _fill(topic: str, counts: dict[int, int]) -> None:
    producer = log.producer()
    for partition, count in counts.items():
        for number in range(count):
            producer.produce(topic, key=f"k{partition}", value=str(number), partition=partition, headers={"n": "1"})
    assert producer.flush(20) == 0


@pytest.mark.stack
def test_a_topic_is_read_to_its_end_from_where_one_likes(prefix: str) -> None:
    topic = log.create_topic(f"{prefix}read", 3)
    assert list(log.read(topic)) == []
    _fill(topic, {0: 1500, 2: 4})
    table = log.messages(topic)
    assert table.groupby("partition").size().to_dict() == {0: 1500, 2: 4}
    assert table[table["partition"] == 0]["offset"].tolist() == list(range(1500))
    first = table.iloc[0]
    assert (first["value"], first["headers"], first["key"]) == (b"0", {"n": "1"}, f"k{first['partition']}")
    some = [(message.partition(), message.offset()) for message in log.read(topic, begin={0: 1498, 2: 9}, most=1)]
    assert some == [(0, 1498)]


@pytest.mark.stack
def test_where_a_group_stands(prefix: str) -> None:
    from confluent_kafka import TopicPartition

    topic = log.create_topic(f"{prefix}places", 2)
    _fill(topic, {0: 6, 1: 3})
    consumer = log.consumer(topic)
    consumer.commit(offsets=[TopicPartition(topic, 0, 2)], asynchronous=False)
    consumer.close()
    log.delete_before(topic, 0, 4)
    assert log.places(topic, topic) == [Place(0, 4, 6, 2), Place(1, 0, 3, None)]
    assert [message.offset() for message in log.read(topic, begin={0: 2, 1: 3})] == [4, 5]


@pytest.mark.stack
def test_what_a_crash_left_is_deleted_also_a_group_that_is_still_leaving(prefix: str) -> None:
    topic = log.create_topic(f"{prefix}left", 1)
    consumer = log.consumer(topic)
    consumer.subscribe([topic])
    log.wait_until(lambda: consumer.poll(0.1) or consumer.assignment(), timeout=30, what="the group's first member")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "GONE_SECONDS", 2)
        with pytest.raises(log.LakehouseError, match=r"the last consumer of scratch_ada_test\.left to leave"):
            log.drop_scratch_log(prefix)
    consumer.close()
    assert log.scratch_log("test") == prefix
    assert not [name for name in kafka.topic_names() if name.startswith(prefix)]
    groups = kafka.admin().list_consumer_groups
    assert topic not in {group.group_id for group in groups().result().valid}
