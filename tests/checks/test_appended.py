"""From the sender's book to raw by what is new alone: balanced exactly when all rows together are."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.checks.appended import (
    COUNT,
    DIGEST,
    NewRow,
    all_answered,
    bodies_forward,
    counted_attempts,
    digest,
    ends_before,
    places_forward,
)
from lakehouse.checks.check import Check
from lakehouse.checks.deliveries import Cut, accepted_check, book_of
from lakehouse.checks.forward import Brought
from lakehouse.engines.kafka import QUARANTINE_TOPIC

TOPIC = "shopify.orders"
ENDS = {(TOPIC, 0): 10, (TOPIC, 1): 5}
BEFORE = {(TOPIC, 0): 8, (TOPIC, 1): 5}


def attempt(body: str, messages: int = 1, quarantined: int = 0, outcome: str = "accepted") -> dict[str, Any]:
    return {"delivery_id": f"d-{body}", "body_sha256": body, "outcome": outcome, "messages": messages,
            "quarantined": quarantined}  # fmt: skip


def places(*new: tuple[int, int]) -> Check:
    return places_forward(ENDS, BEFORE, [(TOPIC, partition, offset, "b") for partition, offset in new])[0]


def test_new_rows_after_the_last_cut_balance() -> None:
    found = places((0, 8), (0, 9))
    assert found.balanced
    assert (found.left, found.right, found.note) == (15, 15, "13 brought forward")


@pytest.mark.parametrize(
    "new",
    [[(0, 8)], [(0, 8), (0, 8)], [(0, 8), (0, 9), (0, 3)], [(0, 8), (1, 2)], [(0, 8), (0, 9), (0, 9)]],
    ids=["lost", "one twice, one lost", "an old one again", "an old one for a new one", "one twice"],
)
def test_what_is_lost_or_there_twice_does_not(new: list[tuple[int, int]]) -> None:
    assert not places(*new).balanced


def test_a_partition_that_is_new_begins_at_its_first_place() -> None:
    cut = Cut({(TOPIC, 0): 10, (TOPIC, 1): 4, ("empty", 0): 0}, {})
    brought = {TOPIC: Brought({"0": 8}, "raw.shopify_orders", 1, 2, 3)}  # type: ignore[dict-item]
    assert ends_before(cut, brought) == {(TOPIC, 0): 8, (TOPIC, 1): 0, ("empty", 0): 0}


def test_an_attempt_without_an_answer_needs_every_row() -> None:
    assert all_answered({1: [attempt("a")]})
    assert not all_answered({1: [attempt("a")], 2: [attempt("b", outcome="failed")]})


def test_a_book_that_begins_otherwise_is_counted_anew() -> None:
    book = [attempt("a"), attempt("b"), attempt("c")]
    figures = {COUNT: Decimal(2), DIGEST: Decimal(digest(book[:2]))}
    assert counted_attempts(book, figures) == 2
    assert counted_attempts(book, {}) == 0
    assert counted_attempts(book[1:], figures) is None
    assert counted_attempts(book[:1], figures) is None


Bodies = st.lists(st.sampled_from("abcde"), max_size=6)


@given(old=Bodies, asked=Bodies, stored=Bodies, quarantine=st.booleans())
def test_bodies_balance_exactly_when_all_of_them_do(
    old: list[str], asked: list[str], stored: list[str], quarantine: bool
) -> None:
    """Of the last ledger all was stored as asked for; `stored` came since then, where `asked` was asked for."""
    counts = {"messages": 0, "quarantined": 1} if quarantine else {"messages": 1, "quarantined": 0}
    before, owed = (book_of(attempt(body, **counts) for body in bodies) for bodies in (old, old + asked))
    topic = QUARANTINE_TOPIC if quarantine else TOPIC
    new: list[NewRow] = [(topic, 0, len(old) + number, body) for number, body in enumerate(stored)]
    found = bodies_forward(before, owed, new, {(topic, 0): len(old) + len(stored)})[quarantine]
    every = Counter([*old, *stored])
    whole = accepted_check(found.check, found.right_name, owed, dict(every), quarantine=quarantine)
    assert (found.left, found.right, found.detail) == (whole.left, whole.right, whole.detail)
    assert found.note == whole.note
