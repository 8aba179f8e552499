"""A difference between engines is found and named; the question covers every column."""

from __future__ import annotations

from decimal import Decimal

from lakehouse.engines.compare import Answer, Comparison, measures, question
from lakehouse.marts import sales_dashboard_daily

TABLE = sales_dashboard_daily.TABLE


def comparison(*rows: tuple[object, ...]) -> Comparison:
    answers = tuple(Answer(f"engine-{n}", (row,) if row else (), 0.1) for n, row in enumerate(rows))
    return Comparison("x.y", 1, ("group", "rows", "sum of m"), answers)


def test_equal_answers_are_equal() -> None:
    found = comparison(("EUR", 2, Decimal("1.10")), ("EUR", 2, Decimal("1.10")))
    assert found.equal
    assert found.difference(found.answers[1]) == ""
    assert found.answers[1].row_count == 2


def test_a_cent_is_a_difference_with_a_name() -> None:
    found = comparison(("EUR", 2, Decimal("1.10")), ("EUR", 2, Decimal("1.11")))
    assert not found.equal
    assert found.difference(found.answers[1]) == "sum of m of EUR: 1.10 and 1.11"


def test_a_group_that_one_engine_lacks_is_a_difference() -> None:
    found = comparison(("EUR", 2, Decimal("1.10")), ())
    assert not found.equal
    assert found.difference(found.answers[1]) == "group EUR only in engine-0"


def test_every_column_is_asked_about() -> None:
    asked = question(TABLE, "t")
    assert all(f"count({column.name})" in asked for column in TABLE.columns)
    assert "sum(gross_amount)" in asked
    assert asked.endswith("FROM t GROUP BY 1")
    assert len(measures(TABLE)) > len(TABLE.columns)
