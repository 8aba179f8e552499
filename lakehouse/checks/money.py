"""Sums of money from the payload to the mart, for each currency by itself.

The payloads are read here with plain JSON functions, apart from staging's own code: it is the second opinion.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from lakehouse.checks.check import Check, read_by, waiting
from lakehouse.money import STRIPE_EXPONENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column, DataFrame, SparkSession

ZERO = Decimal(0)
Sums = dict[str, Decimal]
"""Currency → sum in major units."""


@dataclass(frozen=True)
class Hop:
    """Money that goes from one table into the next: how each side is summed over rows of (currency, amount)."""

    subject: str
    source: str
    target: str
    left: Callable[[DataFrame], DataFrame]
    right: Callable[[DataFrame], DataFrame]


def _column(amount: str) -> Callable[[DataFrame], DataFrame]:
    return lambda frame: frame.selectExpr("currency", f"{amount} AS amount")


def _accepted(raw: DataFrame, table: str) -> DataFrame:
    """Raw rows that staging did not refuse, the payload as text."""
    from pyspark.sql import functions as F

    refused = (
        raw.sparkSession.table("staging.rejects")
        .where(F.col("raw_table") == table)
        .select("_kafka_partition", "_kafka_offset")
    )
    rows = raw.join(refused, ["_kafka_partition", "_kafka_offset"], "left_anti")
    return rows.withColumn("p", F.col("_payload").cast("string"))


def order_payloads(raw: DataFrame) -> DataFrame:
    """What each order costs by its latest payload. A deletion carries no money: the order's last payload counts."""
    from pyspark.sql import functions as F

    rows = _accepted(raw, "raw.shopify_orders").where("_webhook_topic <> 'orders/delete'")
    # one pass over a text that is long: get_json_object would read it once for each field
    given = rows.select(F.json_tuple("p", "id", "currency", "total_price", "updated_at"), "_triggered_at")
    latest = given.toDF("id", "code", "price", "changed", "_triggered_at").selectExpr(
        "id",
        "upper(code) AS currency",
        "try_cast(price AS DECIMAL(18,2)) AS amount",
        "struct(try_cast(changed AS TIMESTAMP), _triggered_at) AS at",
    )
    return latest.groupBy("id").agg(_newest()).selectExpr("newest.currency", "newest.amount")


def charge_payloads(raw: DataFrame) -> DataFrame:
    """What each charge is of, from minor units: a hundredth, a thousandth or a whole of the currency."""
    factor = f"CASE WHEN currency IN ({_codes(0)}) THEN 1BD WHEN currency IN ({_codes(3)}) THEN 0.001BD ELSE 0.01BD END"
    latest = _accepted(raw, "raw.stripe_charges").selectExpr(
        "get_json_object(p, '$.data.object.id') AS id",
        "upper(get_json_object(p, '$.data.object.currency')) AS currency",
        "try_cast(get_json_object(p, '$.data.object.amount') AS DECIMAL(18,0)) AS amount",
        "try_cast(get_json_object(p, '$.created') AS BIGINT) AS at",
    )
    newest = latest.groupBy("id").agg(_newest()).selectExpr("newest.currency", "newest.amount AS minor")
    return newest.selectExpr("currency", f"minor * {factor} AS amount")


def _codes(digits: int) -> str:
    return ", ".join(f"'{code}'" for code, of_code in sorted(STRIPE_EXPONENTS.items()) if of_code == digits)


def _newest() -> Column:
    from pyspark.sql import functions as F

    return F.max_by(F.struct("currency", "amount"), "at").alias("newest")


HOPS = (
    Hop("orders", "raw.shopify_orders", "staging.stg_shopify_orders", order_payloads, _column("total_amount")),
    Hop("orders", "staging.stg_shopify_orders", "core.orders", _column("total_amount"), _column("total_amount")),
    Hop("orders", "core.orders", "analytics.order_summary", _column("total_amount"), _column("total_amount")),
    Hop(
        "orders",
        "analytics.order_summary",
        "marts.sales_dashboard_daily",
        _column("total_amount"),
        _column("gross_amount + deleted_amount"),
    ),
    Hop("payments", "raw.stripe_charges", "staging.stg_stripe_charges", charge_payloads, _column("amount")),
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


def hop_checks(spark: SparkSession, hop: Hop) -> list[Check]:
    """One line for each currency that either side has."""
    before = sums(hop.left(read_by(spark, hop.source, hop.target)))
    after = sums(hop.right(spark.table(hop.target)))
    note = waiting(hop.source, hop.target)
    return [
        Check(f"money of {hop.subject}", hop.source, before.get(c, ZERO), hop.target, after.get(c, ZERO), c, note=note)
        for c in sorted(before.keys() | after.keys())
    ]


def money_checks(spark: SparkSession) -> list[Check]:
    """All hops, all currencies."""
    return [check for hop in HOPS for check in hop_checks(spark, hop)]
