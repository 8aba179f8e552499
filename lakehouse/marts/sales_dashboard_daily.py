"""marts.sales_dashboard_daily: what a sales dashboard shows, per day and currency.

`gross_amount` + `deleted_amount` is the sum of all orders of that day and currency, as in core.orders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.rebuild import rebuild
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.merge import StepResult

SOURCES = ("analytics.order_summary", "core.orders", "analytics.payment_metrics")
MONEY = "decimal(18,2)"

TABLE = Table(
    name="marts.sales_dashboard_daily",
    grain="one row per UTC day of order and currency",
    key=("order_date", "currency"),
    columns=(
        Column("order_date", "date", "UTC day on which the orders were made", required=True),
        Column("currency", "string", "ISO 4217, of all amounts without _usd", required=True),
        Column("order_count", "long", "orders that were not deleted"),
        Column("cancelled_order_count", "long", "of those, cancelled ones"),
        Column("deleted_order_count", "long", "orders that the shop deleted"),
        Column("customer_count", "long", "different people, of all orders"),
        Column("new_customer_count", "long", "people whose first order (neither cancelled nor deleted) is of this day"),
        Column("gross_amount", MONEY, "of all orders that were not deleted"),
        Column("deleted_amount", MONEY, "of deleted orders"),
        Column("cancelled_amount", MONEY, "of cancelled orders that were not deleted"),
        Column("refunded_amount", MONEY, "paid back, of orders neither cancelled nor deleted"),
        Column("net_amount", MONEY, "gross - cancelled - refunded"),
        Column("tax_amount", MONEY, "of orders that were not deleted"),
        Column("discount_amount", MONEY, "of orders that were not deleted"),
        Column("average_order_amount", MONEY, "gross per order; null if all orders were deleted"),
        Column("net_amount_usd", MONEY, "net_amount in US dollars; null if the currency has no rate"),
        Column("payments_amount", MONEY, "charges of that day and currency that succeeded"),
        Column("failed_payment_count", "long", "charges of that day and currency that failed"),
        Column("net_amount_7d", MONEY, "net_amount of this and the six days before, in this currency"),
    ),
)


def _new_customers(orders: DataFrame) -> DataFrame:
    """People by the day and currency of their first order; of two at the same time the smaller id is the first."""
    from pyspark.sql import functions as F

    first = F.min_by(F.struct("order_date", "currency"), F.struct("created_at", "order_id")).alias("first")
    return (
        orders.where("entity_id IS NOT NULL AND NOT is_cancelled AND NOT is_deleted AND order_date IS NOT NULL")
        .groupBy("entity_id")
        .agg(first)
        .groupBy("first.order_date", "first.currency")
        .agg(F.count(F.lit(1)).alias("new_customer_count"))
    )


def _payments(payments: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    return payments.groupBy(F.col("payment_date").alias("order_date"), "currency").agg(
        F.sum(F.when(F.col("status") == "succeeded", F.col("amount"))).alias("payments_amount"),
        F.sum(F.when(F.col("status") == "failed", F.col("charge_count"))).alias("failed_payment_count"),
    )


def transform(summary: DataFrame, orders: DataFrame, payments: DataFrame) -> DataFrame:
    """Days with orders, with what was paid on the same day beside them. Days with payments alone are not sales days."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    zero = F.lit(0)
    day = F.unix_date("order_date")
    week = Window.partitionBy("currency").orderBy(day).rangeBetween(-6, 0)
    return (
        summary.join(_new_customers(orders), ["order_date", "currency"], "left")
        .join(_payments(payments), ["order_date", "currency"], "left")
        .withColumn("order_count", F.col("order_count") - F.col("deleted_order_count"))
        .withColumn("gross_amount", F.expr("total_amount - deleted_amount").cast(MONEY))
        .withColumn("new_customer_count", F.coalesce("new_customer_count", zero).cast("long"))
        .withColumn("payments_amount", F.coalesce("payments_amount", zero).cast(MONEY))
        .withColumn("failed_payment_count", F.coalesce("failed_payment_count", zero).cast("long"))
        .withColumn("net_amount_7d", F.sum("net_amount").over(week).cast(MONEY))
        .select(*TABLE.column_names)
    )


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Bring the table up to its sources."""
    return rebuild(spark, run_id, TABLE, SOURCES, transform)
