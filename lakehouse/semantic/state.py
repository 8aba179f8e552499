"""Where the last run of entity resolution has left the tables, as `resolve` wants it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse import metadata
from lakehouse.semantic import blocking, model, normalized_records
from lakehouse.semantic.matching import EDGES
from lakehouse.semantic.resolution import Options, State
from lakehouse.semantic.tables import ENTITY_ALIAS, ENTITY_EDGES, ENTITY_INDEX, NORMALIZED_RECORDS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

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


def load(known: Mapping[str, metadata.Watermark], sources: Mapping[str, int | None]) -> tuple[State | None, bool]:
    """What the last run left, and whether all has to be scored again: it has new parameters, or is not kept whole.

    `known` are the watermarks of semantic.entity_index, `sources` what this run reads.
    """
    import duckdb

    index = metadata.load(ENTITY_INDEX).scan(selected_fields=("source", "source_id", "entity_id")).to_arrow()
    if not index.num_rows:
        return None, False
    base = known[NORMALIZED_RECORDS.name].last_snapshot_id if NORMALIZED_RECORDS.name in known else None
    table = metadata.load(NORMALIZED_RECORDS)
    kept = base is not None and table.snapshot_by_id(base) is not None
    people = normalized_records.from_iceberg(table, base if kept else None)
    with duckdb.connect() as con:
        con.register("people", people)
        con.register("entity_index", index)
        entities = con.sql("SELECT entity_id FROM people LEFT JOIN entity_index USING (source, source_id)"
                           " ORDER BY source, source_id").to_arrow_table().column(0)  # fmt: skip
        there = entities.is_valid()
        whole = kept and not entities.null_count
        people = people.filter(there)
        con.register("people", people.select(["source", "source_id"]).append_column("idx", _numbers(people.num_rows)))
        edges = _edges(con) if whole else EDGES.empty_table()
    rescore = not whole or known[MODEL].last_snapshot_id != sources[MODEL] if MODEL in known else True
    return State(people, entities.filter(there).to_numpy(), edges), rescore


def _numbers(rows: int) -> pa.Array:
    import numpy as np

    return pa.array(np.arange(rows))


def _edges(con: DuckDBPyConnection) -> pa.Table:
    """The stored edges by the positions of their records, strongest first."""
    con.register("stored", metadata.load(ENTITY_EDGES).scan().to_arrow())
    columns = ", ".join(f"{_OF_EDGE.get(name, name)} AS {name}" for name in EDGES.names if name not in ("l", "r"))
    return (
        con.sql(
            f"""
            SELECT a.idx AS l, b.idx AS r, {columns} FROM stored
            JOIN people a ON left_source = a.source AND left_id = a.source_id
            JOIN people b ON right_source = b.source AND right_id = b.source_id
            ORDER BY weight DESC, l, r
            """
        )
        .to_arrow_table()
        .cast(EDGES)
    )


def edge_rows(people: pa.Table, edges: pa.Table, version: str) -> pa.Table:
    """Rows of semantic.entity_edges."""
    columns = {_OF_EDGE.get(name, name): edges.column(name) for name in edges.column_names if name not in ("l", "r")}
    for side, name in (("l", "left"), ("r", "right")):
        columns[f"{name}_source"] = people.column("source").take(edges.column(side))
        columns[f"{name}_id"] = people.column("source_id").take(edges.column(side))
    return pa.table({**columns, "model": pa.array([version] * edges.num_rows, pa.string())})


def aliases() -> pa.Table:
    """All rows of semantic.entity_alias."""
    return metadata.load(ENTITY_ALIAS).scan().to_arrow()
