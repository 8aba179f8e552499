"""The sender's ledger against raw: what is lost, what is too much, and what may be there without an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lakehouse.checks.check import Check
from lakehouse.checks.deliveries import Cut, accepted_check, book_of, erased_rows, offset_checks, stored_bodies
from lakehouse.engines.kafka import QUARANTINE_TOPIC

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = "topic string, partition int, offset long, body string, erasure_id string"
PLACES = "source_topic string, kafka_partition int, kafka_offset long, body_hash string, erasure_id string"


def attempt(delivery: str, body: str, outcome: str, messages: int = 0, quarantined: int = 0) -> dict[str, Any]:
    return {
        "delivery_id": delivery,
        "body_sha256": body,
        "outcome": outcome,
        "messages": messages,
        "quarantined": quarantined,
    }


def check(attempts: list[dict[str, Any]], stored: dict[str | None, int]) -> Check:
    return accepted_check("accepted = topics", "in topics", book_of(attempts), stored, quarantine=False)


def test_what_was_acknowledged_is_there() -> None:
    found = check([attempt("d1", "a", "accepted", 3), attempt("d2", "b", "refused")], {"a": 3})
    assert found.balanced
    assert (found.left, found.right) == (3, 3)


def test_a_lost_message_is_named() -> None:
    found = check([attempt("d1", "a", "accepted", 3), attempt("d2", "b", "accepted", 1)], {"a": 3})
    assert not found.balanced
    assert found.detail == "lost: d2"
    assert (found.left, found.right) == (4, 3)


def test_one_too_many_does_not_hide_one_too_few() -> None:
    found = check([attempt("d1", "a", "accepted", 2), attempt("d2", "b", "accepted", 2)], {"a": 3, "b": 1})
    assert found.left == found.right
    assert not found.balanced
    assert found.detail == "lost: d2; more often than sent: d1"


def test_an_attempt_whose_answer_was_lost_may_have_been_stored_or_not() -> None:
    tries = [attempt("d1", "a", "failed"), attempt("d1", "a", "accepted", 1)]
    for there in (1, 2):
        assert check(tries, {"a": there}).balanced
    assert not check(tries, {"a": 0}).balanced


def test_a_message_that_was_refused_and_is_there_all_the_same_is_an_imbalance() -> None:
    assert not check([attempt("d1", "a", "refused")], {"a": 1}).balanced


def test_other_senders_are_a_note() -> None:
    found = check([attempt("d1", "a", "accepted", 1)], {"a": 1, "stranger": 5})
    assert found.balanced
    assert found.note == "5 from other senders"


def test_quarantine_is_counted_by_itself() -> None:
    books = book_of([attempt("d1", "a", "accepted", 2, quarantined=1)])
    assert accepted_check("q", "in quarantine", books, {"a": 1}, quarantine=True).balanced
    assert not accepted_check("q", "in quarantine", books, {}, quarantine=True).balanced


@pytest.mark.parametrize("owed", [("a", "b"), ()])
def test_bodies_of_other_senders_are_one_number(local_spark: SparkSession, owed: tuple[str, ...]) -> None:
    rows = [("t", 0, 0, "a", None), ("t", 0, 1, "a", None), ("t", 0, 2, "x", None), (QUARANTINE_TOPIC, 0, 0, "b", None)]
    stored = stored_bodies(local_spark.createDataFrame(rows, ROWS), owed)
    assert stored == ({False: {"a": 2, None: 1}, True: {"b": 1}} if owed else {False: {None: 3}, True: {None: 1}})


def test_a_row_that_was_erased_is_no_row_that_was_lost(local_spark: SparkSession) -> None:
    cut = Cut({("t", 0): 3}, {})
    rows = local_spark.createDataFrame([("t", 0, 0, "a", None), ("t", 0, 2, "c", None)], ROWS)
    assert [check.balanced for check in offset_checks(cut, rows)] == [False]
    # the second place is of an erasure that was cut off: its row is still there, and counts once
    books = local_spark.createDataFrame([("t", 0, 1, "x", "e"), ("t", 0, 2, "y", "e")], PLACES)
    erased = erased_rows(books, rows)
    assert [(row["offset"], row["body"]) for row in erased.collect()] == [(1, "x")]
    assert [check.balanced for check in offset_checks(cut, rows.unionByName(erased))] == [True]


@pytest.mark.parametrize("at", [0, 1, 32_767, 32_768, 32_769, 65_536])
def test_one_place_twice_does_not_hide_one_that_lacks(local_spark: SparkSession, at: int) -> None:
    count = 65_600
    rows = local_spark.range(count).selectExpr("id AS offset")
    damaged = rows.where(f"offset <> {at}").unionByName(rows.where(f"offset = {count - 1}"))

    def found(frame: Any) -> Check:
        shown = frame.selectExpr("'t' AS topic", "0 AS partition", "offset", "'b' AS body", "'' AS erasure_id")
        return offset_checks(Cut({("t", 0): count}, {}), shown)[0]

    assert found(rows).balanced
    wrong = found(damaged)
    assert (wrong.left, wrong.right) == (count, count)
    assert wrong.detail == f"not in raw: 0/{at}; more than once in raw: 0/{count - 1}"
