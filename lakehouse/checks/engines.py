"""The engines agree: the same rows, values and sums at one snapshot; and what is published is what the marts hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse import incremental
from lakehouse.checks.check import Check
from lakehouse.core import customers, orders
from lakehouse.engines.clickhouse import clickhouse_client
from lakehouse.engines.compare import Comparison, compare
from lakehouse.marts import publish

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lakehouse.tables import Table

UNPUBLISHED = (customers.TABLE, orders.TABLE)


def comparisons(spark: SparkSession) -> list[Comparison]:
    """Core tables at their newest snapshot, marts at the published one. A table without a snapshot is not asked."""
    found = []
    for table in UNPUBLISHED:
        if snapshot := incremental.history(table.name)[1]:
            found.append(compare(spark, table, snapshot))
    client = clickhouse_client()
    try:
        for table in publish.PUBLISHED:
            if snapshot := publish.published_snapshot(client, table):
                found.append(compare(spark, table, snapshot, published=table.name))
    finally:
        client.close()
    return found


def engine_checks(spark: SparkSession) -> list[Check]:
    """One line for each table and engine: its rows beside Spark's, and every measure that differs."""
    checks = []
    for comparison in comparisons(spark):
        first, *others = comparison.answers
        checks += [
            Check(
                f"engines agree on {comparison.table}",
                first.engine,
                first.row_count,
                answer.engine,
                answer.row_count,
                detail=comparison.difference(answer),
                note=f"{len(comparison.measures) - 1} measures, snapshot {comparison.snapshot_id}",
            )
            for answer in others
        ]
    return checks + [_published(table) for table in publish.PUBLISHED]


def _published(table: Table) -> Check:
    """Every mart that has rows is published."""
    client = clickhouse_client()
    try:
        there = publish.published_snapshot(client, table)
    finally:
        client.close()
    newest = incremental.history(table.name)[1]
    note = "" if there == (newest or 0) or there is None else "the mart has a newer snapshot, which the next run takes"
    return Check(f"{table.name} is published", "mart has rows", int(newest is not None),
                 "published", int(bool(there)), note=note)  # fmt: skip
