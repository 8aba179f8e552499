"""analytics.customer_metrics: what every person ordered and paid, in US dollars by the workbook's fixed rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.analytics.order_summary import SUM
from lakehouse.core.exchange_rates import to_usd
from lakehouse.rebuild import rebuild
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.merge import StepResult

SOURCES = ("core.customers", "core.orders", "staging.stg_stripe_charges", "semantic.entity_index")

TABLE = Table(
    name="analytics.customer_metrics",
    grain="one row per person, those without orders too",
    key=("entity_id",),
    columns=(
        Column("entity_id", "string", "the person", required=True),
        Column("order_count", "long", "orders neither cancelled nor deleted"),
        Column("paid_order_count", "long", "of those, paid ones"),
        Column("cancelled_order_count", "long", "cancelled, not deleted"),
        Column("gross_revenue_usd", SUM, "of orders neither cancelled nor deleted"),
        Column("refunded_usd", SUM, "paid back, of the same orders"),
        Column("net_revenue_usd", SUM, "gross_revenue_usd - refunded_usd"),
        Column("average_order_usd", SUM, "gross per order that could be converted; null without orders"),
        Column("currencies", "string", "of the orders, sorted, with commas between; null without orders"),
        Column("unconverted_order_count", "long", "orders in a currency without a rate: they are in no _usd column"),
        Column("first_order_at", "timestamptz", "of orders neither cancelled nor deleted"),
        Column("last_order_at", "timestamptz", "of orders neither cancelled nor deleted"),
        Column("days_active", "int", "days from the first to the last order; null without orders"),
        Column("charge_count", "long", "charges, whatever became of them"),
        Column("failed_charge_count", "long", "charges that failed"),
        Column("paid_usd", SUM, "charges that succeeded"),
        Column("charges_refunded_usd", SUM, "paid back of charges"),
        Column("last_charge_at", "timestamptz", "when the last charge was made"),
    ),
)
_COUNTS = ("order_count", "paid_order_count", "cancelled_order_count", "unconverted_order_count", "charge_count",
           "failed_charge_count")  # fmt: skip
_MONEY = ("gross_revenue_usd", "refunded_usd", "paid_usd", "charges_refunded_usd")


def _orders(orders: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    kept = ~F.col("is_deleted") & F.col("currency").isNotNull()
    valid = kept & ~F.col("is_cancelled")
    usd = F.col("total_amount_usd")
    return (
        orders.where("entity_id IS NOT NULL")
        .groupBy("entity_id")
        .agg(
            F.count_if(valid).alias("order_count"),
            F.count_if(valid & F.col("is_paid")).alias("paid_order_count"),
            F.count_if(kept & F.col("is_cancelled")).alias("cancelled_order_count"),
            F.sum(F.when(valid, usd)).cast(SUM).alias("gross_revenue_usd"),
            F.sum(F.when(valid, F.col("refunded_amount_usd"))).cast(SUM).alias("refunded_usd"),
            F.nullif(F.concat_ws(",", F.array_sort(F.collect_set(F.when(valid, F.col("currency"))))), F.lit("")).alias(
                "currencies"
            ),
            F.count_if(valid & usd.isNull()).alias("unconverted_order_count"),
            F.min(F.when(valid, F.col("created_at"))).alias("first_order_at"),
            F.max(F.when(valid, F.col("created_at"))).alias("last_order_at"),
        )
    )


def _charges(charges: DataFrame, orders: DataFrame, entities: DataFrame) -> DataFrame:
    """Charges per person: of the payment provider's customer, or else of the order that the charge pays."""
    from pyspark.sql import functions as F

    payers = entities.where("source = 'stripe'").select(
        F.col("source_id").alias("customer_id"), F.col("entity_id").alias("entity_of_payer")
    )
    # far fewer orders are named by a charge than there are: only those have to be sorted and sent
    named = charges.select("order_reference").distinct()
    paid_orders = orders.select(
        F.col("order_id").cast("string").alias("order_reference"), F.col("entity_id").alias("entity_of_order")
    ).join(named, "order_reference", "left_semi")
    usd = to_usd(F.col("amount"), F.col("currency"))
    refunded = to_usd(F.col("amount_refunded"), F.col("currency"))
    return (
        charges.join(payers, "customer_id", "left")
        .join(paid_orders, "order_reference", "left")
        .withColumn("entity_id", F.coalesce("entity_of_payer", "entity_of_order"))
        .where("entity_id IS NOT NULL")
        .groupBy("entity_id")
        .agg(
            F.count(F.lit(1)).alias("charge_count"),
            F.count_if(F.col("status") == "failed").alias("failed_charge_count"),
            F.sum(F.when(F.col("status") == "succeeded", usd)).cast(SUM).alias("paid_usd"),
            F.sum(refunded).cast(SUM).alias("charges_refunded_usd"),
            F.max("created_at").alias("last_charge_at"),
        )
    )


def transform(customers: DataFrame, orders: DataFrame, charges: DataFrame, entities: DataFrame) -> DataFrame:
    """One row for each of core.customers, zeros where a person ordered or paid nothing."""
    from pyspark.sql import functions as F

    zero = F.lit(0).cast(SUM)
    return (
        customers.select("entity_id")
        .join(_orders(orders), "entity_id", "left")
        .join(_charges(charges, orders, entities), "entity_id", "left")
        .withColumns({name: F.coalesce(name, F.lit(0)).cast("long") for name in _COUNTS})
        .withColumns({name: F.coalesce(name, zero) for name in _MONEY})
        .withColumn("net_revenue_usd", F.expr("gross_revenue_usd - refunded_usd").cast(SUM))
        .withColumn(
            "average_order_usd",
            F.expr("round(try_divide(gross_revenue_usd, order_count - unconverted_order_count), 2)").cast(SUM),
        )
        .withColumn("days_active", F.date_diff("last_order_at", "first_order_at"))
        .select(*TABLE.column_names)
    )


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Bring the table up to its sources."""
    return rebuild(spark, run_id, TABLE, SOURCES, transform)
