"""core.orders: every order of the shop, with the person who made it and its amounts in US dollars too.

The person is the one of the order's customer; for a guest's order, the one and only person with the order's email.
An order whose customer is not known yet has no person; the run after the customer arrives fills it in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.core.exchange_rates import to_usd
from lakehouse.rebuild import rebuild
from lakehouse.semantic.normalize import GENERIC_LOCAL_PARTS
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.merge import StepResult

SOURCES = ("staging.stg_shopify_orders", "semantic.entity_index")

TABLE = Table(
    name="core.orders",
    grain="one row per order, cancelled and deleted ones too",
    key=("order_id",),
    columns=(
        Column("order_id", "long", "Shopify's id of the order", required=True),
        Column("entity_id", "string", "the person; null while unknown"),
        Column("customer_id", "long", "Shopify's id of the customer; null for a guest"),
        Column("order_number", "long", "the number that a customer sees"),
        Column("email", "string", "contact email of the order, as sent"),
        Column("currency", "string", "ISO 4217, capitals"),
        Column("subtotal_amount", "decimal(18,2)", "items after discounts, major units of currency"),
        Column("tax_amount", "decimal(18,2)", "major units of currency"),
        Column("shipping_amount", "decimal(18,2)", "major units of currency"),
        Column("discount_amount", "decimal(18,2)", "major units of currency"),
        Column("total_amount", "decimal(18,2)", "what the order costs, major units of currency"),
        Column("refunded_amount", "decimal(18,2)", "paid back so far, major units of currency; 0 for none"),
        Column("total_amount_usd", "decimal(18,2)", "US dollars; null if the currency has no rate, see exchange_rates"),
        Column("refunded_amount_usd", "decimal(18,2)", "US dollars; null if the currency has no rate"),
        Column("line_item_count", "int", "lines of the order"),
        Column("financial_status", "string", "pending, authorized, paid, partially_refunded, refunded, voided"),
        Column("fulfillment_status", "string", "null until something was shipped, then partial or fulfilled"),
        Column("is_paid", "boolean", "whether it was paid in full at some time, refunded since or not", required=True),
        Column("is_cancelled", "boolean", "whether it was cancelled", required=True),
        Column("is_deleted", "boolean", "whether the shop deleted it; then it counts in no revenue", required=True),
        Column("order_date", "date", "UTC day on which it was made; of its first event if that is not known"),
        Column("created_at", "timestamptz", "when it was made"),
        Column("updated_at", "timestamptz", "the latest event that is known"),
        Column("shipping_country", "string", "ISO 3166 two letters"),
    ),
    partitioning=("month(order_date)",),
)
_AS_STAGED = (
    "order_id", "customer_id", "order_number", "email", "currency", "subtotal_amount", "tax_amount", "shipping_amount",
    "discount_amount", "total_amount", "line_item_count", "financial_status", "fulfillment_status", "created_at",
    "updated_at", "shipping_country",
)  # fmt: skip


def _person_of_email(entities: DataFrame) -> DataFrame:
    """Emails that are one person's alone, as sent and as normalised; desks' mailboxes are nobody's."""
    from pyspark.sql import functions as F

    both = entities.select("entity_id", F.lower(F.trim("email")).alias("mail")).union(
        entities.select("entity_id", "email_normalized")
    )
    personal = ~F.split_part("mail", F.lit("@"), F.lit(1)).isin(*GENERIC_LOCAL_PARTS)
    return (
        both.where(F.col("mail").isNotNull() & personal)
        .groupBy("mail")
        .agg(F.min("entity_id").alias("entity_of_email"), F.count_distinct("entity_id").alias("people"))
        .where("people = 1")
        .drop("people")
    )


def transform(orders: DataFrame, entities: DataFrame) -> DataFrame:
    """Orders from the staged ones and the index of who is who."""
    from pyspark.sql import functions as F

    customers = entities.where("source = 'shopify'").select(
        F.col("source_id").alias("shop_id"), F.col("entity_id").alias("entity_of_customer")
    )
    flags = {name: F.coalesce(name, F.lit(False)) for name in ("is_paid", "is_cancelled", "is_deleted")}
    return (
        orders.select(*_AS_STAGED, "refunded_amount", "order_date", *flags)
        .withColumns(flags)
        .withColumn("mail", F.when(F.col("customer_id").isNull(), F.lower(F.trim("email"))))
        .withColumn("shop_id", F.col("customer_id").cast("string"))
        .join(customers, "shop_id", "left")
        .join(_person_of_email(entities), "mail", "left")
        .withColumn("entity_id", F.coalesce("entity_of_customer", "entity_of_email"))
        .withColumn("order_date", F.coalesce("order_date", F.to_date("updated_at")))
        .withColumn(
            "refunded_amount",
            F.coalesce("refunded_amount", F.when(F.col("total_amount").isNotNull(), F.lit(0).cast("decimal(18,2)"))),
        )
        .withColumn("total_amount_usd", to_usd(F.col("total_amount"), F.col("currency")))
        .withColumn("refunded_amount_usd", to_usd(F.col("refunded_amount"), F.col("currency")))
        .select(*TABLE.column_names)
    )


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Bring the table up to its sources."""
    return rebuild(spark, run_id, TABLE, SOURCES, transform, by_row=SOURCES[0])
