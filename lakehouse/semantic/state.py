"""Where the last run of entity resolution has left the tables, as `resolve` wants it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse import metadata, row_delta
from lakehouse.semantic import blocking, model, normalized_records
from lakehouse.semantic.matching import EDGES
from lakehouse.semantic.records import KEY
from lakehouse.semantic.resolution import Numbered, Options, State
from lakehouse.semantic.tables import ENTITY_ALIAS, ENTITY_EDGES, ENTITY_INDEX, NORMALIZED_RECORDS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lakehouse.row_delta import Stored

    Numbers = np.ndarray[Any, np.dtype[Any]]

MODEL = "semantic.model"
"""Stands among the sources for parameters, options and rules: when they change, all is scored again."""

_OF_EDGE = {
    "weight": "match_weight", "probability": "match_probability", "certain": "is_certain", "held": "is_held",
}  # fmt: skip


def fingerprint(parameters: model.Parameters, options: Options) -> int:
    """A number that stands for all that a score follows from but the records."""
    said = [parameters.as_json(), asdict(options), blocking.RULES, blocking.SPLIT, model.LEVELS]
    # below 2^63, as a snapshot's id is
    return int.from_bytes(hashlib.sha256(json.dumps(said).encode()).digest()[:8]) >> 1


@dataclass(frozen=True)
class Loaded(State):
    """A state as it was read, and the tables it was read from, with the places of their rows."""

    records: Stored
    index: Stored
    scored: Stored
    by_number: Numbered

    @property
    def numbered(self) -> Numbered:
        return self.by_number


@dataclass(frozen=True)
class Records:
    """semantic.normalized_records as the last run read it, or as it is now where that snapshot is gone (not `kept`).

    `people` are its rows as `records.normalise` gives them.
    """

    stored: Stored
    people: pa.Table
    kept: bool


def records(known: Mapping[str, metadata.Watermark], newest: Stored | None = None) -> Records:
    """The records of the last run; `known` are the watermarks of semantic.entity_index.

    `newest` is semantic.normalized_records as it is now, where the caller has it; mostly the last run has read that.
    """
    base = known[NORMALIZED_RECORDS.name].last_snapshot_id if NORMALIZED_RECORDS.name in known else None
    if newest is not None and newest.snapshot_id == base:
        kept, found = base is not None, newest
    else:
        kept = base is not None and metadata.load(NORMALIZED_RECORDS).snapshot_by_id(base) is not None
        found = normalized_records.stored(base if kept else None)
    return Records(found, normalized_records.of_rows(found.rows), kept)


def links() -> tuple[Stored, Stored]:
    """semantic.entity_index and semantic.entity_edges as they are now, read side by side."""
    with ThreadPoolExecutor() as pool:
        index, scored = pool.map(lambda table: row_delta.read(metadata.load(table)), (ENTITY_INDEX, ENTITY_EDGES))
    return index, scored


def load(
    known: Mapping[str, metadata.Watermark],
    sources: Mapping[str, int | None],
    read: Records | None = None,
    linked: tuple[Stored, Stored] | None = None,
) -> tuple[Loaded | None, bool]:
    """What the last run left, and whether all has to be scored again: it has new parameters, or is not kept whole.

    `known` are the watermarks of semantic.entity_index, `sources` what this run reads, `read` and `linked` what
    `records` and `links` give, where the caller has it. The people come in the order of the table's files.
    """
    import duckdb

    # three tables at once: each waits for the object store some of the time
    with ThreadPoolExecutor(1) as pool:
        linking = pool.submit(lambda: linked or links())
        of_then = read or records(known)
        index, scored = linking.result()
    if not index.rows.num_rows:
        return None, False
    people, kept = of_then.people, of_then.kept
    with duckdb.connect() as con:
        con.register("people", _keys(people))
        con.register("entity_index", _keys(index.rows))
        place = _places(con, people.num_rows)
        whole = kept and bool(np.all(place >= 0))
        if not whole:
            people, place = people.filter(pa.array(place >= 0)), place[place >= 0]
        edges = _edges(con, scored.rows) if whole else EDGES.empty_table()
    encoded = index.rows.column("entity_id").combine_chunks().dictionary_encode()
    ids, of = encoded.dictionary.to_numpy(zero_copy_only=False), encoded.indices.to_numpy()[place]
    by_number = Numbered(of, {one: number for number, one in enumerate(ids.tolist())})
    rescore = not whole or known[MODEL].last_snapshot_id != sources[MODEL] if MODEL in known else True
    return Loaded(people, ids[of], edges, of_then.stored, index, scored, by_number), rescore


def _places(con: DuckDBPyConnection, people: int) -> Numbers:
    """The position of each of the people in the view `entity_index`, -1 where it is not there."""
    found = con.execute(
        "SELECT people.idx AS here, entity_index.idx AS there FROM people JOIN entity_index USING (source, source_id)"
    ).fetchnumpy()
    place = np.full(people, -1, dtype=np.int64)
    place[found["here"]] = found["there"]
    return place


def _keys(people: pa.Table) -> pa.Table:
    """The keys and positions of rows."""
    return people.select(KEY).append_column("idx", pa.array(np.arange(people.num_rows)))


def _edges(con: DuckDBPyConnection, stored: pa.Table) -> pa.Table:
    """The stored edges by the positions of their records, in the order of the table's files."""
    con.register("stored", stored)
    columns = ", ".join(f"{_OF_EDGE.get(name, name)} AS {name}" for name in EDGES.names if name not in ("l", "r"))
    return (
        con.sql(
            f"""
            SELECT a.idx AS l, b.idx AS r, {columns} FROM stored
            JOIN people a ON left_source = a.source AND left_id = a.source_id
            JOIN people b ON right_source = b.source AND right_id = b.source_id
            """
        )
        .to_arrow_table()
        .cast(EDGES)
    )


def edge_rows(people: pa.Table, edges: pa.Table, version: str, only: pa.Array | None = None) -> pa.Table:
    """Rows of semantic.entity_edges; `only`: of those whose `left_id` is among these."""
    if only is not None:
        edges = edges.filter(pc.is_in(people.column("source_id").take(edges.column("l")), value_set=only))
    columns = {_OF_EDGE.get(name, name): edges.column(name) for name in edges.column_names if name not in ("l", "r")}
    for side, name in (("l", "left"), ("r", "right")):
        columns[f"{name}_source"] = people.column("source").take(edges.column(side))
        columns[f"{name}_id"] = people.column("source_id").take(edges.column(side))
    return pa.table({**columns, "model": pa.repeat(version, edges.num_rows)})


def aliases() -> pa.Table:
    """All rows of semantic.entity_alias."""
    return metadata.load(ENTITY_ALIAS).scan().to_arrow()
