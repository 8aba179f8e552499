"""Who a person is in the tables: records of three senders, orders, charges, rows of raw, and what they say of them.

A value (an email, a phone, a name) is the person's own if nobody else's record or order holds it. Only own values tell
a row to be the person's, and only they can be expected to be gone afterwards: a family's phone stays with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse import metadata
from lakehouse.errors import LakehouseError

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

    Mask = np.ndarray[Any, np.dtype[np.bool_]]

SHORTEST = 6
"""Shorter values are no traces: they are in other words by chance."""
RAW_KEYS = {
    "raw.shopify_orders": ("orders", ("id",)),
    "raw.shopify_customers": ("shopify", ("id",)),
    "raw.stripe_charges": ("charges", ("id",)),
    "raw.stripe_customers": ("stripe", ("id",)),
    "raw.hubspot_contacts": ("hubspot", ("object_id", "primary_object_id", "new_object_id")),
    "raw.privacy_requests": ("subjects", ("subject_id",)),
    "raw.ingestion_quarantine": ("", ()),
}
"""Raw table → which of the person's ids its rows carry, and in which columns."""
PEOPLE = ("raw.shopify_customers", "raw.stripe_customers", "raw.hubspot_contacts")
SAID = {
    "raw.shopify_customers": (("email",), ("phone",), ("first_name", "last_name")),
    "raw.stripe_customers": (("email",), ("phone",), ("name",)),
    "semantic.normalized_records": (
        ("email",), ("email_n",), ("phone",), ("phone_n",), ("first_name", "last_name"), ("full_name",),
    ),
}  # fmt: skip
"""Columns whose values (several: with a blank between) are traces of a person."""
HUBSPOT_SAID = ("email", "phone", "mobilephone")
PLACE = ("_kafka_partition", "_kafka_offset", "_webhook_id", "_body_sha256")


class Ambiguous(LakehouseError):
    """An email that several people have; the message names them."""


@dataclass(frozen=True)
class Scope:
    """Where the tables are: in their layers, or as copies in one namespace, which tests and lessons use."""

    namespace: str | None = None

    def table(self, name: str) -> str:
        return name if self.namespace is None else f"{self.namespace}.{name.replace('.', '__')}"

    def load(self, name: str) -> IcebergTable | None:
        """The table as it is now; None where there is none."""
        from pyiceberg.exceptions import NoSuchTableError

        try:
            return metadata.catalog().load_table(self.table(name))
        except NoSuchTableError:
            return None

    def rows(self, name: str, *columns: str) -> pa.Table:
        """The rows of a table (columns: only these); none where there is no table."""
        loaded = self.load(name)
        if loaded is None:
            return pa.table({column: pa.array([], pa.string()) for column in columns})
        return loaded.scan(selected_fields=columns or ("*",)).to_arrow()


@dataclass(frozen=True)
class Place:
    """A row of raw: where its message is in the topic, the webhook's id, the hash of the request's body."""

    partition: int
    offset: int
    webhook_id: str
    body: str


@dataclass(frozen=True)
class Person:
    """What is to go. `own` are values that nobody else has, `shared` those that others have too and which stay there.

    `ids` by kind: shopify, stripe, hubspot, orders, charges, all as text.
    """

    entities: frozenset[str]
    ids: Mapping[str, frozenset[str]]
    own: tuple[str, ...]
    shared: tuple[str, ...]
    places: Mapping[str, tuple[Place, ...]]

    @property
    def raw_rows(self) -> int:
        return sum(map(len, self.places.values()))


def contains(column: pa.ChunkedArray, values: Collection[str]) -> Mask:
    """Which texts (or bytes) hold one of the values."""
    found = np.zeros(len(column), dtype=bool)
    for value in values:
        mask = pc.match_substring(column, pattern=value)
        found |= np.asarray(pc.fill_null(mask, False))
    return found


def among(column: pa.ChunkedArray, ids: Collection[str]) -> Mask:
    """Which values, as text, are among the ids."""
    if not ids:
        return np.zeros(len(column), dtype=bool)
    return np.asarray(pc.is_in(column.cast(pa.string()), value_set=pa.array(sorted(ids), pa.string())))


@dataclass(frozen=True)
class _Search:
    """One look for a person; each table is read once."""

    scope: Scope
    read: dict[tuple[str, ...], pa.Table] = field(default_factory=dict)
    said_once: dict[str, list[str]] = field(default_factory=dict)

    def rows(self, name: str, *columns: str) -> pa.Table:
        if (name, *columns) not in self.read:
            self.read[name, *columns] = self.scope.rows(name, *columns)
        return self.read[name, *columns]

    @cached_property
    def raw(self) -> Mapping[str, pa.Table]:
        return {name: self.rows(name) for name in RAW_KEYS if self.scope.load(name) is not None}

    def of_ids(self, name: str, ids: Mapping[str, frozenset[str]]) -> Mask:
        """Rows of a raw table that carry one of the ids."""
        kind, columns = RAW_KEYS[name]
        table, found = self.raw[name], np.zeros(self.raw[name].num_rows, dtype=bool)
        wanted = ids["shopify"] | ids["hubspot"] if kind == "subjects" else ids.get(kind, frozenset())
        for column in columns:
            found |= among(table.column(column), wanted)
        return found

    def said(self, ids: Mapping[str, frozenset[str]]) -> set[str]:
        """All that the person's records say or have said."""
        values = set[str]()
        records = self.rows("semantic.normalized_records")
        if records.num_rows:
            mine = records.filter(pa.array(self._mine(records, ids)))
            values |= _values(mine, SAID["semantic.normalized_records"])
        for name, columns in SAID.items():
            if name in self.raw:
                values |= _values(self.raw[name].filter(pa.array(self.of_ids(name, ids))), columns)
        if "raw.hubspot_contacts" in self.raw:
            events = self.raw["raw.hubspot_contacts"]
            told = self.of_ids("raw.hubspot_contacts", ids) & among(events.column("property_name"), HUBSPOT_SAID)
            values |= _values(events.filter(pa.array(told)), (("property_value",),))
        return values

    def said_by_others(self, ids: Mapping[str, frozenset[str]]) -> list[str]:
        """What the normalised records of everybody else say; read once."""
        if "others" not in self.said_once:
            records = self.rows("semantic.normalized_records")
            others = records.filter(pa.array(~self._mine(records, ids))) if records.num_rows else records
            found = _values(others, SAID["semantic.normalized_records"]) if others.num_rows else set()
            self.said_once["others"] = sorted(found)
        return self.said_once["others"]

    @staticmethod
    def _mine(records: pa.Table, ids: Mapping[str, frozenset[str]]) -> Mask:
        found = np.zeros(records.num_rows, dtype=bool)
        for source in ("shopify", "stripe", "hubspot"):
            found |= among(records.column("source_id"), ids[source]) & among(records.column("source"), {source})
        return found

    def is_shared(self, value: str, ids: Mapping[str, frozenset[str]]) -> bool:
        """Whether a record, an order or a charge of somebody else holds the value, as sent or normalised."""
        if any(value in others for others in self.said_by_others(ids)):
            return True
        for name in PEOPLE:
            if name in self.raw:
                holds = contains(self.raw[name].column("_payload"), [value])
                if (holds & ~self.of_ids(name, ids)).any():
                    return True
        return any(
            self._of_others(*where, value, ids)
            for where in (("raw.shopify_orders", "staging.stg_shopify_orders", "order_id", "shopify"),
                          ("raw.stripe_charges", "staging.stg_stripe_charges", "charge_id", "stripe"))
        )  # fmt: skip

    def _of_others(self, raw: str, staged: str, key: str, kind: str, value: str,
                   ids: Mapping[str, frozenset[str]]) -> bool:  # fmt: skip
        if raw not in self.raw:
            return False
        found = self.ids_holding(raw, [value])
        rows = self.rows(staged, key, "customer_id")
        customers = rows.filter(pa.array(among(rows.column(key), found))).column("customer_id").cast(pa.string())
        return any(customer is not None and customer not in ids[kind] for customer in customers.to_pylist())

    def ids_holding(self, name: str, values: Collection[str]) -> frozenset[str]:
        """Ids of orders or charges of which some delivery holds one of the values."""
        if name not in self.raw:
            return frozenset()
        rows = self.raw[name].filter(pa.array(contains(self.raw[name].column("_payload"), values)))
        return _texts(rows.column("id"))

    def places(self, ids: Mapping[str, frozenset[str]], own: Sequence[str]) -> dict[str, tuple[Place, ...]]:
        """The rows of raw that are the person's; requests and quarantined requests also by what they say."""
        found = {}
        for name, table in self.raw.items():
            mine = self.of_ids(name, ids)
            if name in ("raw.privacy_requests", "raw.ingestion_quarantine"):
                mine |= contains(table.column("_payload"), own)
            rows = table.filter(pa.array(mine)).select(PLACE).to_pylist()
            found[name] = tuple(Place(*(row[column] for column in PLACE)) for row in rows)
        return {name: places for name, places in found.items() if places}


def _texts(column: pa.ChunkedArray) -> frozenset[str]:
    return frozenset(value for value in column.cast(pa.string()).to_pylist() if value is not None)


def _values(rows: pa.Table, columns: Sequence[Sequence[str]]) -> set[str]:
    """The values of these columns that are long enough to be traces."""
    found = set[str]()
    for row in rows.select(sorted({name for names in columns for name in names})).to_pylist():
        for names in columns:
            if all(row[name] for name in names):
                found.add(" ".join(row[name].strip() for name in names))
    return {value for value in found if len(value) >= SHORTEST}


def find_person(email: str | None = None, entity: str | None = None, scope: Scope | None = None) -> Person:
    """A person by an email or by the entity's id. Nobody has it: a person of whom nothing is stored but, perhaps, the
    email in rows of raw. Raises `Ambiguous`."""
    search = _Search(scope or Scope())
    entities = _entities(search.scope, email, entity)
    index = search.rows("semantic.entity_index", "entity_id", "source", "source_id").to_pylist()
    records = [(row["source"], row["source_id"]) for row in index if row["entity_id"] in entities]
    ids = {
        source: frozenset(number for of, number in records if of == source)
        for source in ("shopify", "stripe", "hubspot")
    }
    ids |= {"orders": frozenset(), "charges": frozenset()}
    values = search.said(ids) | ({email.strip()} if email else set())
    own = sorted(value for value in values if not search.is_shared(value, ids))
    ids["orders"] = _orders(search, entities, ids, own)
    ids["charges"] = _charges(search, ids, own)
    return Person(entities, ids, tuple(own), tuple(sorted(values - set(own))), search.places(ids, own))


def _entities(scope: Scope, email: str | None, entity: str | None) -> frozenset[str]:
    rows = scope.rows("semantic.entity_index", "entity_id", "email", "email_normalized").to_pylist()
    if entity is not None:
        return frozenset(row["entity_id"] for row in rows if row["entity_id"] == entity)
    asked = (email or "").strip().lower()
    found = {row["entity_id"] for row in rows if asked and asked in {(row["email"] or "").strip().lower(),
                                                                     row["email_normalized"]}}  # fmt: skip
    if len(found) > 1:
        raise Ambiguous(
            f"{len(found)} people have that email: {', '.join(sorted(found))}",
            "name one: `lakehouse privacy erase --entity ID`",
        )
    return frozenset(found)


def _orders(
    search: _Search, entities: frozenset[str], ids: Mapping[str, frozenset[str]], own: Sequence[str]
) -> frozenset[str]:
    """Orders of the person's shop accounts, those that core has found to be theirs, and those that hold a value."""
    staged = search.rows("staging.stg_shopify_orders", "order_id", "customer_id")
    core = search.rows("core.orders", "order_id", "entity_id")
    return (
        _ids(staged, "order_id", lambda rows: among(rows.column("customer_id"), ids["shopify"]))
        | _ids(core, "order_id", lambda rows: among(rows.column("entity_id"), entities))
        | search.ids_holding("raw.shopify_orders", own)
    )


def _charges(search: _Search, ids: Mapping[str, frozenset[str]], own: Sequence[str]) -> frozenset[str]:
    """Charges of the person's accounts, those of nobody's account for their orders, and those that hold a value."""
    staged = search.rows("staging.stg_stripe_charges", "charge_id", "customer_id", "order_reference")

    def mine(rows: pa.Table) -> Mask:
        nobody = np.asarray(pc.is_null(rows.column("customer_id")))
        return among(rows.column("customer_id"), ids["stripe"]) | (
            nobody & among(rows.column("order_reference"), ids["orders"])
        )

    return _ids(staged, "charge_id", mine) | search.ids_holding("raw.stripe_charges", own)


def _ids(rows: pa.Table, key: str, mask: Callable[[pa.Table], Mask]) -> frozenset[str]:
    return _texts(rows.filter(pa.array(mask(rows))).column(key)) if rows.num_rows else frozenset()
