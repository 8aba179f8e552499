"""marts.customer_360: all that is known of a person in one row, for dashboards and for people who call the person.

Segments, the first rule that holds; days are counted to the day of the latest order in the data, not to today:
* deleted: every record of the person was deleted by its sender; nobody to write to;
* prospect: never ordered (or only cancelled orders);
* champion: 5 orders or more, the last at most 14 days ago;
* loyal: 3 orders or more, the last at most 21 days ago;
* new: first order at most 14 days ago;
* at_risk: 2 orders or more, the last more than 21 days ago;
* occasional: everybody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.rebuild import rebuild
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.merge import StepResult

SOURCES = ("core.customers", "analytics.customer_metrics")
CHAMPION_ORDERS, CHAMPION_DAYS = 5, 14
LOYAL_ORDERS, LOYAL_DAYS = 3, 21
NEW_DAYS = 14
MONEY = "decimal(18,2)"

TABLE = Table(
    name="marts.customer_360",
    grain="one row per person",
    key=("entity_id",),
    columns=(
        Column("entity_id", "string", "the person", required=True),
        Column("full_name", "string", "best name; null if no record has one"),
        Column("first_name", "string", "best given name"),
        Column("last_name", "string", "family name"),
        Column("email", "string", "best email"),
        Column("phone", "string", "best phone"),
        Column("city", "string", "latest known city"),
        Column("country", "string", "ISO 3166 two letters"),
        Column("sources", "string", "senders that know the person"),
        Column("source_count", "int", "how many senders know the person"),
        Column("record_count", "int", "how many records the person has"),
        Column("shopify_customer_ids", "string", "JSON array of ids as text"),
        Column("stripe_customer_ids", "string", "JSON array of ids as text"),
        Column("hubspot_contact_ids", "string", "JSON array of ids as text"),
        Column("match_confidence", "decimal(5,2)", "percent: the weakest link between the person's records"),
        Column("is_deleted", "boolean", "whether every record was deleted"),
        Column("first_seen_at", "timestamptz", "when the first record was made"),
        Column("last_seen_at", "timestamptz", "when a record last changed"),
        Column("order_count", "long", "orders neither cancelled nor deleted"),
        Column("cancelled_order_count", "long", "cancelled orders"),
        Column("gross_revenue_usd", MONEY, "of orders neither cancelled nor deleted"),
        Column("refunded_usd", MONEY, "paid back"),
        Column("net_revenue_usd", MONEY, "gross_revenue_usd - refunded_usd"),
        Column("average_order_usd", MONEY, "gross per order; null without orders"),
        Column("currencies", "string", "of the orders; null without orders"),
        Column("first_order_at", "timestamptz", "first order"),
        Column("last_order_at", "timestamptz", "last order"),
        Column("days_since_last_order", "int", "to the day of the latest order in the data; null without orders"),
        Column("charge_count", "long", "charges, whatever became of them"),
        Column("failed_charge_count", "long", "charges that failed"),
        Column("paid_usd", MONEY, "charges that succeeded"),
        Column("charges_refunded_usd", MONEY, "paid back of charges"),
        Column("segment", "string", "deleted, prospect, champion, loyal, new, at_risk or occasional", required=True),
    ),
)


def segment() -> SparkColumn:
    """The rule at the top of this module."""
    from pyspark.sql import functions as F

    orders, last, first = F.col("order_count"), F.col("days_since_last_order"), F.col("_days_since_first")
    return (
        F.when(F.col("is_deleted"), "deleted")
        .when(orders == 0, "prospect")
        .when((orders >= CHAMPION_ORDERS) & (last <= CHAMPION_DAYS), "champion")
        .when((orders >= LOYAL_ORDERS) & (last <= LOYAL_DAYS), "loyal")
        .when(first <= NEW_DAYS, "new")
        .when((orders >= 2) & (last > LOYAL_DAYS), "at_risk")
        .otherwise("occasional")
    )


def transform(customers: DataFrame, metrics: DataFrame) -> DataFrame:
    """Identity and metrics side by side."""
    from pyspark.sql import functions as F

    latest = metrics.agg(F.to_date(F.max("last_order_at")).alias("_as_of"))
    return (
        customers.join(metrics, "entity_id")
        .crossJoin(F.broadcast(latest))
        .withColumn("days_since_last_order", F.date_diff("_as_of", "last_order_at"))
        .withColumn("_days_since_first", F.date_diff("_as_of", "first_order_at"))
        .withColumn("segment", segment())
        .select(*TABLE.column_names)
    )


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Bring the table up to its sources."""
    return rebuild(spark, run_id, TABLE, SOURCES, transform)
