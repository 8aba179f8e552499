"""Sheet 12, three engines: pinned comparisons, exact sums, filters that skip files, benchmarks that mean something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from lakehouse import metadata
from lakehouse.engines import clickhouse, trino
from lakehouse.engines.clickhouse import lake_table
from lakehouse.engines.spark import spark_session
from lakehouse.lesson.question import Question, Wrong, WrongAnswer, require_type
from lakehouse.lesson.scratch import drop_scratch, scratch


@contextmanager
def own_namespace(topic: str) -> Iterator[str]:
    """A namespace for the tables of one judgement, gone with it."""
    name = scratch(topic)
    try:
        yield name
    finally:
        drop_scratch(name)


def _add(table: str, amounts: list[str]) -> int:
    """Append amounts to a table of one column, which is made if it is not there; the id of the new snapshot."""
    import pyarrow as pa

    rows = pa.table({"amount": pa.array([Decimal(text) for text in amounts], pa.decimal128(18, 2))})
    found = metadata.catalog().create_table_if_not_exists(table, schema=rows.schema)
    found.append(rows)
    snapshot = found.current_snapshot()
    assert snapshot is not None
    return snapshot.snapshot_id


def _ask_trino(sql: str) -> tuple[list[tuple[Any, ...]], int]:
    """The rows of a query, and how many rows its scans read. Raises `Wrong` with Trino's words."""
    from trino.exceptions import TrinoQueryError

    connection = trino.trino_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(sql)
        rows = [tuple(row) for row in cursor.fetchall()]
        return rows, int(cursor.stats["processedRows"])
    except TrinoQueryError as error:
        raise Wrong(f"Trino does not take it: {error.message}") from error
    finally:
        connection.close()


class Pinned(Question):
    """A function of a table and a snapshot's id: Trino SQL that counts and sums at that snapshot."""

    id = "12.1"
    hints = (
        "Two engines that read at two moments may differ and both be right. What has to be the same for both?",
        "ClickHouse's copy names its snapshot; Iceberg keeps that version of the table, so ask Trino for it.",
        "After the table's name: `FOR VERSION AS OF` and the id.",
    )
    why = (
        "Right. At one snapshot a difference is an error and nothing else; at two moments it may be a commit, and the"
        " search for it a wasted day."
    )

    def judge(self, answer: Any) -> None:
        if not callable(answer):
            raise Wrong(f"a function is asked for, and this is {type(answer).__name__}")
        with own_namespace("12_pinned") as namespace:
            table = f"{namespace}.amounts"
            served = _add(table, ["10.00", "2.50", "7.25"])
            _add(table, ["100.00"])
            sql = self.call(answer, table, served)
            require_type(sql, str, "a text of SQL")
            found = _ask_trino(sql)[0]
        if found == [(3, Decimal("19.75"))]:
            return
        if found == [(4, Decimal("119.75"))]:
            raise Wrong("this gives what the table holds now: a row that came after the served snapshot is counted")
        raise Wrong(f"at the served snapshot there are 3 rows with a sum of 19.75, and this gives {found[:3]}")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        select = "SELECT count(*), sum(amount) FROM"
        yield WrongAnswer(lambda: lambda table, snapshot: f"{select} {table}", "what the table holds now")
        yield WrongAnswer(lambda: lambda table, snapshot: f"{select} {table} VERSION AS OF {snapshot}", "does not take")
        yield WrongAnswer(lambda: "SELECT 1", "a function is asked for")


AMOUNTS = ["900719925474099.93", "0.01", "123456789.10"] * 17
"""Their sum is beyond what a double can hold to the cent."""


class ExactSum(Question):
    """SQL text: an expression over the column `amount` that every engine answers with the exact sum."""

    id = "12.2"
    hints = (
        "Why do two engines differ at all, when they add the same numbers? Think of the type that they add in.",
        "A double has 53 bits; what is lost while adding is not brought back by rounding the result.",
        "The column is `DECIMAL(18, 2)`: leave it one.",
    )
    why = (
        "Right. Integer arithmetic has no order of additions: three engines, any number of threads, one sum. Then a"
        " difference of one cent is a finding."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "a text of SQL")
        right = sum(map(Decimal, AMOUNTS), Decimal(0))
        with own_namespace("12_sums") as namespace:
            table = f"{namespace}.amounts"
            _add(table, AMOUNTS)
            for engine, found in self._sums(answer, table):
                if isinstance(found, float):
                    raise Wrong(
                        f"in {engine} this is a float, and off by {abs(Decimal(found) - right):,.2f}: the digits were"
                        " lost while adding"
                    )
                if found != right:
                    raise Wrong(f"in {engine} this gives {found:,}; the sum is {right:,}")

    @staticmethod
    def _sums(expression: str, table: str) -> Iterator[tuple[str, Any]]:
        """Engine by engine, so that the first wrong one ends it."""
        from pyspark.errors import PySparkException

        try:
            yield "Trino", _ask_trino(f"SELECT {expression} FROM {table}")[0][0][0]
            yield "ClickHouse", clickhouse.query(f"SELECT {expression} FROM {lake_table(table)}")[0][0]
            yield "Spark SQL", spark_session().sql(f"SELECT {expression} FROM {table}").collect()[0][0]
        except (PySparkException, clickhouse.ClickHouseQueryFailed) as error:
            raise Wrong(f"not every engine takes it: {str(error)[:200]}") from error

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: "sum(CAST(amount AS DOUBLE))", "this is a float, and off by")
        yield WrongAnswer(lambda: "round(sum(CAST(amount AS DOUBLE)), 2)", "lost while adding")
        yield WrongAnswer(lambda: "sum(CAST(amount AS DECIMAL(18, 0)))", "the sum is")
        yield WrongAnswer(lambda: 3, "a text of SQL is asked for")


FIRST, LAST = "2025-03-01", "2026-04-30"
MARCH = 31


class SkippedFiles(Question):
    """SQL text: a condition for the orders of March 2026, by which a table partitioned by month is read in part."""

    id = "12.3"
    hints = (
        "The manifests know the smallest and the largest date of each file. Which conditions can be answered by them?",
        "A function around the column hides it from the scan; compare the bare column with dates.",
        "From the first of March on, and before the first of April.",
    )
    why = (
        "Right. The same rows, and one file of the many was opened. A function around the column makes every engine"
        " read all and throw most of it away; nothing fails, it is only slow and dear."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "a text of SQL")
        with own_namespace("12_files") as namespace:
            table = f"{namespace}.orders"
            spark_session().sql(
                f"""CREATE TABLE {table} USING iceberg PARTITIONED BY (month(order_date)) AS
                    SELECT explode(sequence(DATE '{FIRST}', DATE '{LAST}')) AS order_date, 1 AS orders"""
            )
            (counted, days, others), read = self._counts(table, answer)
        if others:
            raise Wrong(f"this takes {others:,} orders that are not of March 2026")
        if days < MARCH:
            raise Wrong(f"this takes {days:,} of the {MARCH} days of March 2026")
        if read > MARCH:
            raise Wrong(f"the right {counted:,} orders, and {read:,} rows were read for them: no file was left out")

    @staticmethod
    def _counts(table: str, condition: str) -> tuple[tuple[int, int, int], int]:
        march = "order_date BETWEEN DATE '2026-03-01' AND DATE '2026-03-31'"
        rows, read = _ask_trino(
            f"""SELECT count(*), count(DISTINCT order_date) FILTER (WHERE {march}), count(*) FILTER (WHERE NOT {march})
                FROM {table} WHERE {condition}"""
        )
        counted, days, others = rows[0]
        return (counted, days, others), read

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: "CAST(order_date AS varchar) LIKE '2026-03-%'", "no file was left out")
        yield WrongAnswer(lambda: "month(order_date) = 3", "not of March 2026")
        yield WrongAnswer(lambda: "order_date BETWEEN DATE '2026-03-01' AND DATE '2026-04-01'", "not of March 2026")
        yield WrongAnswer(lambda: "order_date > DATE '2026-03-01' AND order_date < DATE '2026-04-01'", "of the 31 days")


FLAWS = {
    "A": "the first question pays for connections, code and caches: once, right after the start, measures that",
    "B": "two snapshots are two sets of data: the work was not the same, and nobody can compare the answers",
    "D": "one outlier moves a mean as far as it likes; the median says what a question usually takes",
    "E": "at a few hundred rows nearly all of the time is the way to the answer; it says nothing of the work on more",
}
SOUND = {"C": "one machine, one after another, is the same chance for each of them"}


class Benchmark(Question):
    """A set of letters: what is wrong with a benchmark."""

    id = "12.4"
    hints = (
        "For each line: would the conclusion change if this were done otherwise?",
        "Four of the five lines make the conclusion worthless.",
    )
    why = (
        "Right. The same data, the same answer, warmed up, several times, medians, and no conclusion beyond the size"
        " that was measured. What is left then is often a small difference."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, (set, list, tuple, str), "a set of letters")
        said = {str(letter).strip().upper() for letter in answer if str(letter).strip(" ,")}
        if unknown := sorted(said - FLAWS.keys() - SOUND.keys()):
            raise Wrong(f"there is no line {', '.join(unknown)}")
        for letter in sorted(said & SOUND.keys()):
            raise Wrong(f"{letter} is no flaw: {SOUND[letter]}")
        if missing := sorted(FLAWS.keys() - said):
            raise Wrong(f"{len(missing)} of the flaws you have not named; for one of them: {FLAWS[missing[0]]}")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: {"A", "B"}, "2 of the flaws")
        yield WrongAnswer(lambda: {"A", "B", "C", "D", "E"}, "C is no flaw")
        yield WrongAnswer(lambda: {"A", "D", "E"}, "two snapshots are two sets of data")
        yield WrongAnswer(lambda: {"Z"}, "there is no line Z")


QUESTIONS: tuple[Question, ...] = (Pinned(), ExactSum(), SkippedFiles(), Benchmark())
