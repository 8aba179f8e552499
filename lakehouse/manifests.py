"""Manifests of a table written anew without the entries of files that are gone.

Such an entry still holds the smallest and the largest value of each column of a file that was deleted; Iceberg drops
it some commits later. Where a value must not be found any more, that is too late. pyiceberg's own classes are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.manifest import ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update.snapshot import _SnapshotProducer

from lakehouse.row_delta import _DeletesWriter

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table import Transaction

TOTALS = "total-"


class _LiveEntries(_SnapshotProducer["_LiveEntries"]):
    """A snapshot of the same files, whose manifests name no others."""

    def __init__(self, transaction: Transaction, io: Any, properties: Mapping[str, str]) -> None:
        super().__init__(Operation.REPLACE, transaction, io, snapshot_properties=dict(properties))

    def _validate_concurrency(self) -> None:
        if self._commit_window is not None and not self._commit_window.is_empty():
            raise CommitFailedException("another writer was first")

    def _deleted_entries(self) -> list[ManifestEntry]:
        return []

    def _existing_manifests(self) -> list[ManifestFile]:
        snapshot = self._transaction.table_metadata.snapshot_by_name(self._target_branch or "main")
        manifests = snapshot.manifests(self._io) if snapshot is not None else []
        return [kept for manifest in manifests if (kept := self._without_deleted(manifest)) is not None]

    def _without_deleted(self, manifest: ManifestFile) -> ManifestFile | None:
        """The manifest itself where it names live files alone, None where it names none, else a new one."""
        every = manifest.fetch_manifest_entry(self._io, discard_deleted=False)
        live = [entry for entry in every if entry.status != ManifestEntryStatus.DELETED]
        if len(live) == len(every):
            return manifest
        if not live:
            return None
        spec, deletes = self.spec(manifest.partition_spec_id), manifest.content.name == "DELETES"
        writer = (
            _DeletesWriter(spec, self.schema(), self.new_manifest_output(), self.snapshot_id, self._compression)
            if deletes
            else self.new_manifest_writer(spec)
        )
        with writer:
            for entry in live:
                writer.add_entry(
                    ManifestEntry.from_args(
                        status=ManifestEntryStatus.EXISTING,
                        snapshot_id=entry.snapshot_id,
                        sequence_number=entry.sequence_number,
                        file_sequence_number=entry.file_sequence_number,
                        data_file=entry.data_file,
                    )
                )
        return writer.to_manifest_file()

    def _summary(self, snapshot_properties: dict[str, str] | None = None) -> Summary:
        """The totals are what they were."""
        parent = self._transaction.table_metadata.snapshot_by_id(self._parent_snapshot_id or -1)
        said = parent.summary.additional_properties if parent is not None and parent.summary is not None else {}
        totals = {name: value for name, value in said.items() if name.startswith(TOTALS)}
        return Summary(Operation.REPLACE, **totals, **(snapshot_properties or {}))


def has_entries_of_deleted_files(current: IcebergTable) -> bool:
    """Whether a manifest of the newest snapshot names a file that is gone."""
    snapshot = current.current_snapshot()
    manifests = snapshot.manifests(current.io) if snapshot is not None else []
    return any(manifest.deleted_files_count for manifest in manifests)


def clean(current: IcebergTable, properties: Mapping[str, str]) -> None:
    """Commit a snapshot whose manifests name live files alone. Raises `CommitFailedException` for another commit."""
    transaction = current.transaction()
    with transaction, _LiveEntries(transaction, current.io, properties):
        pass
