"""Where a job without a state begins: after what raw has, if that has no gap; else nowhere."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.streaming.places import Held, NoStart, _held, plan

TOPIC = "shopify.orders"
PLACE = (TOPIC, 0)


def held(offsets: list[int], erased: list[int], topic: str = TOPIC) -> dict[tuple[str, int], Held]:
    """What raw has, from the offsets of its rows and those of rows that were erased; all of partition 0."""
    rows = pa.table({"_kafka_partition": pa.array([0] * len(offsets), pa.int32()),
                     "_kafka_offset": pa.array(offsets, pa.int64())})  # fmt: skip
    gone = pa.table({"source_topic": pa.array([topic] * len(erased), pa.string()),
                     "kafka_partition": pa.array([0] * len(erased), pa.int32()),
                     "kafka_offset": pa.array(erased, pa.int64())})  # fmt: skip
    return {(TOPIC, partition): found for partition, found in _held(TOPIC, rows, gone)}


@settings(deadline=None)  # the first one loads duckdb
@given(st.integers(0, 30), st.sets(st.integers(0, 29)), st.integers(0, 5))
def test_after_a_whole_beginning_the_next_offset(count: int, gone: set[int], waiting: int) -> None:
    erased = sorted(offset for offset in gone if offset < count)
    rows = [offset for offset in range(count) if offset not in gone]
    found = plan(held(rows[::-1], erased), {PLACE: (0, count + waiting), (TOPIC, 1): (0, 3)})
    assert found == {PLACE: count, (TOPIC, 1): 0}


@settings(deadline=None)
@given(st.integers(2, 30), st.data())
def test_a_gap_or_a_double_is_no_place_to_go_on(count: int, data: st.DataObject) -> None:
    rows = list(range(count))
    at = data.draw(st.integers(0, count - 2))
    missing, double = [row for row in rows if row != at], [*rows, at]
    for damaged, said in ((missing, "raw lacks 1 of"), (double, "1 messages twice"), ([*missing, count - 1], "twice")):
        with pytest.raises(NoStart, match=said) as refused:
            plan(held(damaged, []), {PLACE: (0, count)})
        assert f"{TOPIC}/0" in refused.value.message


def test_an_erasure_that_was_interrupted_counts_a_message_once() -> None:
    assert plan(held([0, 1, 2], [1]), {PLACE: (0, 3)}) == {PLACE: 3}


def test_another_topics_erased_messages_fill_no_gap() -> None:
    with pytest.raises(NoStart, match="raw lacks 1 of its first 3 messages"):
        plan(held([0, 2], [1], topic="stripe.charges"), {PLACE: (0, 3)})


def test_a_topic_that_was_made_anew_is_not_this_log() -> None:
    with pytest.raises(NoStart, match="the topic had only 2: it was made anew"):
        plan(held([0, 1, 2], []), {PLACE: (0, 2)})


def test_messages_that_the_topic_has_dropped_unread_are_named() -> None:
    with pytest.raises(NoStart, match="keeps no message before 5, and raw has only those before 3"):
        plan(held([0, 1, 2], []), {PLACE: (5, 9)})
    assert plan(held([0, 1, 2], []), {PLACE: (3, 9)}) == {PLACE: 3}
