"""Upkeep of tables that are in use: small files are put together, old snapshots expired, files of no snapshot removed.

Every operation can be repeated, and is safe beside writers: they commit on, and what conflicts is tried again. No
snapshot goes that something still needs: what reads on from it would have to read everything, or would find nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from lakehouse import metadata
from lakehouse.errors import LakehouseError
from lakehouse.incremental import KEEPS_ROWS, history

if TYPE_CHECKING:
    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table import Table as IcebergTable
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)
T = TypeVar("T")

KEEP_FOR = timedelta(days=7)
KEEP_LAST = 5
ORPHAN_AGE = timedelta(days=1)
"""Younger files may be of a commit that is on its way."""
ATTEMPTS = 5
FLINK_COMMIT = "flink.job-id"
_CONFLICTS = ("CommitFailedException", "ValidationException", "CommitStateUnknownException", "Cannot commit",
              "Missing required files", "Found new")  # fmt: skip
_LONG_AGO = "TIMESTAMP '1970-01-02 00:00:00'"


class NotMaintained(LakehouseError):
    """Other writers were first each time, or the table is not there."""


# -- how a table is ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Health:
    """A table as its newest snapshot has it. `size` is bytes of its data files, `held_by` names who needs the oldest
    snapshot that cannot be expired."""

    table: str
    rows: int
    files: int
    delete_files: int
    manifests: int
    size: int
    snapshots: int
    expirable: int
    held_by: str

    @property
    def mean_size(self) -> int:
        """Bytes of a data file, on average."""
        return self.size // max(1, self.files)


def load(table: str) -> IcebergTable:
    """A table as it is now. Raises `NotMaintained` where there is none."""
    from pyiceberg.exceptions import NoSuchTableError

    try:
        return metadata.catalog().load_table(table)
    except NoSuchTableError as error:
        raise NotMaintained(
            f"there is no table {table}", "`lakehouse maintenance status` lists those there are"
        ) from error


def health(table: str, keep_for: timedelta = KEEP_FOR, keep_last: int = KEEP_LAST) -> Health:
    """What there is to do for a table. Raises `NotMaintained`."""
    loaded = load(table)
    plan = plan_expiry(table, keep_for, keep_last, loaded)
    current = loaded.current_snapshot()
    said = current.summary.additional_properties if current is not None and current.summary is not None else {}
    return Health(
        table=table,
        rows=metadata.rows_in(loaded),
        files=int(said.get("total-data-files", 0)),
        delete_files=int(said.get("total-delete-files", 0)),
        manifests=len(current.manifests(loaded.io)) if current is not None else 0,
        size=int(said.get("total-files-size", 0)),
        snapshots=plan.kept + len(plan.expire),
        expirable=len(plan.expire),
        held_by=plan.held_by,
    )


# -- compaction ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compacted:
    """What a compaction did: files it read and wrote, and whose watermarks went with it. Nothing: it was done before.

    `files` are data files; `attempts` is how often it was begun.
    """

    table: str
    files_before: int = 0
    files_after: int = 0
    rewritten_bytes: int = 0
    manifests_before: int = 0
    manifests_after: int = 0
    followed: tuple[str, ...] = ()
    attempts: int = 1

    @property
    def changed(self) -> bool:
        return bool(self.files_before or self.manifests_before)


def again(what: str, work: Callable[[], T], attempts: int = ATTEMPTS) -> tuple[T, int]:
    """Do it until no other writer is first; what it gave and how often it was begun. Raises `NotMaintained`."""
    from pyspark.errors import PySparkException

    pause = threading.Event()
    for attempt in range(1, attempts + 1):
        try:
            return work(), attempt
        except PySparkException as error:
            if not any(name in str(error) for name in _CONFLICTS):
                raise
            said = str(error).splitlines()[0]
            log.info("%s: another writer was first (%s)", what, said)
            pause.wait(0.2 * 2**attempt)
    raise NotMaintained(f"{what}: other writers were first {attempts} times", "try again when less is written")


def call(spark: SparkSession, procedure: str, table: str, **arguments: str) -> Mapping[str, Any]:
    """Iceberg's procedure on a table: its one row. Arguments are SQL."""
    given = "".join(f", {name} => {value}" for name, value in arguments.items())
    return spark.sql(f"CALL lakehouse.system.{procedure}(table => '{table}'{given})").collect()[0].asDict()


def compact(spark: SparkSession, table: str, min_files: int = 2) -> Compacted:
    """Put small files together, and rows and their deletes; then the manifests. The rows stay what they are.

    Files are rewritten where a partition has `min_files` of them below Iceberg's target size, or a file has deletes.
    Watermarks of readers that had read all go with it, so that they have nothing to read. Raises `NotMaintained`.
    """
    if load(table).current_snapshot() is None:
        return Compacted(table)
    options = f"map('min-input-files', '{min_files}', 'delete-file-threshold', '1', 'remove-dangling-deletes', 'true')"
    data, begun = again(f"compaction of {table}", lambda: call(spark, "rewrite_data_files", table, options=options))
    manifests, _ = again(f"manifests of {table}", lambda: call(spark, "rewrite_manifests", table))
    return Compacted(
        table,
        files_before=int(data["rewritten_data_files_count"]),
        files_after=int(data["added_data_files_count"]),
        rewritten_bytes=int(data["rewritten_bytes_count"]),
        manifests_before=int(manifests["rewritten_manifests_count"]),
        manifests_after=int(manifests["added_manifests_count"]),
        followed=tuple(settle_watermarks(table)),
        attempts=begun,
    )


def settle_watermarks(table: str) -> list[str]:
    """Readers from whose snapshot on nothing but compaction was committed: their watermarks go to the newest one."""
    commits, current = history(table)
    same, at = list[int](), current
    while at is not None and at in commits and commits[at].operation == KEEPS_ROWS:
        at = commits[at].parent_id
        same += [at] if at is not None else []
    return metadata.follow(table, same, current) if current is not None and same else []


# -- expiry -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Snap:
    """A snapshot: its parent, when it was committed."""

    snapshot_id: int
    parent_id: int | None
    committed_at: datetime


@dataclass(frozen=True)
class Expiry:
    """Which snapshots may go. `held_by` names who needs the oldest one that age alone would let go; often nobody."""

    table: str
    expire: tuple[int, ...]
    kept: int
    held_by: str = ""


@dataclass(frozen=True)
class Expired:
    """What an expiry removed."""

    table: str
    snapshots: int = 0
    data_files: int = 0
    delete_files: int = 0
    manifests: int = 0
    manifest_lists: int = 0


def removable(
    snapshots: Sequence[Snap],
    current: int | None,
    needed: Mapping[int, str],
    before: datetime,
    keep_last: int,
    named: Collection[int] = (),
) -> tuple[list[int], str]:
    """Snapshots that may go, and who holds one that is old enough.

    `needed` snapshots (with who needs each) stay with all that came after them, since a reader goes on along the
    parents; so do the newest, the last `keep_last`, those not older than `before`, and `named` ones (a tag or branch).
    """
    by_id = {snap.snapshot_id: snap for snap in snapshots}
    line, at = list[int](), current
    while at is not None and at in by_id:
        line.append(at)
        at = by_id[at].parent_id
    # the newest first: everything up to the last place that is needed
    places = {snapshot: place for place, snapshot in enumerate(line)}
    oldest = max((place for snapshot, place in places.items() if snapshot in needed), default=0)
    kept = set(line[: max(oldest + 1, keep_last, 1)]) | set(needed) | set(named)
    gone = [snap.snapshot_id for snap in snapshots if snap.committed_at < before and snap.snapshot_id not in kept]
    old = [s for s in line[: oldest + 1] if s in needed and by_id[s].committed_at < before and places[s] >= keep_last]
    return gone, needed[old[-1]] if old else ""


def needed_snapshots(table: str, loaded: IcebergTable) -> dict[int, str]:
    """Snapshots that something goes on from, and what: readers' watermarks, Flink, the copy in ClickHouse."""
    found = {snapshot: target for target, snapshot in metadata.readers(table).items() if snapshot is not None}
    # after a restart Flink looks for its last commit here: if it were gone, it would commit the same files again
    flink = [s for s in loaded.snapshots() if s.summary and FLINK_COMMIT in s.summary.additional_properties]
    if flink:
        found.setdefault(max(flink, key=lambda s: s.sequence_number or 0).snapshot_id, "Flink's last commit")
    published = _published(table)
    if published:
        found.setdefault(published, "the published copy in ClickHouse")
    return found


def _published(table: str) -> int | None:
    from lakehouse.engines.clickhouse import clickhouse_client
    from lakehouse.marts import publish

    mart = next((mart for mart in publish.PUBLISHED if mart.name == table), None)
    if mart is None:
        return None
    client = clickhouse_client()
    try:
        return publish.published_snapshot(client, mart)
    finally:
        client.close()


def plan_expiry(
    table: str, keep_for: timedelta = KEEP_FOR, keep_last: int = KEEP_LAST, loaded: IcebergTable | None = None
) -> Expiry:
    """What `expire` would do now. Raises `NotMaintained`."""
    loaded = loaded or load(table)
    current = loaded.current_snapshot()
    snapshots = [
        Snap(s.snapshot_id, s.parent_snapshot_id, datetime.fromtimestamp(s.timestamp_ms / 1000, UTC))
        for s in loaded.snapshots()
    ]
    gone, held_by = removable(
        snapshots,
        current.snapshot_id if current is not None else None,
        needed_snapshots(table, loaded),
        datetime.now(UTC) - keep_for,
        keep_last,
        named=[ref.snapshot_id for ref in loaded.metadata.refs.values()],
    )
    return Expiry(table, tuple(gone), len(snapshots) - len(gone), held_by)


def expire(spark: SparkSession, plan: Expiry) -> Expired:
    """Expire the snapshots of a plan, and remove the files that no other snapshot has. Raises `NotMaintained`."""
    there = {s.snapshot_id for s in load(plan.table).snapshots()}
    wanted = [snapshot for snapshot in plan.expire if snapshot in there]
    if not wanted:
        return Expired(plan.table)
    # Iceberg would also expire by age, without a look at who needs what: nothing is older than that
    arguments = {"older_than": _LONG_AGO, "snapshot_ids": f"array({', '.join(f'{s}L' for s in wanted)})"}
    done, _ = again(f"expiry of {plan.table}", lambda: call(spark, "expire_snapshots", plan.table, **arguments))
    return Expired(
        plan.table,
        snapshots=len(wanted),
        data_files=int(done["deleted_data_files_count"]),
        delete_files=int(done["deleted_position_delete_files_count"] + done["deleted_equality_delete_files_count"]),
        manifests=int(done["deleted_manifest_files_count"]),
        manifest_lists=int(done["deleted_manifest_lists_count"]),
    )


# -- orphans ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredFile:
    """An object under a table's location. `path` as the table's metadata would name it."""

    path: str
    size: int
    modified_at: datetime


def stored_files(loaded: IcebergTable) -> list[StoredFile]:
    """All objects under a table's location, whether the table knows them or not."""
    from pyarrow import fs

    scheme, _, rest = loaded.location().partition("://")
    store = loaded.io.fs_by_scheme(scheme, rest.partition("/")[0])
    selector = fs.FileSelector(rest.rstrip("/"), recursive=True, allow_not_found=True)
    return [
        StoredFile(f"{scheme}://{info.path}", info.size, info.mtime.astimezone(UTC))
        for info in store.get_file_info(selector)
        if info.type == fs.FileType.File
    ]


def all_manifests(loaded: IcebergTable) -> list[ManifestFile]:
    """Each manifest of each snapshot, once."""
    with ThreadPoolExecutor() as pool:
        lists = pool.map(lambda snapshot: snapshot.manifests(loaded.io), loaded.snapshots())
        return list({manifest.manifest_path: manifest for manifests in lists for manifest in manifests}.values())


def reachable(loaded: IcebergTable) -> set[str]:
    """All files that a table names: older metadata, manifest lists, manifests, data, deletes, statistics."""
    found = {loaded.metadata_location, *(entry.metadata_file for entry in loaded.metadata.metadata_log)}
    found |= {snapshot.manifest_list for snapshot in loaded.snapshots()}
    statistics = (*loaded.metadata.statistics, *loaded.metadata.partition_statistics)
    found |= {file.statistics_path for file in statistics}
    manifests = all_manifests(loaded)
    found |= {manifest.manifest_path for manifest in manifests}
    with ThreadPoolExecutor() as pool:
        entries = pool.map(lambda manifest: manifest.fetch_manifest_entry(loaded.io, discard_deleted=True), manifests)
        found |= {entry.data_file.file_path for listed in entries for entry in listed}
    return found


def orphans(table: str, older_than: timedelta = ORPHAN_AGE) -> list[StoredFile]:
    """Files under the table's location that it does not name, and which were not written within `older_than`.

    Raises `NotMaintained`.
    """
    # listed first: what is committed in between is then known to the metadata read after it
    stored = stored_files(load(table))
    limit = datetime.now(UTC) - older_than
    known = reachable(load(table))
    return [file for file in stored if file.path not in known and file.modified_at <= limit]


def remove(table: str, files: Sequence[StoredFile]) -> int:
    """Remove files that `orphans` found; returns how many there were. One that is gone already is no error."""
    io = load(table).io

    def one(file: StoredFile) -> int:
        try:
            io.delete(file.path)
        except FileNotFoundError:
            return 0
        return 1

    with ThreadPoolExecutor() as pool:
        return sum(pool.map(one, files))


def tables_of(names: Sequence[str]) -> Iterator[str]:
    """Names of tables, from names of tables, of layers or of other namespaces, all layers where none is given.

    Only those that are in the catalog. Raises `NotMaintained` for a name that is neither.
    """
    from lakehouse.tables import all_tables

    catalog = metadata.catalog()
    for name in names or tuple(dict.fromkeys(table.layer for table in all_tables())):
        if "." in name:
            load(name)
            yield name
        elif catalog.namespace_exists(name):
            yield from sorted(".".join(found) for found in catalog.list_tables(name))
        else:
            raise NotMaintained(f"there is no layer or table {name}", "name a layer, such as raw, or layer.table")
