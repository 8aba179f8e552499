"""Iceberg tables: what their newest snapshot says of rows, files and bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from lakehouse.observability.samples import Sample, age_of

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

HELP: Mapping[str, str] = {
    "iceberg_snapshots": "snapshots that a table keeps",
    "iceberg_rows": "rows of a table's newest snapshot, those that delete files take away included",
    "iceberg_data_files": "data files of a table's newest snapshot",
    "iceberg_delete_files": "delete files of a table's newest snapshot",
    "iceberg_bytes": "bytes of all files of a table's newest snapshot",
    "iceberg_commit_age_seconds": "seconds since a table's newest snapshot was committed",
}
_SUMMARY = {
    "iceberg_rows": "total-records",
    "iceberg_data_files": "total-data-files",
    "iceberg_delete_files": "total-delete-files",
    "iceberg_bytes": "total-files-size",
}


def samples_of(name: str, table: IcebergTable) -> list[Sample]:
    """What a loaded table says. One without a snapshot gives its count of snapshots, 0, and nothing else."""
    labels, current = {"table": name}, table.current_snapshot()
    found = [Sample("iceberg_snapshots", labels, len(table.snapshots()))]
    if current is None or current.summary is None:
        return found
    found += [Sample(metric, labels, float(current.summary[key] or 0)) for metric, key in _SUMMARY.items()]
    return [*found, Sample("iceberg_commit_age_seconds", labels, age_of(current.timestamp_ms))]


def table_samples(tables: Iterable[str]) -> list[Sample]:
    """Snapshots, files and bytes that Iceberg tables keep, and seconds since their last commit."""
    from lakehouse import metadata

    return [sample for name in tables for sample in samples_of(name, metadata.catalog().load_table(name))]


def load_all() -> dict[str, IcebergTable]:
    """Every table of every namespace by its name; without one that is dropped while we look."""
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

    from lakehouse import metadata

    catalog = metadata.catalog()
    found: dict[str, IcebergTable] = {}
    for namespace in catalog.list_namespaces():
        try:
            for identifier in catalog.list_tables(namespace):
                found[".".join(identifier)] = catalog.load_table(identifier)
        except (NoSuchNamespaceError, NoSuchTableError):
            continue
    return found
