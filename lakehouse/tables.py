"""The contract of a table: typed columns, key, grain, partitioning; and the one registry of all tables.

A layer's module declares its `Table` beside its transform. Types are Iceberg's names, in lower case
(`long`, `string`, `decimal(18,2)`, `timestamptz`, `date`, `boolean`, `double`, `binary`, `int`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema

LAYER_MODULES = (
    "lakehouse.streaming.tables",
    "lakehouse.staging.tables",
    "lakehouse.semantic.tables",
    "lakehouse.core.tables",
    "lakehouse.analytics.tables",
    "lakehouse.marts.tables",
    "lakehouse.metadata",
    "lakehouse.checks.forward",
)
"""Modules which export `TABLES`, in the order of the way of the data."""


@dataclass(frozen=True)
class Column:
    """One column: Iceberg type name, what it means (with its unit), and whether it may be null."""

    name: str
    type: str
    doc: str
    required: bool = False


@dataclass(frozen=True)
class Table:
    """A table's contract. `grain` reads "one row per …"; `key` are the columns that make a row unique.

    `partitioning` is a list of Iceberg transforms as text: `day(created_at)`, `bucket(8, id)`, `source`.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partitioning: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def layer(self) -> str:
        return self.name.split(".")[0]

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def __post_init__(self) -> None:
        names = self.column_names
        repeated = {name for name in names if names.count(name) > 1}
        missing = set(self.key) - set(names)
        if repeated or missing or "." not in self.name:
            raise ValueError(f"table {self.name}: repeated columns {repeated}, key columns not declared {missing}")


def all_tables() -> tuple[Table, ...]:
    """Every table of every layer, upstream first."""
    tables: list[Table] = []
    for module in LAYER_MODULES:
        tables.extend(import_module(module).TABLES)
    names = [table.name for table in tables]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"declared twice: {sorted(repeated)}")
    return tuple(tables)


def find_table(name: str) -> Table:
    """The contract of one table by its full name. Raises `KeyError` that lists the layer's tables."""
    tables = all_tables()
    for table in tables:
        if table.name == name:
            return table
    raise KeyError(f"no table {name!r}; known: {', '.join(t.name for t in tables)}")


def iceberg_schema(table: Table) -> Schema:
    """The contract as a pyiceberg schema; field ids follow the order of the columns, from 1."""
    from pydantic import TypeAdapter
    from pyiceberg.schema import Schema
    from pyiceberg.types import IcebergType, NestedField

    parse = TypeAdapter(IcebergType).validate_python
    fields = [
        NestedField(
            field_id=position,
            name=column.name,
            field_type=parse(column.type.replace(" ", "")),
            required=column.required,
            doc=column.doc,
        )
        for position, column in enumerate(table.columns, start=1)
    ]
    return Schema(*fields)


def _partition_spec(table: Table, schema: Schema) -> PartitionSpec:
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.transforms import parse_transform

    fields = []
    for position, text in enumerate(table.partitioning):
        match = re.fullmatch(r"(?P<name>\w+)(?:\((?:(?P<width>\d+)\s*,\s*)?(?P<column>\w+)\))?", text.strip())
        if match is None:
            raise ValueError(f"table {table.name}: partitioning {text!r} is not `column` or `transform(column)`")
        column = match["column"] or match["name"]
        name = match["name"] if match["column"] else "identity"
        transform = f"{name}[{match['width']}]" if match["width"] else name
        fields.append(
            PartitionField(
                source_id=schema.find_field(column).field_id,
                field_id=1000 + position,
                transform=parse_transform(transform),
                name=column if name == "identity" else f"{column}_{name}",
            )
        )
    return PartitionSpec(*fields)


def create_namespace(catalog: Catalog, name: str) -> None:
    """Create a namespace unless it is there, also when another process does so at the same moment."""
    from pyiceberg.exceptions import ServerError

    try:
        catalog.create_namespace_if_not_exists(name)
    except ServerError:
        # who comes second between the catalog's look and its insert gets the database's error, not `already exists`
        if not catalog.namespace_exists(name):
            raise


def create_all(catalog: Catalog, tables: Iterable[Table] | None = None) -> list[str]:
    """Create the namespaces and tables that do not exist yet; returns the names it created. Repeatable."""
    from pyiceberg.exceptions import TableAlreadyExistsError

    created = []
    wanted = tuple(tables) if tables is not None else all_tables()
    for layer in dict.fromkeys(table.layer for table in wanted):
        create_namespace(catalog, layer)
    for table in wanted:
        if catalog.table_exists(table.name):
            continue
        schema = iceberg_schema(table)
        properties = {"format-version": "2", "comment": table.grain, **table.properties}
        try:
            catalog.create_table(
                table.name, schema, partition_spec=_partition_spec(table, schema), properties=properties
            )
        except TableAlreadyExistsError:
            continue  # another process was first; the result is the same
        created.append(table.name)
    return created
