"""People as one Arrow table: as they were sent, and (with a trailing `_n`) in comparable form.

A row is one sender's record of a person; its position in the sorted table stands for it until ids are given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.semantic import normalize

if TYPE_CHECKING:
    pass

SHOPIFY, STRIPE, HUBSPOT = "shopify", "stripe", "hubspot"
SOURCES: dict[str, str] = {
    "staging.stg_shopify_customers": SHOPIFY,
    "staging.stg_stripe_customers": STRIPE,
    "staging.stg_hubspot_contacts": HUBSPOT,
}
"""Staging table → the name of its records in `source`."""

Key = tuple[str, str]
"""(source, source_id) of a record."""

KEY = ["source", "source_id"]
BY_KEY = [(name, "ascending") for name in KEY]
_TIME = pa.timestamp("us", tz="UTC")
ATTRIBUTES = (
    "email", "phone", "first_name", "last_name", "full_name", "house_number", "street", "city", "zip", "state",
    "country", "birth_date", "national_id",
)  # fmt: skip
"""What a record may say of a person; each may be missing. Text as sent."""

SENT = pa.schema(
    [pa.field("source", pa.string()), pa.field("source_id", pa.string())]
    + [pa.field(name, pa.string()) for name in ATTRIBUTES]
    + [pa.field("created_at", _TIME), pa.field("updated_at", _TIME), pa.field("merged_into", pa.string())]
    + [pa.field("is_deleted", pa.bool_())]
)
COMPARABLE = (
    "given_n", "given_key", "family_n", "email_n", "phone_n", "street_n", "city_n", "zip_n", "state_n", "country_n",
    "birth_n", "id_n",
)  # fmt: skip
"""Columns that `normalise` adds; what is compared, and nothing else is."""

_STAGED: dict[str, dict[str, str]] = {
    SHOPIFY: {"source_id": "customer_id", "street": "address1"},
    STRIPE: {"source_id": "customer_id", "full_name": "name", "street": "line1", "zip": "postal_code"},
    HUBSPOT: {"source_id": "contact_id", "street": "address"},
}
"""Where a staging table's column has another name than here."""


def as_sent(columns: Mapping[str, Any], rows: int) -> pa.Table:
    """A table of `SENT` from columns by name; what is not given is null. Blank text is null."""
    made = []
    for field in SENT:
        values = columns.get(field.name)
        if values is None:
            made.append(pa.nulls(rows, field.type))
            continue
        column = pc.cast(values, field.type)
        if pa.types.is_string(field.type):
            trimmed = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
        made.append(column)
    return pa.table(made, schema=SENT)


def from_staging(table: pa.Table, source: str) -> pa.Table:
    """A staging table of people as a table of `SENT`."""
    names = {field.name: _STAGED[source].get(field.name, field.name) for field in SENT}
    columns = {name: table.column(name_) for name, name_ in names.items() if name_ in table.column_names}
    return as_sent({**columns, "source": pa.array([source] * table.num_rows, pa.string())}, table.num_rows)


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    # several times as fast as to_pylist
    values: list[str | None] = column.to_numpy().tolist()
    return values


def _each(function: Callable[[str | None], str | None], column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The function of each value, computed once for equal ones: names and places repeat."""
    encoded = column.combine_chunks().dictionary_encode()
    made = pa.array([function(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return pa.chunked_array([made.take(encoded.indices)])


def _all(function: Callable[..., Any], *columns: pa.ChunkedArray) -> list[Any]:
    """The function of each row."""
    return [function(*values) for values in zip(*map(_texts, columns), strict=True)]


def _street(house: str | None, street: str | None) -> str | None:
    return normalize.street(street if house is None else " ".join(filter(None, (house, street))))


def normalise(sent: pa.Table) -> pa.Table:
    """The table sorted by (source, source_id), so that nothing after depends on files' order, with `COMPARABLE`."""
    people = sorted_by_key(sent)
    as_sent_ = people.column
    regions = _each(normalize.country, as_sent_("country"))
    names = _all(normalize.names, *map(as_sent_, ("first_name", "last_name", "full_name")))
    given, family = (pa.chunked_array([pa.array([pair[n] for pair in names], pa.string())]) for n in (0, 1))
    comparable = {
        "given_n": given,
        "given_key": _each(normalize.given_key, given),
        "family_n": family,
        "email_n": _each(normalize.email, as_sent_("email")),
        "phone_n": _all(normalize.phone, as_sent_("phone"), regions),
        "street_n": _all(_street, as_sent_("house_number"), as_sent_("street")),
        "city_n": _each(normalize.plain, as_sent_("city")),
        "zip_n": _all(normalize.postcode, as_sent_("zip"), regions),
        "state_n": _each(normalize.plain, as_sent_("state")),
        "country_n": regions,
        "birth_n": _each(normalize.birth_date, as_sent_("birth_date")),
        "id_n": _each(normalize.identifier, as_sent_("national_id")),
    }
    for name in COMPARABLE:
        values = comparable[name]
        people = people.append_column(
            name, values if isinstance(values, pa.ChunkedArray) else pa.array(values, pa.string())
        )
    return people


def sorted_by_key(people: pa.Table) -> pa.Table:
    """The table sorted by (source, source_id)."""
    return people.take(pc.sort_indices(people.select(KEY), BY_KEY))


def keys_of(people: pa.Table) -> list[Key]:
    """The key of each row."""
    source, source_id = (people.column(name).to_numpy().tolist() for name in ("source", "source_id"))
    return list(zip(source, source_id, strict=True))
