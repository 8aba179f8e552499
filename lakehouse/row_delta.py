"""Rows of an Iceberg table with their places, and one commit that takes rows out and puts others in.

pyiceberg reads position deletes but writes none: it would write every data file anew that holds a changed row. Here
the places of the rows that go are written (merge on read), so that a change costs what it changes. Its own manifest
and snapshot classes are used throughout; format version 2.
"""

from __future__ import annotations

import itertools
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyiceberg.conversions import to_bytes
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan, _dataframe_to_data_files
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
)
from pyiceberg.table import FileScanTask
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update.snapshot import _SnapshotProducer
from pyiceberg.types import LongType, StringType

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table import Transaction

    Numbers = np.ndarray[Any, np.dtype[Any]]

PATH_ID, POS_ID = 2147483546, 2147483545
"""Field ids that Iceberg's specification reserves for the columns of a file of position deletes."""
DELETES = pa.schema(
    [
        pa.field("file_path", pa.string(), False, {"PARQUET:field_id": str(PATH_ID)}),
        pa.field("pos", pa.int64(), False, {"PARQUET:field_id": str(POS_ID)}),
    ]
)
FILE, POS = "_file_number", "_position"
"""Columns beside the table's own that say where a row lies: the file in `Stored.files`, and the row in it."""


@dataclass(frozen=True)
class Stored:
    """Rows of a table as a snapshot holds them, in the order of its files. `rows` has `FILE` and `POS` as well."""

    snapshot_id: int | None
    rows: pa.Table
    files: Sequence[FileScanTask]

    @property
    def data(self) -> pa.Table:
        """The rows without their places."""
        return self.rows.drop_columns([FILE, POS])

    def dead(self) -> int:
        """Rows that lie in the data files and are deleted."""
        return sum(task.file.record_count for task in self.files) - self.rows.num_rows

    def files_per_partition(self) -> float:
        """Data files and files of deletes; of an empty table none."""
        partitions = {(task.file.spec_id, task.file.partition) for task in self.files}
        deletes = {file.file_path for task in self.files for file in task.delete_files}
        return (len(self.files) + len(deletes)) / max(1, len(partitions))


def read(current: IcebergTable, snapshot_id: int | None = None) -> Stored:
    """The live rows of a table at a snapshot (None: at the newest), with their places; all files at once."""
    scan = current.scan(snapshot_id=snapshot_id)
    tasks = sorted(scan.plan_files(), key=lambda task: task.file.file_path)
    reader = ArrowScan(current.metadata, current.io, scan.projection(), AlwaysTrue())

    def part(number: int) -> pa.Table:
        task = tasks[number]
        # deletes are applied here, to all rows at once: the reader would do it for each batch while it waits
        rows, live = reader.to_table([FileScanTask(task.file)]), _live(current, task)
        places = np.flatnonzero(live)
        if len(places) < len(live):
            rows = rows.filter(pa.array(live))
        numbers = pa.array(np.full(len(places), number, np.int32))
        return rows.append_column(FILE, numbers).append_column(POS, pa.array(places))

    empty = scan.projection().as_arrow().empty_table()
    empty = empty.append_column(FILE, pa.array([], pa.int32())).append_column(POS, pa.array([], pa.int64()))
    with ThreadPoolExecutor() as pool:
        parts = list(pool.map(part, range(len(tasks))))
    rows = pa.concat_tables(parts, promote_options="permissive") if parts else empty
    read_at = snapshot_id
    if read_at is None and (newest := current.current_snapshot()) is not None:
        read_at = newest.snapshot_id
    return Stored(read_at, rows, tasks)


def _live(current: IcebergTable, task: FileScanTask) -> Numbers:
    """Which rows of a data file are not deleted."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    live = np.ones(task.file.record_count, dtype=bool)
    for file in task.delete_files:
        with current.io.new_input(file.file_path).open() as source:
            gone = pq.read_table(source)
        live[gone.filter(pc.field("file_path") == task.file.file_path).column("pos").to_numpy()] = False
    return live


class _DeletesWriter(ManifestWriterV2):
    """A manifest of files of deletes."""

    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


class _RowDelta(_SnapshotProducer["_RowDelta"]):
    """Adds data files and files of position deletes in one snapshot; `whole`: in the place of all there are.

    The places hold for the snapshot that they were read from, so any commit in between makes this one fail.
    """

    def __init__(self, transaction: Transaction, io: Any, deletes: Sequence[DataFile], whole: bool,
                 properties: Mapping[str, str]) -> None:  # fmt: skip
        operation = Operation.OVERWRITE if deletes or whole else Operation.APPEND
        super().__init__(operation, transaction, io, snapshot_properties=dict(properties))
        self._deletes, self._whole = deletes, whole

    def _validate_concurrency(self) -> None:
        if self._commit_window is not None and not self._commit_window.is_empty():
            raise CommitFailedException("another writer was first")

    def _before(self) -> list[ManifestFile]:
        snapshot = self._transaction.table_metadata.snapshot_by_name(self._target_branch or "main")
        return snapshot.manifests(self._io) if snapshot is not None else []

    def _existing_manifests(self) -> list[ManifestFile]:
        return [] if self._whole else [m for m in self._before() if m.has_added_files() or m.has_existing_files()]

    def _removed(self, content: ManifestContent) -> list[ManifestEntry]:
        """All live entries as deleted ones, where the table is written whole."""
        wanted = [m for m in self._before() if self._whole and m.content == content]
        return [
            ManifestEntry.from_args(
                status=ManifestEntryStatus.DELETED,
                snapshot_id=self.snapshot_id,
                sequence_number=entry.sequence_number,
                file_sequence_number=entry.file_sequence_number,
                data_file=entry.data_file,
            )
            for manifest in wanted
            for entry in self.fetch_manifest_entry(manifest)
        ]

    def _deleted_entries(self) -> list[ManifestEntry]:
        entries = self._removed(ManifestContent.DATA)
        self._deleted_data_files.update(entry.data_file for entry in entries)
        return entries

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        """The manifests of data, and those of deletes, one for each partition spec."""
        removed = self._removed(ManifestContent.DELETES)
        self._deleted_data_files.update(entry.data_file for entry in removed)
        entries: dict[int, list[ManifestEntry]] = defaultdict(list)
        for file in self._deletes:
            entries[file.spec_id].append(
                ManifestEntry.from_args(
                    status=ManifestEntryStatus.ADDED,
                    snapshot_id=self.snapshot_id,
                    sequence_number=None,
                    file_sequence_number=None,
                    data_file=file,
                )
            )
        for entry in removed:
            entries[entry.data_file.spec_id].append(entry)
        return [*manifests, *(self._manifest_of_deletes(spec, mine) for spec, mine in entries.items())]

    def _manifest_of_deletes(self, spec_id: int, entries: Iterable[ManifestEntry]) -> ManifestFile:
        output = self.new_manifest_output()
        with _DeletesWriter(self.spec(spec_id), self.schema(), output, self.snapshot_id, self._compression) as writer:
            for entry in entries:
                writer.add_entry(entry)
        return writer.to_manifest_file()

    def _summary(self, snapshot_properties: dict[str, str] | None = None) -> Summary:
        rows = len(self._added_data_files)
        # what is counted there are all files that are added
        self._added_data_files.extend(self._deletes)
        try:
            return super()._summary(snapshot_properties or {})
        finally:
            del self._added_data_files[rows:]


def commit(current: IcebergTable, rows: pa.Table, places: Mapping[DataFile, Numbers], properties: Mapping[str, str],
           whole: bool = False) -> None:  # fmt: skip
    """Add the rows and take out those at `places`, in one snapshot; `whole`: the rows take the place of all.

    `places` are positions by data file, of the newest snapshot that `current` knows. Raises `CommitFailedException`
    when another writer committed after it.
    """
    unique = uuid.uuid4()
    transaction = current.transaction()
    data = list(_dataframe_to_data_files(transaction.table_metadata, rows, current.io, unique)) if rows.num_rows else []
    deletes = [] if whole else _write_deletes(current, places, unique)
    with transaction, _RowDelta(transaction, current.io, deletes, whole, properties) as change:
        for file in data:
            change.append_data_file(file)


def _write_deletes(current: IcebergTable, places: Mapping[DataFile, Numbers], unique: uuid.UUID) -> list[DataFile]:
    """A file of position deletes for each data file that loses rows, so that a reader opens only those it needs."""
    provider = current.location_provider()
    numbers = itertools.count()
    wanted = [
        (file, positions, provider.new_data_location(f"00000-{next(numbers)}-{unique}-deletes.parquet"))
        for file, positions in places.items()
        if len(positions)
    ]
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda one: _write_one(current, *one), wanted))


def _write_one(current: IcebergTable, file: DataFile, positions: Numbers, location: str) -> DataFile:
    import pyarrow.parquet as pq

    ordered = np.sort(positions)
    rows = pa.table([pa.repeat(file.file_path, len(ordered)), pa.array(ordered, pa.int64())], schema=DELETES)
    output = current.io.new_output(location)
    with output.create() as sink:
        pq.write_table(rows, sink, compression="zstd")
    path = to_bytes(StringType(), file.file_path)
    first, last = (to_bytes(LongType(), int(position)) for position in (ordered[0], ordered[-1]))
    deletes = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES,
        file_path=location,
        file_format=FileFormat.PARQUET,
        partition=file.partition,
        record_count=len(ordered),
        file_size_in_bytes=len(output),
        column_sizes={},
        value_counts={PATH_ID: len(ordered), POS_ID: len(ordered)},
        null_value_counts={PATH_ID: 0, POS_ID: 0},
        nan_value_counts={},
        # equal bounds of the path say that the deletes are of this data file alone
        lower_bounds={PATH_ID: path, POS_ID: first},
        upper_bounds={PATH_ID: path, POS_ID: last},
    )
    deletes.spec_id = file.spec_id
    return deletes
