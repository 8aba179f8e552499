"""Requests of people to see or to erase what is known of them, from any sender, with the day until which to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.staging import payload as read
from lakehouse.staging.payload import PARSED
from lakehouse.staging.state import version
from lakehouse.staging.step import run_step
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.merge import StepResult
    from lakehouse.staging.step import Batch

RAW_TABLE = "raw.privacy_requests"
SOURCES = (RAW_TABLE,)
ANSWER_WITHIN_DAYS = 30
"""Shopify's rule; HubSpot has none of its own."""
KINDS = {
    "customers/data_request": "show",
    "customers/redact": "erase",
    "shop/redact": "erase_shop",
    "contact.privacyDeletion": "erase",
}

TABLE = Table(
    name="staging.stg_privacy_requests",
    grain="one row per request",
    key=("request_id",),
    columns=(
        Column("request_id", "string", "the sender's id of the webhook", required=True),
        Column("source", "string", "shopify or hubspot"),
        Column("kind", "string", "show, erase or erase_shop"),
        Column("subject_id", "string", "the sender's id of the person (or shop) whom it is about"),
        Column("subject_email", "string", "as sent; null where the sender gives none"),
        Column("subject_phone", "string", "as sent; null where the sender gives none"),
        Column("shop_domain", "string", "Shopify's shop"),
        Column("portal_id", "long", "HubSpot account"),
        Column("order_ids", "string", "JSON array of the orders that it names"),
        Column(
            "requested_at", "timestamptz", "HubSpot's time of it; for Shopify, who gives none, when it was received"
        ),
        Column("due_at", "timestamptz", "until when it has to be done"),
        Column("_version", "string", "sortable: when, then the webhook's id"),
        Column("_raw_id", "string", "topic/partition/offset of the first delivery"),
        Column("_staged_at", "timestamptz", "when the row was written"),
    ),
)
PAYLOAD = """customer STRUCT<id: STRING, email: STRING, phone: STRING>, shop_id STRING, shop_domain STRING,
    orders_requested ARRAY<STRING>, orders_to_redact ARRAY<STRING>,
    objectId STRING, portalId STRING, occurredAt STRING"""


def parse(raw: DataFrame) -> DataFrame:
    """Each raw row typed, with `_reject` where it cannot be."""
    from pyspark.sql import functions as F

    kind = F.lit(None).cast("string")
    for topic, name in KINDS.items():
        kind = F.when(F.col("_webhook_topic") == topic, F.lit(name)).otherwise(kind)
    rows = read.read_payload(raw, PAYLOAD).withColumns(
        {
            "kind": kind,
            "subject_id": F.coalesce(read.text("p.customer.id"), read.text("p.objectId"), read.text("p.shop_id")),
            "requested_at": F.coalesce(read.epoch_time("p.occurredAt", per_second=1000), F.col("_received_at")),
        }
    )
    rows = rows.withColumns(
        {
            "request_id": F.col("_webhook_id"),
            "source": F.col("_source"),
            "subject_email": read.text("p.customer.email"),
            "subject_phone": read.text("p.customer.phone"),
            "shop_domain": read.text("p.shop_domain"),
            "portal_id": read.number("p.portalId"),
            "order_ids": F.to_json(F.coalesce("p.orders_to_redact", "p.orders_requested")),
            "due_at": F.col("requested_at") + F.make_dt_interval(F.lit(ANSWER_WITHIN_DAYS)),
            "_entity_id": F.col("subject_id"),
            "_event_time": F.col("requested_at"),
            "_version": version(F.col("requested_at"), F.col("_webhook_id")),
            "_reject": F.coalesce(
                read.unparsable(),
                F.when(F.col("kind").isNull(), F.lit("unknown_event")),
                F.when(F.col("subject_id").isNull(), F.lit("missing_id")),
            ),
        }
    )
    own = [name for name in TABLE.column_names if name not in (*PARSED, "_staged_at")]
    return rows.select(*PARSED, *own, F.current_timestamp().alias("_staged_at"))


def first_deliveries(rows: DataFrame) -> DataFrame:
    """Of each request the delivery that came first: all of them are in one partition, so the offset tells."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    order = Window.partitionBy(*TABLE.key).orderBy("_kafka_offset")
    return rows.withColumn("_place", F.row_number().over(order)).where("_place = 1").drop("_place")


def transform(raw: DataFrame) -> DataFrame:
    """The requests in these raw rows; rows that cannot be typed are left out."""
    return first_deliveries(parse(raw).where("_reject IS NULL")).select(*TABLE.column_names)


def _write(batch: Batch, rows: DataFrame) -> tuple[StepResult, DataFrame]:
    known = batch.spark.table(TABLE.name).select(*TABLE.key)
    new = first_deliveries(rows).join(known, list(TABLE.key), "left_anti")
    # all deliveries of a request say the same: each of them counts as applied
    return batch.write(TABLE, new.select(*TABLE.column_names)), rows.select("_webhook_id")


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Bring the table up to what is new in raw.privacy_requests."""
    return run_step(
        spark,
        run_id,
        raw_table=RAW_TABLE,
        target=TABLE,
        entity_type="privacy_request",
        parse=parse,
        write_state=_write,
    )
