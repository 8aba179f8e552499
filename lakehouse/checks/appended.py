"""From the sender's own book to raw, but for what the last balanced ledger has counted: only what came since is read.

In a ledger that balanced, and of whose attempts each had an answer, a body was stored exactly as often as its sender
asked for, and each place of the log before the cut was in raw once. So what is new has to be as often as it was asked
for since then, and to stand at places after that cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from data_generators import ledger
from lakehouse import incremental, metadata
from lakehouse.checks.check import Check
from lakehouse.checks.deliveries import (
    Book,
    Cut,
    Place,
    accepted_check,
    book_of,
    delivery_checks,
    sent_check,
    sent_days,
)
from lakehouse.engines.kafka import QUARANTINE_TOPIC
from lakehouse.held import few
from lakehouse.streaming.tables import raw_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.checks.forward import Brought, Forward

PLACES, ATTEMPTS = "places", "attempts"
"""These parts of the ledger, in what it brings forward: ends of partitions, and attempts in the sender's book."""
COUNT, DIGEST = "attempts", "digest of their bodies"
Attempts = Mapping[int, Sequence[Mapping[str, Any]]]
"""Day → the attempts of the sender's book."""
NewRow = tuple[str, int, int, str]
"""Topic, partition, offset, SHA-256 of the body."""


def deliveries(spark: SparkSession, world_dir: Path, cut: Cut, forward: Forward | None) -> list[Check]:
    """All checks from the sender's book to raw. Without `forward`, or if they do not balance by what is new, every row
    is read."""
    if forward is None:
        return delivery_checks(spark, world_dir, cut)
    attempts = {day: ledger.read_attempts(world_dir, day) for day in sent_days(world_dir)}
    checks = _checks_of_new(spark, cut, attempts, forward)
    brought = checks is not None and all(check.balanced for check in checks)
    # the days themselves are read anew in either case: they are files of this machine
    found = [*(sent_check(world_dir, day) for day in attempts), *(checks or [])]
    found = found if brought else delivery_checks(spark, world_dir, cut)
    for topic in {topic for topic, _ in cut.ends}:
        ends = {str(partition): end for (name, partition), end in cut.ends.items() if name == topic}
        forward.count(PLACES, raw_table(topic), cut.snapshots[raw_table(topic)], ends, brought=brought)
    for day, made in attempts.items():
        forward.count(ATTEMPTS, str(day), None, {COUNT: len(made), DIGEST: digest(made)}, brought=brought)
    return found


def _checks_of_new(spark: SparkSession, cut: Cut, attempts: Attempts, forward: Forward) -> list[Check] | None:
    """The checks by what is new alone; None where that does not tell."""
    if metadata.rows_in(metadata.load(metadata.ERASED_PLACES)) or not all_answered(attempts):
        return None
    brought = _tables(cut, forward)
    counted = {day: counted_attempts(made, forward.figures(ATTEMPTS, str(day))) for day, made in attempts.items()}
    if brought is None or None in counted.values():
        return None
    ends = ends_before(cut, brought)
    if not few(sum(cut.ends.values()) - sum(ends.values())):
        return None
    new = [tuple(row) for row in frame.collect()] if (frame := _new_rows(spark, cut, ends, brought)) else []
    before = book_of(chain.from_iterable(made[: counted[day]] for day, made in attempts.items()))
    owed = book_of(chain.from_iterable(attempts.values()))
    return [*bodies_forward(before, owed, new, cut.ends), *places_forward(cut.ends, ends, new)]


def digest(attempts: Iterable[Mapping[str, Any]]) -> int:
    """By which it is seen whether a book still begins with the same attempts: another world has other ones."""
    return crc32("".join(attempt["body_sha256"] for attempt in attempts).encode())


def counted_attempts(attempts: Sequence[Mapping[str, Any]], figures: Mapping[str, Decimal]) -> int | None:
    """How many of a day's attempts the last balanced ledger has counted; None if the book begins otherwise now."""
    count = int(figures.get(COUNT, 0))
    same = count <= len(attempts) and digest(attempts[:count]) == int(figures.get(DIGEST, 0))
    return count if same else None


def all_answered(attempts: Attempts) -> bool:
    """Whether the end of each attempt is known; one that timed out may have been stored or not."""
    return all(attempt["outcome"] != "failed" for attempt in chain.from_iterable(attempts.values()))


def _tables(cut: Cut, forward: Forward) -> dict[str, Brought] | None:
    """What was brought forward of each topic's table that has rows; None if anything of one was not."""
    found = {}
    for topic in sorted({topic for (topic, _), end in cut.ends.items() if end}):
        known = forward.of(PLACES, table := raw_table(topic), cut.snapshots[table])
        if known is None:
            return None
        found[topic] = known
    return found


def ends_before(cut: Cut, brought: Mapping[str, Brought]) -> dict[Place, int]:
    """Where each partition ended in the last balanced ledger; 0 for one that it did not have."""
    return {
        (topic, partition): int(brought[topic].figures.get(str(partition), 0)) if topic in brought else 0
        for topic, partition in cut.ends
    }


def _new_rows(
    spark: SparkSession, cut: Cut, before: Mapping[Place, int], brought: Mapping[str, Brought]
) -> DataFrame | None:
    """Rows of raw from the last cut to this one, and those that were appended since and stand before it."""
    from functools import reduce

    from pyspark.sql import functions as F

    frames = []
    for topic, known in brought.items():
        mine = {partition: (before[topic, partition], end) for (name, partition), end in cut.ends.items()
                if name == topic}  # fmt: skip
        between = _any_of(f"_kafka_partition = {p} AND _kafka_offset >= {start} AND _kafka_offset < {end}"
                          for p, (start, end) in sorted(mine.items()) if start < end)  # fmt: skip
        again = _any_of(f"_kafka_partition = {p} AND _kafka_offset < {start}" for p, (start, _) in sorted(mine.items()))
        found = [incremental.read_at(spark, known.table, known.now).where(between)] if between else []
        found += [known.added(spark).where(again)] if known.rows else []
        frames += [rows.select(F.lit(topic).alias("topic"), F.col("_kafka_partition").alias("partition"),
                               F.col("_kafka_offset").alias("offset"), F.col("_body_sha256").alias("body"))
                   for rows in found]  # fmt: skip
    return reduce(lambda a, b: a.unionByName(b), frames) if frames else None


def _any_of(conditions: Iterable[str]) -> str:
    return " OR ".join(f"({condition})" for condition in conditions)


def bodies_forward(
    before: Mapping[str, Book], owed: Mapping[str, Book], new: Iterable[NewRow], ends: Mapping[Place, int]
) -> list[Check]:
    """Messages acknowledged to the sender are there: those of `before`, which were, and those among the new rows.

    What is in the log beside them other senders stored.
    """
    added = Counter((topic == QUARANTINE_TOPIC, body) for topic, _, _, body in new)
    checks = []
    for quarantine in (False, True):
        stored: dict[str | None, int] = {
            body: _asked(before.get(body), quarantine) + added[quarantine, body] for body in owed
        }
        logged = sum(end for (topic, _), end in ends.items() if (topic == QUARANTINE_TOPIC) == quarantine)
        stored[None] = max(0, logged - sum(stored.values()))
        name = "quarantine" if quarantine else "topics"
        checks.append(accepted_check(f"accepted = {name}", f"in {name}", owed, stored, quarantine=quarantine))
    return checks


def _asked(book: Book | None, quarantine: bool) -> int:
    return 0 if book is None else book.quarantined if quarantine else book.messages


def places_forward(ends: Mapping[Place, int], before: Mapping[Place, int], new: Sequence[NewRow]) -> list[Check]:
    """For each topic: as many messages as raw rows, each place once. Rows that do not agree are not named."""
    checks = []
    for topic in sorted({topic for topic, _ in ends}):
        logged, known = (sum(at for (name, _), at in of.items() if name == topic) for of in (ends, before))
        mine = [(partition, offset) for name, partition, offset, _ in new if name == topic]
        after = {(partition, offset) for partition, offset in mine if offset >= before[topic, partition]}
        detail = "" if len(after) == len(mine) else "a place more than once"
        checks.append(Check("topic = raw", topic, logged, raw_table(topic), known + len(mine), detail=detail,
                            note=f"{known:,} brought forward" if known else ""))  # fmt: skip
    return checks
