"""The same question to every engine, at one snapshot: how many rows and values, what sums, what ends of ranges."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lakehouse.engines import clickhouse, trino
from lakehouse.tables import Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Row = tuple[Any, ...]
SPARK, TRINO, CLICKHOUSE, PUBLISHED = "Spark", "Trino", "ClickHouse", "ClickHouse (published)"
RANGED = ("timestamptz", "date", "long", "int")


@dataclass(frozen=True)
class Answer:
    """What one engine said, in a form that can be compared, and how long it took in seconds."""

    engine: str
    rows: tuple[Row, ...]
    seconds: float

    @property
    def row_count(self) -> int:
        """Rows of the table, over all groups."""
        return sum(row[1] for row in self.rows)


@dataclass(frozen=True)
class Comparison:
    """The answers of all engines about one table at one snapshot. `measures` names the columns of a row."""

    table: str
    snapshot_id: int
    measures: tuple[str, ...]
    answers: tuple[Answer, ...]

    @property
    def equal(self) -> bool:
        return all(answer.rows == self.answers[0].rows for answer in self.answers)

    def difference(self, answer: Answer) -> str:
        """What an engine says differently from the first; nothing if they agree."""
        first = {row[0]: row for row in self.answers[0].rows}
        other = {row[0]: row for row in answer.rows}
        found = []
        for group in sorted(first.keys() | other.keys(), key=str):
            a, b = first.get(group), other.get(group)
            if a is None or b is None:
                found.append(f"group {group} only in {answer.engine if a is None else self.answers[0].engine}")
                continue
            found += [
                f"{measure} of {group}: {left} and {right}"
                for measure, left, right in zip(self.measures, a, b, strict=True)
                if left != right
            ]
        return "; ".join(found[:5])


def measures(table: Table) -> tuple[tuple[str, str], ...]:
    """(name, SQL) of what is asked: SQL that all three engines read alike."""
    asked = [("rows", "count(*)")]
    for column in table.columns:
        asked.append((f"values of {column.name}", f"count({column.name})"))
        if column.type.startswith("decimal"):
            asked.append((f"sum of {column.name}", f"sum({column.name})"))
        elif column.type in RANGED:
            asked += [(f"{end} of {column.name}", f"{end}({column.name})") for end in ("min", "max")]
        elif column.type == "boolean":
            asked.append((f"true {column.name}", f"sum(CASE WHEN {column.name} THEN 1 ELSE 0 END)"))
    return tuple(asked)


def question(table: Table, source: str, suffix: str = "") -> str:
    """One row for each currency where the table has one, else one row."""
    group = "currency" if "currency" in table.column_names else "'all'"
    asked = ", ".join(sql for _, sql in measures(table))
    return f"SELECT {group} AS grouped_by, {asked} FROM {source} GROUP BY 1{suffix}"


def _plain(value: Any) -> Any:
    """One form for what the clients give differently: times without a zone are UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value


def _ask(engine: str, run: Callable[[], list[Row]]) -> Answer:
    began = time.monotonic()
    rows = [tuple(_plain(value) for value in row) for row in run()]
    return Answer(engine, tuple(sorted(rows, key=lambda row: str(row[0]))), time.monotonic() - began)


def compare(spark: SparkSession, table: Table, snapshot_id: int, *, published: str | None = None) -> Comparison:
    """Ask all engines about a table at a snapshot; `published` is the name of ClickHouse's own copy of it, if any."""
    name = table.name

    def by_spark() -> list[Row]:
        return [tuple(row) for row in spark.sql(question(table, f"{name} VERSION AS OF {snapshot_id}")).collect()]

    answers = [
        _ask(SPARK, by_spark),
        _ask(TRINO, lambda: trino.query(question(table, f"{name} FOR VERSION AS OF {snapshot_id}"))),
        _ask(
            CLICKHOUSE,
            lambda: clickhouse.query(
                question(table, clickhouse.lake_table(name), f" SETTINGS iceberg_snapshot_id = {snapshot_id}")
            ),
        ),
    ]
    if published:
        answers.append(_ask(PUBLISHED, lambda: clickhouse.query(question(table, published))))
    return Comparison(name, snapshot_id, ("group", *(what for what, _ in measures(table))), tuple(answers))
