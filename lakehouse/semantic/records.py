"""The three senders' people as one table of records, with what was sent beside its comparable form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lakehouse.semantic import normalize

if TYPE_CHECKING:
    import pyarrow as pa

SHOPIFY, STRIPE, HUBSPOT = "shopify", "stripe", "hubspot"
SOURCES: dict[str, str] = {
    "staging.stg_shopify_customers": SHOPIFY,
    "staging.stg_stripe_customers": STRIPE,
    "staging.stg_hubspot_contacts": HUBSPOT,
}
"""Staging table → the name of its records in `source`."""

_FIELDS: dict[str, dict[str, str]] = {
    SHOPIFY: {"source_id": "customer_id", "street": "address1", "city": "city", "country": "country", "zip": "zip"},
    STRIPE: {
        "source_id": "customer_id", "full_name": "name", "street": "line1", "city": "city", "country": "country",
        "zip": "postal_code",
    },
    HUBSPOT: {
        "source_id": "contact_id", "street": "address", "city": "city", "country": "country", "zip": "zip",
        "merged_into": "merged_into",
    },
}  # fmt: skip
_SAME_NAME = ("email", "phone", "first_name", "last_name", "is_deleted", "created_at", "updated_at")

Key = tuple[str, str]
"""(source, source_id) of a record."""


@dataclass(frozen=True)
class Record:
    """One sender's record of a person: as sent, and (with a trailing `_n`) in comparable form."""

    source: str
    source_id: str
    email: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    full_name: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    is_deleted: bool = False
    merged_into: str | None = None
    email_n: str | None = None
    phone_n: str | None = None
    given_n: str | None = None
    given_key: str | None = None
    family_n: str | None = None
    street_n: str | None = None
    city_n: str | None = None
    zip_n: str | None = None
    country_n: str | None = None

    @property
    def key(self) -> Key:
        return self.source, self.source_id


def _text(value: object) -> str | None:
    return None if value is None or (text := str(value).strip()) == "" else text


def make_record(source: str, row: Mapping[str, Any]) -> Record:
    """A record from a staging row of its source. Columns that a sender does not have may be missing."""
    given = {name: row.get(column) for name, column in _FIELDS[source].items()}
    given |= {name: row.get(name) for name in _SAME_NAME}
    region = normalize.country(_text(given.get("country")))
    first, last = normalize.names(*(_text(given.get(name)) for name in ("first_name", "last_name", "full_name")))
    as_sent = " ".join(filter(None, (_text(given["first_name"]), _text(given["last_name"]))))
    merged = given.get("merged_into")
    return Record(
        source=source,
        source_id=str(given["source_id"]),
        email=_text(given["email"]),
        phone=_text(given["phone"]),
        first_name=_text(given["first_name"]),
        last_name=_text(given["last_name"]),
        full_name=_text(given.get("full_name")) or as_sent or None,
        created_at=given["created_at"],
        updated_at=given["updated_at"],
        is_deleted=bool(given["is_deleted"]),
        merged_into=None if merged is None else str(merged),
        email_n=normalize.email(_text(given["email"])),
        phone_n=normalize.phone(_text(given["phone"]), region),
        given_n=first,
        given_key=normalize.given_key(first),
        family_n=last,
        street_n=normalize.street(_text(given.get("street"))),
        city_n=normalize.plain(_text(given.get("city"))),
        zip_n=normalize.postcode(_text(given.get("zip")), region),
        country_n=region,
    )


def from_arrow(tables: Mapping[str, pa.Table]) -> list[Record]:
    """Records of staging tables by their names, sorted by key, so that nothing after depends on files' order."""
    records = [make_record(SOURCES[name], row) for name, table in tables.items() for row in table.to_pylist()]
    return sorted(records, key=lambda record: record.key)


def read(snapshots: Mapping[str, int | None]) -> list[Record]:
    """Records of the staging tables at these snapshots; a table without a snapshot has none.

    Read by pyiceberg into this process: a few thousand records need no cluster, and no JVM holds them twice.
    """
    from lakehouse import metadata

    tables = {}
    for table in SOURCES:
        snapshot = snapshots.get(table)
        if snapshot is not None:
            tables[table] = metadata.catalog().load_table(table).scan(snapshot_id=snapshot).to_arrow()
    return from_arrow(tables)


def merge_links(records: list[Record]) -> list[tuple[Key, Key]]:
    """Pairs that the sender itself merged: a HubSpot contact and the one it was merged into, where both are known."""
    known = {record.key for record in records}
    links = ((r.key, (r.source, r.merged_into)) for r in records if r.merged_into is not None)
    return [(a, b) for a, b in links if b in known and a != b]


def id_list(ids: list[str]) -> str | None:
    """Ids as JSON text array; null for none."""
    return json.dumps(sorted(ids)) if ids else None
