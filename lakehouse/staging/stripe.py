"""What Stripe's event envelopes share: the object inside, and how its events are ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.staging import payload as read
from lakehouse.staging.state import rank_of, version

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

STRIPE_ID = r"^[a-z]+_[A-Za-z0-9_]+$"


def read_event(raw: DataFrame, object_ddl: str) -> DataFrame:
    """Raw rows with the envelope `p`, its object `o`, the event's time and the object's id and time of creation."""
    from pyspark.sql import functions as F

    ddl = f"id STRING, type STRING, created STRING, data STRUCT<object: STRUCT<{object_ddl}>>"
    return (
        read.read_payload(raw, ddl)
        .withColumn("o", F.col("p.data.object"))
        .withColumns(
            {
                "_entity_id": read.text("o.id"),
                "_event_time": read.epoch_time("p.created", per_second=1),
                "created_at": read.epoch_time("o.created", per_second=1),
            }
        )
    )


def delivery_columns(types: tuple[str, ...]) -> dict[str, Column]:
    """Version and time of an event. `created` has seconds only: at the same second the later type in `types` wins."""
    from pyspark.sql import functions as F

    return {
        "_version": version(F.col("_event_time"), rank_of(F.col("p.type"), types), F.col("p.id")),
        "updated_at": F.col("_event_time"),
    }


def envelope_problem() -> Column:
    """Why an event is refused, whatever its object: not JSON, no id of the object, no time."""
    from pyspark.sql import functions as F

    return F.coalesce(
        read.unparsable(),
        F.when(F.col("_entity_id").isNull() | ~F.col("_entity_id").rlike(STRIPE_ID), F.lit("missing_id")),
        read.time_problem("created", "p.created", "_event_time", required=True),
        read.time_problem("object.created", "o.created", "created_at"),
    )


def id_or_expanded(column: str) -> Column:
    """A reference to another object: its id, or the object itself where the sender expanded it."""
    from pyspark.sql import functions as F

    return F.when(F.col(column).startswith("{"), F.get_json_object(F.col(column), "$.id")).otherwise(read.text(column))
