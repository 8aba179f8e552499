"""analytics.order_summary: orders and their money per day and currency. Amounts of two currencies are never added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.rebuild import rebuild
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.merge import StepResult

SOURCES = ("core.orders",)
SUM = "decimal(18,2)"

TABLE = Table(
    name="analytics.order_summary",
    grain="one row per UTC day of order and currency",
    key=("order_date", "currency"),
    columns=(
        Column("order_date", "date", "UTC day on which the orders were made", required=True),
        Column("currency", "string", "ISO 4217, of all amounts without _usd", required=True),
        Column("order_count", "long", "all orders, cancelled and deleted ones too"),
        Column("paid_order_count", "long", "paid, not deleted"),
        Column("cancelled_order_count", "long", "cancelled, not deleted"),
        Column("deleted_order_count", "long", "deleted by the shop"),
        Column("customer_count", "long", "different people; orders whose person is unknown count by customer or email"),
        Column("total_amount", SUM, "of all orders: equals core.orders; = gross + deleted"),
        Column("deleted_amount", SUM, "of deleted orders"),
        Column("cancelled_amount", SUM, "of cancelled orders that were not deleted"),
        Column("refunded_amount", SUM, "paid back, of orders neither cancelled nor deleted"),
        Column("tax_amount", SUM, "of orders that were not deleted"),
        Column("discount_amount", SUM, "of orders that were not deleted"),
        Column("shipping_amount", SUM, "of orders that were not deleted"),
        Column("net_amount", SUM, "total - deleted - cancelled - refunded"),
        Column("average_order_amount", SUM, "of orders that were not deleted"),
        Column("total_amount_usd", SUM, "total_amount in US dollars; null if the currency has no rate"),
        Column("net_amount_usd", SUM, "net_amount in US dollars; null if the currency has no rate"),
        Column("unconverted_order_count", "long", "orders without an amount in US dollars"),
    ),
)


def summed(amount: str, condition: SparkColumn | None = None) -> SparkColumn:
    """The sum of an amount over the rows where the condition holds; 0 where there is none."""
    from pyspark.sql import functions as F

    zero = F.lit(0).cast(SUM)
    value = F.col(amount) if condition is None else F.when(condition, F.col(amount)).otherwise(zero)
    return F.coalesce(F.sum(value), zero).cast(SUM)


def transform(orders: DataFrame) -> DataFrame:
    """Day by day from core.orders. Orders of which only the deletion is known have no money and no currency."""
    from pyspark.sql import functions as F

    deleted, cancelled = F.col("is_deleted"), F.col("is_cancelled") & ~F.col("is_deleted")
    kept, alive = ~F.col("is_deleted"), ~F.col("is_deleted") & ~F.col("is_cancelled")
    person = F.coalesce("entity_id", F.col("customer_id").cast("string"), F.lower("email"))
    known = orders.where("currency IS NOT NULL AND order_date IS NOT NULL")
    return (
        known.groupBy("order_date", "currency")
        .agg(
            F.count(F.lit(1)).alias("order_count"),
            F.count_if(F.col("is_paid") & kept).alias("paid_order_count"),
            F.count_if(cancelled).alias("cancelled_order_count"),
            F.count_if(deleted).alias("deleted_order_count"),
            F.count_distinct(person).alias("customer_count"),
            summed("total_amount").alias("total_amount"),
            summed("total_amount", deleted).alias("deleted_amount"),
            summed("total_amount", cancelled).alias("cancelled_amount"),
            summed("refunded_amount", alive).alias("refunded_amount"),
            summed("tax_amount", kept).alias("tax_amount"),
            summed("discount_amount", kept).alias("discount_amount"),
            summed("shipping_amount", kept).alias("shipping_amount"),
            F.sum("total_amount_usd").cast(SUM).alias("total_amount_usd"),
            F.sum(F.when(alive, F.col("total_amount_usd") - F.col("refunded_amount_usd")))
            .cast(SUM)
            .alias("_alive_usd"),
            F.count_if(F.col("total_amount_usd").isNull()).alias("unconverted_order_count"),
        )
        .withColumn(
            "net_amount",
            F.expr("total_amount - deleted_amount - cancelled_amount - refunded_amount").cast(SUM),
        )
        # a day on which every order was cancelled made 0 dollars, not an unknown sum
        .withColumn(
            "net_amount_usd",
            F.when(F.col("total_amount_usd").isNotNull(), F.coalesce("_alive_usd", F.lit(0))).cast(SUM),
        )
        .withColumn(
            "average_order_amount",
            F.expr("round(try_divide(total_amount - deleted_amount, order_count - deleted_order_count), 2)").cast(SUM),
        )
        .select(*TABLE.column_names)
    )


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Bring the table up to its sources."""
    return rebuild(spark, run_id, TABLE, SOURCES, transform)
