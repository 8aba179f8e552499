"""From the sender's own book to raw: sent = accepted + refused; accepted = topics = raw, each message once.

The sender's ledger and the raw rows share the SHA-256 of the request's body, so they are compared body by body. An
attempt that timed out may have been stored all the same: such messages are counted, and are no imbalance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_generators import ledger
from data_generators.deliveries import read_deliveries
from data_generators.generate import read_manifest
from lakehouse import metadata
from lakehouse.checks.check import Check, named
from lakehouse.engines.kafka import QUARANTINE_TOPIC
from lakehouse.privacy.books import body_hash
from lakehouse.streaming.tables import raw_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Place = tuple[str, int]
"""(topic, partition)."""


@dataclass(frozen=True)
class Cut:
    """One moment: the end of each partition. Messages after it are in nobody's count."""

    ends: Mapping[Place, int]
    snapshots: Mapping[str, int | None]

    def rows(self, spark: SparkSession) -> DataFrame:
        """All raw rows before the cut: topic, partition, offset, hash of the body; `erasure_id` is null."""
        from functools import reduce

        frames = [self._of_topic(spark, topic) for topic in sorted({topic for topic, _ in self.ends})]
        return reduce(lambda a, b: a.unionByName(b), frames)

    def _of_topic(self, spark: SparkSession, topic: str) -> DataFrame:
        from lakehouse.incremental import read_at

        table = raw_table(topic)
        before = " OR ".join(
            f"(_kafka_partition = {partition} AND _kafka_offset < {end})"
            for (name, partition), end in sorted(self.ends.items())
            if name == topic
        )
        return (
            read_at(spark, table, self.snapshots[table])
            .where(before)
            .selectExpr(
                f"'{topic}' AS topic",
                "_kafka_partition AS partition",
                "_kafka_offset AS offset",
                "_body_sha256 AS body",
                "CAST(NULL AS STRING) AS erasure_id",
            )
        )


@dataclass
class Book:
    """What the ledger says of one body: messages acknowledged, and attempts whose end is not known."""

    messages: int = 0
    quarantined: int = 0
    unknown_attempts: int = 0
    deliveries: list[str] = field(default_factory=list)


def sent_days(world_dir: Path) -> list[int]:
    """The days of which something was sent."""
    manifest = read_manifest(world_dir) or {"days": {}}
    return [
        day for day in sorted(int(name) for name in manifest["days"]) if ledger.ledger_path(world_dir, day).exists()
    ]


def sent_check(world_dir: Path, day: int) -> Check:
    """Every delivery of a day has a final answer: accepted, or refused for a reason."""
    attempts = ledger.read_attempts(world_dir, day)
    outcomes = ledger.summary(attempts)["outcomes"]
    final = ledger.final_outcomes(attempts, gave_up=False)
    planned = [delivery["delivery_id"] for delivery in read_deliveries(world_dir, day)]
    open_ones = [name for name in planned if name not in final]
    answered = {name: count for name, count in outcomes.items() if not name.startswith("failed")}
    return Check(
        f"sent = accepted + refused (day {day})",
        "deliveries",
        len(planned),
        "answers",
        sum(answered.values()),
        detail=named("no final answer (`lakehouse world send` sends them)", open_ones),
        note=" + ".join(f"{count:,} {name.removeprefix('refused:')}" for name, count in answered.items()),
    )


def book_of(attempts: Iterable[Mapping[str, Any]]) -> dict[str, Book]:
    """The ledger by the hash of the body."""
    books: dict[str, Book] = {}
    for attempt in attempts:
        book = books.setdefault(attempt["body_sha256"], Book())
        book.deliveries.append(attempt["delivery_id"])
        if attempt["outcome"] == "accepted":
            book.messages += attempt["messages"]
            book.quarantined += attempt["quarantined"]
        elif attempt["outcome"] == "failed":
            book.unknown_attempts += 1
    return books


def accepted_check(
    name: str, where: str, owed: Mapping[str, Book], stored: Mapping[str | None, int], quarantine: bool
) -> Check:
    """Messages acknowledged to the sender are there, and no more of them than it asked for."""
    lost, extra = [], []
    acknowledged = found = unanswered = 0
    for body, book in owed.items():
        asked = book.quarantined if quarantine else book.messages
        there = stored.get(body, 0)
        acknowledged += asked
        found += min(asked, there) if there < asked or book.unknown_attempts else there
        if there < asked:
            lost.append(book.deliveries[0])
        elif there > asked and book.unknown_attempts:
            unanswered += there - asked
        elif there > asked:
            extra.append(book.deliveries[0])
    others = sum(count for body, count in stored.items() if body not in owed)
    notes = [f"{unanswered:,} stored without an answer"] if unanswered else []
    notes += [f"{others:,} from other senders"] if others else []
    detail = "; ".join(filter(None, (named("lost", lost), named("more often than sent", extra))))
    return Check(name, "acknowledged", acknowledged, where, found, detail=detail, note=", ".join(notes))


def offset_checks(cut: Cut, rows: DataFrame) -> list[Check]:
    """For each topic: as many messages as raw rows, each place once."""
    from pyspark.sql import functions as F

    # distinct offsets by bitmaps of 32,768 each: exact, and hardly anything has to be sorted or sent
    per_bucket = rows.groupBy("topic", "partition", F.bitmap_bucket_number("offset").alias("bucket")).agg(
        F.count("*").alias("rows"),
        F.bitmap_count(F.bitmap_construct_agg(F.bitmap_bit_position("offset"))).alias("places"),
    )
    totals = per_bucket.groupBy("topic").agg(F.sum("rows").alias("rows"), F.sum("places").alias("places"))
    counted = {row["topic"]: row for row in totals.collect()}
    checks = []
    for topic in sorted({topic for topic, _ in cut.ends}):
        logged = sum(end for (name, _), end in cut.ends.items() if name == topic)
        found, places = (counted[topic]["rows"], counted[topic]["places"]) if topic in counted else (0, 0)
        detail = "" if logged == found == places else _misplaced(rows.where(F.col("topic") == topic), cut, topic)
        checks.append(Check("topic = raw", topic, logged, raw_table(topic), found, detail=detail))
    return checks


def _misplaced(rows: DataFrame, cut: Cut, topic: str) -> str:
    """Which offsets are missing and which are there more than once."""
    seen = Counter((row["partition"], row["offset"]) for row in rows.select("partition", "offset").collect())
    twice = [f"{partition}/{offset}" for (partition, offset), count in sorted(seen.items()) if count > 1]
    missing = [
        f"{partition}/{offset}"
        for (name, partition), end in sorted(cut.ends.items())
        if name == topic
        for offset in range(end)
        if (partition, offset) not in seen
    ]
    return "; ".join(filter(None, (named("not in raw", missing), named("more than once in raw", twice))))


def erased_rows(books: DataFrame, rows: DataFrame) -> DataFrame:
    """Places in metadata.erased_places of which raw has no row, as rows; `body` is the hash that the books keep."""
    from pyspark.sql import functions as F

    places = books.select(
        F.col("source_topic").alias("topic"),
        F.col("kafka_partition").alias("partition"),
        F.col("kafka_offset").alias("offset"),
        F.col("body_hash").alias("body"),
        "erasure_id",
    )
    place = ["topic", "partition", "offset"]
    # an erasure that was cut off has written places whose rows are still there; places are few, and rows are many
    still_there = rows.select(place).join(F.broadcast(places.select(place)), place, "left_semi")
    return places.join(still_there, place, "left_anti")


def named_bodies(erased: Iterable[Any], owed: Iterable[str]) -> Iterator[tuple[Any, str]]:
    """Each erased row with the request's body that it is of, where the sender's book has it."""
    places = list(erased)
    for erasure_id in {row["erasure_id"] for row in places}:
        bodies = {body_hash(erasure_id, body): body for body in owed}
        yield from ((row, bodies[row["body"]]) for row in places
                    if row["erasure_id"] == erasure_id and row["body"] in bodies)  # fmt: skip


def stored_bodies(rows: DataFrame, owed: Collection[str]) -> dict[bool, dict[str | None, int]]:
    """Rows by (in quarantine, hash of the body); what other senders stored is one number, under None.

    There may be many more of those than of ours, so they are counted where they are.
    """
    import pyarrow as pa
    from pyspark.sql import functions as F

    ours = rows.sparkSession.createDataFrame(pa.table({"body": pa.array(sorted(owed), pa.string())}), "body STRING")
    known = rows.join(ours.withColumn("ours", F.lit(True)), "body", "left")
    quarantined = F.col("topic") == QUARANTINE_TOPIC
    counts = known.groupBy(quarantined.alias("quarantined"), F.when(F.col("ours"), F.col("body")).alias("body")).count()
    found: dict[bool, dict[str | None, int]] = {True: {}, False: {}}
    for row in counts.collect():
        found[row["quarantined"]][row["body"]] = row["count"]
    return found


def delivery_checks(spark: SparkSession, world_dir: Path, cut: Cut) -> list[Check]:
    """All checks from the sender's ledger to raw."""
    days = sent_days(world_dir)
    owed = book_of(attempt for day in days for attempt in ledger.read_attempts(world_dir, day))
    rows, erased = cut.rows(spark), []
    # few stacks have erased anybody, and then two columns are read twice rather than all kept
    with ExitStack() as kept:
        if metadata.rows_in(metadata.load(metadata.ERASED_PLACES)):
            rows = rows.unionByName(erased_rows(spark.table(metadata.ERASED_PLACES.name), rows)).persist()
            kept.callback(rows.unpersist)
            erased = rows.where("erasure_id IS NOT NULL").collect()
        stored = stored_bodies(rows.where("erasure_id IS NULL"), owed)
        checks = offset_checks(cut, rows)
    for row, body in named_bodies(erased, owed):
        of_topic = stored[row["topic"] == QUARANTINE_TOPIC]
        of_topic[body] = of_topic.get(body, 0) + 1
    return [
        *(sent_check(world_dir, day) for day in days),
        accepted_check("accepted = topics", "in topics", owed, stored[False], quarantine=False),
        accepted_check("accepted = quarantine", "in quarantine", owed, stored[True], quarantine=True),
        *checks,
    ]
