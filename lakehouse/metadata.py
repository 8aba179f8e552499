"""What the pipeline remembers of itself: watermarks, runs, and the ledger's checks.

These tables are tiny and written often, so pyiceberg writes them directly: a commit takes a fraction of what a Spark
job would. Each write is one atomic commit, retried when another task committed first.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lakehouse.errors import LakehouseError
from lakehouse.tables import Column, Table, create_all, iceberg_schema

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table as IcebergTable

log = logging.getLogger(__name__)

COMMIT_ATTEMPTS = 12
COMMIT_MARK = "lakehouse.commit-id"
KEPT_SNAPSHOTS = 20
"""Of the watermarks: nobody asks how they were, and each one makes the next commit of pyiceberg take longer."""
WATERMARK_COLUMN = "committed_at"
TRIMMED = {"write.metadata.delete-after-commit.enabled": "true", "write.metadata.previous-versions-max": "20"}

WATERMARKS = Table(
    name="metadata.incremental_watermarks",
    grain="one row per source table and target table that reads it",
    key=("source_table", "target_table"),
    columns=(
        Column("source_table", "string", "table that was read", required=True),
        Column("target_table", "string", "table that was written from it", required=True),
        Column("watermark_column", "string", "what watermark_value is: the source snapshot's commit time"),
        Column("watermark_value", "timestamptz", "commit time of last_snapshot_id; for people, it selects no rows"),
        Column("updated_at", "timestamptz", "when the watermark last moved"),
        Column("last_snapshot_id", "long", "source snapshot up to which the target holds all rows; null: none"),
        Column("batch_id", "string", "batch that moved it; the same id is in the target's snapshot summary"),
    ),
    properties=TRIMMED,
)

RUNS = Table(
    name="metadata.pipeline_runs",
    grain="one row per step that committed something or failed, per run",
    key=("run_id", "step", "started_at"),
    columns=(
        Column("run_id", "string", "the run, as Airflow or the command line names it", required=True),
        Column("step", "string", "name of the step", required=True),
        Column("table", "string", "table that the step wrote"),
        Column("started_at", "timestamptz", "start of the step", required=True),
        Column("finished_at", "timestamptz", "end of the step"),
        Column("read", "long", "rows read from the sources"),
        Column("inserted", "long", "rows added"),
        Column("updated", "long", "rows whose values changed"),
        Column("deleted", "long", "rows removed"),
        Column("rejected", "long", "rows that went to staging.rejects"),
        Column("snapshot_id", "long", "the table's snapshot after the step"),
        Column("status", "string", "succeeded or failed", required=True),
        Column("error", "string", "first line of the error of a failed step"),
    ),
    properties=TRIMMED,
)

RECONCILIATION = Table(
    name="metadata.reconciliation",
    grain="one row per check of one run of the ledger",
    key=("run_id", "check", "currency", "left_name", "right_name"),
    columns=(
        Column("run_id", "string", "run that asked for the check", required=True),
        Column("check", "string", "what must be equal", required=True),
        Column("left_name", "string", "first side"),
        Column("left_count", "decimal(38,2)", "rows, or money in major units of the currency"),
        Column("right_name", "string", "second side"),
        Column("right_count", "decimal(38,2)", "rows, or money in major units of the currency"),
        Column("currency", "string", "ISO 4217 code for sums of money; null for counts"),
        Column("balanced", "boolean", "whether both sides are equal", required=True),
        Column("detail", "string", "the rows that do not agree, where there are any"),
        Column("checked_at", "timestamptz", "when it was checked", required=True),
    ),
    properties=TRIMMED,
)

ERASURES = Table(
    name="metadata.erasures",
    grain="one row per erasure of a person and table that lost rows, or topic that lost messages, by it",
    key=("erasure_id", "table"),
    columns=(
        Column("erasure_id", "string", "the erasure", required=True),
        Column("table", "string", "table that lost rows, or a topic's name", required=True),
        Column("rows", "long", "rows that it lost, or messages of the person", required=True),
        Column("subject_hash", "string", "HMAC-SHA256 of what the person was named by; its key is not stored", True),
        Column("requested_by", "string", "who asked for it", required=True),
        Column("reason", "string", "why", required=True),
        Column("erased_at", "timestamptz", "when", required=True),
        Column("gone_by", "timestamptz", "when a topic's last byte of them is gone; null: nothing of them is stored"),
    ),
    properties=TRIMMED,
)

ERASED_PLACES = Table(
    name="metadata.erased_places",
    grain="one row per message whose row in raw was erased",
    key=("source_topic", "kafka_partition", "kafka_offset"),
    columns=(
        Column("source_topic", "string", "topic of the message", required=True),
        Column("kafka_partition", "int", "partition in the topic", required=True),
        Column("kafka_offset", "long", "offset in the partition", required=True),
        Column("erasure_id", "string", "the erasure", required=True),
        Column("body_hash", "string", "SHA-256 of erasure_id and the hash of the request's body, hex", required=True),
    ),
    properties=TRIMMED,
)

TABLES = (WATERMARKS, RUNS, RECONCILIATION, ERASURES, ERASED_PLACES)


class MetadataNotWritten(LakehouseError):
    """A table could not be committed, for the other writers were always first."""


@dataclass(frozen=True)
class Watermark:
    """How far a target has read a source. `batch_id` is the batch that moved it there."""

    last_snapshot_id: int | None
    batch_id: str | None


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    """This process's catalog client, kept because its first answer costs most of a second."""
    from lakehouse.engines.catalog import iceberg_catalog

    return iceberg_catalog()


def load(table: Table) -> IcebergTable:
    """The Iceberg table of a contract at its newest snapshot; created if it is not there.

    Columns that the contract has got since the table was made are added, null in the rows that are there.
    """
    from pyiceberg.exceptions import NoSuchTableError

    try:
        current = catalog().load_table(table.name)
    except NoSuchTableError:
        create_all(catalog(), [table])
        return catalog().load_table(table.name)
    there = set(current.schema().column_names)
    new = [field for field in iceberg_schema(table).fields if field.name not in there]
    if new:
        with current.update_schema() as update:
            for field in new:
                update.add_column(field.name, field.field_type, field.doc)
    return current


def rows_in(table: IcebergTable, snapshot_id: int | None = None) -> int:
    """Rows of a loaded table, at a snapshot or now. A snapshot's own total also counts rows that are marked as deleted.

    Reads only files that have such rows.
    """
    return 0 if table.current_snapshot() is None else table.scan(snapshot_id=snapshot_id).count()


def arrow(table: Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as the contract of a table has them."""
    import pyarrow as pa

    schema = iceberg_schema(table).as_arrow()
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)


def retried(name: str, work: Callable[[], object]) -> None:
    """Load and commit, again until no other writer of the table is first. Raises `MetadataNotWritten`."""
    from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, ValidationException

    pause = threading.Event()
    for attempt in range(COMMIT_ATTEMPTS):
        try:
            work()
        except (CommitFailedException, CommitStateUnknownException, ValidationException):
            # the last one: pyiceberg tries a refused commit again by itself, and then sees the other writer's files
            pause.wait(0.05 * 2 ** min(attempt, 5))
        else:
            return
    raise MetadataNotWritten(f"{name}: {COMMIT_ATTEMPTS} commits were refused", "do it again: nothing is half written")


def commit(table: Table, change: Callable[[IcebergTable, dict[str, str]], object]) -> None:
    """Change a table as it is now; a commit whose answer was lost is not made twice.

    `change` gets the table, and properties that its snapshot must have. Raises `MetadataNotWritten`.
    """
    mark = str(uuid.uuid4())

    def once() -> None:
        current = load(table)
        marks = (s.summary.additional_properties.get(COMMIT_MARK) for s in current.snapshots() if s.summary)
        if mark not in marks:
            change(current, {COMMIT_MARK: mark})

    retried(table.name, once)


def commit_properties(table: Table, properties: Mapping[str, str]) -> None:
    """Set properties of a table. Raises `MetadataNotWritten`."""

    def once() -> None:
        with load(table).transaction() as change:
            change.set_properties(dict(properties))

    retried(table.name, once)


def append(table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows to a metadata table, exactly once. Raises `MetadataNotWritten`."""
    if rows:
        data = arrow(table, rows)
        commit(table, lambda current, mark: current.append(data, snapshot_properties=mark))


# -- watermarks -----------------------------------------------------------------------------------------------


def watermarks(target: str) -> dict[str, Watermark]:
    """How far `target` has read each of its sources; no entry for a source it never read."""
    return all_watermarks().get(target, {})


def all_watermarks() -> dict[str, dict[str, Watermark]]:
    """Target → source → how far the target has read it."""
    found: dict[str, dict[str, Watermark]] = {}
    for row in load(WATERMARKS).scan().to_arrow().to_pylist():
        mark = Watermark(row["last_snapshot_id"], row["batch_id"])
        found.setdefault(row["target_table"], {})[row["source_table"]] = mark
    return found


def commit_time(source: str, snapshot_id: int | None) -> datetime | None:
    """When a snapshot of a table was committed; None if snapshot or table are not kept any more."""
    from pyiceberg.exceptions import NoSuchTableError

    if snapshot_id is None:
        return None
    try:
        snapshot = catalog().load_table(source).snapshot_by_id(snapshot_id)
    except NoSuchTableError:
        return None
    return None if snapshot is None else datetime.fromtimestamp(snapshot.timestamp_ms / 1000, tz=UTC)


def expire_oldest(current: IcebergTable, kept: int) -> None:
    """Let the oldest snapshots of a table go once there are twice as many as are kept; upkeep removes their files.

    Of several writers the first one does it; the catalog refuses the others, who have nothing left to do.
    """
    from pyiceberg.exceptions import BadRequestError, CommitFailedException

    ids = [snapshot.snapshot_id for snapshot in current.snapshots()]
    if len(ids) <= 2 * kept:
        return
    try:
        current.maintenance.expire_snapshots().by_ids(ids[:-kept]).commit()
    except (BadRequestError, CommitFailedException) as refused:
        log.info("%s keeps %d snapshots for now: %s", ".".join(current.name()), len(ids), refused)


def _replace_watermarks(target: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """The table is a few dozen rows: each change writes it whole, as one file, in one commit."""
    mine = {row["source_table"] for row in rows}

    def change(current: IcebergTable, mark: dict[str, str]) -> None:
        expire_oldest(current, KEPT_SNAPSHOTS)
        kept = [
            row
            for row in current.scan().to_arrow().to_pylist()
            if not (row["target_table"] == target and row["source_table"] in mine)
        ]
        ordered = sorted([*kept, *rows], key=lambda row: (row["target_table"], row["source_table"]))
        current.overwrite(arrow(WATERMARKS, ordered), snapshot_properties=mark)

    commit(WATERMARKS, change)


def advance(target: str, sources: Mapping[str, int | None], batch_id: str) -> bool:
    """Say that `target` holds all of `sources` up to these snapshots; False, and no commit, if it said so already."""
    known = watermarks(target)
    moved = {s: i for s, i in sources.items() if s not in known or known[s].last_snapshot_id != i}
    if not moved:
        return False
    now = datetime.now(UTC)
    rows = [
        {
            "source_table": source,
            "target_table": target,
            "watermark_column": WATERMARK_COLUMN,
            "watermark_value": commit_time(source, snapshot_id),
            "updated_at": now,
            "last_snapshot_id": snapshot_id,
            "batch_id": batch_id,
        }
        for source, snapshot_id in moved.items()
    ]
    _replace_watermarks(target, rows)
    return True


def forget(target: str) -> None:
    """Make the next run of the target's step read its sources from the beginning, as after a change of its code."""
    rows = [
        {
            "source_table": source,
            "target_table": target,
            "watermark_column": WATERMARK_COLUMN,
            "updated_at": datetime.now(UTC),
            # a new id: the next batch must not be taken for one that was committed before
            "batch_id": f"forgotten-{uuid.uuid4()}",
        }
        for source in watermarks(target)
    ]
    if rows:
        _replace_watermarks(target, rows)


def drop_watermarks_in(namespace: str) -> bool:
    """Take out the rows of all targets in a namespace, which are gone; False, and no commit, if there are none."""
    mine = f"{namespace}."

    def of_others(current: IcebergTable) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = current.scan().to_arrow().to_pylist()
        return [row for row in rows if not row["target_table"].startswith(mine)]

    current = load(WATERMARKS)
    if len(of_others(current)) == current.scan().count():
        return False
    commit(WATERMARKS, lambda now, mark: now.overwrite(arrow(WATERMARKS, of_others(now)), snapshot_properties=mark))
    return True


def readers(source: str) -> dict[str, int | None]:
    """Each target that reads `source`, and the snapshot up to which it has."""
    from pyiceberg.expressions import EqualTo

    rows = load(WATERMARKS).scan(row_filter=EqualTo("source_table", source)).to_arrow().to_pylist()
    return {row["target_table"]: row["last_snapshot_id"] for row in rows}


def follow(source: str, then: Iterable[int], now: int, but: Sequence[str] = ()) -> list[str]:
    """Move the watermarks of `source` that stand at one of the snapshots `then` to `now`; returns their targets.

    For a commit after which these readers have nothing to read; `but` are readers that have. A watermark that has
    moved on meanwhile stays.
    """
    before, moved = set(then), list[str]()
    if not before & set(readers(source).values()):
        return []
    time = commit_time(source, now)

    def change(current: IcebergTable, mark: dict[str, str]) -> None:
        rows = current.scan().to_arrow().to_pylist()
        mine = [
            row
            for row in rows
            if row["source_table"] == source and row["last_snapshot_id"] in before and row["target_table"] not in but
        ]
        moved[:] = [row["target_table"] for row in mine]
        for row in mine:
            row |= {"last_snapshot_id": now, "watermark_value": time, "updated_at": datetime.now(UTC)}
        if mine:
            current.overwrite(arrow(WATERMARKS, rows), snapshot_properties=mark)

    commit(WATERMARKS, change)
    return moved


def drop_watermarks(target: str, source: str | None = None) -> None:
    """Take away what is known of a target that is no more, or (with a source) of its reading of that one."""

    def change(current: IcebergTable, mark: dict[str, str]) -> None:
        kept = [
            row
            for row in current.scan().to_arrow().to_pylist()
            if row["target_table"] != target or source not in (None, row["source_table"])
        ]
        current.overwrite(arrow(WATERMARKS, kept), snapshot_properties=mark)

    known = watermarks(target)
    if source in known or (known and source is None):
        commit(WATERMARKS, change)
