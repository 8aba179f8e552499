"""The whole of entity resolution in one call, people to entities. Pure: no table of the lake, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from lakehouse.semantic import blocking, matching, model
from lakehouse.semantic.clusters import MAX_CLUSTER, Clustering, cluster
from lakehouse.semantic.identity import assign
from lakehouse.semantic.records import Key, keys_of, merge_links

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

MEMORY_LIMIT = "3GB"
"""Of DuckDB; what needs more goes through its files on disk."""


@dataclass(frozen=True)
class Options:
    """How to resolve. `between_sources`: each source knows a person once, so records of one source are never one."""

    threshold: float = model.MATCH_PROBABILITY
    max_block: int = blocking.MAX_BLOCK
    max_cluster: int = MAX_CLUSTER
    between_sources: bool = False


@dataclass
class Resolution:
    """Row by row of the people: entity and confidence (percent); the edges, with `held` for those inside an entity.

    `stats` are counts by (metric, detail); `seconds` the time of each part.
    """

    people: pa.Table
    entity: list[str]
    confidence: np.ndarray
    edges: pa.Table
    stats: dict[tuple[str, str], float]
    seconds: dict[str, float] = field(default_factory=dict)

    def by_key(self) -> dict[Key, str]:
        """Record → entity."""
        return dict(zip(keys_of(self.people), self.entity, strict=True))


def connect() -> DuckDBPyConnection:
    """A DuckDB of its own, in memory."""
    import duckdb

    return duckdb.connect(config={"memory_limit": MEMORY_LIMIT})


def resolve(
    people: pa.Table,
    previous: Mapping[Key, str] | None = None,
    parameters: model.Parameters | None = None,
    options: Options | None = None,
    fill_blocks: Callable[[DuckDBPyConnection], None] = blocking.index,
) -> Resolution:
    """Who is who. `people` as `records.normalise` gives them, `previous` the entities that records had before.

    The same input gives the same result, in whatever order the rows of its tables came.
    """
    chosen, before = options or Options(), previous or {}
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(part: str) -> Iterator[None]:
        began = perf_counter()
        yield
        seconds[part] = perf_counter() - began

    with connect() as con:
        with timed("block"):
            blocking.register(con, people)
            fill_blocks(con)
            candidates = blocking.candidates(con, chosen.max_block, chosen.between_sources)
        with timed("score"):
            edges = matching.score(con, parameters, chosen.threshold)
        generic = matching.generic_counts(con)
    with timed("cluster"):
        found = cluster(people, edges, merge_links(people), chosen.max_cluster, chosen.between_sources)
        entity = assign(found.label, people, before)
    held, confidence = _held(found, edges)
    edges = edges.append_column("held", [held])
    stats = _stats(people, candidates, edges, found, generic)
    stats["records_moved", ""] = sum(
        1 for key, now in zip(keys_of(people), entity, strict=True) if before.get(key, now) != now
    )
    return Resolution(people, entity, confidence, edges, stats, seconds)


def _held(found: Clustering, edges: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Which edges lie inside a cluster; each record's strongest of them in percent, 100 for a record alone."""
    left, right = edges.column("l").to_numpy(), edges.column("r").to_numpy()
    held = found.label[left] == found.label[right]
    best = np.zeros(len(found.label))
    for side in (left, right):
        np.maximum.at(best, side[held], edges.column("probability").to_numpy()[held])
    return held, np.round(np.where(best > 0, best * 100, 100.0), 2)


def _stats(people: pa.Table, candidates: blocking.Candidates, edges: pa.Table, found: Clustering,
           generic: Mapping[str, int]) -> dict[tuple[str, str], float]:  # fmt: skip
    per_cluster = np.unique(found.label, return_counts=True)[1]
    sizes = Counter(per_cluster.tolist())
    stats: dict[tuple[str, str], float] = {
        ("records", ""): people.num_rows,
        ("candidate_pairs", ""): candidates.pairs,
        ("edges", ""): edges.num_rows,
        ("edges_held", ""): int(np.count_nonzero(edges.column("held"))),
        ("entities", ""): len(per_cluster),
        ("largest_entity", ""): max(sizes, default=0),
        ("components_guarded", ""): found.guarded,
    }
    stats |= {("generic_values", name): n for name, n in generic.items()}
    stats |= {("records", source): n for source, n in Counter(people.column("source").to_pylist()).items()}
    stats |= {("entities_of_size", str(size)): n for size, n in sizes.items()}
    stats |= {("unions_refused", why): n for why, n in found.refused.items()}
    for metric, counts in (
        ("pairs_of_pass", candidates.per_pass),
        ("new_pairs_of_pass", candidates.new_per_pass),
        ("largest_block", candidates.largest_block),
        ("blocks_split", candidates.split_blocks),
        ("blocks_dropped", candidates.dropped_blocks),
        ("records_in_dropped_blocks", candidates.dropped_records),
    ):
        stats |= {(metric, kind): n for kind, n in counts.items()}
    stats |= {("dropped_block", f"{kind}: {key}"): n for kind, key, n in candidates.dropped}
    return stats
