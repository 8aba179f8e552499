"""The event log in lessons: topics and consumer groups of a learner's own, what a topic holds, where a group stands.

Names of a lesson begin with `scratch_<learner>_<lesson>.`: with the point, no learner's name is part of another's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.engines import kafka
from lakehouse.errors import LakehouseError
from lakehouse.lesson.learners import learner
from lakehouse.lesson.scratch import PREFIX
from lakehouse.waiting import wait_until

if TYPE_CHECKING:
    import pandas as pd
    from confluent_kafka import Consumer, Message, Producer

NEXT_STEP = "look at `lakehouse stack logs kafka`"
SESSION_MS = 6_000
"""The shortest that the broker takes: after it, a consumer that was killed counts as gone."""
READ_SECONDS = 20
GONE_SECONDS = 60
NOT_COMMITTED = -1001
"""librdkafka's word for *this group never committed here*."""


class LogSilent(LakehouseError):
    """The broker did not give what its own offsets promise."""


@dataclass(frozen=True)
class Place:
    """Where a group stands in one partition: all three are offsets, `committed` is the next one it would read.

    `start` is the first message that is still there, `end` the place of the next one to come.
    """

    partition: int
    start: int
    end: int
    committed: int | None


def config(**more: Any) -> dict[str, Any]:
    """How a client of a lesson connects; `more` is written with `_` for the points: `group_id="…"`."""
    return kafka.client_config() | kafka.QUIET | {name.replace("_", "."): value for name, value in more.items()}


def producer(**more: Any) -> Producer:
    """A producer that waits for the broker's word on each message; `flush()` it."""
    from confluent_kafka import Producer

    return Producer(config(acks="all", enable_idempotence=True, linger_ms=2, **more))


def consumer(group: str = "lesson-reader", **more: Any) -> Consumer:
    """A consumer that commits only what it is told to; `close()` it."""
    from confluent_kafka import Consumer

    usual = {"enable_auto_commit": False, "auto_offset_reset": "earliest",
             "session_timeout_ms": SESSION_MS, "heartbeat_interval_ms": 500}  # fmt: skip
    return Consumer(config(group_id=group, **(usual | more)))


def _results(futures: Iterable[Future[Any]]) -> list[Any]:
    return [future.result(timeout=kafka.ADMIN_TIMEOUT_SECONDS) for future in futures]


def scratch_log(lesson: str) -> str:
    """The beginning of this learner's names of topics and groups; what an earlier run left there is deleted."""
    prefix = f"{PREFIX}_{learner()}_{lesson}."
    drop_scratch_log(prefix)
    return prefix


def drop_scratch_log(prefix: str) -> None:
    """Delete the topics and groups whose names begin so; waits for members that are still leaving.

    Raises `ValueError` for a beginning that `scratch_log` did not give.
    """
    if not (prefix.startswith(f"{PREFIX}_") and prefix.endswith(".")):
        raise ValueError(f"{prefix} is nothing of `scratch_log`; its names begin with {PREFIX}_ and end with a point")
    drop_all(lambda name: name.startswith(prefix))


def drop_all(mine: Callable[[str], bool]) -> list[str]:
    """Delete the topics and groups that are `mine` by their names; waits for members that are still leaving.

    Gives the names of both.
    """
    topics = sorted(name for name in kafka.topic_names() if mine(name))
    if topics:
        client = kafka.admin()  # it has to live until the answer is there
        _results(client.delete_topics(topics).values())
        wait_until(
            lambda: not kafka.topic_names() & set(topics), timeout=GONE_SECONDS, every=0.1,
            what=f"the broker to delete {', '.join(topics)}", next_step=NEXT_STEP,
        )  # fmt: skip
    groups = sorted(name for name in kafka.consumer_groups() if mine(name))
    wait_until(
        lambda: _drop_groups(mine), timeout=GONE_SECONDS, every=0.5,
        what=f"the last consumer of {', '.join(groups)} to leave",
        next_step="close the notebook that still reads, and try again",
    )  # fmt: skip
    return [*topics, *groups]


def _drop_groups(mine: Callable[[str], bool]) -> bool:
    """Whether none of those groups is left; those without members are deleted."""
    from confluent_kafka import KafkaError, KafkaException

    client = kafka.admin()
    groups = sorted(group for group in kafka.consumer_groups() if mine(group))
    for future in client.delete_consumer_groups(groups).values() if groups else ():
        try:
            future.result(timeout=kafka.ADMIN_TIMEOUT_SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in (KafkaError.NON_EMPTY_GROUP, KafkaError.GROUP_ID_NOT_FOUND):
                raise
    return not groups


def create_topic(name: str, partitions: int) -> str:
    """A new, empty topic; returns its name once the broker serves it."""
    from confluent_kafka.admin import NewTopic

    client = kafka.admin()  # it has to live until the answer is there
    _results(client.create_topics([NewTopic(name, partitions, replication_factor=1)]).values())
    wait_until(
        lambda: name in kafka.topic_names(), timeout=kafka.ADMIN_TIMEOUT_SECONDS, every=0.05,
        what=f"the topic {name}", next_step=NEXT_STEP,
    )  # fmt: skip
    return name


def delete_before(topic: str, partition: int, offset: int) -> None:
    """Let go of what stands before an offset, as retention does with what is old."""
    from confluent_kafka import TopicPartition

    client = kafka.admin()
    _results(client.delete_records([TopicPartition(topic, partition, offset)]).values())


def places(topic: str, group: str = "lesson-reader") -> list[Place]:
    """Where a group stands, partition by partition, as the broker knows it."""
    from confluent_kafka import TopicPartition

    reader = consumer(group)
    try:
        numbers = sorted(reader.list_topics(topic, timeout=kafka.ADMIN_TIMEOUT_SECONDS).topics[topic].partitions)
        known = reader.committed([TopicPartition(topic, n) for n in numbers], timeout=kafka.ADMIN_TIMEOUT_SECONDS)
        found = []
        for each in known:
            start, end = reader.get_watermark_offsets(each, timeout=kafka.ADMIN_TIMEOUT_SECONDS)
            found.append(Place(each.partition, start, end, None if each.offset == NOT_COMMITTED else each.offset))
        return found
    finally:
        reader.close()


def read(topic: str, begin: dict[int, int] | None = None, most: int | None = None) -> Iterator[Message]:
    """The messages of a topic as they come, up to where it ends now; `begin` says from which offset, by
    partition; `most` is how many of each partition.

    Commits nothing and joins no group. Raises `LogSilent`.
    """
    from confluent_kafka import KafkaException, TopicPartition

    wanted: dict[int, tuple[int, int]] = {}
    for each in places(topic):
        first = max(each.start, (begin or {}).get(each.partition, 0))
        wanted[each.partition] = first, each.end if most is None else min(each.end, first + most)
    left = {partition: end for partition, (first, end) in wanted.items() if first < end}
    reader = consumer()
    try:
        reader.assign([TopicPartition(topic, partition, wanted[partition][0]) for partition in left])
        while left:
            batch = _some(reader)
            if not batch:
                raise LogSilent(f"{topic} gave no message for {READ_SECONDS} s before its end", NEXT_STEP)
            for message in batch:
                if message.error():
                    raise KafkaException(message.error())
                if message.offset() < wanted[message.partition()][1]:
                    yield message
                if message.offset() + 1 >= wanted[message.partition()][1]:
                    left.pop(message.partition(), None)
    finally:
        reader.close()


def _some(reader: Consumer) -> list[Message]:
    """What there is now, waiting only for the first message."""
    first = reader.poll(READ_SECONDS)
    return [] if first is None else [first, *reader.consume(1000, timeout=0)]


def messages(topic: str, begin: dict[int, int] | None = None) -> pd.DataFrame:
    """A topic as a table, in the order in which it was read: partition, offset, time, key, value, headers."""
    import pandas as pd

    rows = [
        {
            "partition": message.partition(),
            "offset": message.offset(),
            "time": pd.Timestamp(message.timestamp()[1], unit="ms", tz="UTC"),
            "key": None if message.key() is None else message.key().decode(),
            "value": message.value(),
            "headers": {name: value.decode() for name, value in message.headers() or []},
        }
        for message in read(topic, begin)
    ]
    return pd.DataFrame(rows, columns=["partition", "offset", "time", "key", "value", "headers"])
