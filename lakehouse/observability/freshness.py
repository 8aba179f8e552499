"""How old the oldest thing is that a layer does not hold yet, from the acknowledged webhook to the published mart.

A layer is as late as the one before it, or later: what is not in raw cannot be in a mart. Time is that of the commit
(of the receiver, for raw), never of the row's own columns; compaction commits nothing new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lakehouse.incremental import KEEPS_ROWS
from lakehouse.observability.samples import Sample, age, age_of
from lakehouse.observability.tables import load_all, samples_of
from lakehouse.settings import Settings
from lakehouse.streaming.tables import raw_table

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot

LAYERS = ("raw", "staging", "semantic", "core", "analytics", "marts", "clickhouse")
"""On the way of the data; `clickhouse` is the published marts."""
HELP: Mapping[str, str] = {
    "freshness_seconds": "age of the oldest thing that a layer, or one before it, does not hold yet; 0: nothing waits",
}


def waiting_since(snapshots: Iterable[Snapshot], current: int | None, read: int | None) -> int | None:
    """When the oldest snapshot was committed that a reader has not read, in milliseconds; None: it has read all.

    Follows parents from the current snapshot to the one that was read, or as far as they are kept. Compaction is
    nothing to read.
    """
    kept = {snapshot.snapshot_id: snapshot for snapshot in snapshots}
    since, at = None, current
    while at is not None and at != read and at in kept:
        snapshot = kept[at]
        if snapshot.summary is None or snapshot.summary.operation.value != KEEPS_ROWS:
            since = snapshot.timestamp_ms
        at = snapshot.parent_snapshot_id
    return since


def _wait(table: IcebergTable, read: int | None) -> float:
    """Seconds that a reader of a table is behind; 0 for one that has read all."""
    current = table.current_snapshot()
    since = waiting_since(table.snapshots(), current.snapshot_id if current else None, read)
    return age_of(since) if since is not None else 0.0


def cumulative(own: Mapping[str, float | None]) -> list[Sample]:
    """A layer's own wait → its freshness: never less than that of a layer before it.

    Where a wait is not known (None), nothing is known of the layers after it either.
    """
    samples, worst = [], 0.0
    for layer in LAYERS:
        wait = own.get(layer, 0.0)
        if wait is None:
            break
        worst = max(worst, wait)
        samples.append(Sample("freshness_seconds", {"layer": layer}, worst))
    return samples


# -- what each layer waits for --------------------------------------------------------------------------------------


def _raw_wait(settings: Settings) -> float | None:
    """Age of the oldest webhook that is acknowledged and not yet in raw; None while the broker is away."""
    from lakehouse.engines.kafka_reader import NotRead, read
    from lakehouse.observability.log import raw_backlogs

    try:
        behind = {(one.topic, one.partition): one.committed or 0 for one in raw_backlogs(settings) if one.messages > 0}
        first = read({place: (offset, offset + 1) for place, offset in behind.items()}, settings)
    except (ConnectionError, NotRead):
        return None
    received = [datetime.fromisoformat(message.headers["received_at"]) for message in first]
    return max((age(moment.astimezone(UTC)) for moment in received), default=0.0)


def _layer_waits(tables: Mapping[str, IcebergTable]) -> dict[str, float | None]:
    """Layer → the longest wait of its tables, from what they say they have read; raw that nobody read waits, too."""
    from lakehouse import metadata
    from lakehouse.engines.kafka import ENTITY_TOPICS

    marks: Sequence[Mapping[str, object]] = []
    if metadata.WATERMARKS.name in tables:
        marks = tables[metadata.WATERMARKS.name].scan().to_arrow().to_pylist()
    waits: dict[str, float | None] = {}

    def note(layer: str, source: str, read: object) -> None:
        if source in tables:
            wait = _wait(tables[source], read if isinstance(read, int) else None)
            waits[layer] = max(waits.get(layer) or 0.0, wait)

    for mark in marks:
        layer = str(mark["target_table"]).split(".")[0]
        if layer in LAYERS:
            note(layer, str(mark["source_table"]), mark["last_snapshot_id"])
    read_once = {mark["source_table"] for mark in marks}
    for name in map(raw_table, ENTITY_TOPICS):
        if name not in read_once:
            note("staging", name, None)
    return waits


def _published_wait(tables: Mapping[str, IcebergTable], settings: Settings) -> float | None:
    """How long the marts that dashboards read have been older than the lake's; None while ClickHouse is away."""
    from lakehouse.engines.clickhouse import ClickHouseUnavailable, clickhouse_client
    from lakehouse.marts.publish import PUBLISHED, published_snapshot

    try:
        client = clickhouse_client(settings)
    except ClickHouseUnavailable:
        return None
    try:
        there = {table.name: published_snapshot(client, table) for table in PUBLISHED if table.name in tables}
    finally:
        client.close()
    return max((_wait(tables[name], snapshot) for name, snapshot in there.items()), default=0.0)


def collect(settings: Settings) -> list[Sample]:
    """All tables' samples, and each layer's freshness, from one look at the catalog."""
    tables = load_all()
    own = {"raw": _raw_wait(settings), **_layer_waits(tables), "clickhouse": _published_wait(tables, settings)}
    return [*(sample for name, table in tables.items() for sample in samples_of(name, table)), *cumulative(own)]
