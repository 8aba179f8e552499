"""Sheet 13, orchestration: repeats that do no harm, what to clear, whose clock, what to backfill."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from lakehouse import incremental, metadata
from lakehouse.engines.airflow import Airflow
from lakehouse.lesson.question import Question, Wrong, WrongAnswer, require_type
from lakehouse.lesson.scratch import drop_scratch, scratch
from lakehouse.lesson.steps import query

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ORDERS, PIPELINE, MENDED = "core.orders", "lakehouse_pipeline", "customers"
COLLECTION = (set, frozenset, list, tuple)
_FIELDS = ("order_id", "order_date", "currency", "total_amount")


@cache
def _two_days() -> tuple[pa.Table, pa.Table, date]:
    """Orders of the two days with the most of them, and the second of these days."""
    import pyarrow.compute as pc

    orders = metadata.catalog().load_table(ORDERS).scan(selected_fields=_FIELDS).to_arrow().select(_FIELDS)
    dated = orders["order_date"].drop_null()
    counted = sorted(pc.value_counts(dated).to_pylist(), key=lambda c: (-c["counts"], str(c["values"])))
    days = [counted[place]["values"] for place in (0, 1)]
    other, mine = (orders.filter(pc.equal(orders["order_date"], day)) for day in days)
    return other, mine, days[1]


class SafeWrite(Question):
    """A function of an Iceberg table, a day's rows and the day."""

    id = "13.1"
    hints = (
        "Think of a try that died after its commit: the next try calls the same function with the same rows.",
        "The day's rows must take the place of what the table has of that day, in one commit, and of nothing else.",
        '`table.overwrite(rows, …)` takes a filter that says what goes; `EqualTo("order_date", day)` is the day.',
    )
    why = (
        "Right: the day is replaced, so once, twice and again after a correction all end in the same rows. Retries,"
        " clearing and backfills are nothing but calls of this function; they are as safe as it is."
    )

    def judge(self, answer: Any) -> None:
        from lakehouse.tables import Column, Table

        other, mine, day = _two_days()
        columns = zip(_FIELDS, ("long", "date", "string", "decimal(18,2)"), strict=True)
        namespace = scratch("13_write")
        try:
            contract = Table(f"{namespace}.orders", "one row per order", ("order_id",),
                             tuple(Column(name, kind, name) for name, kind in columns))  # fmt: skip
            table = metadata.load(contract)
            schema = table.schema().as_arrow()
            table.append(other.cast(schema))
            rows = mine.cast(schema)
            for given, when in ((rows, "the first try"), (rows, "a second try"), (rows.slice(1), "a correction")):
                self.call(answer, metadata.load(contract), given, day)
                self._require(metadata.load(contract).scan().to_arrow(), other, given, day, when)
        finally:
            drop_scratch(namespace)

    @staticmethod
    def _require(found: pa.Table, other: pa.Table, given: pa.Table, day: date, when: str) -> None:
        days = found["order_date"].to_pylist()
        own, rest = days.count(day), len(days) - days.count(day)
        if rest != other.num_rows:
            raise Wrong(f"after {when}, of {other.num_rows} rows of another day {rest} are left")
        if own > given.num_rows and when == "a correction":
            raise Wrong(f"the corrected day has {given.num_rows} orders, and the table still has {own} of it")
        if own > given.num_rows:
            raise Wrong(f"after {when} the day's {given.num_rows} orders are {own} rows: some are there twice")
        if own < given.num_rows:
            raise Wrong(f"after {when}, of the day's {given.num_rows} orders {own} are in the table")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: lambda table, rows, day: table.append(rows), "there twice")
        yield WrongAnswer(lambda: lambda table, rows, day: table.overwrite(rows), "of another day 0 are left")
        yield WrongAnswer(
            lambda: lambda table, rows, day: table.upsert(rows, join_cols=["order_id"]), "the table still has"
        )


def _after(task: str) -> set[str]:
    """A task and all that come after it in the pipeline."""
    graph = Airflow().downstream(PIPELINE)
    found, new = set[str](), {task}
    while new:
        found |= new
        new = {follower for one in new for follower in graph[one]} - found
    return found


class WhatToClear(Question):
    """A collection of task names."""

    id = "13.2"
    hints = (
        "Green says that a task ended, not that its result was right. What was made from a wrong result is wrong, too.",
        "`Airflow().downstream(…)` gives the graph. Begin with the mended task and follow the arrows to their end.",
        "Five tasks: `customers` itself, `customer_metrics`, `customer_360`, `publish`, `reconcile`.",
    )
    why = (
        "Right: the task whose code was mended, and everything made from it. What lies before it or beside it was right"
        " and stays. (In this pipeline a step with nothing new to read writes nothing, so a change of code also needs"
        f" `metadata.forget('core.{MENDED}')` first.)"
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, COLLECTION, "a collection of task names")
        said, right, there = set(answer), _after(MENDED), set(Airflow().downstream(PIPELINE))
        if unknown := sorted(map(str, said - there)):
            raise Wrong(f"the DAG has no task {', '.join(unknown)}")
        if MENDED not in said:
            raise Wrong("the mended code itself would not run: the table keeps the wrong values")
        if left := sorted(right - said):
            raise Wrong(f"{', '.join(left)} would keep what was made from the wrong values")
        if more := sorted(said - right):
            raise Wrong(f"{', '.join(more)}: nothing wrong came from there, and it would run again for nothing")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: {MENDED}, "would keep what was made from the wrong values")
        yield WrongAnswer(lambda: _after(MENDED) - {MENDED}, "the mended code itself would not run")
        yield WrongAnswer(lambda: list(Airflow().downstream(PIPELINE)), "would run again for nothing")
        yield WrongAnswer(lambda: {"core.customers"}, "the DAG has no task core.customers")


_MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)
_RUNS = {
    "the run on time": (_MIDNIGHT, _MIDNIGHT + timedelta(minutes=10)),
    "the retry that came after the next midnight": (_MIDNIGHT, _MIDNIGHT + timedelta(hours=24, minutes=20)),
    "the backfill three weeks later": (_MIDNIGHT, _MIDNIGHT + timedelta(days=21, hours=9)),
}


class WhoseClock(Question):
    """A function of a run, a dictionary of what a task knows of it."""

    id = "13.3"
    hints = (
        "The same run may be tried now, tomorrow and in three weeks, and must mean the same day each time.",
        "Of what the dictionary holds, one value belongs to the run and does not move with the tries.",
        '`run["logical_date"].date()`.',
    )
    why = (
        "Right. The logical date belongs to the run and stays; clocks belong to the try. Because of this one line, a"
        " repeat repairs the day that failed, and a backfill is possible at all."
    )

    def judge(self, answer: Any) -> None:
        for name, (logical, started) in _RUNS.items():
            run = {"logical_date": logical, "started_at": started, "try_number": 1 + (started > logical)}
            found = self.call(answer, run)
            found = found.date() if isinstance(found, datetime) else found
            require_type(found, date, "a function that gives a date")
            if found != logical.date():
                raise Wrong(f"{name} would close {found}, and it is the run of {logical:%Y-%m-%d}")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: lambda run: run["started_at"].date(), "the retry that came after the next midnight")
        yield WrongAnswer(lambda: lambda run: datetime.now(UTC).date(), "the run on time would close")
        yield WrongAnswer(lambda: lambda run: run["try_number"], "a function that gives a date is asked for")


@cache
def _counted() -> pd.DataFrame:
    """Orders a day at one snapshot of core.orders, in the order of the days."""
    _, snapshot = incremental.history(ORDERS)
    return query(
        f"""SELECT order_date AS day, count(*) AS orders FROM {ORDERS} VERSION AS OF {snapshot}
            WHERE order_date IS NOT NULL GROUP BY 1 ORDER BY 1"""
    )


def reported_days() -> pd.DataFrame:
    """A report of orders a day as it stood one morning: one day never ran, another ran before its last orders came."""
    report = _counted().copy()
    third = len(report) // 3
    report["orders"] -= report.index == 2 * third
    return report.drop(index=third).reset_index(drop=True)


def _to_repair() -> set[date]:
    third = len(_counted()) // 3
    return {_counted()["day"][third], _counted()["day"][2 * third]}


class WhatToBackfill(Question):
    """A collection of days."""

    id = "13.4"
    hints = (
        "A day can be wrong in two ways: it is not in the report, or it is and was made too early.",
        "Count `core.orders` a day and put the report beside it with a join that keeps days that the report lacks.",
        '`now.merge(report, on="day", how="left", …)`, and the rows whose two counts differ; a null differs, too.',
    )
    why = (
        "Right: the day without a run, and the day whose run was too early. The second kind is the reason to compare"
        " values and not only to look for gaps: nothing about a green run says that its input was complete."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, COLLECTION, "a collection of days")
        said, right = {date.fromisoformat(str(day)[:10]) for day in answer}, _to_repair()
        reported = set(reported_days()["day"])
        for day in sorted(right - said):
            if day in reported:
                raise Wrong(f"{day} would stay wrong: it has a run, which counted fewer orders than there are")
            raise Wrong(f"{day} would stay missing: no run of it has ever reported")
        if more := said - right:
            raise Wrong(f"{len(more)} of these days are right already, and would run for nothing")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: set(_counted()["day"]) - set(reported_days()["day"]), "would stay wrong")
        yield WrongAnswer(lambda: list(_counted()["day"]), "would run for nothing")
        yield WrongAnswer(list, "would stay missing")


QUESTIONS: tuple[Question, ...] = (SafeWrite(), WhatToClear(), WhoseClock(), WhatToBackfill())
