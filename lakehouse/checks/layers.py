"""From raw to core: each event once in staging's books, each order in core, each record a member of one entity."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lakehouse import incremental
from lakehouse.checks.check import Check, named, read_by, read_up_to, waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, Row, SparkSession

    from lakehouse.checks.forward import Brought, Forward

EVENTS = "events"
"""This part of the ledger, in what it brings forward."""

STAGED = {
    "raw.shopify_orders": "staging.stg_shopify_orders",
    "raw.shopify_customers": "staging.stg_shopify_customers",
    "raw.stripe_charges": "staging.stg_stripe_charges",
    "raw.stripe_customers": "staging.stg_stripe_customers",
    "raw.hubspot_contacts": "staging.stg_hubspot_contacts",
    "raw.hubspot_companies": "staging.stg_hubspot_companies",
    "raw.privacy_requests": "staging.stg_privacy_requests",
}
"""Raw table → the staging table whose step reads it."""
PEOPLE = {
    "staging.stg_shopify_customers": ("shopify", "customer_id"),
    "staging.stg_stripe_customers": ("stripe", "customer_id"),
    "staging.stg_hubspot_contacts": ("hubspot", "contact_id"),
}


def missing(left: DataFrame, right: DataFrame, key: str) -> list[str]:
    """Keys of `left` that `right` has not, as text."""
    rows = left.select(key).join(right.select(key), key, "left_anti").orderBy(key).limit(1000).collect()
    return [str(row[0]) for row in rows]


def both_ways(left: DataFrame, right: DataFrame, key: str, names: tuple[str, str]) -> str:
    """Which keys are in one frame alone."""
    return "; ".join(
        filter(
            None,
            (
                named(f"not in {names[1]}", missing(left, right, key)),
                named(f"not in {names[0]}", missing(right, left, key)),
            ),
        )
    )


def same_keys(check: str, left: DataFrame, right: DataFrame, key: str, names: tuple[str, str], note: str = "") -> Check:
    """As many rows on both sides, each key as often on the one as on the other; keys are named where they are not.

    Keys are compared by the sums of both halves of their 64-bit hashes, for which no row has to be sorted or sent:
    other keys have the same two sums once in some 10^19 times.
    """
    from pyspark.sql import functions as F

    hashed = F.xxhash64(key)
    halves = (F.sum(hashed.bitwiseAND(F.lit(0xFFFFFFFF))), F.sum(F.shiftrightunsigned(hashed, 32)))
    sides = left.select(key, F.lit(0).alias("side")).unionByName(right.select(key, F.lit(1).alias("side")))
    found = {row["side"]: tuple(row)[1:] for row in sides.groupBy("side").agg(F.count("*"), *halves).collect()}
    one, other = (found.get(side, (0, 0, 0)) for side in (0, 1))
    detail = "" if one == other else both_ways(left, right, key, names) or _more_often(sides, key)
    return Check(check, names[0], one[0], names[1], other[0], detail=detail, note=note)


def _more_often(sides: DataFrame, key: str) -> str:
    """How many keys the one side has more often than the other."""
    from pyspark.sql import functions as F

    excess = sides.groupBy(key).agg(F.sum(F.when(F.col("side") == 0, 1).otherwise(-1)).alias("more"))
    return f"{excess.where('more <> 0').count():,} keys are there more often on one side"


class _Found(NamedTuple):
    """What a raw table holds: rows, and distinct events among them."""

    rows: int = 0
    events: int = 0


def _counted(frames: Iterable[DataFrame], *figures: SparkColumn) -> dict[str, Row]:
    """Figures by `raw_table` over several frames, all in one query."""
    from functools import reduce

    together = reduce(lambda a, b: a.unionByName(b), frames)
    return {row["raw_table"]: row for row in together.groupBy("raw_table").agg(*figures).collect()}


def _rows_and_events(ids: Mapping[str, DataFrame]) -> dict[str, _Found]:
    """Rows and events of each table; `ids` are the webhook ids of its rows."""
    from pyspark.sql import functions as F

    if not ids:
        return {}
    counted = _counted(
        (frame.withColumn("raw_table", F.lit(table)) for table, frame in ids.items()),
        F.count("*").alias("rows"),
        F.count_distinct("webhook_id").alias("events"),
    )
    return {table: _Found(counted[table]["rows"], counted[table]["events"]) if table in counted else _Found()
            for table in ids}  # fmt: skip


def grown(spark: SparkSession, brought: Mapping[str, Brought]) -> dict[str, _Found]:
    """The same of tables of which it was brought forward: an event that an older row has, too, is no new one."""
    from pyspark.sql import functions as F

    frames = []
    for table, known in brought.items():
        if known.rows:
            added = _ids(known.added(spark))
            older = _ids(known.before(spark)).join(F.broadcast(added.distinct()), "webhook_id", "left_semi")
            frames += [frame.select("webhook_id", F.lit(table).alias("raw_table"), F.lit(new).alias("new"))
                       for frame, new in ((added, 1), (older, 0))]  # fmt: skip
    more: dict[str, Row] = {}
    if frames:
        of_older = F.when(F.col("new") == 0, F.col("webhook_id"))
        events = F.count_distinct("webhook_id") - F.count_distinct(of_older)
        more = _counted(frames, F.sum("new").alias("rows"), events.alias("events"))
    return {
        table: _Found(
            int(known.figures["rows"]) + (more[table]["rows"] if table in more else 0),
            int(known.figures["events"]) + (more[table]["events"] if table in more else 0),
        )
        for table, known in brought.items()
    }


def _ids(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("_webhook_id AS webhook_id")


class _Booked(NamedTuple):
    """What staging's books say of a raw table, in events; `explained` are the rejected ones whose reason is kept."""

    events: int = 0
    duplicates: int = 0
    rejected: int = 0
    explained: int = 0


def _books(spark: SparkSession) -> defaultdict[str, _Booked]:
    """staging's books by raw table."""
    from pyspark.sql import functions as F

    reasons = spark.table("staging.rejects").groupBy("raw_table").agg(F.count_distinct("webhook_id").alias("explained"))
    rows = (
        spark.table("staging.webhook_events")
        .groupBy("raw_table")
        .agg(
            F.count("*").alias("events"),
            F.sum("duplicates").alias("duplicates"),
            F.count_if(F.col("status") == "rejected").alias("rejected"),
        )
        .join(reasons, "raw_table", "full_outer")
        .na.fill(0)
        .collect()
    )
    return defaultdict(_Booked, {row["raw_table"]: _Booked(*(row[name] for name in _Booked._fields)) for row in rows})


def event_checks(spark: SparkSession, forward: Forward | None = None) -> list[Check]:
    """Distinct events of raw = rows of staging.webhook_events, whose duplicates are the other rows of raw."""
    now = {table: read_up_to(table, target) for table, target in STAGED.items()}
    ids = {table: _ids(incremental.read_at(spark, table, at)) for table, at in now.items()}
    brought = {table: known for table in STAGED if forward and (known := forward.of(EVENTS, table, now[table]))}
    found, booked = grown(spark, brought), _books(spark)
    anew = [table for table in STAGED if table not in brought or not _agree(found[table], booked[table])]
    found |= _rows_and_events({table: ids[table] for table in anew})
    if forward:
        for table in STAGED:
            forward.count(EVENTS, table, now[table], found[table]._asdict(), brought=table not in anew)
    notes = {table: f"{int(brought[table].figures['rows']):,} rows brought forward" for table in brought.keys() - anew}
    return [_event_check(ids[table], table, found[table], booked[table], notes.get(table, "")) for table in STAGED]


def _agree(found: _Found, booked: _Booked) -> bool:
    return found.rows - booked.duplicates == found.events == booked.events


def _event_check(ids: DataFrame, raw_table: str, found: _Found, booked: _Booked, note: str) -> Check:
    """The line of one raw table. Ids are compared one by one only where numbers differ."""
    books, unique = "staging.webhook_events", found.rows - booked.duplicates
    problems, notes = [], [f"{found.rows:,} rows - {booked.duplicates:,} duplicates"]
    if not _agree(found, booked):
        mine = ids.sparkSession.table(books).where(f"raw_table = '{raw_table}'")
        problems.append(both_ways(ids.distinct(), mine, "webhook_id", (raw_table, books)))
        problems += ["duplicates were counted wrongly"] if found.events == booked.events else []
    if booked.rejected != booked.explained:
        problems.append(f"{booked.rejected:,} events rejected, of {booked.explained:,} the reason is kept")
    notes += [f"{booked.rejected:,} rejected with a reason"] if booked.rejected else []
    notes += filter(None, [waiting(raw_table, STAGED[raw_table]), note])
    return Check("raw - duplicates = staging events", raw_table, unique, books, booked.events,
                 detail="; ".join(filter(None, problems)), note=", ".join(notes))  # fmt: skip


def order_check(spark: SparkSession) -> Check:
    """Orders of staging = orders of core."""
    source, target = "staging.stg_shopify_orders", "core.orders"
    left, right = read_by(spark, source, target), spark.table(target)
    return same_keys("staging orders = core orders", left, right, "order_id", (source, target), waiting(source, target))


def people_checks(spark: SparkSession, forward: Forward | None = None) -> list[Check]:
    """Every staged record of a person is normalised, and is in the index once; every entity is in core.customers."""
    from functools import reduce

    # the step of the blocking index writes the normalised records, too; its marks say what it has read
    reader, records, index, core = (
        "semantic.blocking_index", "semantic.normalized_records", "semantic.entity_index", "core.customers",
    )  # fmt: skip
    staged = {table: read_up_to(table, reader) for table in PEOPLE}
    read = {records: read_up_to(records, index), index: read_up_to(index, core)}
    now = incremental.snapshots((records, index, core))

    def at(table: str, snapshot: int | None, *columns: str) -> DataFrame:
        return incremental.read_at(spark, table, snapshot).selectExpr(*columns)

    def staged_records() -> DataFrame:
        parts = [at(table, staged[table], f"concat('{source}/', {key}) AS record")
                 for table, (source, key) in PEOPLE.items()]  # fmt: skip
        return reduce(lambda a, b: a.unionByName(b), parts)

    member = "concat(source, '/', source_id) AS record"
    notes = ", ".join(filter(None, (waiting(table, reader) for table in PEOPLE)))
    lines = [
        _Line("staged people = records", "record", ("staging", records), {**staged, records: now[records]},
              staged_records, lambda: at(records, now[records], member), notes),
        _Line("records = entity members", "record", (records, index), {records: read[records], index: now[index]},
              lambda: at(records, read[records], member), lambda: at(index, now[index], member),
              waiting(records, index)),
        _Line("entities = core customers", "entity_id", (index, core), {index: read[index], core: now[core]},
              lambda: at(index, read[index], "entity_id").distinct(), lambda: at(core, now[core], "entity_id")),
    ]  # fmt: skip
    return [line.check(forward) for line in lines]


@dataclass(frozen=True)
class _Line:
    """Two sides that have the same keys, and the snapshots of the tables that they are made of."""

    name: str
    key: str
    names: tuple[str, str]
    tables: Mapping[str, int | None]
    left: Callable[[], DataFrame]
    right: Callable[[], DataFrame]
    note: str = ""

    def check(self, forward: Forward | None) -> Check:
        """The line; as it was, if it is of the same snapshots as in the last balanced ledger."""
        known = forward.same(self.name, self.tables) if forward else None
        if known is None:
            found = same_keys(self.name, self.left(), self.right(), self.key, self.names, self.note)
        else:
            note = ", ".join(filter(None, [self.note, "nothing has changed since the last ledger"]))
            found = Check(self.name, self.names[0], int(known["here"]), self.names[1], int(known["there"]), note=note)
        if forward:
            for table, snapshot in self.tables.items():
                figures = {"here": found.left, "there": found.right}
                forward.count(self.name, table, snapshot, figures, brought=known is not None)
        return found


def layer_checks(spark: SparkSession, forward: Forward | None = None) -> list[Check]:
    """All checks from raw to core that count rows."""
    return [*event_checks(spark, forward), order_check(spark), *people_checks(spark, forward)]
