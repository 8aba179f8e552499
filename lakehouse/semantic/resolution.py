"""The whole of entity resolution in one call, people to entities. Pure: no table of the lake, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lakehouse.semantic import blocking, carried, delta, matching, model
from lakehouse.semantic.carried import Carried
from lakehouse.semantic.clusters import MAX_CLUSTER, Clustering, cluster
from lakehouse.semantic.correspondence import Correspondence, compare
from lakehouse.semantic.identity import assign
from lakehouse.semantic.records import KEY, Key, keys_of

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from duckdb import DuckDBPyConnection

KeyPair = tuple[Key, Key]
MEMORY_LIMIT = "3GB"
"""Of DuckDB; what needs more goes through its files on disk."""


@dataclass(frozen=True)
class Options:
    """How to resolve. `between_sources`: each source knows a person once, so records of one source are never one."""

    threshold: float = model.MATCH_PROBABILITY
    max_block: int = blocking.MAX_BLOCK
    max_cluster: int = MAX_CLUSTER
    max_names: int = matching.MAX_NAMES
    between_sources: bool = False
    backend: str = matching.DUCKDB


@dataclass(frozen=True)
class Overrides:
    """What people have decided: pairs that are one person, and pairs that are not. `dropped` are decisions taken back.

    Where both are said of a pair, or follow, the records stay apart.
    """

    must_link: Sequence[KeyPair] = ()
    cannot_link: Sequence[KeyPair] = ()
    dropped: Sequence[KeyPair] = ()


class Numbered(NamedTuple):
    """`of` is the number of each record's entity, from 0; `known` the number of each entity."""

    of: np.ndarray
    known: dict[str, int]


@dataclass(frozen=True)
class State:
    """People, who they are, and the scored pairs (positions in `people`), as an earlier resolution left them."""

    people: pa.Table
    entity: np.ndarray
    edges: pa.Table

    @property
    def numbered(self) -> Numbered:
        """The entities by number, which are compared and counted in a fraction of the time that texts take."""
        import pyarrow as pa

        encoded = pa.array(self.entity, pa.string()).dictionary_encode()
        ids = encoded.dictionary.to_pylist()
        return Numbered(encoded.indices.to_numpy(), {one: number for number, one in enumerate(ids)})

    def by_key(self) -> dict[Key, str]:
        """Record → entity."""
        return dict(zip(keys_of(self.people), self.entity.tolist(), strict=True))


@dataclass(frozen=True)
class Resolution(State):
    """Also row by row of the people: confidence (percent). The edges have `held` for those inside an entity.

    `before` is the entity that each record had, `affected` whether entity, confidence or edges can be others now,
    `origin` where it was in the earlier state, if there was one. `concerned` are the positions, now and in that state,
    of all members of the entities that a record has come to, has left, or has changed in. `stats` are counts by
    (metric, detail); `seconds` the time of each part.
    """

    confidence: np.ndarray
    before: np.ndarray
    affected: np.ndarray
    origin: Correspondence | None
    concerned: tuple[np.ndarray, np.ndarray]
    stats: dict[tuple[str, str], float]
    seconds: dict[str, float]


def connect(spill: Path | None = None) -> DuckDBPyConnection:
    """A DuckDB of its own, in memory; what goes over its limit is in `spill` while it is needed."""
    import duckdb

    # its tables go with the call; to compress them at checkpoints, as DuckDB does on the way, costs a tenth of it
    config = {"memory_limit": MEMORY_LIMIT, "checkpoint_threshold": "1TB"}
    return duckdb.connect(config=config if spill is None else {**config, "temp_directory": str(spill)})


def resolve(
    people: pa.Table,
    previous: State | None = None,
    parameters: model.Parameters | None = None,
    options: Options | None = None,
    overrides: Overrides | None = None,
    *,
    rescore: bool = False,
    origin: Correspondence | None = None,
    fill_blocks: Callable[[DuckDBPyConnection], None] = blocking.index,
) -> Resolution:
    """Who is who. `people` as `records.normalise` gives them, `previous` what an earlier call has given.

    Only what the change from `previous` touches is scored and clustered again; all else is taken over, and is what a
    resolution of everything would give. `rescore` scores everything again, as new parameters or options need it;
    entities keep their ids. `origin`, where the caller knows it, says who is who in `previous`. `fill_blocks` makes
    DuckDB's table `blocks` of all records, where all are scored. The same input gives the same result, in whatever
    order the rows of its tables came.
    """
    chosen, said = options or Options(), overrides or Overrides()
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(part: str) -> Iterator[None]:
        began = perf_counter()
        yield
        seconds[part] = perf_counter() - began

    kept = previous if previous is not None and not rescore else None
    earlier = previous.numbered if previous is not None else Numbered(np.arange(0), {})
    with connect() as con:
        with timed("block"):
            if previous is not None and origin is None:
                origin = compare(people, previous.people)
            if kept is None or origin is None:
                blocking.register(con, people)
                fill_blocks(con)
                candidates = blocking.candidates(con, chosen.max_block, chosen.between_sources)
            else:
                change = delta.Delta(con, people, kept.people, origin)
                change.find_touched(chosen.max_block, chosen.max_names)
                candidates = blocking.candidates(con, chosen.max_block, chosen.between_sources, "touched")
                change.fetch_sharers()
        with timed("score"):
            edges = matching.score(con, parameters, chosen.threshold, chosen.max_names, chosen.backend)
        generic = matching.generic_counts(con)
        with timed("cluster"):
            before, loosened = np.full(people.num_rows, None, dtype=object), np.ones(people.num_rows, dtype=bool)
            carried.show(con, "everyone", people)
            if previous is not None and origin is not None:
                now = origin.now()
                before = carried.entities_before(now, previous.entity, people.num_rows)
                if kept is not None:
                    carried.show(con, "before", kept.people)
                    edges, loosened = _with_carried(carried.take_over(con, kept.edges, now, people.num_rows), edges)
            together, apart, dropped = (
                carried.positions(con, pairs) for pairs in (said.must_link, said.cannot_link, said.dropped)
            )
            for pair in together + apart + dropped:
                loosened[list(pair)] = True
            merged = carried.merge_links(con) + together
    with timed("identify"):
        found = cluster(
            people, edges, merged, chosen.max_cluster, chosen.between_sources, apart,
            only=loosened if kept is not None else None,
        )  # fmt: skip
        affected = np.isin(found.component, np.unique(found.component[loosened]))
        entity = _entities(people, found, before, np.flatnonzero(affected), earlier.known)
        number = _numbers(entity, affected, origin, earlier)
        held, confidence = _held(number, edges)
    edges = edges.append_column("held", [held])
    stats = _stats(people, candidates, edges, number, found, generic)
    stats["records_touched", ""] = int(np.count_nonzero(loosened))
    stats["records_moved", ""] = int(np.count_nonzero((before != entity) & (before != np.array(None))))
    concerned = _concerned(number, affected, origin, earlier.of)
    return Resolution(people, entity, edges, confidence, before, affected, origin, concerned, stats, seconds)


def _with_carried(carried_over: Carried, edges: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """All edges, strongest first; and which records may have lost one."""
    import pyarrow as pa

    both = pa.concat_tables([carried_over.edges.select(edges.column_names), edges])
    return both.sort_by(matching.STRONGEST_FIRST), carried_over.loosened


def _entities(
    people: pa.Table, found: Clustering, before: np.ndarray, affected: np.ndarray, taken: Iterable[str]
) -> np.ndarray:
    """The entity of each record: by the clusters of now where something was touched, as before elsewhere."""
    entity = before.copy()
    label = np.unique(found.label[affected], return_inverse=True)[1]
    members = people.select([*KEY, "created_at"]).take(affected)
    entity[affected] = assign(label, members, before[affected].tolist(), taken)
    return entity


def _numbers(entity: np.ndarray, affected: np.ndarray, origin: Correspondence | None, earlier: Numbered) -> np.ndarray:
    """The number of each record's entity: that of the earlier state, where it has one."""
    number = np.full(len(entity), -1, dtype=np.int64)
    if origin is not None:
        there = origin.place >= 0
        number[there] = earlier.of[origin.place[there]]
    known, new = earlier.known, dict[str, int]()
    # only these can have another entity than before
    ids = entity[affected].tolist()
    number[affected] = [known[one] if one in known else new.setdefault(one, len(known) + len(new)) for one in ids]
    return number


def _concerned(number: np.ndarray, affected: np.ndarray, origin: Correspondence | None, before: np.ndarray
               ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """What `Resolution` calls so. `number` and `before` are the numbers of the records' entities, now and then."""
    if origin is None:
        return np.arange(len(number)), np.arange(0)
    moved, there = affected | ~origin.same, origin.place >= 0
    wanted = np.zeros(max(number.max(initial=-1), before.max(initial=-1)) + 1, dtype=bool)
    for numbers in (number[moved], before[origin.place[moved & there]], before[origin.gone()]):
        wanted[numbers] = True
    return np.flatnonzero(wanted[number]), np.flatnonzero(wanted[before])


def _held(entity: np.ndarray, edges: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Which edges lie inside an entity; each record's strongest of them in percent, 100 for a record alone.

    `entity` is the number of each record's.
    """
    left, right = edges.column("l").to_numpy(), edges.column("r").to_numpy()
    held = entity[left] == entity[right]
    best = np.zeros(len(entity))
    for side in (left, right):
        np.maximum.at(best, side[held], edges.column("probability").to_numpy()[held])
    return held, np.round(np.where(best > 0, best * 100, 100.0), 2)


def _stats(people: pa.Table, candidates: blocking.Candidates, edges: pa.Table, entity: np.ndarray, found: Clustering,
           generic: Mapping[str, int]) -> dict[tuple[str, str], float]:  # fmt: skip
    """Counts by (metric, detail). `entity` is the number of each record's."""
    import pyarrow.compute as pc

    per_entity = np.bincount(entity)
    per_entity = per_entity[per_entity > 0]
    sizes = Counter(per_entity.tolist())
    stats: dict[tuple[str, str], float] = {
        ("records", ""): people.num_rows,
        ("candidate_pairs", ""): candidates.pairs,
        ("edges", ""): edges.num_rows,
        ("edges_held", ""): int(np.count_nonzero(edges.column("held"))),
        ("entities", ""): len(per_entity),
        ("largest_entity", ""): max(sizes, default=0),
        ("components_guarded", ""): found.guarded,
    }
    stats |= {("generic_values", name): n for name, n in generic.items()}
    sources = pc.value_counts(people.column("source").combine_chunks()).to_pylist()
    stats |= {("records", counted["values"]): counted["counts"] for counted in sources}
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
