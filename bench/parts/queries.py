"""What dashboards ask, of a table of more than a million orders: ClickHouse's own copy, ClickHouse, Trino and Spark on
the Iceberg table. All give the same answer, or there is no figure.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from bench.context import Bench, expect
from bench.figures import Figure, Measured
from bench.load import percentile
from lakehouse.tables import Column, Table

NAMESPACE = "bench_queries"
TABLE = Table(
    name=f"{NAMESPACE}.orders",
    grain="one row per order",
    key=("order_id",),
    columns=(
        Column("order_id", "long", "the order", required=True),
        Column("entity_id", "string", "the person", required=True),
        Column("currency", "string", "ISO 4217", required=True),
        Column("order_date", "date", "UTC day", required=True),
        Column("created_at", "timestamptz", "when it was made", required=True),
        Column("total_amount", "decimal(18,2)", "major units of currency", required=True),
        Column("refunded_amount", "decimal(18,2)", "major units of currency", required=True),
        Column("is_cancelled", "boolean", "whether it was cancelled", required=True),
    ),
)
ROWS, QUICK_ROWS, FILES = 2_000_000, 50_000, 4
ORDERS_A_PERSON = 8
DAYS = 365
CURRENCIES = ("USD", "EUR", "GBP", "JPY", "CHF", "SEK")
RUNS, QUICK_RUNS = 9, 2
PERSON = "person-0001042"
"""Whose orders are asked for: one with many."""
QUESTIONS = {
    "sales by day": """SELECT order_date, currency, count(*), sum(total_amount), sum(refunded_amount),
        count(DISTINCT entity_id) FROM {t} WHERE NOT is_cancelled GROUP BY order_date, currency""",
    "totals": "SELECT currency, count(*), sum(total_amount), max(created_at) FROM {t} GROUP BY currency",
    "best customers": """SELECT entity_id, count(*), sum(total_amount) FROM {t} WHERE currency = 'EUR'
        GROUP BY entity_id ORDER BY 3 DESC, 1 LIMIT 25""",
    "retention": """SELECT cohort, week, count(DISTINCT entity_id) FROM (
        SELECT entity_id, CAST(date_trunc('week', order_date) AS date) AS week,
               CAST(date_trunc('week', min(order_date) OVER (PARTITION BY entity_id)) AS date) AS cohort
        FROM {t} WHERE NOT is_cancelled) AS of_person GROUP BY cohort, week""",
    "one person": f"SELECT order_id, created_at, total_amount FROM {{t}} WHERE entity_id = '{PERSON}'",
}
OWN, LAKE, TRINO, SPARK = "ClickHouse, own copy", "ClickHouse, Iceberg", "Trino", "Spark"
Ask = Callable[[str], list[tuple[Any, ...]]]


def orders(rows: int, seed: int = 2026) -> Any:
    """Orders as an Arrow table, in the order of time; the same seed gives the same rows."""
    import numpy as np
    import pyarrow as pa

    from lakehouse.tables import iceberg_schema

    random = np.random.default_rng(seed)
    people = max(1, rows // ORDERS_A_PERSON)
    seconds = np.sort(random.integers(0, DAYS * 86_400, rows))
    first = date(2025, 1, 1)
    created = pa.array((seconds + int(datetime(2025, 1, 1, tzinfo=UTC).timestamp())) * 1_000_000)
    days = pa.array([first + timedelta(days=day) for day in range(DAYS)]).take(pa.array(seconds // 86_400))
    # some people order often: the third power of an even number
    who = pa.array([f"person-{number:07d}" for number in range(people)])
    cents = random.integers(500, 50_000, rows)
    refunded = np.where(random.random(rows) < 0.05, cents, 0)
    columns = {
        "order_id": pa.array(np.arange(rows) + 1),
        "entity_id": who.take(pa.array((random.random(rows) ** 3 * people).astype("int64"))),
        "currency": pa.array(CURRENCIES).take(pa.array(random.integers(0, len(CURRENCIES), rows))),
        "order_date": days,
        "created_at": created.cast(pa.timestamp("us", "UTC")),
        "total_amount": _money(cents),
        "refunded_amount": _money(refunded),
        "is_cancelled": pa.array(random.random(rows) < 0.03),
    }
    return pa.table(columns).cast(iceberg_schema(TABLE).as_arrow())


def _money(cents: Any) -> Any:
    """Whole cents as DECIMAL(18,2), with no step through floating point."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.multiply(pa.array(cents).cast(pa.decimal128(19, 0)), pa.scalar(Decimal("0.01"))).cast(
        pa.decimal128(18, 2)
    )


def same_form(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows of an engine in a form and an order that all share. Times without a zone are UTC."""

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)).isoformat()
        if isinstance(value, Decimal):
            return f"{value:.2f}"
        return value.isoformat() if isinstance(value, date) else value

    return sorted((tuple(plain(value) for value in row) for row in rows), key=str)


def make_table(rows: int) -> None:
    """The Iceberg table anew, in a few files, and ClickHouse's copy of it, as a mart is published."""
    from lakehouse import metadata
    from lakehouse.engines.clickhouse import clickhouse_client, lake_table
    from lakehouse.marts.publish import create_statement
    from lakehouse.tables import create_all

    catalog = metadata.catalog()
    if catalog.table_exists(TABLE.name):
        catalog.purge_table(TABLE.name)
    create_all(catalog, (TABLE,))
    made, target = orders(rows), catalog.load_table(TABLE.name)
    for at in range(FILES):
        target.append(made.slice(at * rows // FILES, (at + 1) * rows // FILES - at * rows // FILES))
    client = clickhouse_client()
    try:
        client.command(f"DROP DATABASE IF EXISTS {NAMESPACE}")
        client.command(f"CREATE DATABASE {NAMESPACE} ENGINE = Atomic")
        client.command(create_statement(TABLE, TABLE.name, TABLE.grain))
        client.command(f"INSERT INTO {TABLE.name} SELECT * FROM {lake_table(TABLE.name)}")
    finally:
        client.close()


def ways() -> dict[str, Ask]:
    """How each engine is asked, from this process; connections and sessions are made once."""
    from lakehouse.engines import trino
    from lakehouse.engines.clickhouse import clickhouse_client, lake_table
    from lakehouse.engines.spark import spark_session

    client, spark = clickhouse_client(), spark_session()

    def clickhouse(table: str) -> Ask:
        return lambda sql: [tuple(row) for row in client.query(sql.replace("{t}", table)).result_rows]

    return {
        OWN: clickhouse(TABLE.name),
        LAKE: clickhouse(lake_table(TABLE.name)),
        TRINO: lambda sql: trino.query(sql.replace("{t}", TABLE.name)),
        SPARK: lambda sql: [tuple(row) for row in spark.sql(sql.replace("{t}", TABLE.name)).collect()],
    }


def run(bench: Bench) -> Measured:
    """Each question of each engine: once to warm up and to compare the answers, then as often as it counts."""
    bench.stack.only("clickhouse", "trino", "spark", "catalog")
    rows, runs = bench.size(ROWS, QUICK_ROWS), bench.size(RUNS, QUICK_RUNS)
    bench.say(f"a table of {rows:,} rows")
    make_table(rows)
    asked = ways()
    milliseconds: dict[str, dict[str, list[float]]] = {question: {} for question in QUESTIONS}
    for question, sql in QUESTIONS.items():
        bench.say(question)
        answers = {way: same_form(ask(sql)) for way, ask in asked.items()}
        for way, answer in answers.items():
            expect(f"{question} of {way}", answer == answers[OWN] and len(answer) > 0, True)
        for way, ask in asked.items():
            taken = milliseconds[question][way] = []
            for _ in range(runs):
                began = time.perf_counter()
                ask(sql)
                taken.append(round((time.perf_counter() - began) * 1000, 2))
    medians = {q: {way: percentile(taken, 0.5) for way, taken in of.items()} for q, of in milliseconds.items()}
    figures = []
    for question, of in medians.items():
        ratios = ", ".join(f"{way} {value:,.0f} (x {value / of[OWN]:.0f})" for way, value in of.items() if way != OWN)
        figures.append(Figure(f"{question}: {OWN}, p50", of[OWN], "ms", None, ratios))
    return Measured(tuple(figures), {"rows": rows, "runs": runs, "milliseconds": milliseconds, "p50": medians})
