"""The whole of entity resolution in one call, records and candidate pairs to entities. Pure: no table, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from lakehouse.semantic import model
from lakehouse.semantic.blocking import Candidates
from lakehouse.semantic.clusters import Clustering, cluster
from lakehouse.semantic.identity import assign
from lakehouse.semantic.matching import Edge, generic_values, score
from lakehouse.semantic.records import Key, Record, merge_links

CERTAIN = Decimal("100.00")


@dataclass(frozen=True)
class Resolution:
    """Each record's entity and confidence (percent), and what was counted on the way: (metric, detail) → value."""

    entity: dict[Key, str]
    confidence: dict[Key, Decimal]
    edges: list[Edge]
    stats: dict[tuple[str, str], float]


def resolve(
    records: Sequence[Record],
    candidates: Candidates,
    previous: Mapping[Key, str],
    threshold: float = model.MATCH_PROBABILITY,
) -> Resolution:
    """Who is who. `previous` are the entities that records had before; the same input gives the same result."""
    edges = score(records, candidates.pairs, threshold)
    found = cluster(records, edges, merge_links(list(records)))
    ids = assign(found.clusters, {record.key: record for record in records}, previous)
    entity = {key: entity_id for entity_id, keys in zip(ids, found.clusters, strict=True) for key in keys}
    return Resolution(
        entity,
        {record.key: _confidence(found, record.key) for record in records},
        edges,
        _stats(records, candidates, edges, found, entity, previous),
    )


def _confidence(found: Clustering, key: Key) -> Decimal:
    edge = found.best.get(key)
    return CERTAIN if edge is None else Decimal(f"{edge.probability * 100:.2f}")


def _stats(records: Sequence[Record], candidates: Candidates, edges: Sequence[Edge], found: Clustering,
           entity: Mapping[Key, str], previous: Mapping[Key, str]) -> dict[tuple[str, str], float]:  # fmt: skip
    sizes = Counter(len(keys) for keys in found.clusters)
    emails, phones = generic_values(records)
    stats: dict[tuple[str, str], float] = {
        ("records", ""): len(records),
        ("candidate_pairs", ""): len(candidates.pairs),
        ("edges", ""): len(edges),
        ("entities", ""): len(found.clusters),
        ("largest_entity", ""): max(sizes, default=0),
        ("generic_values", "email"): len(emails),
        ("generic_values", "phone"): len(phones),
        ("records_moved", ""): sum(1 for key, old in previous.items() if entity.get(key, old) != old),
    }
    stats |= {("records", source): n for source, n in Counter(record.source for record in records).items()}
    stats |= {("entities_of_size", str(size)): n for size, n in sizes.items()}
    stats |= {("unions_refused", why): n for why, n in found.refused.items()}
    for metric, counts in (
        ("pairs_of_pass", candidates.per_pass),
        ("new_pairs_of_pass", candidates.new_per_pass),
        ("largest_block", candidates.largest_block),
        ("blocks_dropped", candidates.dropped_blocks),
        ("records_in_dropped_blocks", candidates.dropped_records),
    ):
        stats |= {(metric, kind): n for kind, n in counts.items()}
    return stats
