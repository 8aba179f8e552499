"""Customers of the shop: the latest state of each, with the default address flattened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.staging import payload as read
from lakehouse.staging.columns import LIFE, TIMES, TRACE
from lakehouse.staging.payload import read_payload, select_parsed
from lakehouse.staging.shopify import delivery_columns, event_time
from lakehouse.staging.state import latest_state
from lakehouse.staging.step import run_step, write_latest
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.merge import StepResult

RAW_TABLE = "raw.shopify_customers"
SOURCES = (RAW_TABLE,)
TOPICS = ("customers/create", "customers/enable", "customers/update", "customers/disable")
"""Of two events at the same time, the later one here is the later state."""

TABLE = Table(
    name="staging.stg_shopify_customers",
    grain="one row per customer of the shop",
    key=("customer_id",),
    columns=(
        Column("customer_id", "long", "Shopify's id of the customer", required=True),
        Column("email", "string", "as sent"),
        Column("phone", "string", "as sent; the default address's one if the customer has none"),
        Column("first_name", "string", "as sent"),
        Column("last_name", "string", "as sent"),
        Column("verified_email", "boolean", "whether Shopify verified the address"),
        Column("state", "string", "disabled, invited, enabled or declined"),
        Column("currency", "string", "ISO 4217, capitals"),
        Column("address1", "string", "street and number of the default address"),
        Column("city", "string", "as sent"),
        Column("province", "string", "as sent"),
        Column("country", "string", "ISO 3166 two letters"),
        Column("zip", "string", "postcode, as sent"),
        *LIFE,
        *TIMES,
        *TRACE,
    ),
)
ADDRESS = (
    """STRUCT<address1: STRING, city: STRING, province: STRING, country_code: STRING, zip: STRING, phone: STRING>"""
)
PAYLOAD = f"""id STRING, email STRING, phone STRING, first_name STRING, last_name STRING, verified_email STRING,
    state STRING, currency STRING, default_address {ADDRESS}, created_at STRING, updated_at STRING"""


def _problem() -> SparkColumn:
    from pyspark.sql import functions as F

    state = F.coalesce(
        read.time_problem("updated_at", "p.updated_at", "_changed_at", required=True),
        read.time_problem("created_at", "p.created_at", "created_at"),
    )
    untimed = F.when(F.col("_triggered_at").isNull(), F.lit("missing_time: triggered_at"))
    return F.coalesce(
        read.unparsable(),
        F.when(F.col("customer_id").isNull(), F.lit("missing_id")),
        F.when(F.col("_deletes"), untimed).otherwise(state),
    )


def parse(raw: DataFrame) -> DataFrame:
    """Each raw row typed, with `_reject` where it cannot be."""
    from pyspark.sql import functions as F

    rows = read_payload(raw, PAYLOAD).withColumns(
        {
            "_deletes": F.col("_webhook_topic") == "customers/delete",
            "customer_id": read.number("p.id"),
            "created_at": read.iso_time("p.created_at"),
            "_changed_at": read.iso_time("p.updated_at"),
        }
    )
    named = ("email", "first_name", "last_name", "state")
    rows = rows.withColumns(
        {
            **delivery_columns(event_time("_changed_at"), "_changed_at", TOPICS),
            "_entity_id": read.text("p.id"),
            "_reject": _problem(),
            **{name: read.text(f"p.{name}") for name in named},
            "phone": F.coalesce(read.text("p.phone"), read.text("p.default_address.phone")),
            "verified_email": read.flag("p.verified_email"),
            "currency": read.currency("p.currency"),
            **{name: read.text(f"p.default_address.{name}") for name in ("address1", "city", "province", "zip")},
            "country": F.upper(read.text("p.default_address.country_code")),
        }
    )
    return select_parsed(rows, TABLE)


def transform(raw: DataFrame) -> DataFrame:
    """The latest state of each customer in these raw rows; rows that cannot be typed are left out."""
    return latest_state(TABLE, parse(raw).where("_reject IS NULL"))


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Bring the table up to what is new in raw.shopify_customers."""
    return run_step(
        spark,
        run_id,
        raw_table=RAW_TABLE,
        target=TABLE,
        entity_type="customer",
        parse=parse,
        write_state=write_latest,
    )
