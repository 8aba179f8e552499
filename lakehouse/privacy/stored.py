"""Is a value still stored? Every object is read and decoded: a search of compressed bytes would find nothing, ever.

Data files are Parquet, of all snapshots and of none. Manifests are Avro, and hold the smallest and largest value of
each column, cut to 16 characters; metadata is JSON. ClickHouse's own tables are asked.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from lakehouse import maintenance, metadata
from lakehouse.errors import LakehouseError
from lakehouse.privacy.person import Scope, contains

BOUND = 15
"""Characters of a bound that are exact: Iceberg keeps 16, and counts the last one up in an upper bound."""
NAMED = ("email", "email_n", "phone", "phone_n", "first_name", "last_name", "full_name")
_AVRO = b"Obj\x01"


class NotReadable(LakehouseError):
    """An object of a kind that the search does not know; it cannot say that a value is not in it."""


@dataclass(frozen=True)
class Found:
    """Where values are: `kind` of the object (data, manifest, metadata), its path, and in how many rows or times."""

    kind: str
    path: str
    times: int


def _number(data: bytes, at: int) -> tuple[int, int]:
    """An Avro number (zigzag, seven bits a byte) and where it ends."""
    shift = value = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return (value >> 1) ^ -(value & 1), at


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = _number(data, at)
    return data[at : at + length], at + length


def avro_blocks(data: bytes) -> Iterator[bytes]:
    """The content of an Avro file, decompressed: its header's metadata, then each block. Raises `NotReadable`."""
    header, at = dict[str, bytes](), len(_AVRO)
    while (count := (found := _number(data, at))[0]) != 0:
        at = found[1]
        if count < 0:
            _, at = _number(data, at)
        for _ in range(abs(count)):
            key, at = _bytes(data, at)
            header[key.decode()], at = _bytes(data, at)
    at = found[1] + 16
    yield from header.values()
    codec = header.get("avro.codec", b"null").decode()
    if codec not in ("null", "deflate"):
        raise NotReadable(f"an Avro file is compressed with {codec}", "add it to lakehouse.privacy.stored")
    while at < len(data):
        _, at = _number(data, at)
        block, at = _bytes(data, at)
        at += 16
        yield zlib.decompress(block, -15) if codec == "deflate" else block


def in_parquet(data: bytes, values: Sequence[str]) -> int:
    """Rows of a Parquet file of which a text or bytes hold one of the values. Raises `NotReadable`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pq.read_table(io.BytesIO(data))
    found = np.zeros(rows.num_rows, dtype=bool)
    for column in rows.columns:
        kind = column.type
        if pa.types.is_dictionary(kind):
            column, kind = column.cast(kind.value_type), kind.value_type
        if any(is_kind(kind) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)):
            found |= contains(column, values)
        elif pa.types.is_nested(kind):
            raise NotReadable(f"a column is of type {kind}", "add it to lakehouse.privacy.stored")
    return int(found.sum())


def in_bytes(parts: Iterable[bytes], values: Sequence[str]) -> int:
    """How often the values are in some bytes."""
    wanted = [value.encode() for value in values]
    return sum(part.count(value) for part in parts for value in wanted)


def in_object(path: str, data: bytes, values: Sequence[str], bounds: Sequence[str]) -> Found:
    """Where an object holds the values, or their beginnings as a bound. Raises `NotReadable`."""
    if data[:4] == b"PAR1":
        return Found("data", path, in_parquet(data, values))
    if data[:4] == _AVRO:
        return Found("manifest", path, in_bytes(avro_blocks(data), bounds))
    if path.endswith(".gz.metadata.json"):
        data = gzip.decompress(data)
    if path.endswith(".metadata.json"):
        return Found("metadata", path, in_bytes([data], values))
    # half a file that a writer left: its bytes are all there is
    return Found("other", path, in_bytes([data], values))


def bounds_of(values: Iterable[str], others: Iterable[str]) -> list[str]:
    """The beginnings by which values would be known in a bound; not those with which somebody else's value begins."""
    known = {other[:BOUND] for other in others}
    return sorted({value[:BOUND] for value in values} - known)


def values_of_others(scope: Scope, values: Iterable[str]) -> set[str]:
    """All that records of other people say, from which a bound could come."""
    mine, found = set(values), set[str]()
    for name, columns in (
        (
            "semantic.normalized_records",
            ("email", "email_n", "phone", "phone_n", "first_name", "last_name", "full_name"),
        ),
        ("raw.hubspot_contacts", ("property_value",)),
        ("raw.stripe_charges", ("receipt_email",)),
        ("raw.shopify_orders", ("email",)),
    ):
        for row in scope.rows(name, *columns).to_pylist():
            found |= {value for value in row.values() if value}
    return found - mine


@dataclass(frozen=True)
class Searched:
    """All objects that were read, and those in which a value is."""

    objects: int
    size: int
    found: tuple[Found, ...]

    def times(self, kind: str) -> int:
        """Rows of data, or times in other objects."""
        return sum(one.times for one in self.found if one.kind == kind)

    @property
    def clean(self) -> bool:
        return not self.found


def search_objects(values: Sequence[str], scope: Scope | None = None, table: str | None = None) -> Searched:
    """Read every object in the warehouse, or in the scope's namespace, and look for the values. Raises `NotReadable`.

    `table`: only the objects below this one's location. Bounds are looked for by their beginnings, as far as nobody
    else's value begins so.
    """
    from pyarrow import fs

    scope = scope or Scope()
    bounds = bounds_of(values, values_of_others(scope, values))
    base, store = _warehouse(scope)
    where = base if table is None else _location(scope.table(table))
    infos = [info for info in store.get_file_info(fs.FileSelector(where, recursive=True, allow_not_found=True))
             if info.type == fs.FileType.File]  # fmt: skip

    def one(info: Any) -> Found | None:
        try:
            with store.open_input_stream(info.path) as source:
                return in_object(info.path.removeprefix(f"{base}/"), source.read(), values, bounds)
        except FileNotFoundError:
            return None  # a live table let it go after it was listed

    with ThreadPoolExecutor() as pool:
        found = [one for one in pool.map(one, infos) if one is not None and one.times]
    return Searched(len(infos), sum(info.size for info in infos), tuple(found))


def _warehouse(scope: Scope) -> tuple[str, Any]:
    """Path and file system of what is to be searched."""
    from pyiceberg.io.pyarrow import PyArrowFileIO

    from lakehouse.settings import get_settings

    scheme, _, rest = get_settings().warehouse.partition("://")
    base = rest.rstrip("/") + (f"/{scope.namespace}" if scope.namespace else "")
    store = PyArrowFileIO(metadata.catalog().properties).fs_by_scheme(scheme, rest.partition("/")[0])
    return base, store


def _location(table: str) -> str:
    """Where a table lies, as the file system names it."""
    return maintenance.load(table).location().partition("://")[2].rstrip("/")


def search_clickhouse(values: Sequence[str], tables: Sequence[str] | None = None) -> dict[str, int]:
    """Rows by table of ClickHouse's own (not the lake's, which are files) that hold a value.

    `tables`: only these."""
    from lakehouse.engines.clickhouse import LAKE, clickhouse_client

    client = clickhouse_client()
    try:
        columns = client.query(
            "SELECT database, table, groupArray(name) FROM system.columns WHERE database NOT IN"
            f" ('system', 'INFORMATION_SCHEMA', 'information_schema', '{LAKE}') AND type LIKE '%String%'"
            " GROUP BY database, table"
        ).result_rows
        found = {}
        for database, table, names in columns:
            name = f"{database}.{table}"
            if tables is not None and name not in tables:
                continue
            wanted = " OR ".join(
                f"multiSearchAny(ifNull(`{column}`, ''), {{values:Array(String)}})" for column in names
            )
            rows = client.query(f"SELECT count() FROM `{database}`.`{table}` WHERE {wanted}",
                                parameters={"values": list(values)}).result_rows  # fmt: skip
            found[name] = int(rows[0][0])
        return {name: rows for name, rows in found.items() if rows}
    finally:
        client.close()
