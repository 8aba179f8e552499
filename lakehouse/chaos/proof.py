"""What must hold after all faults: each acknowledged webhook is in raw, each place of the log once.

Compared by the request's body, by the sender's id and by (topic, partition, offset), from the senders' own book. It
reads raw by pyiceberg, so that it needs neither Spark nor Trino.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakehouse.checks.check import named
from lakehouse.checks.deliveries import accepted_check, book_of
from lakehouse.engines.catalog import iceberg_catalog
from lakehouse.engines.kafka import QUARANTINE_TOPIC, end_offsets
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.streaming.tables import TABLES

if TYPE_CHECKING:
    import pyarrow as pa

PLACE = ("_source_topic", "_kafka_partition", "_kafka_offset")
COLUMNS = (*PLACE, "_body_sha256", "_webhook_id")


class Lost(LakehouseError):
    """A webhook that was acknowledged is not in raw, or more often than it was sent; the message names some."""


@dataclass(frozen=True)
class Exact:
    """Counts of a proof that held. `unanswered`: stored although the sender had no answer, so sent and stored again."""

    acknowledged: int
    quarantined: int
    webhook_ids: int
    places: int
    unanswered: int


@dataclass
class _Owed:
    """What the book says of one webhook id: how often it was acknowledged, and attempts whose end is not known."""

    acknowledged: int = 0
    unknown: int = 0
    deliveries: list[str] = field(default_factory=list)


def stored_rows(settings: Settings) -> pa.Table:
    """Place, body and id of every row of raw."""
    import pyarrow as pa

    catalog = iceberg_catalog(settings)
    scans = [catalog.load_table(table.name).scan(selected_fields=COLUMNS).to_arrow() for table in TABLES]
    return pa.concat_tables([scan.select(COLUMNS) for scan in scans], promote_options="permissive")


def place_problems(places: Iterable[tuple[str, int, int]], ends: Mapping[tuple[str, int], int]) -> list[str]:
    """Where raw and the log differ: places more than once, and offsets that are not there."""
    seen = Counter(places)
    twice = ["/".join(map(str, place)) for place, count in sorted(seen.items()) if count > 1]
    missing = [
        f"{topic}/{partition}/{offset}"
        for (topic, partition), end in sorted(ends.items())
        for offset in range(end)
        if (topic, partition, offset) not in seen
    ]
    return list(filter(None, (named("more than once in raw", twice), named("in the log and not in raw", missing))))


def id_problems(attempts: Iterable[Mapping[str, Any]], stored: Mapping[str, int]) -> list[str]:
    """Webhook ids that are in raw less often than acknowledged, or more often than attempts explain.

    Of deliveries without quarantined messages: what is put aside may have no id of its own.
    """
    owed: dict[str, _Owed] = defaultdict(_Owed)
    aside: set[str] = set()
    for attempt in attempts:
        if attempt["quarantined"]:
            aside.update(attempt["webhook_ids"])
        for webhook_id in attempt["webhook_ids"]:
            one = owed[webhook_id]
            one.deliveries.append(attempt["delivery_id"])
            one.acknowledged += attempt["outcome"] == "accepted"
            one.unknown += attempt["outcome"] == "failed"
    lost, extra = [], []
    for webhook_id, one in owed.items():
        there = stored.get(webhook_id, 0)
        if webhook_id in aside:
            continue
        if there < one.acknowledged:
            lost.append(f"{webhook_id} of {one.deliveries[0]}")
        elif there > one.acknowledged + one.unknown:
            extra.append(f"{webhook_id} of {one.deliveries[0]}")
    return list(filter(None, (named("ids lost", lost), named("ids more often than sent", extra))))


def prove_exact(settings: Settings, attempts: list[dict[str, Any]]) -> Exact:
    """Compare the senders' whole book with raw. Flink must have caught up. Raises `Lost`."""
    rows = stored_rows(settings)
    topics, partitions, offsets, bodies, ids = (rows.column(name).to_pylist() for name in COLUMNS)
    problems = place_problems(zip(topics, partitions, offsets, strict=True), end_offsets(settings))
    problems += id_problems(attempts, Counter(ids))
    aside = Counter(body for body, topic in zip(bodies, topics, strict=True) if topic == QUARANTINE_TOPIC)
    in_topics = Counter(bodies)
    in_topics.subtract(aside)
    owed = book_of(attempts)
    checks = [
        accepted_check("accepted = raw", "in raw", owed, in_topics, quarantine=False),
        accepted_check("accepted = quarantine", "in quarantine", owed, aside, quarantine=True),
    ]
    problems += [f"{check.check}: {check.detail}" for check in checks if check.detail]
    if problems:
        raise Lost("raw is not what was acknowledged:\n  " + "\n  ".join(problems), "see `lakehouse reconcile`")
    promised = sum(book.messages + book.quarantined for book in owed.values())
    mine = sum(count for body, count in Counter(bodies).items() if body in owed)
    return Exact(
        acknowledged=promised - sum(book.quarantined for book in owed.values()),
        quarantined=sum(book.quarantined for book in owed.values()),
        webhook_ids=len({each for attempt in attempts for each in attempt["webhook_ids"]}),
        places=rows.num_rows,
        unanswered=mine - promised,
    )
