"""What Shopify's orders and customers share: how their events are ordered, and deletions that carry an id alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.staging.state import rank_of, version, version_time

if TYPE_CHECKING:
    from pyspark.sql import Column


def event_time(changed_at: str) -> Column:
    """When it happened: `updated_at` of the payload, and for a deletion the header's time, for it has no other."""
    from pyspark.sql import functions as F

    return F.when(F.col("_deletes"), F.col("_triggered_at")).otherwise(F.col(changed_at))


def delivery_columns(time: Column, changed_at: str, topics: tuple[str, ...]) -> dict[str, Column]:
    """The columns of `lakehouse.staging.payload.PARSED` that follow from time and topic, and the deletion.

    `updated_at` has seconds only: at the same second the header's time decides, then the later topic in `topics`.
    """
    from pyspark.sql import functions as F

    ties = (version_time(F.col("_triggered_at")), rank_of(F.col("_webhook_topic"), topics), F.col("_webhook_id"))
    return {
        "_event_time": time,
        "_version": F.when(~F.col("_deletes"), version(F.col(changed_at), *ties)),
        "deleted_at": F.when(F.col("_deletes"), F.col("_triggered_at")),
        "updated_at": time,
    }
