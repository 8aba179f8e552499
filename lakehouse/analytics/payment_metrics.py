"""analytics.payment_metrics: charges per day, currency and status. Amounts of two currencies are never added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.analytics.order_summary import SUM, summed
from lakehouse.core.exchange_rates import to_usd
from lakehouse.rebuild import rebuild
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.merge import StepResult

SOURCES = ("staging.stg_stripe_charges",)

TABLE = Table(
    name="analytics.payment_metrics",
    grain="one row per UTC day of charge, currency and status",
    key=("payment_date", "currency", "status"),
    columns=(
        Column("payment_date", "date", "UTC day on which the charges were made", required=True),
        Column("currency", "string", "ISO 4217, of all amounts without _usd", required=True),
        Column("status", "string", "succeeded, pending or failed", required=True),
        Column("charge_count", "long", "charges"),
        Column("refunded_charge_count", "long", "charges of which something was paid back"),
        Column("customer_count", "long", "different Stripe customers; guests count by receipt email"),
        Column("amount", SUM, "charged"),
        Column("refunded_amount", SUM, "paid back so far"),
        Column("net_amount", SUM, "amount - refunded_amount of what succeeded, else 0: money that was kept"),
        Column("average_amount", SUM, "amount per charge"),
        Column("amount_usd", SUM, "in US dollars; null if the currency has no rate"),
        Column("top_failure_code", "string", "most frequent reason of failure; null where nothing failed"),
    ),
)


def transform(charges: DataFrame) -> DataFrame:
    """Day by day from the staged charges."""
    from pyspark.sql import functions as F

    day = F.to_date(F.coalesce("created_at", "updated_at"))
    known = (
        charges.withColumn("payment_date", day)
        .withColumn("status", F.coalesce("status", F.lit("unknown")))
        .withColumn("_usd", to_usd(F.col("amount"), F.col("currency")))
    )
    return (
        known.groupBy("payment_date", "currency", "status")
        .agg(
            F.count(F.lit(1)).alias("charge_count"),
            F.count_if(F.coalesce("amount_refunded", F.lit(0)) > 0).alias("refunded_charge_count"),
            F.count_distinct(F.coalesce("customer_id", F.lower("receipt_email"))).alias("customer_count"),
            summed("amount_refunded").alias("refunded_amount"),
            summed("amount").alias("amount"),
            F.sum("_usd").cast(SUM).alias("amount_usd"),
            F.mode("failure_code", deterministic=True).alias("top_failure_code"),
        )
        .withColumn("net_amount", F.expr("if(status = 'succeeded', amount - refunded_amount, 0)").cast(SUM))
        .withColumn("average_amount", F.expr("round(try_divide(amount, charge_count), 2)").cast(SUM))
        .select(*TABLE.column_names)
    )


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Bring the table up to its sources."""
    return rebuild(spark, run_id, TABLE, SOURCES, transform)
