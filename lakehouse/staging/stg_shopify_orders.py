"""Orders of the shop: money in major units, addresses flattened, the latest state of each order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.money import EXPONENTS
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

RAW_TABLE = "raw.shopify_orders"
SOURCES = (RAW_TABLE,)
MONEY = {
    "total_amount": "p.total_price",
    "subtotal_amount": "p.subtotal_price",
    "tax_amount": "p.total_tax",
    "discount_amount": "p.total_discounts",
    "shipping_amount": "p.total_shipping_price_set.shop_money.amount",
}
TOPICS = ("orders/create", "orders/edited", "orders/paid", "orders/updated", "orders/partially_fulfilled",
          "orders/fulfilled", "orders/cancelled")  # fmt: skip
"""Of two events at the same time, the later one here is the later state."""
PAID = ("paid", "partially_refunded", "refunded")

TABLE = Table(
    name="staging.stg_shopify_orders",
    grain="one row per order",
    key=("order_id",),
    columns=(
        Column("order_id", "long", "Shopify's id of the order", required=True),
        Column("order_number", "long", "the number that a customer sees"),
        Column("customer_id", "long", "Shopify's id of the customer; null for a guest"),
        Column("email", "string", "contact email of the order, as sent"),
        Column("total_amount", "decimal(18,2)", "what the order costs, major units of currency"),
        Column("subtotal_amount", "decimal(18,2)", "items after discounts, major units of currency"),
        Column("tax_amount", "decimal(18,2)", "major units of currency"),
        Column("discount_amount", "decimal(18,2)", "major units of currency"),
        Column("shipping_amount", "decimal(18,2)", "major units of currency"),
        Column("refunded_amount", "decimal(18,2)", "paid back so far, major units of currency"),
        Column("currency", "string", "ISO 4217, capitals"),
        Column("line_item_count", "int", "lines of the order"),
        Column("financial_status", "string", "pending, authorized, paid, partially_refunded, refunded, voided"),
        Column("fulfillment_status", "string", "null until something was shipped, then partial or fulfilled"),
        Column("is_paid", "boolean", "whether it was paid in full at some time, refunded since or not"),
        Column("is_fulfilled", "boolean", "whether all of it was shipped"),
        Column("is_cancelled", "boolean", "whether it was cancelled"),
        Column("cancelled_at", "timestamptz", "when it was cancelled"),
        *LIFE,
        Column("shipping_city", "string", "as sent"),
        Column("shipping_state", "string", "province or state, as sent"),
        Column("shipping_country", "string", "ISO 3166 two letters"),
        Column("billing_city", "string", "as sent"),
        Column("billing_state", "string", "province or state, as sent"),
        Column("billing_country", "string", "ISO 3166 two letters"),
        Column("order_date", "date", "UTC day on which it was made"),
        *TIMES,
        *TRACE,
    ),
)
ADDRESS = "STRUCT<city: STRING, province: STRING, country: STRING, country_code: STRING>"
PAYLOAD = f"""id STRING, order_number STRING, email STRING, contact_email STRING, currency STRING,
    total_price STRING, subtotal_price STRING, total_tax STRING, total_discounts STRING,
    total_shipping_price_set STRUCT<shop_money: STRUCT<amount: STRING>>,
    customer STRUCT<id: STRING>, line_items ARRAY<STRING>, financial_status STRING, fulfillment_status STRING,
    refunds ARRAY<STRUCT<transactions: ARRAY<STRUCT<kind: STRING, status: STRING, amount: STRING>>>>,
    shipping_address {ADDRESS}, billing_address {ADDRESS},
    created_at STRING, updated_at STRING, cancelled_at STRING"""
REFUNDED = """aggregate(
    filter(flatten(transform(coalesce(p.refunds, array()), r -> coalesce(r.transactions, array()))),
           t -> t.kind = 'refund' AND coalesce(t.status, 'success') = 'success'),
    CAST(0 AS DECIMAL(24,6)), (sum, t) -> CAST(sum + try_cast(t.amount AS DECIMAL(24,6)) AS DECIMAL(24,6)))"""


def _typed(raw: DataFrame) -> DataFrame:
    """Values read as text to their types; null where they are not of them."""
    from pyspark.sql import functions as F

    rows = read_payload(raw, PAYLOAD).withColumn("_deletes", F.col("_webhook_topic") == "orders/delete")
    return rows.withColumns(
        {
            "order_id": read.number("p.id"),
            "currency": read.currency("p.currency"),
            "created_at": read.iso_time("p.created_at"),
            "cancelled_at": read.iso_time("p.cancelled_at"),
            "_changed_at": read.iso_time("p.updated_at"),
            **{f"_{name}": read.major_units(given) for name, given in MONEY.items()},
            "_refunded_amount": F.expr(REFUNDED),
        }
    ).withColumn("_digits", read.digits_of("currency", EXPONENTS))


def _problem() -> SparkColumn:
    """Why a row cannot be typed; null when it can. A deletion carries nothing but the id."""
    from pyspark.sql import functions as F

    amounts = [read.amount_problem(given.split(".")[1], given, f"_{name}", "_digits") for name, given in MONEY.items()]
    state = F.coalesce(
        read.time_problem("updated_at", "p.updated_at", "_changed_at", required=True),
        read.time_problem("created_at", "p.created_at", "created_at"),
        read.time_problem("cancelled_at", "p.cancelled_at", "cancelled_at"),
        read.currency_problem("currency", "_digits"),
        F.when(
            F.col("_total_amount").isNull() & read.text("p.total_price").isNull(), F.lit("missing_amount: total_price")
        ),
        *amounts,
        read.amount_problem("refunds", None, "_refunded_amount", "_digits"),
    )
    return F.coalesce(
        read.unparsable(),
        F.when(F.col("order_id").isNull(), F.lit("missing_id")),
        F.when(
            F.col("_deletes"), F.when(F.col("_triggered_at").isNull(), F.lit("missing_time: triggered_at"))
        ).otherwise(state),
    )


def parse(raw: DataFrame) -> DataFrame:
    """Each raw row typed, with `_reject` where it cannot be."""
    from pyspark.sql import functions as F

    time = event_time("_changed_at")
    address = {
        f"{kind}_{name}": read.text(f"p.{kind}_address.{given}")
        for kind in ("shipping", "billing")
        for name, given in (("city", "city"), ("state", "province"))
    }
    rows = _typed(raw).withColumns(
        {
            **delivery_columns(time, "_changed_at", TOPICS),
            "_entity_id": read.text("p.id"),
            "_reject": _problem(),
            "order_number": read.number("p.order_number"),
            "customer_id": read.number("p.customer.id"),
            "email": F.coalesce(read.text("p.email"), read.text("p.contact_email")),
            **{name: read.amount(f"_{name}") for name in (*MONEY, "refunded_amount")},
            "line_item_count": F.coalesce(F.size("p.line_items"), F.lit(0)),
            "financial_status": F.lower(read.text("p.financial_status")),
            "fulfillment_status": F.lower(read.text("p.fulfillment_status")),
            "is_cancelled": F.col("cancelled_at").isNotNull(),
            **address,
            "shipping_country": F.upper(read.text("p.shipping_address.country_code")),
            "billing_country": F.upper(read.text("p.billing_address.country_code")),
            "order_date": F.to_date("created_at"),
        }
    )
    rows = rows.withColumns(
        {
            "is_paid": F.coalesce(F.col("financial_status").isin(*PAID), F.lit(False)),
            "is_fulfilled": F.coalesce(F.col("fulfillment_status") == "fulfilled", F.lit(False)),
        }
    )
    return select_parsed(rows, TABLE)


def transform(raw: DataFrame) -> DataFrame:
    """The latest state of each order in these raw rows; rows that cannot be typed are left out."""
    return latest_state(TABLE, parse(raw).where("_reject IS NULL"))


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Bring the table up to what is new in raw.shopify_orders."""
    return run_step(
        spark,
        run_id,
        raw_table=RAW_TABLE,
        target=TABLE,
        entity_type="order",
        parse=parse,
        write_state=write_latest,
    )
