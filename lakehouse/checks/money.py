"""Sums of money from the payload to the mart, for each currency by itself.

Two engines read a payload: Flink writes raw's typed columns beside it, and staging's step lets Spark read the bytes
again. So the sums over raw's columns are the second opinion on staging's, and a field that either of them reads
wrongly is money that does not balance. They are a few narrow columns; the payloads are most of raw's bytes.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from lakehouse import incremental
from lakehouse.checks.check import Check, read_up_to, waiting
from lakehouse.held import hold
from lakehouse.money import STRIPE_EXPONENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column, DataFrame, SparkSession

    from lakehouse.checks.forward import Brought, Forward

MONEY = "money"
"""This part of the ledger, in what it brings forward."""
ZERO = Decimal(0)
PLACE = ("_kafka_partition", "_kafka_offset")
"""Of a raw row: its place in the log."""
Sums = dict[str, Decimal]
"""Currency → sum in major units."""


@dataclass(frozen=True)
class Hop:
    """Money that goes from one table into the next: how each side is summed over rows of (currency, amount).

    `reads`: of raw, the columns that the left side needs.
    """

    subject: str
    source: str
    target: str
    left: Callable[[DataFrame], DataFrame]
    right: Callable[[DataFrame], DataFrame]
    reads: tuple[str, ...] = ()


def _column(amount: str) -> Callable[[DataFrame], DataFrame]:
    return lambda frame: frame.selectExpr("currency", f"{amount} AS amount")


def latest_orders(raw: DataFrame) -> DataFrame:
    """What each order costs by its latest row. A deletion carries no money: the order's last state counts."""
    states = raw.where("_webhook_topic <> 'orders/delete'").selectExpr(
        "id",
        "upper(trim(currency)) AS currency",
        "try_cast(total_price AS DECIMAL(18,2)) AS amount",
        "struct(updated_at, _triggered_at) AS at",
    )
    return states.groupBy("id").agg(_newest()).selectExpr("newest.currency", "newest.amount")


def latest_charges(raw: DataFrame) -> DataFrame:
    """What each charge is of, from minor units: a hundredth, a thousandth or a whole of the currency."""
    factor = f"CASE WHEN currency IN ({_codes(0)}) THEN 1BD WHEN currency IN ({_codes(3)}) THEN 0.001BD ELSE 0.01BD END"
    states = raw.selectExpr(
        "id",
        "upper(trim(currency)) AS currency",
        "try_cast(amount AS DECIMAL(18,0)) AS amount",
        "event_created AS at",
    )
    newest = states.groupBy("id").agg(_newest()).selectExpr("newest.currency", "newest.amount AS minor")
    return newest.selectExpr("currency", f"minor * {factor} AS amount")


def _codes(digits: int) -> str:
    return ", ".join(f"'{code}'" for code, of_code in sorted(STRIPE_EXPONENTS.items()) if of_code == digits)


def _newest() -> Column:
    from pyspark.sql import functions as F

    return F.max_by(F.struct("currency", "amount"), "at").alias("newest")


HOPS = (
    Hop(
        "orders",
        "raw.shopify_orders",
        "staging.stg_shopify_orders",
        latest_orders,
        _column("total_amount"),
        ("id", "currency", "total_price", "_webhook_topic", "updated_at", "_triggered_at"),
    ),
    Hop("orders", "staging.stg_shopify_orders", "core.orders", _column("total_amount"), _column("total_amount")),
    Hop("orders", "core.orders", "analytics.order_summary", _column("total_amount"), _column("total_amount")),
    Hop(
        "orders",
        "analytics.order_summary",
        "marts.sales_dashboard_daily",
        _column("total_amount"),
        _column("gross_amount + deleted_amount"),
    ),
    Hop(
        "payments",
        "raw.stripe_charges",
        "staging.stg_stripe_charges",
        latest_charges,
        _column("amount"),
        ("id", "currency", "amount", "event_created"),
    ),
    Hop("payments", "staging.stg_stripe_charges", "analytics.payment_metrics", _column("amount"), _column("amount")),
)


def sums(frame: DataFrame) -> Sums:
    """Sums by currency; rows without an amount have no part in them."""
    from pyspark.sql import functions as F

    rows = (
        frame.where("currency IS NOT NULL AND amount IS NOT NULL")
        .groupBy("currency")
        .agg(F.sum("amount").cast("decimal(38,2)").alias("amount"))
        .collect()
    )
    return {row["currency"]: row["amount"] for row in rows}


def _accepted(raw: DataFrame, table: str) -> DataFrame:
    """Raw rows that staging did not refuse."""
    from pyspark.sql import functions as F

    refused = raw.sparkSession.table("staging.rejects").where(F.col("raw_table") == table)
    return raw.join(refused, list(PLACE), "left_anti")


def hop_checks(spark: SparkSession, hop: Hop, forward: Forward | None = None) -> list[Check]:
    """One line for each currency that either side has."""
    at = read_up_to(hop.source, hop.target)
    note = waiting(hop.source, hop.target)
    after = sums(hop.right(spark.table(hop.target)))
    of_raw = hop.source.startswith("raw.")
    brought = forward.of(MONEY, hop.source, at) if forward and of_raw else None
    before = None if brought is None else grown(spark, hop, brought)
    if before == after and brought is not None:
        note = ", ".join(filter(None, [note, "brought forward but for what came since"]))
    else:
        brought, source = None, incremental.read_at(spark, hop.source, at)
        before = raw_sums(source, hop) if of_raw else sums(hop.left(source))
    if forward and of_raw:
        forward.count(MONEY, hop.source, at, before, brought=brought is not None)
    return [
        Check(f"money of {hop.subject}", hop.source, before.get(c, ZERO), hop.target, after.get(c, ZERO), c, note=note)
        for c in sorted(before.keys() | after.keys())
    ]


def raw_sums(raw: DataFrame, hop: Hop) -> Sums:
    """Sums over rows of raw that staging did not refuse."""
    return sums(hop.left(_accepted(raw, hop.source)))


def grown(spark: SparkSession, hop: Hop, brought: Brought) -> Sums:
    """Sums of a raw table of which older ones were brought forward: what the rows since then are about counts as it is
    now and no longer as it was. A currency of which nothing is left keeps no sum."""
    from pyspark.sql import functions as F

    if not brought.rows:
        return dict(brought.figures)
    columns = [*PLACE, *hop.reads]
    added = _accepted(brought.added(spark).select(columns), hop.source)
    ids = F.broadcast(added.select("id").distinct())
    older = brought.before(spark).select(columns).join(ids, "id", "left_semi")
    with ExitStack() as kept:
        # asked twice, and looked for among all rows; without the payload
        older = hold(_accepted(older, hop.source), None, kept)
        was, now = sums(hop.left(older)), sums(hop.left(older.unionByName(added)))
    return grow(brought.figures, was, now)


def grow(brought: Sums, was: Sums, now: Sums) -> Sums:
    """Sums after a part of them has changed from `was` to `now`."""
    changed = {c: brought.get(c, ZERO) - was.get(c, ZERO) + now.get(c, ZERO) for c in brought.keys() | now.keys()}
    return {currency: amount for currency, amount in changed.items() if amount or currency in now}


def money_checks(spark: SparkSession, forward: Forward | None = None) -> list[Check]:
    """All hops, all currencies."""
    return [check for hop in HOPS for check in hop_checks(spark, hop, forward)]
