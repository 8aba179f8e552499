"""Where raw ends: the next place of the log for a job that has no state of its predecessor, and the proof that it may
begin there.

A commit of Flink holds all messages of a partition up to a place, so raw with every place before that one, each once,
is as exact a state as a savepoint. Raw with a gap is not, and no job is started beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from lakehouse.engines.catalog import iceberg_catalog
from lakehouse.engines.kafka import TOPICS, offsets
from lakehouse.errors import LakehouseError
from lakehouse.metadata import ERASED_PLACES
from lakehouse.settings import Settings
from lakehouse.streaming.tables import raw_table
from lakehouse.tables import create_all

if TYPE_CHECKING:
    import pyarrow as pa

Place = tuple[str, int]
"""Topic and partition."""
_ROW = ("_kafka_partition", "_kafka_offset")
_ERASED = ("source_topic", "kafka_partition", "kafka_offset")
_HELD = """
    WITH places AS (
        SELECT _kafka_partition AS partition, _kafka_offset AS place, 1 AS row FROM held
        UNION ALL SELECT kafka_partition, kafka_offset, 0 FROM erased WHERE source_topic = $topic)
    SELECT partition, sum(row), count(DISTINCT place) FILTER (row = 1), count(DISTINCT place), max(place) + 1
    FROM places GROUP BY partition"""


class NoStart(LakehouseError):
    """Raw does not say where to go on; the message says what is missing."""


class Held(NamedTuple):
    """What raw has of one partition of a topic."""

    rows: int
    distinct: int
    """Places of the log among the rows."""
    known: int
    """Places of the rows, and of rows that were erased with their person."""
    next: int
    """The place after the last one that is known."""


def _problem(held: Held, oldest: int, end: int) -> str:
    """Why a job cannot go on after what raw has of a partition; empty if it can."""
    if held.rows != held.distinct:
        return f"raw has {held.rows - held.distinct:,} messages twice"
    if held.known != held.next:
        return f"raw lacks {held.next - held.known:,} of its first {held.next:,} messages"
    if held.next > end:
        return f"raw has {held.next:,} messages and the topic had only {end:,}: it was made anew"
    if held.next < oldest:
        return f"the topic keeps no message before {oldest:,}, and raw has only those before {held.next:,}"
    return ""


def plan(held: Mapping[Place, Held], log: Mapping[Place, tuple[int, int]]) -> dict[Place, int]:
    """From what raw has and the log's oldest and next offsets to the offset to go on at, for each place of the log.

    Raises `NoStart` with each partition where raw has gaps or doubles, or is not of this log.
    """
    problems = [
        f"{topic}/{partition}: {problem}"
        for (topic, partition), found in sorted(held.items())
        if (problem := _problem(found, *log.get((topic, partition), (0, 0))))
    ]
    if problems:
        raise NoStart(
            "raw has rows, no savepoint or checkpoint says where the job stopped, and raw does not, either: "
            + "; ".join(problems),
            "restore the checkpoints, or empty the stack with `make reset`",
        )
    return {place: held[place].next if place in held else 0 for place in log}


def next_places(settings: Settings) -> dict[Place, int]:
    """The offset to go on at, for each place of the log: the first message that raw has not. Raises `NoStart`."""
    catalog = iceberg_catalog(settings)
    create_all(catalog, (ERASED_PLACES,))
    erased = catalog.load_table(ERASED_PLACES.name).scan(selected_fields=_ERASED).to_arrow()
    found: dict[Place, Held] = {}
    for topic in TOPICS:
        if catalog.table_exists(raw_table(topic)):
            rows = catalog.load_table(raw_table(topic)).scan(selected_fields=_ROW).to_arrow()
            found |= {(topic, partition): held for partition, held in _held(topic, rows, erased)}
    return plan(found, offsets(settings))


def _held(topic: str, held: pa.Table, erased: pa.Table) -> Iterator[tuple[int, Held]]:
    import duckdb

    with duckdb.connect() as con:
        con.register("held", held)
        con.register("erased", erased)
        for partition, *counts in con.execute(_HELD, {"topic": topic}).fetchall():
            yield int(partition), Held(*map(int, counts))
