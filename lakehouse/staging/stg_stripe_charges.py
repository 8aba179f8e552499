"""Charges: the latest state of each payment, its integers of minor units in major units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.money import STRIPE_EXPONENTS
from lakehouse.staging import payload as read
from lakehouse.staging.columns import TIMES, TRACE
from lakehouse.staging.payload import select_parsed
from lakehouse.staging.state import latest_state
from lakehouse.staging.step import run_step, write_latest
from lakehouse.staging.stripe import delivery_columns, envelope_problem, id_or_expanded, read_event
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.merge import StepResult

RAW_TABLE = "raw.stripe_charges"
SOURCES = (RAW_TABLE,)
TYPES = ("charge.pending", "charge.failed", "charge.succeeded", "charge.expired", "charge.captured",
         "charge.updated", "charge.refunded")  # fmt: skip
"""Of two events at the same second, the later one here is the later state."""

TABLE = Table(
    name="staging.stg_stripe_charges",
    grain="one row per charge",
    key=("charge_id",),
    columns=(
        Column("charge_id", "string", "Stripe's id of the charge", required=True),
        Column("customer_id", "string", "Stripe's id of the customer; null for a guest"),
        Column("order_reference", "string", "metadata.order_id: the shop's order that it pays"),
        Column("amount", "decimal(18,2)", "what was charged, major units of currency"),
        Column("amount_refunded", "decimal(18,2)", "paid back so far, major units of currency"),
        Column("currency", "string", "ISO 4217, capitals"),
        Column("status", "string", "succeeded, pending or failed"),
        Column("is_paid", "boolean", "whether the money was taken or authorised"),
        Column("is_refunded", "boolean", "whether all of it was paid back"),
        Column("is_captured", "boolean", "whether it was captured"),
        Column("failure_code", "string", "why it failed"),
        Column("receipt_email", "string", "where the receipt went, as sent"),
        Column("billing_name", "string", "as typed at payment"),
        Column("billing_email", "string", "as typed at payment"),
        Column("billing_country", "string", "ISO 3166 two letters"),
        *TIMES,
        *TRACE,
    ),
)
OBJECT = """id: STRING, amount: STRING, amount_refunded: STRING, currency: STRING, customer: STRING, status: STRING,
    paid: STRING, refunded: STRING, captured: STRING, failure_code: STRING, receipt_email: STRING,
    metadata: MAP<STRING, STRING>, created: STRING,
    billing_details: STRUCT<name: STRING, email: STRING, address: STRUCT<country: STRING>>"""
AMOUNTS = ("amount", "amount_refunded")


def parse(raw: DataFrame) -> DataFrame:
    """Each raw row typed, with `_reject` where it cannot be."""
    from pyspark.sql import functions as F

    rows = (
        read_event(raw, OBJECT)
        .withColumn("currency", read.currency("o.currency"))
        .withColumn("_digits", read.digits_of("currency", STRIPE_EXPONENTS))
        .withColumns({f"_{name}": read.minor_units(f"o.{name}", "_digits") for name in AMOUNTS})
    )
    problem = F.coalesce(
        envelope_problem(),
        read.currency_problem("currency", "_digits"),
        F.when(read.text("o.amount").isNull(), F.lit("missing_amount: amount")),
        *(read.amount_problem(name, f"o.{name}", f"_{name}", "_digits") for name in AMOUNTS),
    )
    rows = rows.withColumns(
        {
            **delivery_columns(TYPES),
            "_reject": problem,
            "charge_id": F.col("_entity_id"),
            "customer_id": id_or_expanded("o.customer"),
            "order_reference": F.nullif(F.trim(F.try_element_at("o.metadata", F.lit("order_id"))), F.lit("")),
            **{name: read.amount(f"_{name}") for name in AMOUNTS},
            "status": read.text("o.status"),
            "is_paid": read.flag("o.paid"),
            "is_refunded": read.flag("o.refunded"),
            "is_captured": read.flag("o.captured"),
            "failure_code": read.text("o.failure_code"),
            "receipt_email": read.text("o.receipt_email"),
            "billing_name": read.text("o.billing_details.name"),
            "billing_email": read.text("o.billing_details.email"),
            "billing_country": F.upper(read.text("o.billing_details.address.country")),
        }
    )
    return select_parsed(rows, TABLE)


def transform(raw: DataFrame) -> DataFrame:
    """The latest state of each charge in these raw rows; rows that cannot be typed are left out."""
    return latest_state(TABLE, parse(raw).where("_reject IS NULL"))


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Bring the table up to what is new in raw.stripe_charges."""
    return run_step(
        spark,
        run_id,
        raw_table=RAW_TABLE,
        target=TABLE,
        entity_type="charge",
        parse=parse,
        write_state=write_latest,
    )
