"""Sheet 14, dashboards: averages over days, one figure over currencies, what is stale and since when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from lakehouse.engines import clickhouse
from lakehouse.lesson.question import Question, Wrong, WrongAnswer, require_type

MART = "marts.sales_dashboard_daily"
CENT = Decimal("0.01")


def _ask(sql: str) -> list[tuple[Any, ...]]:
    """ClickHouse's rows. Raises `Wrong` with its words."""
    try:
        return clickhouse.query(sql)
    except clickhouse.ClickHouseQueryFailed as error:
        raise Wrong(f"ClickHouse does not take it: {str(error)[:240]}") from error


def _by_currency(expression: str) -> dict[str, Decimal]:
    rows = _ask(f"SELECT currency, {expression} FROM {MART} GROUP BY currency HAVING sum(order_count) > 0")
    try:
        return {currency: Decimal(str(value)) for currency, value in rows}
    except ArithmeticError as error:
        raise Wrong("one number for each currency is asked for") from error


class AverageOfMonth(Question):
    """SQL text: an expression that gives the average order of a currency from the mart's daily rows."""

    id = "14.1"
    hints = (
        "A day with one order and a day with twenty: how much should each weigh in the average of the month?",
        "An average over several days needs what the daily averages were made of.",
        "The sum of the amounts, divided by the sum of the orders.",
    )
    why = (
        "Right. Keep numerator and denominator in the mart; then any period can be averaged. An average that is stored"
        " can only be shown, never combined."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "a text of SQL")
        found, right = _by_currency(answer), _by_currency("sum(gross_amount) / sum(order_count)")
        off = [currency for currency in sorted(right) if abs(found[currency] - right[currency]) > CENT]
        if not off:
            return
        said = f"{off[0]}: you say {found[off[0]]:,.2f}, and an order is {right[off[0]]:,.2f} on average"
        for expression, reason in {
            "avg(average_order_amount)": "a day with one order weighs as much as the busiest day",
            "avg(gross_amount)": "this is the average of a day, not of an order",
        }.items():
            other = _by_currency(expression)
            if all(abs(found[currency] - other[currency]) <= CENT for currency in right):
                raise Wrong(f"{reason}; {said}")
        raise Wrong(said)

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: "avg(average_order_amount)", "weighs as much as the busiest day")
        yield WrongAnswer(lambda: "sum(gross_amount) / count()", "the average of a day")
        yield WrongAnswer(lambda: "max(average_order_amount)", "on average")
        yield WrongAnswer(lambda: 12.5, "a text of SQL is asked for")


UNKNOWN = "XTS"
"""ISO 4217's code for tests: a currency that no table has a rate for."""
UNKNOWN_ORDERS, UNKNOWN_AMOUNT = 3, 500_000
WITH_UNKNOWN = f"""(
    SELECT currency, order_count, net_amount, net_amount_usd FROM {MART}
    UNION ALL
    SELECT '{UNKNOWN}', {UNKNOWN_ORDERS}, toDecimal64({UNKNOWN_AMOUNT}, 2), NULL)"""


class OneFigure(Question):
    """Two SQL expressions: net sales as one figure, and the orders that the figure leaves out."""

    id = "14.2"
    hints = (
        "Which column of the mart may be added over currencies at all?",
        "`net_amount_usd` is null where there is no rate. What does a sum do with a null, and who tells the reader?",
        "For the second: the sum of `order_count` over the rows where `net_amount_usd` is null.",
    )
    why = (
        "Right. A sum skips nulls without a word, so the figure has to say what it leaves out. Who adds amounts of"
        " several currencies gets a number with no unit, and it will look plausible."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, dict, "a dictionary")
        if missing := sorted({"usd", "left_out"} - set(answer)):
            raise Wrong(f"the answer has no {', '.join(missing)}")
        usd, mixed, coalesced, left_out, days = self._numbers("sum(net_amount_usd)", "sum(net_amount)",
            "sum(coalesce(net_amount_usd, net_amount))", "sumIf(order_count, net_amount_usd IS NULL)",
            "countIf(net_amount_usd IS NULL)")  # fmt: skip
        found, said = self._numbers(str(answer["usd"]), str(answer["left_out"]))
        if found == mixed:
            raise Wrong(f"usd: this adds amounts of different currencies; {found:,.2f} of what?")
        if found == coalesced:
            raise Wrong("usd: amounts for which there is no rate are taken as dollars")
        if found != usd:
            raise Wrong(f"usd: {found:,.2f} is not the sum of what was converted")
        if said == left_out:
            return
        if said == days:
            raise Wrong(f"left_out: {said:,.0f} is how many rows have no rate; a row is a day with many orders")
        raise Wrong(f"left_out: {said:,.0f} is not the number of orders that the figure leaves out")

    @staticmethod
    def _numbers(*expressions: str) -> list[Decimal]:
        row = _ask(f"SELECT {', '.join(expressions)} FROM {WITH_UNKNOWN}")[0]
        try:
            return [Decimal(str(value)) for value in row]
        except ArithmeticError as error:
            raise Wrong("each expression has to give one number") from error

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        right = {"usd": "sum(net_amount_usd)", "left_out": "sumIf(order_count, net_amount_usd IS NULL)"}
        yield WrongAnswer(lambda: right | {"usd": "sum(net_amount)"}, "amounts of different currencies")
        yield WrongAnswer(lambda: right | {"usd": "sum(coalesce(net_amount_usd, net_amount))"}, "taken as dollars")
        yield WrongAnswer(lambda: right | {"left_out": "countIf(net_amount_usd IS NULL)"}, "a row is a day")
        yield WrongAnswer(lambda: {"usd": "sum(net_amount_usd)"}, "has no left_out")


Commit = tuple[int, datetime, str]
_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _commits(*operations: str) -> list[Commit]:
    """Snapshots 1, 2, … of a table, an hour between two."""
    return [(number, _NOON + timedelta(hours=number), operation) for number, operation in enumerate(operations, 1)]


CASES: tuple[tuple[list[Commit], int], ...] = (
    (_commits("append"), 1),
    (_commits("append", "overwrite", "overwrite"), 1),
    (_commits("append", "overwrite", "overwrite"), 3),
    (_commits("append", "replace"), 1),
    (_commits("append", "overwrite", "replace", "overwrite"), 2),
    (_commits("append", "replace", "overwrite", "replace"), 1),
    (_commits("append", "overwrite", "delete", "replace"), 2),
)


def stale_since(commits: Sequence[Commit], served: int) -> datetime | None:
    """When the first change was committed that the served snapshot does not have; None where nothing is missing."""
    ids = [snapshot for snapshot, _, _ in commits]
    later = commits[ids.index(served) + 1 :]
    return next((at for _, at, operation in later if operation != "replace"), None)


class StaleSince(Question):
    """A function of a table's commits and the served snapshot: since when is what is shown out of date?"""

    id = "14.3"
    hints = (
        "The dashboard was right until the first change that it does not have. When was that?",
        "Not every commit is a change: compaction (`replace`) writes the same rows into other files.",
        "Of the commits after the served one, the time of the first that is no `replace`; None if there is none.",
    )
    why = (
        "Right. A copy is not stale for being old, nor for a newer snapshot with the same rows; it is stale since the"
        " first change that it does not show. That age is what an alert should watch."
    )

    def judge(self, answer: Any) -> None:
        for commits, served in CASES:
            found, right = self.call(answer, commits, served), stale_since(commits, served)
            if found == right:
                continue
            self._say(commits, served, found, right)

    @staticmethod
    def _say(commits: Sequence[Commit], served: int, found: Any, right: datetime | None) -> None:
        told = ", ".join(f"{number} {operation}" for number, _, operation in commits)
        where = f"commits {told}, served is {served}"
        at = {moment: (number, operation) for number, moment, operation in commits}
        if found is None:
            raise Wrong(f"{where}: you say that nothing is missing, and snapshot {at[right][0] if right else ''} is")
        if not isinstance(found, datetime) or found not in at:
            raise Wrong(f"{where}: {found!r} is the time of none of these commits")
        number, operation = at[found]
        if number == served:
            raise Wrong(f"{where}: that is when the served snapshot itself was made; it is old, which is not yet stale")
        if operation == "replace":
            raise Wrong(f"{where}: snapshot {number} is a compaction, which changed no row")
        raise Wrong(f"{where}: snapshot {number} is not the first change that is missing")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(
            lambda: lambda commits, served: None if commits[-1][0] == served else commits[-1][1],
            "not the first change that is missing",
        )
        yield WrongAnswer(
            lambda: lambda commits, served: next((at for number, at, _ in commits if number > served), None),
            "a compaction, which changed no row",
        )
        yield WrongAnswer(lambda: lambda commits, served: commits[served - 1][1], "old, which is not yet stale")
        yield WrongAnswer(lambda: lambda commits, served: None, "you say that nothing is missing")


QUESTIONS: tuple[Question, ...] = (AverageOfMonth(), OneFigure(), StaleSince())
