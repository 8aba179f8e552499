"""Which of many events is an entity's state. The rule gives the same answer for any order and any repetition.

`_version` is sortable text: the sender's event time, then tie-breaks of the sender's (never of arrival), then the
webhook's id. The state of a key is

* its attributes: of the event with the greatest `_version` (a deletion that carries none has a null `_version`),
* `deleted_at`: of the first deletion,
* `updated_at`: the latest of all.

Greatest, first and latest do not depend on order, and taking them again changes nothing. So a late older event does
not overwrite newer attributes, and an update that arrives after its entity's deletion does not bring it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.tables import Table

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_VERSION_TIME = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"


def version(event_time: Column, *ties: Column) -> Column:
    """Sortable text of an event's time and its tie-breaks, most significant first; null without a time."""
    from pyspark.sql import functions as F

    parts = [F.coalesce(tie.cast("string"), F.lit("")) for tie in ties]
    return F.when(event_time.isNotNull(), F.concat_ws("|", version_time(event_time), *parts))


def version_time(time: Column) -> Column:
    """A time as text that sorts as the time does."""
    from pyspark.sql import functions as F

    return F.date_format(time, _VERSION_TIME)


def rank_of(topic: Column, ranks: tuple[str, ...]) -> Column:
    """Two digits: which of two topics at the same time is the later state. Unknown topics come first."""
    from pyspark.sql import functions as F

    rank = F.lit("00")
    for position, name in enumerate(ranks, start=1):
        rank = F.when(topic == name, F.lit(f"{position:02d}")).otherwise(rank)
    return rank


def latest_state(table: Table, candidates: DataFrame, current: DataFrame | None = None) -> DataFrame:
    """One row per key of both frames: the state after `candidates`, starting from `current` rows.

    Both have the table's columns; `is_deleted` is derived here, where the table has it, and `_staged_at` is now: a
    state may change while its attributes stay those of an earlier event.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    stored = [name for name in table.column_names if name != "is_deleted"]
    rows = candidates.select(*stored)
    if current is not None:
        rows = rows.unionByName(current.select(*stored))
    key = Window.partitionBy(*table.key)
    order = [F.col("_version").desc_nulls_last(), F.col("_raw_id").asc_nulls_last()]
    if "deleted_at" in stored:
        rows = rows.withColumn("deleted_at", F.min("deleted_at").over(key))
    if "updated_at" in stored:
        rows = rows.withColumn("updated_at", F.max("updated_at").over(key))
    winners = rows.withColumn("_place", F.row_number().over(key.orderBy(*order))).where("_place = 1")
    if "_staged_at" in stored:
        winners = winners.withColumn("_staged_at", F.current_timestamp())
    if "is_deleted" in table.column_names:
        winners = winners.withColumn("is_deleted", F.col("deleted_at").isNotNull())
    return winners.select(*table.column_names)
