"""HubSpot's thin events: one property each. They become rows of `staging.hubspot_properties`, and those become objects.

What happens to a whole object is kept as a property as well, under names that HubSpot cannot use: `hs:created`,
`hs:life` (deleted or live: the latest of deletion and restoration decides), `hs:merged_into`, `hs:associated`.
The latest value of each property does not depend on the order of events, so neither does the object made from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lakehouse.staging import payload as read
from lakehouse.staging.payload import PARSED
from lakehouse.staging.state import rank_of, version
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

    from lakehouse.merge import StepResult
    from lakehouse.staging.step import Batch

CREATED, LIFE, MERGED_INTO, ASSOCIATED = "hs:created", "hs:life", "hs:merged_into", "hs:associated"
DELETED, LIVE = "deleted", "live"
EVENTS = ("creation", "propertyChange", "associationChange", "merge", "deletion", "restore")
"""Kinds of events; of two at the same millisecond, the later one here is the later state."""
PAYLOAD = """portalId STRING, objectId STRING, eventId STRING, subscriptionType STRING, occurredAt STRING,
    propertyName STRING, propertyValue STRING, primaryObjectId STRING, mergedObjectIds ARRAY<STRING>,
    newObjectId STRING"""
OBJECT = ("portal_id", "object_id")

PROPERTIES = Table(
    name="staging.hubspot_properties",
    grain="one row per property of an object: its latest value",
    key=("object_type", "portal_id", "object_id", "property_name"),
    columns=(
        Column("object_type", "string", "contact or company", required=True),
        Column("portal_id", "long", "HubSpot account", required=True),
        Column("object_id", "long", "HubSpot's id of the object", required=True),
        Column(
            "property_name", "string", "HubSpot's name, or hs:… for what happened to the whole object", required=True
        ),
        Column("property_value", "string", "as sent; null when it was cleared"),
        Column("event_time", "timestamptz", "since when it has this value, by HubSpot's clock"),
        Column("_version", "string", "sortable: which event gave this value"),
        Column("_raw_id", "string", "topic/partition/offset of the raw row that gave this value"),
        Column("_staged_at", "timestamptz", "when the row was written"),
    ),
    partitioning=("object_type",),
)


def _problem() -> SparkColumn:
    from pyspark.sql import functions as F

    changes, merges = F.col("_event") == "propertyChange", F.col("_event") == "merge"
    return F.coalesce(
        read.unparsable(),
        F.when(F.col("portal_id").isNull(), F.lit("missing_id: portalId")),
        F.when(F.col("object_id").isNull(), F.lit("missing_id: objectId")),
        read.time_problem("occurredAt", "p.occurredAt", "_event_time", required=True),
        F.when(~F.coalesce(F.col("_event").isin(*EVENTS), F.lit(False)), F.lit("unknown_event")),
        F.when(changes & F.col("_property").isNull(), F.lit("missing_property: propertyName")),
        F.when(
            merges & (F.col("survivor_id").isNull() | (F.size("gone_ids") == 0)), F.lit("missing_id: merged objects")
        ),
    )


def parse(raw: DataFrame) -> DataFrame:
    """Each raw row typed, with `_reject` where it cannot be; what it says of which objects is `statements`' matter."""
    from pyspark.sql import functions as F

    rows = read.read_payload(raw, PAYLOAD).withColumns(
        {
            "portal_id": read.number("p.portalId"),
            "object_id": F.coalesce(read.number("p.objectId"), read.number("p.primaryObjectId")),
            "survivor_id": F.coalesce(read.number("p.newObjectId"), read.number("p.primaryObjectId")),
            "_event": F.split_part("p.subscriptionType", F.lit("."), F.lit(2)),
            "_property": read.text("p.propertyName"),
            "_value": F.nullif(F.trim("p.propertyValue"), F.lit("")),
            "_event_time": read.epoch_time("p.occurredAt", per_second=1000),
        }
    )
    merged = "concat(coalesce(p.mergedObjectIds, array()), array(p.primaryObjectId))"
    ids = f"transform({merged}, x -> try_cast(x AS BIGINT))"
    gone = F.expr(f"array_distinct(filter({ids}, x -> x IS NOT NULL AND x <> survivor_id))")
    rows = rows.withColumn("gone_ids", gone).withColumns(
        {
            "_entity_id": F.col("object_id").cast("string"),
            "_version": version(F.col("_event_time"), rank_of(F.col("_event"), EVENTS), F.col("_webhook_id")),
            "_reject": _problem(),
        }
    )
    own = ("portal_id", "object_id", "survivor_id", "gone_ids", "_event", "_property", "_value")
    return rows.select(*PARSED, *own, F.current_timestamp().alias("_staged_at"))


def statements(parsed: DataFrame, object_type: str) -> DataFrame:
    """What each event says: rows of `staging.hubspot_properties`, with the `_webhook_id` that said so.

    A merge says of every object that is gone where it went; every other event speaks of one object.
    """
    from pyspark.sql import functions as F

    event = F.col("_event")
    subject = F.when(event == "merge", F.col("gone_ids")).otherwise(F.array("object_id"))
    name = (
        F.when(event == "creation", CREATED)
        .when(event.isin("deletion", "restore"), LIFE)
        .when(event == "merge", MERGED_INTO)
        .when(event == "associationChange", ASSOCIATED)
        .otherwise(F.col("_property"))
    )
    value = (
        F.when(event == "deletion", DELETED)
        .when(event == "restore", LIVE)
        .when(event == "merge", F.col("survivor_id").cast("string"))
        .when(event == "propertyChange", F.col("_value"))
    )
    return parsed.select(
        F.lit(object_type).alias("object_type"),
        "portal_id",
        F.explode(subject).alias("object_id"),
        name.alias("property_name"),
        value.alias("property_value"),
        F.col("_event_time").alias("event_time"),
        "_version",
        "_raw_id",
        "_staged_at",
        "_webhook_id",
    )


def pivot(properties: DataFrame, table: Table, key: str, names: Mapping[str, tuple[str, ...]]) -> DataFrame:
    """One row per object from its properties. `names` maps a column to HubSpot's names, the preferred one first."""
    from pyspark.sql import functions as F

    def at(name: str, column: str) -> SparkColumn:
        return F.max(F.when(F.col("property_name") == name, F.col(column)))

    deleted = F.max(
        F.when((F.col("property_name") == LIFE) & (F.col("property_value") == DELETED), F.col("event_time"))
    )
    objects = properties.groupBy(*OBJECT).agg(
        *(F.coalesce(*(at(name, "property_value") for name in given)).alias(column) for column, given in names.items()),
        at(MERGED_INTO, "property_value").cast("bigint").alias("merged_into"),
        deleted.alias("deleted_at"),
        # a survivor of a merge with a new id has no creation of its own
        F.coalesce(at(CREATED, "event_time"), F.min("event_time")).alias("created_at"),
        F.max("event_time").alias("updated_at"),
        F.max("_version").alias("_version"),
        F.max_by("_raw_id", "_version").alias("_raw_id"),
        F.current_timestamp().alias("_staged_at"),
    )
    return (
        objects.withColumnRenamed("object_id", key)
        .withColumn("is_deleted", F.col("deleted_at").isNotNull())
        .select(*table.column_names)
    )


def write_objects(
    batch: Batch, rows: DataFrame, object_type: str, key: str, names: Mapping[str, tuple[str, ...]]
) -> tuple[StepResult, DataFrame]:
    """Properties first, then the objects that they touch, read back from all their properties."""
    mine = f"object_type = '{object_type}'"
    said = statements(rows, object_type)
    batch.write_state(PROPERTIES, said, within=mine)
    stored = batch.spark.table(PROPERTIES.name).where(mine)
    touched = said.select(*OBJECT).distinct()
    result = batch.write(batch.target, pivot(stored.join(touched, list(OBJECT), "left_semi"), batch.target, key, names))
    made = stored.select(*PROPERTIES.key, "_version")
    return result, said.join(made, [*PROPERTIES.key, "_version"], "left_semi").select("_webhook_id")
