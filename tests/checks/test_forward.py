"""The balance brought forward: what can be, what new rows change in it, and that what is wrong is not hidden by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.checks.forward import COUNTED_AGAIN_AFTER, Counted, Forward, bring
from lakehouse.checks.money import grow
from lakehouse.held import FEW_ROWS
from lakehouse.incremental import Commit

NOW = datetime(2026, 1, 8, tzinfo=UTC)
COMMITS = {
    1: Commit(1, None, "append", 10, 10),
    2: Commit(2, 1, "append", 5, 15),
    3: Commit(3, 2, "replace", 15, 15),
    4: Commit(4, 3, "append", 2, 17),
}


def counted(snapshot: int | None, age: timedelta = timedelta(days=1)) -> Counted:
    return Counted({"rows": Decimal(10)}, snapshot, NOW - age)


def test_rows_that_were_appended_since_are_looked_at_by_themselves() -> None:
    brought = bring(counted(1), "raw.t", COMMITS, 4, NOW)
    assert brought is not None
    # compaction moved rows and added none
    assert (brought.then, brought.now, brought.rows) == (1, 4, 7)


@pytest.mark.parametrize(("then", "now"), [(4, 4), (2, 3)])
def test_the_same_rows_need_no_look(then: int, now: int) -> None:
    brought = bring(counted(then), "raw.t", COMMITS, now, NOW)
    assert brought is not None
    assert brought.rows == 0


@pytest.mark.parametrize(
    ("known", "now", "commits"),
    [
        (None, 4, COMMITS),
        (counted(1), None, COMMITS),
        (counted(None), 4, COMMITS),
        (counted(9), 4, COMMITS),
        (counted(4), 2, COMMITS),
        (counted(1, COUNTED_AGAIN_AFTER + timedelta(seconds=1)), 4, COMMITS),
        (counted(1), 5, {**COMMITS, 5: Commit(5, 4, "overwrite", 1, 16)}),
        (counted(1), 5, {**COMMITS, 5: Commit(5, 4, "delete", 0, 16)}),
        (counted(4), 5, {**COMMITS, 5: Commit(5, 4, "append", FEW_ROWS + 1, None)}),
        (counted(4), 5, {**COMMITS, 5: Commit(5, 4, "append", None, None)}),
    ],
    ids=["nothing known", "no snapshot", "no table", "snapshot gone", "rolled back", "a week old", "rewritten",
         "rows deleted", "too many rows", "nobody knows how many"],
)  # fmt: skip
def test_all_rows_are_counted_where_that_does_not_tell(
    known: Counted | None, now: int | None, commits: dict[int, Commit]
) -> None:
    assert bring(known, "raw.t", commits, now, NOW) is None


def test_what_was_counted_row_by_row_keeps_its_time_while_it_is_brought_forward() -> None:
    first = Forward({("events", "raw.t"): counted(1)}, NOW)
    first.count("events", "raw.t", 4, {"rows": 17}, brought=True)
    first.count("events", "raw.u", 4, {"rows": 3}, brought=False)
    assert first.counted["events", "raw.t"] == Counted({"rows": Decimal(17)}, 4, NOW - timedelta(days=1))
    assert first.counted["events", "raw.u"].since == NOW
    assert first.figures("events", "raw.t") == {"rows": Decimal(10)}
    assert first.figures("events", "raw.u") == {}


def test_several_tables_are_as_they_were_if_each_stands_at_its_snapshot() -> None:
    forward = Forward({("people", "a"): counted(1), ("people", "b"): counted(2)}, NOW)
    assert forward.same("people", {"a": 1, "b": 2}) == {"rows": Decimal(10)}
    for moved in ({"a": 1, "b": 3}, {"a": None, "b": 2}, {"a": 1, "b": 2, "c": 1}):
        assert forward.same("people", moved) is None
    assert forward.same("money", {"a": 1, "b": 2}) is None
    old = counted(1, COUNTED_AGAIN_AFTER + timedelta(seconds=1))
    assert Forward({("people", "a"): old}, NOW).same("people", {"a": 1}) is None


States = st.dictionaries(st.integers(0, 20), st.tuples(st.sampled_from(["EUR", "USD", "JPY"]), st.integers(0, 9)))


def total(states: dict[int, tuple[str, int]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for currency, amount in states.values():
        sums[currency] = sums.get(currency, Decimal(0)) + amount
    return sums


@given(old=States, new=States)
def test_sums_grow_as_if_all_had_been_added_up_again(
    old: dict[int, tuple[str, int]], new: dict[int, tuple[str, int]]
) -> None:
    was = {key: old[key] for key in old.keys() & new.keys()}
    grown, whole = grow(total(old), total(was), total(new)), total({**old, **new})
    # a currency whose orders cost nothing may be there or not: its sum is 0 either way
    assert {c: amount for c, amount in grown.items() if amount} == {c: amount for c, amount in whole.items() if amount}
    assert all(not grown[c] for c in grown.keys() - whole.keys())
