"""Customers of the payment provider: the latest state of each, with the address flattened and the name split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.staging import payload as read
from lakehouse.staging.columns import LIFE, TIMES, TRACE
from lakehouse.staging.payload import select_parsed
from lakehouse.staging.state import latest_state
from lakehouse.staging.step import run_step, write_latest
from lakehouse.staging.stripe import delivery_columns, envelope_problem, read_event
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.merge import StepResult

RAW_TABLE = "raw.stripe_customers"
SOURCES = (RAW_TABLE,)
DELETED = "customer.deleted"
TYPES = ("customer.created", "customer.updated", DELETED)
"""Of two events at the same second, the later one here is the later state."""

TABLE = Table(
    name="staging.stg_stripe_customers",
    grain="one row per customer of the payment provider",
    key=("customer_id",),
    columns=(
        Column("customer_id", "string", "Stripe's id of the customer", required=True),
        Column("email", "string", "as sent"),
        Column("phone", "string", "as sent"),
        Column("name", "string", "full name, as sent"),
        Column("first_name", "string", "name up to its last blank"),
        Column("last_name", "string", "name after its last blank; all of a name of one word is the first name"),
        Column("line1", "string", "street and number"),
        Column("city", "string", "as sent"),
        Column("state", "string", "as sent"),
        Column("country", "string", "ISO 3166 two letters"),
        Column("postal_code", "string", "as sent"),
        Column("currency", "string", "ISO 4217, capitals"),
        *LIFE,
        *TIMES,
        *TRACE,
    ),
)
ADDRESS = "STRUCT<line1: STRING, city: STRING, state: STRING, country: STRING, postal_code: STRING>"
OBJECT = f"""id: STRING, email: STRING, phone: STRING, name: STRING, currency: STRING, created: STRING,
    address: {ADDRESS}, shipping: STRUCT<address: {ADDRESS}>"""


def parse(raw: DataFrame) -> DataFrame:
    """Each raw row typed, with `_reject` where it cannot be. A deletion carries the customer as it was."""
    from pyspark.sql import functions as F

    def address(name: str) -> object:
        return F.coalesce(read.text(f"o.address.{name}"), read.text(f"o.shipping.address.{name}"))

    rows = read_event(raw, OBJECT).withColumn("name", F.regexp_replace(read.text("o.name"), r"\s+", " "))
    rows = rows.withColumns(
        {
            **delivery_columns(TYPES),
            "_reject": envelope_problem(),
            "deleted_at": F.when(F.col("p.type") == DELETED, F.col("_event_time")),
            "customer_id": F.col("_entity_id"),
            "email": read.text("o.email"),
            "phone": read.text("o.phone"),
            "first_name": F.coalesce(F.nullif(F.regexp_extract("name", r"^(.*) \S+$", 1), F.lit("")), F.col("name")),
            "last_name": F.nullif(F.regexp_extract("name", r" (\S+)$", 1), F.lit("")),
            **{name: address(name) for name in ("line1", "city", "state", "postal_code")},
            "country": F.upper(address("country")),
            "currency": read.currency("o.currency"),
        }
    )
    return select_parsed(rows, TABLE)


def transform(raw: DataFrame) -> DataFrame:
    """The latest state of each customer in these raw rows; rows that cannot be typed are left out."""
    return latest_state(TABLE, parse(raw).where("_reject IS NULL"))


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Bring the table up to what is new in raw.stripe_customers."""
    return run_step(
        spark,
        run_id,
        raw_table=RAW_TABLE,
        target=TABLE,
        entity_type="customer",
        parse=parse,
        write_state=write_latest,
    )
