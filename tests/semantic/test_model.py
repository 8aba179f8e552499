"""The conditions of the model's levels."""

from __future__ import annotations

from itertools import product

import duckdb
import pytest

from lakehouse.semantic import model

TRUTH = ("true", "false", "NULL::BOOLEAN")


def holds(sql: str) -> bool:
    """Whether a row passes."""
    found: tuple[bool, ...] = duckdb.execute(f"SELECT coalesce({sql}, false)").fetchall()[0]
    return found[0]


@pytest.mark.parametrize(("a", "b"), list(product(TRUTH, TRUTH)))
def test_an_order_that_is_fixed_changes_no_answer(a: str, b: str) -> None:
    assert holds(model._first(a, b)) == holds(f"({a}) AND ({b})")
    assert holds(model._or_else(a, b)) == holds(f"({a}) OR ({b})")


def test_the_second_condition_is_not_looked_at_where_the_first_has_decided() -> None:
    fails = "error('looked at')::BOOLEAN"
    rows = "(SELECT range % 2 = 0 AS yes FROM range(10_000))"
    assert not duckdb.execute(f"SELECT bool_or({model._first('false AND yes', fails)}) FROM {rows}").fetchall()[0][0]
    assert duckdb.execute(f"SELECT bool_and({model._or_else('yes OR NOT yes', fails)}) FROM {rows}").fetchall()[0][0]


@pytest.mark.parametrize(
    ("given", "close"),
    [
        (("anna", "anna"), True),
        (("jon", "jan"), False),  # too short for a typo
        (("robert", "rupert"), False),
        (("marten", "martin"), True),
        (("stefan", "stefanie"), True),
        (("olga", "olgas"), True),
        ((None, "anna"), False),
    ],
)
def test_what_counts_as_one_given_name(given: tuple[str | None, str], close: bool) -> None:
    sides = dict(zip(("l", "r"), given, strict=True))
    columns = ", ".join(
        f"{'NULL::VARCHAR' if name is None else repr(name)} AS given_{kind}_{side}"
        for side, name in sides.items()
        for kind in ("n", "key")
    )
    found = duckdb.execute(f"SELECT coalesce({model._GIVEN_CLOSE}, false) FROM (SELECT {columns})").fetchall()
    assert found == [(close,)]
