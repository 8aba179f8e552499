"""Sheet 10, analytics: one figure from many currencies, an average over a month, how many people."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from lakehouse.lesson.question import Question, Wrong, WrongAnswer, one_number
from lakehouse.lesson.steps import query
from lakehouse.lesson.world import tables

CENT = Decimal("0.01")


def one_amount(answer: Any) -> Decimal:
    """The amount itself, or that of a query's one row. Raises `Wrong`."""
    if hasattr(answer, "iloc"):
        if answer.shape != (1, 1):
            raise Wrong(f"one amount is asked for, and the query gives {answer.shape[0]} × {answer.shape[1]}")
        answer = answer.iloc[0, 0]
    try:
        return Decimal(str(answer))
    except InvalidOperation as error:
        raise Wrong(f"an amount is asked for, and this is of type {type(answer).__name__}") from error


def same(a: Decimal, b: Decimal | float) -> bool:
    """Whether two amounts are equal to the cent."""
    return abs(a - Decimal(str(b))) <= CENT


def _from_summary(*expressions: str) -> list[Decimal]:
    with tables(summary="analytics.order_summary") as con:
        row = con.sql(f"SELECT {', '.join(expressions)} FROM summary").fetchall()[0]
    return [Decimal(str(value or 0)) for value in row]


class OneFigure(Question):
    """An amount, or a query that gives it."""

    id = "10.1"
    hints = (
        "A sum over rows of several currencies is a number of nothing, unless the column is in one currency.",
        "Columns in US dollars end in `_usd`. Which of them has deleted, cancelled and refunded orders taken off?",
    )
    why = (
        "Right. The column was converted order by order and says so in its name. A sum of `net_amount` looks like"
        " money, too, and consists mostly of yen."
    )
    wanted = "sum(net_amount_usd)"

    def judge(self, answer: Any) -> None:
        found = one_amount(answer)
        right, mixed, total, everything = _from_summary(
            self.wanted, "sum(net_amount)", "sum(total_amount_usd)", "sum(total_amount)"
        )
        if same(found, right):
            return
        if same(found, mixed) or same(found, everything):
            raise Wrong(f"{found:,.2f} adds yen, dollars and dinars as if they were one currency")
        if same(found, total):
            raise Wrong(f"{found:,.2f} has orders in it that were deleted, cancelled or paid back")
        raise Wrong(f"{found:,.2f} is not what was kept, in US dollars")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        ask = "SELECT {} FROM analytics.order_summary"
        yield WrongAnswer(lambda: query(ask.format("sum(net_amount)")), "as if they were one currency")
        yield WrongAnswer(lambda: query(ask.format("sum(total_amount)")), "as if they were one currency")
        yield WrongAnswer(lambda: query(ask.format("sum(total_amount_usd)")), "deleted, cancelled or paid back")
        yield WrongAnswer(lambda: query(ask.format("currency, net_amount") + " LIMIT 2"), "one amount is asked for")


class Average(Question):
    """An amount, or a query that gives it."""

    id = "10.2"
    hints = (
        "On a day with one order that order is the day's average. Should it weigh as much as a day with thirty?",
        "An average at a higher level is a sum by a count, and both of these may be added up.",
        "`sum(total_amount - deleted_amount) / sum(order_count - deleted_order_count)`, for one currency.",
    )
    why = (
        "Right. Sums and counts may be added up, averages may not. A table that keeps only averages has thrown away"
        " what every higher level would need."
    )

    def judge(self, answer: Any) -> None:
        found = one_amount(answer)
        usd = "FILTER (currency = 'USD')"
        right, averages, all_together = _from_summary(
            f"sum(total_amount - deleted_amount) {usd} / sum(order_count - deleted_order_count) {usd}",
            f"avg(average_order_amount) {usd}",
            "sum(total_amount - deleted_amount) / sum(order_count - deleted_order_count)",
        )
        if same(found, right):
            return
        if same(found, averages):
            raise Wrong(f"{found:.2f} is an average of averages: a day with one order weighs as much as any other")
        if same(found, all_together):
            raise Wrong(f"{found:,.2f} is of all currencies together, and so of none")
        raise Wrong(f"{found:,.2f} is not the average of the US dollar orders that were not deleted")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        table = "FROM analytics.order_summary"
        yield WrongAnswer(
            lambda: query(f"SELECT avg(average_order_amount) {table} WHERE currency = 'USD'"), "average of averages"
        )
        yield WrongAnswer(
            lambda: query(
                f"SELECT sum(total_amount - deleted_amount) / sum(order_count - deleted_order_count) {table}"
            ),
            "of all currencies together",
        )
        yield WrongAnswer(lambda: "about a hundred", "an amount is asked for")


class HowMany(Question):
    """A number of people, or a query that gives it."""

    id = "10.3"
    hints = (
        "Who orders on three days is one of the different people of each of these days.",
        "A distinct count cannot be computed from distinct counts. Go back to the table where an order is a row.",
        "`count(DISTINCT entity_id)` of `core.orders`.",
    )
    why = (
        "Right. A distinct count has to be taken from the rows, at the level that is asked for. Where that is too slow,"
        " a sketch per day can be merged; a plain number per day never can."
    )

    def judge(self, answer: Any) -> None:
        found, counts = one_number(answer), self._counts()
        if found == counts["people"]:
            return
        # in a small world both mistakes can give one number: then both are named
        reasons = {"added": "a person anew for every day and currency in which they ordered",
                   "orders": "orders, and people order more than once"}  # fmt: skip
        if mistakes := [reason for name, reason in reasons.items() if found == counts[name]]:
            raise Wrong(f"{found:,} counts {'; or '.join(mistakes)}")
        raise Wrong(f"{found:,} is not the number of people who ordered")

    @staticmethod
    def _counts() -> dict[str, int]:
        with tables(orders="core.orders", summary="analytics.order_summary") as con:
            row = con.sql(
                """SELECT (SELECT count(DISTINCT entity_id) FROM orders), (SELECT sum(customer_count) FROM summary),
                          (SELECT count(entity_id) FROM orders)"""
            ).fetchall()[0]
        return {name: int(value or 0) for name, value in zip(("people", "added", "orders"), row, strict=True)}

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(
            lambda: query("SELECT sum(customer_count) FROM analytics.order_summary"), "for every day and currency"
        )
        yield WrongAnswer(
            lambda: query("SELECT count(entity_id) FROM core.orders"), "orders, and people order more than once"
        )
        yield WrongAnswer(lambda: 0, "is not the number of people")


QUESTIONS: tuple[Question, ...] = (OneFigure(), Average(), HowMany())
