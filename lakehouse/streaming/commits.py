"""When rows of raw became visible: the commits of the raw tables, which the snapshots themselves remember."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.engines.catalog import CatalogUnavailable, iceberg_catalog
from lakehouse.settings import Settings
from lakehouse.streaming.tables import TABLES


@dataclass(frozen=True)
class Commit:
    """One commit that appended to a raw table: `at` in seconds since 1970, and how many rows it made visible."""

    table: str
    at: float
    rows: int


def since(settings: Settings, moment: float) -> list[Commit]:
    """Commits with rows after a moment (seconds since 1970), oldest first. Raises `CatalogUnavailable`."""
    import requests
    from pyiceberg.exceptions import RESTError

    catalog = iceberg_catalog(settings)
    try:
        snapshots = [(table.name, each) for table in TABLES for each in catalog.load_table(table.name).snapshots()]
    except (requests.RequestException, RESTError) as error:
        raise CatalogUnavailable(f"the catalog has gone away: {error}", "run `lakehouse stack up catalog`") from error
    found = [
        Commit(name, each.timestamp_ms / 1000, int(each.summary["added-records"] or 0))
        for name, each in snapshots
        if each.timestamp_ms / 1000 > moment and each.summary is not None and each.summary.operation.value == "append"
    ]
    return sorted((commit for commit in found if commit.rows), key=lambda commit: commit.at)


def any_since(settings: Settings, moment: float) -> bool:
    """Whether rows have become visible after a moment; while the catalog is away, nobody can see any."""
    try:
        return bool(since(settings, moment))
    except CatalogUnavailable:
        return False
