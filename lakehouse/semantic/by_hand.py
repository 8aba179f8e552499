"""Keys tried by hand: which records share one, and what would grow together if sharing one were enough.

No index, no cap, no score, no guard: what one writes in an afternoon, to compare the resolution with. Lessons and
sheets call this; no step of the pipeline does. A key is SQL over the columns of `blocking.register`, null where it
says nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from lakehouse.errors import LakehouseError
from lakehouse.semantic import blocking, clusters, records
from lakehouse.semantic.resolution import connect

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lakehouse.semantic.records import Key

    Numbers = np.ndarray[Any, np.dtype[Any]]

AFTERNOON = ("email_n", "phone_n", "family_n || '|' || zip_n")
"""A mailbox, a number, or a family name with its postcode: who would not call that one customer?"""
MOST_PAIRS = 5_000_000
"""Pairs that are made; keys that would give more are refused, with the number."""


MOST_RECORDS = 20_000
"""Of a picture, so that a lesson about a large world is no longer than one about a small world."""


class BadKey(LakehouseError):
    """A key that DuckDB refuses, or that makes more pairs than anybody can look at."""


class Worth(NamedTuple):
    """What keys are worth together: pairs that share one (each once), true pairs among these, records of a block."""

    pairs: int
    found: int
    largest_block: int


def _prepare(con: DuckDBPyConnection, people: pa.Table, keys: Sequence[str]) -> None:
    """The table `keyed(idx, key0, key1, …)`. Raises `BadKey`."""
    import duckdb

    blocking.register(con, people)
    columns = ", ".join(f"CAST({key} AS VARCHAR) AS key{number}" for number, key in enumerate(keys))
    try:
        con.execute(f"CREATE OR REPLACE TABLE keyed AS SELECT idx, {columns} FROM people")
    except duckdb.Error as error:
        said = str(error).splitlines()[0]
        raise BadKey(f"DuckDB refuses the key: {said}", f"columns are: {', '.join(records.COMPARABLE)}") from error


def _blocks(con: DuckDBPyConnection, number: int) -> tuple[int, int]:
    """The pairs of a key, counted without making them, and its largest block."""
    pairs, largest = con.execute(
        f"SELECT coalesce(sum(n * (n - 1) // 2), 0)::BIGINT, coalesce(max(n), 0)"
        f" FROM (SELECT count(*) AS n FROM keyed WHERE key{number} IS NOT NULL GROUP BY key{number})"
    ).fetchall()[0]
    return int(pairs), int(largest)


def _make_pairs(con: DuckDBPyConnection, keys: Sequence[str]) -> None:
    """The table `made(l, r, keys)`; bit n of `keys` is set where key n is shared. Raises `BadKey`."""
    asked = sum(_blocks(con, number)[0] for number in range(len(keys)))
    if asked > MOST_PAIRS:
        raise BadKey(f"these keys make {asked:,} pairs", f"{MOST_PAIRS:,} are the most: choose narrower keys")
    sides = " UNION ALL ".join(
        f"SELECT a.idx AS l, b.idx AS r, {1 << n} AS bit FROM keyed a JOIN keyed b ON a.key{n} = b.key{n}"
        " AND a.idx < b.idx"
        for n in range(len(keys))
    )
    con.execute(f"CREATE OR REPLACE TABLE made AS SELECT l, r, bit_or(bit) AS keys FROM ({sides}) GROUP BY l, r")


def part(people: pa.Table, most: int = MOST_RECORDS) -> pa.Table:
    """All records; where there are more than `most`, those of a part of the postcodes: households stay whole."""
    import pyarrow.compute as pc

    shares = -(-people.num_rows // most)
    if shares <= 1:
        return people
    codes = pc.fill_null(people.column("zip_n"), "").to_pylist()
    # not `hash`, which is another one in each process
    return people.filter(pa.array([zlib.crc32(code.encode()) % shares == 0 for code in codes]))


def pairs(people: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Pairs of records (positions l < r) that share one of the keys, by position; bit n of `keys`: key n is shared.

    Raises `BadKey`.
    """
    with connect() as con:
        _prepare(con, people, keys)
        _make_pairs(con, keys)
        return con.sql("FROM made ORDER BY l, r").to_arrow_table()


def worth(people: pa.Table, truth: Mapping[Key, str], keys: Sequence[str]) -> Worth:
    """What the keys cost and find, against the truth. One key alone may make any number of pairs: they are counted.

    Raises `BadKey`.
    """
    real = true_pairs(people, truth)
    same = " OR ".join(f"a.key{n} = b.key{n}" for n in range(len(keys)))
    with connect() as con:
        _prepare(con, people, keys)
        con.register("real", real)
        found = con.execute(
            f"SELECT count(*) FROM real JOIN keyed a ON real.l = a.idx JOIN keyed b ON real.r = b.idx WHERE {same}"
        ).fetchall()[0][0]
        counted = [_blocks(con, number) for number in range(len(keys))]
        made = counted[0][0]
        if len(keys) > 1:
            _make_pairs(con, keys)
            made = con.execute("SELECT count(*) FROM made").fetchall()[0][0]
    return Worth(int(made), int(found), max(largest for _, largest in counted))


def true_pairs(people: pa.Table, truth: Mapping[Key, str]) -> pa.Table:
    """All pairs of records (positions l < r) that are one person by the truth."""
    members: dict[Hashable, list[int]] = {}
    for position, key in enumerate(records.keys_of(people)):
        if key in truth:
            members.setdefault(truth[key], []).append(position)
    both = [(a, b) for group in members.values() for n, a in enumerate(group) for b in group[n + 1 :]]
    left, right = ([pair[side] for pair in both] for side in (0, 1))
    return pa.table({"l": pa.array(left, pa.int64()), "r": pa.array(right, pa.int64())})


def chains(people: pa.Table, joined: pa.Table) -> Numbers:
    """The cluster of each record if every pair joins: whoever is reached over any number of pairs is one customer."""
    return clusters.components(people.num_rows, joined.select(["l", "r"]))


def people_per_cluster(people: pa.Table, label: Numbers, truth: Mapping[Key, str]) -> dict[int, int]:
    """Cluster → how many people its records are of, by the truth."""
    who: dict[int, set[str]] = {}
    for key, cluster in zip(records.keys_of(people), label.tolist(), strict=True):
        if key in truth:
            who.setdefault(cluster, set()).add(truth[key])
    return {cluster: len(members) for cluster, members in who.items()}
