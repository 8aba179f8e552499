"""Sheet 11, marts: one that may be written again, a join that counts twice, the shop's day, seven days of money."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from lakehouse.lesson.question import Question, Wrong, WrongAnswer, require_type
from lakehouse.lesson.questions.sheet_10 import one_amount, same
from lakehouse.lesson.scratch import drop_scratch, scratch
from lakehouse.lesson.steps import QueryFailed, query
from lakehouse.lesson.world import tables

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import SparkSession

Row = tuple[Any, ...]


def _spark() -> SparkSession:
    from lakehouse.engines.spark import spark_session

    return spark_session()


def _run(sql: str) -> pd.DataFrame:
    try:
        return query(sql)
    except QueryFailed as failed:
        raise Wrong(f"Spark refuses the statement: {str(failed).strip().splitlines()[0]}") from failed


SOURCE = "sheet_11_source"
_COLUMNS = "order_date DATE, currency STRING, order_count BIGINT, net_amount DECIMAL(18,2)"


def _source(without: int = 0) -> list[Row]:
    """Two dozen live days; `without` > 0: a little later, when one was taken back and another one has changed."""
    with tables(summary="analytics.order_summary") as con:
        rows = con.sql(
            "SELECT order_date, currency, order_count, net_amount FROM summary ORDER BY 1 DESC, 2 LIMIT 24"
        ).fetchall()
    if not without:
        return rows
    (day, currency, orders, amount), *rest = rows[without:]
    return [(day, currency, orders + 1, amount + Decimal("10.00")), *rest]


class Idempotent(Question):
    """A function `refresh(mart, source)` that gives one Spark SQL statement."""

    id = "11.1"
    hints = (
        "What is in the mart after the second run of your statement? And after a day has gone from the source?",
        "Appending adds, merging by key updates and adds; which statement also takes away what is no more?",
        "`INSERT OVERWRITE`; or a `MERGE` with `WHEN NOT MATCHED BY SOURCE THEN DELETE`.",
    )
    why = (
        "Right. After it, the mart holds what the source says, whatever was there before and however often it ran. So a"
        " retry needs no thought, and a day that was taken back does not live on."
    )

    def judge(self, answer: Any) -> None:
        mart = f"{scratch('sheet_11')}.mart"
        try:
            _spark().sql(f"CREATE TABLE {mart} ({_COLUMNS}) USING iceberg").collect()
            statement = self.call(answer, mart, SOURCE)
            require_type(statement, str, "one statement as a text")
            for what, rows in (("first", _source()), ("second", _source()), ("third", _source(without=1))):
                _spark().createDataFrame(rows, _COLUMNS).createOrReplaceTempView(SOURCE)
                _run(statement)
                self._compare(what, rows, [tuple(row) for row in _spark().table(mart).collect()])
        finally:
            drop_scratch(mart.split(".")[0])

    @staticmethod
    def _compare(run: str, wanted: list[Row], found: list[Row]) -> None:
        if len(found) > len(set(found)):
            raise Wrong(f"after the {run} run {len(found) - len(set(found)):,} rows are there twice")
        if stale := set(found) - set(wanted):
            keys = {row[:2] for row in wanted}
            gone = [row for row in stale if row[:2] not in keys]
            if gone:
                raise Wrong(f"after the {run} run the mart still has {gone[0][0]} {gone[0][1]}, which the source lost")
            raise Wrong(f"after the {run} run {len(stale):,} rows say what the source said before")
        if missing := set(wanted) - set(found):
            raise Wrong(f"after the {run} run {len(missing):,} rows of the source are missing from the mart")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        key = "m.order_date = s.order_date AND m.currency = s.currency"
        merge = f"MERGE INTO {{}} m USING {{}} s ON {key} WHEN NOT MATCHED THEN INSERT *"
        update = merge.replace("WHEN NOT", "WHEN MATCHED THEN UPDATE SET * WHEN NOT")
        yield WrongAnswer(lambda: lambda mart, source: f"INSERT INTO {mart} SELECT * FROM {source}", "are there twice")
        yield WrongAnswer(lambda: lambda mart, source: update.format(mart, source), "which the source lost")
        yield WrongAnswer(lambda: lambda mart, source: f"SELECT * FROM {source}", "are missing from the mart")
        yield WrongAnswer(lambda: lambda mart, source: f"REPLACE {mart} BY {source}", "Spark refuses")


BROKEN = """SELECT sum(o.total_amount_usd) FROM core.orders o
            JOIN semantic.entity_index e ON o.entity_id = e.entity_id WHERE e.source IN ('stripe', 'hubspot')"""


class FanOut(Question):
    """An amount, or a query that gives it."""

    id = "11.2"
    hints = (
        "Count the rows of the join, and the different `order_id`s in it. How can there be more rows than orders?",
        "You need to know *whether* such a record exists, not each of them: a semi join multiplies nothing.",
        "`WHERE EXISTS (SELECT 1 FROM semantic.entity_index e WHERE e.entity_id = o.entity_id AND e.source IN (…))`.",
    )
    why = (
        "Right. An existence test keeps the grain of the orders. A `DISTINCT` on the amounts would have hidden the"
        " symptom, and lost every order that happens to cost the same as another one."
    )

    def judge(self, answer: Any) -> None:
        found, sums = one_amount(answer), self._sums()
        if same(found, sums["right"]):
            return
        if same(found, sums["joined"]):
            raise Wrong(f"{found:,.2f} has orders in it once for every record of their person")
        if same(found, sums["distinct"]):
            raise Wrong(f"{found:,.2f} counts one of several orders that cost the same")
        if same(found, sums["everybody"]):
            raise Wrong(f"{found:,.2f} is of all people, also of those whom only the shop knows")
        raise Wrong(f"{found:,.2f} is not what these people ordered")

    @staticmethod
    def _sums() -> dict[str, Decimal]:
        known = "FROM who WHERE source IN ('stripe', 'hubspot')"
        with tables(orders="core.orders", who="semantic.entity_index") as con:
            row = con.sql(
                f"""SELECT sum(total_amount_usd) FILTER (entity_id IN (SELECT entity_id {known})),
                           sum(DISTINCT total_amount_usd) FILTER (entity_id IN (SELECT entity_id {known})),
                           sum(total_amount_usd) FILTER (entity_id IS NOT NULL),
                           (SELECT sum(total_amount_usd) FROM orders JOIN (SELECT entity_id {known}) USING (entity_id))
                    FROM orders"""
            ).fetchall()[0]
        names = ("right", "distinct", "everybody", "joined")
        return {name: Decimal(value or 0) for name, value in zip(names, row, strict=True)}

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        everybody = "SELECT sum(total_amount_usd) FROM core.orders WHERE entity_id IS NOT NULL"
        yield WrongAnswer(lambda: query(BROKEN), "once for every record of their person")
        yield WrongAnswer(lambda: query(everybody), "whom only the shop knows")
        yield WrongAnswer(lambda: "less", "an amount is asked for")


ZONE = "America/New_York"
MOMENTS = tuple(
    datetime.fromisoformat(f"{text}+00:00")
    for text in ("2026-01-05T04:30:00", "2026-01-05T05:30:00", "2026-07-01T03:30:00", "2026-07-01T04:30:00",
                 "2026-07-01T16:00:00")
)  # fmt: skip
"""Around midnight in New York, in winter (five hours after UTC) and in summer (four)."""


class ShopDay(Question):
    """SQL text over `created_at`: the day of an order by the shop's clock."""

    id = "11.3"
    hints = (
        "At 23:30 in New York, which day is it in UTC? And how many hours are between them, in July and in January?",
        "A zone has rules, an offset has not: let Spark look them up by the zone's name.",
        "`from_utc_timestamp(created_at, 'America/New_York')`, and of that the date.",
    )
    why = (
        "Right. A day is a question of whose day. The lakehouse keeps the moment, in UTC, and a mart cuts days as its"
        " readers do; whoever stores only the day can never cut it otherwise."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "an expression as a text")
        more = ", ".join(f"({at.timestamp():.0f})" for at in MOMENTS)
        found = _run(
            f"""WITH moments AS (SELECT created_at FROM core.orders WHERE created_at IS NOT NULL
                UNION ALL SELECT timestamp_seconds(at) FROM VALUES {more} AS m(at))
                SELECT unix_micros(created_at) AS at, {answer} AS day FROM moments"""
        )
        wrong = []
        for at, day in zip(found["at"], found["day"], strict=True):
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(at))
            local = moment.astimezone(ZoneInfo(ZONE))
            if not isinstance(day, date) or isinstance(day, datetime):
                raise Wrong(f"a date is asked for, and the expression gives {type(day).__name__}")
            if day != local.date():
                wrong.append(f"{moment:%Y-%m-%d %H:%M} UTC is {local:%Y-%m-%d %H:%M} there, and you say {day}")
        if wrong:
            raise Wrong(f"{len(wrong):,} of {len(found):,} orders are on a wrong day, for example {wrong[-1]}")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: "to_date(created_at)", "on a wrong day")
        yield WrongAnswer(lambda: "to_date(created_at - INTERVAL 5 HOURS)", "2026-07-01 04:30 UTC")
        yield WrongAnswer(lambda: "to_date(to_utc_timestamp(created_at, 'America/New_York'))", "on a wrong day")
        yield WrongAnswer(lambda: "from_utc_timestamp(created_at, 'America/New_York')", "a date is asked for")


WEEK_CASES = """SELECT CAST(d AS DATE) AS order_date, c AS currency, CAST(n AS DECIMAL(18,2)) AS net_amount FROM VALUES
    ('2026-01-01', 'XTS', 1), ('2026-01-02', 'XTS', 2), ('2026-01-08', 'XTS', 4), ('2026-01-20', 'XTS', 8)
    AS v(d, c, n)"""
"""Days of a made-up currency with gaps, beside the live ones: XTS is ISO 4217's code for tests."""


class Week(Question):
    """SQL text: the window of a sum over seven days."""

    id = "11.4"
    hints = (
        "Which rows may be added at all? And on how many of the last seven days was there an order in this currency?",
        "`ROWS` counts rows: six rows back can be three weeks where orders are rare. `RANGE` measures the distance.",
        "`PARTITION BY currency ORDER BY order_date RANGE BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW`.",
    )
    why = (
        "Right. The partition keeps currencies apart, the range keeps weeks a week long. Both mistakes give plausible"
        " curves, and the one about rows only where orders are rare, which is where nobody looks."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "a window as a text")
        found = _run(
            f"""WITH days AS (SELECT order_date, currency, net_amount FROM marts.sales_dashboard_daily
                              UNION ALL {WEEK_CASES})
                SELECT order_date, currency, net_amount, sum(net_amount) OVER ({answer}) AS week FROM days"""
        )
        rows: list[Any] = list(found.itertuples(index=False))
        by_day = {(row.order_date, row.currency): row.net_amount for row in rows}
        mixed = wrong = 0
        for row in rows:
            days = [row.order_date - timedelta(days=back) for back in range(7)]
            right = sum(by_day.get((day, row.currency), Decimal(0)) for day in days)
            if row.week != right:
                wrong += 1
                together = sum(amount for (day, _), amount in by_day.items() if day in days)
                mixed += row.week == together
        if mixed:
            raise Wrong(f"{mixed:,} sums have several currencies in them")
        if wrong:
            raise Wrong(f"{wrong:,} of {len(rows):,} sums are not of this day and the six days before it")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        span = "BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW"
        yield WrongAnswer(lambda: f"ORDER BY order_date RANGE {span}", "several currencies")
        rows = "PARTITION BY currency ORDER BY order_date ROWS BETWEEN 6 PRECEDING AND CURRENT ROW"
        yield WrongAnswer(lambda: rows, "are not of this day and the six days before")
        yield WrongAnswer(
            lambda: f"PARTITION BY currency ORDER BY order_date RANGE {span.replace('6', '7')}", "the six days before"
        )
        yield WrongAnswer(lambda: "the last week", "Spark refuses")


QUESTIONS: tuple[Question, ...] = (Idempotent(), FanOut(), ShopDay(), Week())
