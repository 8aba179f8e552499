"""The books of staging: which webhook events there were, how often each was delivered, and what could not be typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

WEBHOOK_EVENTS = Table(
    name="staging.webhook_events",
    grain="one row per distinct webhook event of a raw table, however often it was delivered",
    key=("raw_table", "webhook_id"),
    columns=(
        Column("raw_table", "string", "raw table that holds its deliveries", required=True),
        Column(
            "webhook_id", "string", "the sender's id of the event, by which deliveries are known to be the same", True
        ),
        Column("source", "string", "shopify, stripe or hubspot"),
        Column("webhook_topic", "string", "the sender's name of what happened"),
        Column("entity_type", "string", "order, customer, charge, contact, company or privacy_request"),
        Column("entity_id", "string", "the sender's id of the entity; null if it could not be read"),
        Column("event_time", "timestamptz", "when it happened, by the sender's clock"),
        Column("duplicates", "long", "deliveries after the first", required=True),
        Column(
            "status", "string", "when it was staged: applied, superseded (a newer state was known) or rejected", True
        ),
        Column("_kafka_partition", "int", "of the first delivery"),
        Column("_kafka_offset", "long", "of the first delivery"),
        Column("_last_kafka_offset", "long", "of the last delivery counted: a repeat of the step counts none again"),
        Column("_staged_at", "timestamptz", "when the row was written"),
    ),
    partitioning=("raw_table",),
)

REJECTS = Table(
    name="staging.rejects",
    grain="one row per raw row that cannot be typed",
    key=("raw_table", "_kafka_partition", "_kafka_offset"),
    columns=(
        Column("raw_table", "string", "where the row is", required=True),
        Column("_kafka_partition", "int", "where the row is", required=True),
        Column("_kafka_offset", "long", "where the row is; its payload stays there", required=True),
        Column("webhook_id", "string", "the sender's id of the event"),
        Column("webhook_topic", "string", "the sender's name of what happened"),
        Column("entity_id", "string", "the sender's id of the entity, if it could be read"),
        Column("reason", "string", "what is wrong, and with which field", required=True),
        Column("_staged_at", "timestamptz", "when the row was written"),
    ),
    partitioning=("raw_table",),
)


def webhook_events(
    parsed: DataFrame, applied: DataFrame, known: DataFrame, raw_table: str, entity_type: str
) -> DataFrame:
    """Rows of `staging.webhook_events` for the events in `parsed`.

    `applied` has the `_webhook_id` of those that made state; `known` are the rows that the table has. All deliveries
    of an event have the entity's id as key and thus one partition, so an offset tells which were counted before.
    """
    from pyspark.sql import functions as F

    old = known.where(F.col("raw_table") == raw_table).select(
        F.col("webhook_id").alias("_webhook_id"),
        *(F.col(name).alias(f"k_{name}") for name in WEBHOOK_EVENTS.column_names if name not in WEBHOOK_EVENTS.key),
    )
    deliveries = parsed.join(old.select("_webhook_id", "k__last_kafka_offset"), "_webhook_id", "left").withColumn(
        "_seen", F.col("_kafka_offset") <= F.coalesce("k__last_kafka_offset", F.lit(-1))
    )
    first = F.struct(
        "_kafka_offset", "_kafka_partition", "_source", "_webhook_topic", "_entity_id", "_event_time", "_reject"
    )
    events = deliveries.groupBy("_webhook_id").agg(
        F.min(first).alias("f"),
        F.max("_kafka_offset").alias("last_offset"),
        F.count_if(~F.col("_seen")).alias("unseen"),
    )
    status = (
        F.when(F.col("f._reject").isNotNull(), "rejected").when(F.col("_applied"), "applied").otherwise("superseded")
    )
    return (
        events.join(applied.select("_webhook_id").distinct().withColumn("_applied", F.lit(True)), "_webhook_id", "left")
        .join(old, "_webhook_id", "left")
        .select(
            F.lit(raw_table).alias("raw_table"),
            F.col("_webhook_id").alias("webhook_id"),
            F.coalesce("k_source", "f._source").alias("source"),
            F.coalesce("k_webhook_topic", "f._webhook_topic").alias("webhook_topic"),
            F.coalesce("k_entity_type", F.lit(entity_type)).alias("entity_type"),
            F.coalesce("k_entity_id", "f._entity_id").alias("entity_id"),
            F.coalesce("k_event_time", "f._event_time").alias("event_time"),
            F.coalesce(F.col("k_duplicates") + F.col("unseen"), F.col("unseen") - 1).alias("duplicates"),
            F.coalesce(F.col("k_status"), status).alias("status"),
            F.coalesce("k__kafka_partition", "f._kafka_partition").alias("_kafka_partition"),
            F.coalesce("k__kafka_offset", "f._kafka_offset").alias("_kafka_offset"),
            F.greatest("k__last_kafka_offset", "last_offset").alias("_last_kafka_offset"),
            F.current_timestamp().alias("_staged_at"),
        )
    )


def rejects(parsed: DataFrame, raw_table: str) -> DataFrame:
    """Rows of `staging.rejects` for the rows of `parsed` that have a reason."""
    from pyspark.sql import functions as F

    return parsed.where(F.col("_reject").isNotNull()).select(
        F.lit(raw_table).alias("raw_table"),
        "_kafka_partition",
        "_kafka_offset",
        F.col("_webhook_id").alias("webhook_id"),
        F.col("_webhook_topic").alias("webhook_topic"),
        F.col("_entity_id").alias("entity_id"),
        F.col("_reject").alias("reason"),
        F.current_timestamp().alias("_staged_at"),
    )
