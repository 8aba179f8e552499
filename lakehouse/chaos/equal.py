"""Are two sets of tables equal, row by row? Entities are compared by their members: an id tells its own history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.checks.check import named
from lakehouse.engines.catalog import iceberg_catalog
from lakehouse.errors import LakehouseError
from lakehouse.merge import is_audit
from lakehouse.settings import Settings
from lakehouse.tables import Table, all_tables

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.catalog import Catalog

ENTITY = "entity_id"
INDEX = "semantic.entity_index"
LAYERS = ("staging", "core", "analytics", "marts")
HISTORY = ("staging.webhook_events", "staging.rejects")
"""Books of what came in which batch: a rebuild has one batch."""


class NotEqual(LakehouseError):
    """Tables differ from their rebuild; the message names rows."""


@dataclass(frozen=True)
class Equal:
    """A table that is equal to its rebuild, and how many rows were compared."""

    table: str
    rows: int


def compared_tables() -> tuple[Table, ...]:
    """The tables that must not depend on how often, and when, the pipeline ran."""
    return tuple(table for table in all_tables() if table.layer in LAYERS and table.name not in HISTORY)


def entity_names(live: pa.Table, rebuilt: pa.Table) -> dict[str, str]:
    """Rebuilt entity id → live one, by the records that both hold. Raises `NotEqual` if the partitions differ."""
    members: list[dict[str, frozenset[tuple[str, str]]]] = []
    for index in (live, rebuilt):
        found: dict[str, set[tuple[str, str]]] = {}
        rows = zip(*(index.column(name).to_pylist() for name in (ENTITY, "source", "source_id")), strict=True)
        for entity, source, source_id in rows:
            found.setdefault(entity, set()).add((source, source_id))
        members.append({entity: frozenset(records) for entity, records in found.items()})
    by_members = {records: entity for entity, records in members[0].items()}
    strangers = [entity for entity, records in members[1].items() if records not in by_members]
    if strangers or len(members[0]) != len(members[1]):
        missing = set(by_members) - set(members[1].values())
        raise NotEqual(
            f"entities differ from a resolution of all records: {named('only in the rebuild', strangers)};"
            f" {named('only here', [by_members[records] for records in missing])}"
        )
    return {entity: by_members[records] for entity, records in members[1].items()}


def differences(table: Table, live: pa.Table, rebuilt: pa.Table, names: dict[str, str]) -> str:
    """What differs, by the table's key; an empty text for equal tables. Columns that say when a row was written do not
    count; `names` are the live ids of rebuilt entities."""
    import duckdb
    import pyarrow as pa

    columns = [name for name in table.column_names if not is_audit(name)]
    live, rebuilt = (rows.select(columns) for rows in (live, rebuilt))
    if ENTITY in columns:
        at = columns.index(ENTITY)
        mapped = [names.get(entity, entity) for entity in rebuilt.column(ENTITY).to_pylist()]
        rebuilt = rebuilt.set_column(at, ENTITY, pa.array(mapped, live.schema.field(ENTITY).type))
    key = " || '/' || ".join(f"coalesce(CAST(\"{name}\" AS VARCHAR), '')" for name in table.key)
    with duckdb.connect() as con:
        con.register("live", live)
        con.register("rebuilt", rebuilt)
        only = [
            [row[0] for row in con.execute(f"SELECT {key} FROM (FROM {a} EXCEPT ALL FROM {b}) ORDER BY 1").fetchall()]
            for a, b in (("live", "rebuilt"), ("rebuilt", "live"))
        ]
        changed = sorted(set(only[0]) & set(only[1]))
        which = _columns_of(con, table, columns, changed[:1])
    parts = [
        named("other values" + which, changed),
        named("only here", sorted(set(only[0]) - set(changed))),
        named("only in the rebuild", sorted(set(only[1]) - set(changed))),
    ]
    return "; ".join(filter(None, parts))


def _columns_of(con: object, table: Table, columns: list[str], keys: list[str]) -> str:
    """The columns in which the first row that differs does."""
    if not keys:
        return ""
    key = " || '/' || ".join(f"coalesce(CAST(\"{name}\" AS VARCHAR), '')" for name in table.key)
    here, there = (
        con.execute(f"FROM {side} WHERE {key} = ?", keys).fetchone()  # type: ignore[attr-defined]
        for side in ("live", "rebuilt")
    )
    named_columns = [f"{name} {a!r} and {b!r}" for name, a, b in zip(columns, here, there, strict=True) if a != b]
    return f" ({', '.join(named_columns[:4])})"


def _read(catalog: Catalog, name: str) -> pa.Table:
    return catalog.load_table(name).scan().to_arrow()


def prove_equal(settings: Settings, rebuilt: Settings) -> list[Equal]:
    """Compare every table with its rebuild. Raises `NotEqual` that names all tables which differ."""
    mine, other = iceberg_catalog(settings), iceberg_catalog(rebuilt)
    index = _read(mine, INDEX)
    names = entity_names(index, _read(other, INDEX))
    equal, wrong = [Equal(INDEX, index.num_rows)], []
    for table in compared_tables():
        if not mine.table_exists(table.name):
            continue
        live = _read(mine, table.name)
        found = differences(table, live, _read(other, table.name), names)
        if found:
            wrong.append(f"{table.name}: {found}")
        equal.append(Equal(table.name, live.num_rows))
    if wrong:
        raise NotEqual("tables differ from a rebuild from raw:\n  " + "\n  ".join(wrong), "`lakehouse pipeline runs`")
    return equal
