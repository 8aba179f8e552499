"""semantic.entity_index: which person each sender's record is of.

Also writes semantic.entity_edges, entity_events, entity_alias and entity_resolution_stats.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
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
    import numpy as np
    import pyarrow as pa
    from pyspark.sql import SparkSession

    Numbers = np.ndarray[Any, np.dtype[Any]]

TABLE = ENTITY_INDEX
SOURCES = (NORMALIZED_RECORDS.name, BLOCKING_INDEX.name, ENTITY_OVERRIDES.name)


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


def _matching() -> tuple[model.Parameters, Options]:
    return model.load(), Options(backend=get_settings().er_backend)


def beside_tables() -> dict[str, int]:
    """What the step reads that is no table: a number that stands for the model, kept as a source's snapshot is."""
    return {state.MODEL: state.fingerprint(*_matching())}


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Resolve what has changed in the records, their keys, the decisions or the model; entities keep their ids.

    Deleted and merged records stay, so that their orders remain the person's.
    """
    began = time.monotonic()
    parameters, options = _matching()
    sources = {**incremental.snapshots(SOURCES), **beside_tables()}
    if incremental.unchanged(spark, sources, TABLE.name):
        return StepResult(TABLE.name)
    known = metadata.watermarks(TABLE.name)
    previous, rescore = state.load(known, sources)
    resolution = resolve(
        normalized_records.read(sources[NORMALIZED_RECORDS.name]),
        previous,
        parameters,
        options,
        overrides.read(sources[ENTITY_OVERRIDES.name]),
        rescore=rescore,
        # read only where all is scored: a change looks its blocks up by itself
        fill_blocks=lambda con: blocking.load(con, _blocks(sources[BLOCKING_INDEX.name])),
    )
    result = write(resolution, previous, rescore, parameters, sources, batch_id(TABLE.name, known, sources), run_id)
    return replace(result, seconds=time.monotonic() - began)


def _ids(resolution: Resolution, previous: State, chosen: Numbers) -> pa.Array:
    """Ids of the records of a mask, and of those that are no more."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = resolution.people.column("source_id").filter(pa.array(chosen)).chunks
    if resolution.origin is not None:
        parts += previous.people.column("source_id").take(pa.array(resolution.origin.gone())).chunks
    return pc.unique(pa.chunked_array(parts, pa.string()))


def write(resolution: Resolution, previous: Loaded | None, rescored: bool, parameters: model.Parameters,
          sources: Mapping[str, int | None], batch: str, run_id: str) -> StepResult:  # fmt: skip
    """All tables, in an order in which a crash in between loses nothing.

    Events and aliases follow from the index as it was, so they are written before it; the edges tell what the next run
    takes over, so they come after it.
    """
    common: dict[str, Any] = {"sources": sources, "run_id": run_id, "watermark": False, "batch": batch}
    with ThreadPoolExecutor() as pool:
        telling = pool.submit(_tell, resolution, previous, common)
        rows, edges = _changed_rows(resolution, previous, rescored, parameters)
        indexing = pool.submit(merge_arrow, TABLE, by="source_id", **rows, **common, after=telling)
        linking = pool.submit(merge_arrow, ENTITY_EDGES, by="left_id", **edges, **common, after=indexing)
        result = indexing.result()
        if result.changed:
            _write_stats(resolution.stats, run_id)
        linking.result()
    metadata.advance(TABLE.name, sources, batch)
    return replace(result, read=resolution.people.num_rows)


def _tell(resolution: Resolution, previous: Loaded | None, common: Mapping[str, Any]) -> None:
    """Write what happened to the entities, and where their ids have gone."""
    run_id, batch = common["run_id"], common["batch"]
    events, aliases = history.changes(resolution, previous, state.aliases(), run_id, datetime.now(UTC))
    with ThreadPoolExecutor() as pool:
        told: list[Future[Any]] = [
            pool.submit(append_arrow, ENTITY_EVENTS, events, batch, run_id),
            pool.submit(merge_arrow, ENTITY_ALIAS, aliases, by="old_entity_id", **common),
        ]
        for one in told:
            one.result()


def _changed_rows(resolution: Resolution, previous: Loaded | None, rescored: bool, parameters: model.Parameters
                  ) -> tuple[dict[str, Any], dict[str, Any]]:  # fmt: skip
    """For `merge_arrow`: the rows of the index and of the edges, and which of them can differ from what is stored."""
    if previous is None or rescored:
        edges = state.edge_rows(resolution.people, resolution.edges, parameters.version)
        return {"rows": entity_rows(resolution)}, {"rows": edges}
    # the entity or the edges can differ from what is stored; all else was taken over
    only = _ids(resolution, previous, resolution.affected)
    said_otherwise = ~resolution.origin.same if resolution.origin is not None else resolution.affected
    differing = _ids(resolution, previous, resolution.affected | said_otherwise)
    edges = state.edge_rows(resolution.people, resolution.edges, parameters.version, only)
    return (
        {"rows": entity_rows(resolution, differing), "only": differing, "stored": previous.index},
        {"rows": edges, "only": only, "stored": previous.scored},
    )
