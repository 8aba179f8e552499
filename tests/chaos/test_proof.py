"""The proof of a fault suite has to fail on what it is there to find: a place twice, a place missing, an id lost."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lakehouse.chaos.proof import id_problems, place_problems

ENDS = {("shopify.orders", 0): 3, ("shopify.orders", 1): 0}
WHOLE = [("shopify.orders", 0, offset) for offset in range(3)]


def attempt(outcome: str, *ids: str, delivery: str = "d1", quarantined: int = 0) -> dict[str, Any]:
    return {"webhook_ids": list(ids), "outcome": outcome, "delivery_id": delivery, "quarantined": quarantined}


def test_each_place_once_is_no_problem() -> None:
    assert place_problems(WHOLE, ENDS) == []


def test_a_place_twice_and_one_that_is_missing_are_named() -> None:
    (twice,) = place_problems([*WHOLE, WHOLE[1]], ENDS)
    assert twice == "more than once in raw: shopify.orders/0/1"
    (missing,) = place_problems(WHOLE[:2], ENDS)
    assert missing == "in the log and not in raw: shopify.orders/0/2"


def test_an_acknowledged_id_that_is_not_stored_is_lost() -> None:
    assert id_problems([attempt("accepted", "w1")], {"w1": 1}) == []
    assert id_problems([attempt("accepted", "w1")], {}) == ["ids lost: w1 of d1"]
    # acknowledged twice, as the sender sent it twice: both have to be there
    assert id_problems([attempt("accepted", "w1")] * 2, {"w1": 1}) == ["ids lost: w1 of d1"]


def test_an_attempt_without_an_answer_may_be_stored_and_one_with_an_answer_not_twice() -> None:
    unknown = [attempt("failed", "w1"), attempt("accepted", "w1")]
    assert id_problems(unknown, {"w1": 1}) == id_problems(unknown, {"w1": 2}) == []
    assert id_problems(unknown, {"w1": 3}) == ["ids more often than sent: w1 of d1"]
    assert id_problems([attempt("refused", "w1")], {"w1": 1}) == ["ids more often than sent: w1 of d1"]


def test_events_of_one_request_are_counted_each() -> None:
    assert id_problems([attempt("accepted", "a", "b", "b")], {"a": 1, "b": 2}) == []
    assert id_problems([attempt("accepted", "a", "b", "b")], {"a": 1, "b": 1}) == ["ids lost: b of d1"]


def test_what_was_put_aside_is_compared_by_its_body_alone() -> None:
    assert id_problems([attempt("accepted", "w1", quarantined=1)], {}) == []


@given(st.lists(st.sampled_from(["accepted", "failed", "refused"]), min_size=1, max_size=12), st.integers(0, 14))
def test_between_acknowledged_and_attempted_everything_is_explained(outcomes: list[str], stored: int) -> None:
    found = id_problems([attempt(outcome, "w") for outcome in outcomes], {"w": stored})
    explained = outcomes.count("accepted") <= stored <= outcomes.count("accepted") + outcomes.count("failed")
    assert (not found) == explained
