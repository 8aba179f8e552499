"""When what was received after a moment became visible in raw: commits know, from the bounds of their files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lakehouse.engines.catalog import CatalogUnavailable, iceberg_catalog
from lakehouse.settings import Settings
from lakehouse.streaming.tables import TABLES

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot

RECEIVED_AT = "_received_at"
_LATEST: dict[tuple[str, int], float] = {}
"""By table and snapshot, which never changes."""


def first_after(settings: Settings, moment: float) -> float | None:
    """When the first row that was received after a moment was committed to raw, both in seconds since 1970.

    None while there is none, and while the catalog or the object store is away: then nobody can see any.
    """
    import requests
    from pyiceberg.exceptions import RESTError

    try:
        catalog = iceberg_catalog(settings)
        found = [at for table in TABLES for at in _commits_of_later_rows(catalog.load_table(table.name), moment)]
    except (CatalogUnavailable, requests.RequestException, RESTError, OSError):
        return None
    return min(found, default=None)


def _commits_of_later_rows(table: IcebergTable, moment: float) -> Iterator[float]:
    """The first commit to a table that holds a row received after a moment; nothing, or one."""
    for snapshot in sorted(table.snapshots(), key=lambda each: each.timestamp_ms):
        if snapshot.timestamp_ms / 1000 > moment and latest_received(table, snapshot) > moment:
            yield snapshot.timestamp_ms / 1000
            return


def latest_received(table: IcebergTable, snapshot: Snapshot) -> float:
    """When the last of a snapshot's new rows was received, in seconds since 1970; 0.0 where it has none."""
    place = (str(table.metadata.table_uuid), snapshot.snapshot_id)
    if place not in _LATEST:  # asked again each second of an outage, beside the load
        _LATEST[place] = _read_latest(table, snapshot)
    return _LATEST[place]


def _read_latest(table: IcebergTable, snapshot: Snapshot) -> float:
    from pyiceberg.conversions import from_bytes
    from pyiceberg.manifest import ManifestEntryStatus

    field = table.schema().find_field(RECEIVED_AT)
    latest = 0.0
    for manifest in snapshot.manifests(table.io):
        if manifest.added_snapshot_id != snapshot.snapshot_id:
            continue
        for entry in manifest.fetch_manifest_entry(table.io):
            bound = (entry.data_file.upper_bounds or {}).get(field.field_id)
            if entry.status == ManifestEntryStatus.ADDED and bound is not None:
                latest = max(latest, from_bytes(field.field_type, bound) / 1e6)
    return latest
