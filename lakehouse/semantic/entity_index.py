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


def entity_rows(resolution: Resolution) -> pa.Table:
    """Rows of semantic.entity_index."""
    import pyarrow as pa
    import pyarrow.compute as pc

    people = resolution.people
    first, last = people.column("first_name"), people.column("last_name")
    # null where a part is: Arrow's join that skips them loses rows at the end of which all parts are null
    both = pc.binary_join_element_wise(first, last, " ")
    whole = pc.coalesce(people.column("full_name"), both, first, last)
    columns = {
        "entity_id": pa.array(resolution.entity, pa.string()),
        "email_normalized": people.column("email_n"),
        "phone_normalized": people.column("phone_n"),
        "full_name": pa.array(whole, pa.string()),
        "match_confidence": pc.cast(pa.array(resolution.confidence), pa.decimal128(5, 2), safe=False),
    }
    kept = ("source", "source_id", "email", "phone", "first_name", "last_name", "created_at", "updated_at")
    return pa.table({**columns, **{name: people.column(name) for name in kept}})


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
    """Ids of records whose edges can differ from those that are stored: the rest was taken over."""
    import pyarrow as pa
    import pyarrow.compute as pc

    now, was = (state.people.column("source_id") for state in (resolution, previous))
    gone = was.filter(pc.invert(pc.is_in(was, value_set=now)))
    mine = now.filter(pa.array(resolution.affected))
    return pc.unique(pa.chunked_array([*gone.chunks, *mine.chunks], pa.string()))


def write(resolution: Resolution, previous: Loaded | None, rescored: bool, parameters: model.Parameters,
          sources: Mapping[str, int | None], batch: str, run_id: str) -> StepResult:  # fmt: skip
    """All tables, in an order in which a crash in between loses nothing.

    Events follow from the index as it was, so they are written before it; the edges tell what the next run takes over,
    so they come after it.
    """
    events, aliases = history.changes(resolution, previous, state.aliases(), run_id, datetime.now(UTC))
    append_arrow(ENTITY_EVENTS, events, batch, run_id)
    common: dict[str, Any] = {"sources": sources, "run_id": run_id, "watermark": False, "batch": batch}
    merge_arrow(ENTITY_ALIAS, aliases, by="old_entity_id", **common)
    index, scored = (previous.index, previous.scored) if previous is not None else (None, None)
    result = merge_arrow(TABLE, entity_rows(resolution), by="source_id", stored=index, **common)
    only = None if rescored or previous is None else _ids_affected(resolution, previous)
    edges = state.edge_rows(resolution.people, resolution.edges, parameters.version, only)
    merge_arrow(ENTITY_EDGES, edges, by="left_id", only=only, stored=scored, **common)
    if result.changed:
        _write_stats(resolution.stats, run_id)
    metadata.advance(TABLE.name, sources, batch)
    return result
