"""Copies of all tables of the way in one namespace: for a show or a test that must not touch the tables in use."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from pyiceberg.transforms import IdentityTransform

from lakehouse import metadata
from lakehouse.engines.spark import spark_session
from lakehouse.privacy.erasure import tables_of_people
from lakehouse.privacy.person import Scope


def copy_tables(namespace: str) -> Scope:
    """Copy the tables that an erasure works on, rows and partitioning, most in two commits: they have a history.

    A table that is not there is left out.
    """
    scope = Scope(namespace)

    def one(name: str) -> None:
        loaded = Scope().load(name)
        if loaded is None:
            return
        rows = loaded.scan().to_arrow()
        made = metadata.catalog().create_table(
            scope.table(name), loaded.schema(), partition_spec=loaded.spec(), properties={"format-version": "2"}
        )
        if not all(isinstance(part.transform, IdentityTransform) for part in loaded.spec().fields):
            # pyiceberg does not write partitions by month
            spark_session().sql(f"INSERT INTO {scope.table(name)} SELECT * FROM {name}")
            return
        half = rows.num_rows // 2
        for part in (rows.slice(0, half), rows.slice(half)):
            if part.num_rows:
                made.append(part)

    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(one, tables_of_people()))
    return scope
