"""semantic.entity_index: which person each sender's record is of.

Also writes semantic.entity_edges, entity_events, entity_alias and entity_resolution_stats.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lakehouse import incremental, metadata
from lakehouse.arrow_merge import append_arrow, merge_arrow
from lakehouse.merge import StepResult, batch_id
from lakehouse.semantic import blocking, history, model, normalized_records, overrides, state
from lakehouse.semantic.resolution import Options, Resolution, State, resolve
from lakehouse.semantic.state import Loaded
from lakehouse.semantic.tables import (
    BLOCKING_INDEX,
    ENTITY_ALIAS,
    ENTITY_EDGES,
    ENTITY_EVENTS,
    ENTITY_INDEX,
    ENTITY_OVERRIDES,
    ENTITY_RESOLUTION_STATS,
    NORMALIZED_RECORDS,
)
from lakehouse.settings import get_settings

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

TABLE = ENTITY_INDEX
_SAID = (
    "email", "phone", "first_name", "last_name", "full_name", "created_at", "updated_at", "email_n", "phone_n",
)  # fmt: skip
"""Columns of a record that its row here follows from, beside its entity."""


def entity_rows(resolution: Resolution, only: pa.Array | None = None) -> pa.Table:
    """Rows of semantic.entity_index; `only`: of those whose `source_id` is among these."""
    import pyarrow as pa
    import pyarrow.compute as pc

    people, entity, confidence = resolution.people, resolution.entity, resolution.confidence
    if only is not None:
        chosen = pc.is_in(people.column("source_id"), value_set=only)
        mask = chosen.to_numpy()
        people, entity, confidence = people.filter(chosen), entity[mask], confidence[mask]
    columns = {
        "entity_id": pa.array(entity, pa.string()),
        "email_normalized": people.column("email_n"),
        "phone_normalized": people.column("phone_n"),
        "full_name": _whole_names(people),
        "match_confidence": pc.cast(pa.array(confidence), pa.decimal128(5, 2), safe=False),
    }
    kept = ("source", "source_id", "email", "phone", "first_name", "last_name", "created_at", "updated_at")
    return pa.table({**columns, **{name: people.column(name) for name in kept}})


def _whole_names(people: pa.Table) -> pa.ChunkedArray:
    """The name of each record as one text, null where it has none.

    Not by Arrow: its `binary_join_element_wise` gives wrong texts where nulls are and a table is in pieces.
    """
    import duckdb

    with duckdb.connect() as con:
        con.register("people", people.select(["first_name", "last_name", "full_name"]))
        parts = "concat_ws(' ', nullif(first_name, ''), nullif(last_name, ''))"
        names = con.sql(f"SELECT coalesce(full_name, nullif({parts}, '')) AS name FROM people").to_arrow_table()
    return names.column("name")


def _blocks(snapshot: int | None) -> pa.Table:
    import pyarrow as pa

    if snapshot is None:
        names = ("blocking_key", "blocking_type", "source", "source_id")
        return pa.table({name: pa.array([], pa.string()) for name in names})
    return metadata.load(BLOCKING_INDEX).scan(snapshot_id=snapshot).to_arrow()


def _write_stats(stats: Mapping[tuple[str, str], float], run_id: str) -> None:
    now = datetime.now(UTC)
    metadata.append(
        ENTITY_RESOLUTION_STATS,
        [
            {"run_id": run_id, "metric": metric, "value": float(value), "detail": detail, "created_at": now}
            for (metric, detail), value in sorted(stats.items())
        ],
    )


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Resolve what has changed in the records, their keys, the decisions or the model; entities keep their ids.

    Deleted and merged records stay, so that their orders remain the person's.
    """
    began = time.monotonic()
    parameters, options = model.load(), Options(backend=get_settings().er_backend)
    sources = incremental.snapshots([NORMALIZED_RECORDS.name, BLOCKING_INDEX.name, ENTITY_OVERRIDES.name])
    sources[state.MODEL] = state.fingerprint(parameters, options)
    if incremental.unchanged(spark, sources, TABLE.name):
        return StepResult(TABLE.name)
    known = metadata.watermarks(TABLE.name)
    previous, rescore = state.load(known, sources)
    blocks = _blocks(sources[BLOCKING_INDEX.name])
    resolution = resolve(
        normalized_records.read(sources[NORMALIZED_RECORDS.name]),
        previous,
        parameters,
        options,
        overrides.read(sources[ENTITY_OVERRIDES.name]),
        rescore=rescore,
        fill_blocks=lambda con: blocking.load(con, blocks),
    )
    result = write(resolution, previous, rescore, parameters, sources, batch_id(TABLE.name, known, sources), run_id)
    return replace(result, seconds=time.monotonic() - began)


def _ids_affected(resolution: Resolution, previous: State) -> pa.Array:
    """Ids of records whose entity or edges can differ from what is stored: the rest was taken over."""
    import pyarrow as pa
    import pyarrow.compute as pc

    now, was = (state.people.column("source_id") for state in (resolution, previous))
    gone = was.filter(pc.invert(pc.is_in(was, value_set=now)))
    mine = now.filter(pa.array(resolution.affected))
    return pc.unique(pa.chunked_array([*gone.chunks, *mine.chunks], pa.string()))


def _ids_said_otherwise(people: pa.Table, before: pa.Table) -> pa.Array:
    """Ids of records of which a column that stands in the index is another than it was."""
    import duckdb

    differs = " OR ".join(f"n.{name} IS DISTINCT FROM o.{name}" for name in _SAID)
    with duckdb.connect() as con:
        con.register("n", people.select(["source", "source_id", *_SAID]))
        con.register("o", before.select(["source", "source_id", *_SAID]))
        found = con.sql(f"SELECT n.source_id FROM n JOIN o USING (source, source_id) WHERE {differs}").to_arrow_table()
    return found.column(0).combine_chunks()


def write(resolution: Resolution, previous: Loaded | None, rescored: bool, parameters: model.Parameters,
          sources: Mapping[str, int | None], batch: str, run_id: str) -> StepResult:  # fmt: skip
    """All tables, in an order in which a crash in between loses nothing.

    Events follow from the index as it was, so they are written before it; the edges tell what the next run takes over,
    so they come after it.
    """
    import pyarrow as pa

    events, aliases = history.changes(resolution, previous, state.aliases(), run_id, datetime.now(UTC))
    append_arrow(ENTITY_EVENTS, events, batch, run_id)
    common: dict[str, Any] = {"sources": sources, "run_id": run_id, "watermark": False, "batch": batch}
    merge_arrow(ENTITY_ALIAS, aliases, by="old_entity_id", **common)
    if previous is None or rescored:
        rows, edges = entity_rows(resolution), state.edge_rows(resolution.people, resolution.edges, parameters.version)
        result = merge_arrow(TABLE, rows, by="source_id", **common)
        merge_arrow(ENTITY_EDGES, edges, by="left_id", **common)
    else:
        only = _ids_affected(resolution, previous)
        edges = state.edge_rows(resolution.people, resolution.edges, parameters.version, only)
        differing = pa.concat_arrays([only, _ids_said_otherwise(resolution.people, previous.people)])
        rows = entity_rows(resolution, differing)
        result = merge_arrow(TABLE, rows, by="source_id", only=differing, stored=previous.index, **common)
        merge_arrow(ENTITY_EDGES, edges, by="left_id", only=only, stored=previous.scored, **common)
        result = replace(result, read=resolution.people.num_rows)
    if result.changed:
        _write_stats(resolution.stats, run_id)
    metadata.advance(TABLE.name, sources, batch)
    return result
