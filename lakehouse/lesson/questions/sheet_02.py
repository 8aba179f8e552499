"""Sheet 02, the event log: the key, the lag, where to begin again, what may be committed. Judged on the broker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import orjson

from lakehouse.engines import kafka
from lakehouse.lesson import event_log as log
from lakehouse.lesson.event_log import Place
from lakehouse.lesson.question import Question, Wrong, WrongAnswer, one_number, require_type

ORDERS = "shopify.orders"
EVENTS_OF_A_PARTITION = 300
PARTITIONS = 4
MOST_OF_ONE_PARTITION = 0.6
"""Of all messages: above it the partitions do not share the work."""
CHARGES = "stripe.charges"
BACK_TO = 50
"""The offset in partition 0 whose time is the moment to go back to."""


def order_events() -> list[dict[str, Any]]:
    """Real webhooks about orders, from the beginning of their topic, in the order in which they were received."""
    events = []
    for message in log.read(ORDERS, most=EVENTS_OF_A_PARTITION):
        payload = orjson.loads(message.value())
        headers = {name: value.decode() for name, value in message.headers()}
        wanted = ("webhook_id", "webhook_topic", "shop_domain", "received_at")
        customer = (payload.get("customer") or {}).get("id")
        events.append(
            {name: headers[name] for name in wanted}
            | {"order_id": str(payload["id"]), "customer_id": None if customer is None else str(customer)}
        )
    return sorted(events, key=lambda event: event["received_at"])


def replay_moment() -> datetime:
    """A moment in the time of the topic of charges; the same one as long as the log stands."""
    [time] = [each.timestamp()[1] for each in log.read(CHARGES, {0: BACK_TO}, most=1) if each.partition() == 0]
    return datetime.fromtimestamp(time / 1000, UTC)


@contextmanager
def _topic(partitions: int) -> Iterator[str]:
    """A topic for one judgement; its name is also a group's."""
    prefix = log.scratch_log("sheet02")
    try:
        yield log.create_topic(f"{prefix}judged", partitions)
    finally:
        log.drop_scratch_log(prefix)


def _send(topic: str, values: Iterable[tuple[str | None, str, int]]) -> None:
    """Messages as (key, value, partition); -1 leaves the partition to the key."""
    producer = log.producer(sticky_partitioning_linger_ms=0)
    for key, value, partition in values:
        producer.produce(topic, key=key, value=value, partition=partition)
    if producer.flush(kafka.ADMIN_TIMEOUT_SECONDS):
        raise log.LogSilent(f"the broker did not take all messages of {topic}", log.NEXT_STEP)


def _commit(group: str, offsets: dict[int, int]) -> None:
    """A group named like its topic writes down where it goes on."""
    from confluent_kafka import TopicPartition

    consumer = log.consumer(group)
    consumer.commit(offsets=[TopicPartition(group, n, offset) for n, offset in offsets.items()], asynchronous=False)
    consumer.close()


class Key(Question):
    """A function of an event."""

    id = "02.1"
    hints = (
        "All events that must stay in order need the same key. Which events must not overtake each other?",
        "The events of one order. And there must be many different keys, or one partition gets everything.",
        'Return `event["order_id"]`.',
    )
    why = (
        "Right. The key is the thing whose history must stay in order, and there are many things: order where it is"
        " needed, and work for as many consumers as there are partitions."
    )

    def judge(self, answer: Any) -> None:
        events = order_events()
        keys = [self.call(answer, event) for event in events]
        other = next((key for key in keys if not isinstance(key, str | None)), None)
        if other is not None:
            raise Wrong(f"a key is text, and your function gives {type(other).__name__}")
        with _topic(PARTITIONS) as topic:
            _send(topic, ((key, str(n), -1) for n, key in enumerate(keys)))
            home = {int(message.value()): message.partition() for message in log.read(topic)}
        self._judge_homes({n: event["order_id"] for n, event in enumerate(events)}, home)

    @staticmethod
    def _judge_homes(order_of: dict[int, str], home: dict[int, int]) -> None:
        homes: dict[str, set[int]] = {}
        for n, order in order_of.items():
            homes.setdefault(order, set()).add(home[n])
        split = sum(len(found) > 1 for found in homes.values())
        if split:
            raise Wrong(
                f"{split:,} of {len(homes):,} orders have their events in several partitions: a reader may see"
                " the payment before the order"
            )
        partitions = list(home.values())
        largest = max(partitions.count(n) for n in set(partitions))
        if largest > MOST_OF_ONE_PARTITION * len(partitions):
            raise Wrong(
                f"{largest:,} of {len(partitions):,} events went to one partition of {PARTITIONS}: one consumer"
                " does the work, the others wait"
            )

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: lambda event: event["webhook_id"], "in several partitions")
        yield WrongAnswer(lambda: lambda event: event["webhook_topic"], "in several partitions")
        yield WrongAnswer(lambda: lambda event: event["shop_domain"], "went to one partition")
        yield WrongAnswer(lambda: lambda event: int(event["order_id"]), "a key is text")
        yield WrongAnswer(lambda: "order_id", "a function is asked for")


class Lag(Question):
    """A function of a `Place`."""

    id = "02.2"
    hints = (
        "The committed offset is the next one that the group will read, not the last one that it has read.",
        "Where nothing was committed, the group begins at `start`. Where it committed an offset that is no longer"
        " there, it begins at `start`, too.",
        "`place.end - max(place.start, place.committed or 0)`.",
    )
    why = (
        "Right. Lag is what this group can still read: not what was ever written, and not what retention has taken. An"
        " alert on a wrong lag either never fires or never stops."
    )
    MESSAGES = (10, 5, 6, 12)
    COMMITTED = {0: 7, 2: 6, 3: 2}  # noqa: RUF012
    GONE_BEFORE = {3: 5}  # noqa: RUF012

    def judge(self, answer: Any) -> None:
        with _topic(len(self.MESSAGES)) as topic:
            _send(topic, ((None, str(n), part) for part, count in enumerate(self.MESSAGES) for n in range(count)))
            _commit(topic, self.COMMITTED)
            for partition, offset in self.GONE_BEFORE.items():
                log.delete_before(topic, partition, offset)
            found = log.places(topic, topic)
            there = Counter(message.partition() for message in log.read(topic, self._begin(found)))
        for place in found:
            said = one_number(self.call(answer, place))
            if said != there[place.partition]:
                raise Wrong(f"{place}: you say {said}; {self._why(place)}")

    @staticmethod
    def _begin(places: list[Place]) -> dict[int, int]:
        return {place.partition: place.committed for place in places if place.committed is not None}

    @staticmethod
    def _why(place: Place) -> str:
        if place.committed is None:
            return "a group that has committed nothing has all messages before it that are there"
        if place.committed < place.start:
            return "what stood before the start is gone, and nobody can read it"
        return f"the group has handled everything before {place.committed} and reads {place.committed} next"

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: lambda place: place.end - (place.committed or 0), "is gone, and nobody can read it")
        yield WrongAnswer(lambda: lambda place: place.end - place.start, "reads 7 next")
        yield WrongAnswer(lambda: lambda place: place.end - (place.committed or 0) - 1, "reads 7 next")
        yield WrongAnswer(
            lambda: lambda place: 0 if place.committed is None else place.end - place.committed, "committed nothing"
        )


class BeginAgain(Question):
    """A dictionary: partition → offset."""

    id = "02.3"
    hints = (
        "Each partition has its own offsets: at one moment they stand at different places.",
        "The broker knows the times of its messages; ask it with `offsets_for_times`.",
        'Give it `TopicPartition("stripe.charges", n, milliseconds)` for each partition n, the time in the place of the'
        " offset; the answer has the offset there.",
    )
    why = (
        "Right. One moment, an offset for each partition: everything from then on is read again and nothing that came"
        " before. What comes twice by it must be harmless, which lesson 05 sees to."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, dict, "a dictionary")
        for partition, right in self._right().items():
            if partition not in answer:
                raise Wrong(f"partition {partition} is missing: nothing of it would be read again")
            found = one_number(answer[partition])
            if found > right:
                raise Wrong(
                    f"partition {partition}: beginning at {found:,} leaves out {found - right:,} of the messages that"
                    " came at the moment or after it"
                )
            if found < right:
                raise Wrong(
                    f"partition {partition}: from {found:,} on you read again {right - found:,} of the messages that"
                    " came before the moment"
                )

    @staticmethod
    def _right() -> dict[int, int]:
        """From the messages themselves, and not from the broker's index of times."""
        moment, right = replay_moment().timestamp() * 1000, dict[int, int]()
        for place in log.places(CHARGES):
            right[place.partition] = place.end
        for message in log.read(CHARGES):
            if message.timestamp()[1] >= round(moment):
                right[message.partition()] = min(right[message.partition()], message.offset())
        return right

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: dict.fromkeys(self._right(), 0), "came before the moment")
        yield WrongAnswer(
            lambda: {n: offset + 3 for n, offset in self._right().items()}, "leaves out 3 of the messages"
        )
        yield WrongAnswer(lambda: {0: self._right()[0]}, "partition 1 is missing")
        yield WrongAnswer(lambda: 100, "a dictionary is asked for")


class SafeToCommit(Question):
    """A function of a set of offsets."""

    id = "02.4"
    hints = (
        "A commit says: everything before this offset is done. For which offsets is that true?",
        "Look for the first offset that is not in `handled`.",
        "Count upwards from 0 as long as the offset is in `handled`; where you stop is the answer.",
    )
    why = (
        "Right. One number a partition can only say *everything before*. What is done behind a gap is done again after"
        " a crash, and that is the price of losing nothing."
    )
    MESSAGES = 20
    CASES: tuple[frozenset[int], ...] = (
        frozenset({*range(12), 13, 15}), frozenset(range(10)), frozenset(), frozenset({1, 2, 3}),
        frozenset(range(MESSAGES)),
    )  # fmt: skip

    def judge(self, answer: Any) -> None:
        with _topic(1) as topic:
            _send(topic, ((None, str(n), 0) for n in range(self.MESSAGES)))
            for handled in self.CASES:
                offset = one_number(self.call(answer, set(handled)))
                if not 0 <= offset <= self.MESSAGES:
                    raise Wrong(f"with {sorted(handled)} handled you commit {offset}, which is no place of the log")
                self._crash(topic, handled, offset)

    @staticmethod
    def _crash(topic: str, handled: frozenset[int], offset: int) -> None:
        """The consumer dies after its commit; a successor reads on from it."""
        _commit(topic, {0: offset})
        [place] = log.places(topic, topic)
        rest = {message.offset() for message in log.read(topic, begin={0: place.committed or 0})}
        lost = sorted(set(range(place.end)) - handled - rest)
        if lost:
            raise Wrong(f"with {sorted(handled)} handled you commit {offset}; after a crash nobody handles {lost}")
        again = sorted(n for n in rest & handled if set(range(n)) <= handled)
        if again:
            raise Wrong(
                f"with {sorted(handled)} handled you commit {offset}; after a crash {again} comes again, though it was"
                " done and nothing before it is open"
            )

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: lambda handled: max(handled) + 1, "nobody handles [12, 14]")
        yield WrongAnswer(lambda: len, "nobody handles [12]")
        yield WrongAnswer(lambda: lambda handled: 0, "comes again")
        yield WrongAnswer(lambda: lambda handled: 99, "no place of the log")


QUESTIONS: tuple[Question, ...] = (Key(), Lag(), BeginAgain(), SafeToCommit())
