"""From scored pairs to clusters, one a person, with guards against people growing together.

Edges are taken from the strongest to the weakest and join two clusters only if nothing speaks against it. So a weak
edge never bridges what a stronger one keeps apart, and an oversized cluster is cut at its weakest edges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rapidfuzz.distance import OSA, JaroWinkler

from lakehouse.semantic.matching import Edge
from lakehouse.semantic.records import Key, Record

MAX_CLUSTER = 24
"""Records of one person over all senders. What would be larger is cut and counted."""


class UnionFind:
    """Disjoint sets over keys; the smallest key is the root, so the result does not depend on the order of unions."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._parent = {key: key for key in keys}

    def find(self, key: Key) -> Key:
        root = key
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[key] != root:
            self._parent[key], key = root, self._parent[key]
        return root

    def union(self, a: Key, b: Key) -> Key:
        first, second = sorted((self.find(a), self.find(b)))
        self._parent[second] = first
        return first

    def clusters(self) -> list[list[Key]]:
        """Members of each set, both sorted."""
        members: dict[Key, list[Key]] = {}
        for key in sorted(self._parent):
            members.setdefault(self.find(key), []).append(key)
        return [members[root] for root in sorted(members)]


@dataclass
class Clustering:
    """Clusters (sorted, disjoint, all records), the strongest accepted edge of each record, and unions refused."""

    clusters: list[list[Key]]
    best: dict[Key, Edge] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)


def compatible_given(a: str, b: str) -> bool:
    """Whether two given names (long forms) can be one person's: equal, an initial, or a typo."""
    if a == b or (min(len(a), len(b)) == 1 and a[0] == b[0]):
        return True
    if min(len(a), len(b)) <= 3:
        return False
    return JaroWinkler.similarity(a, b) >= 0.92 or OSA.distance(a, b) <= 1


class _Name(NamedTuple):
    """A name as one record has it; `key` is the given name's long form."""

    key: str
    given: str
    family: str | None


def _compatible(a: set[_Name], b: set[_Name]) -> bool:
    """Every name of one cluster with every name of the other; a swapped pair of names is the same name."""
    return all(compatible_given(x.key, y.key) or _swapped(x, y) for x in a for y in b)


def _swapped(x: _Name, y: _Name) -> bool:
    if x.family is None or y.family is None:
        return False
    return compatible_given(x.given, y.family) and compatible_given(x.family, y.given)


def _names(record: Record) -> set[_Name]:
    if record.given_key is None or record.given_n is None:
        return set()
    return {_Name(record.given_key, record.given_n, record.family_n)}


class _Builder:
    """Joins clusters while the guards allow it."""

    def __init__(self, records: Sequence[Record], max_cluster: int) -> None:
        self.sets = UnionFind(record.key for record in records)
        self.names = {record.key: _names(record) for record in records}
        self.size = {record.key: 1 for record in records}
        self.result = Clustering([])
        self.max_cluster = max_cluster

    def join(self, a: Key, b: Key, edge: Edge | None) -> None:
        first, second = self.sets.find(a), self.sets.find(b)
        if first != second and edge is not None:
            if self.size[first] + self.size[second] > self.max_cluster:
                self.result.refused["too_large"] += 1
                return
            if not _compatible(self.names[first], self.names[second]):
                self.result.refused["incompatible_names"] += 1
                return
        if first != second:
            names, size = self.names[first] | self.names[second], self.size[first] + self.size[second]
            root = self.sets.union(first, second)
            self.names[root], self.size[root] = names, size
        if edge is not None:
            for key in (edge.left, edge.right):
                self.result.best.setdefault(key, edge)


def cluster(
    records: Sequence[Record],
    edges: Sequence[Edge],
    merged: Sequence[tuple[Key, Key]] = (),
    max_cluster: int = MAX_CLUSTER,
) -> Clustering:
    """Clusters of the records. `edges` come strongest first; `merged` are pairs that a sender itself merged.

    What a sender merged is joined first, whatever its names. A record without a given name is attached last, by its
    strongest edge alone: it may belong to a person, but never joins two.
    """
    builder = _Builder(records, max_cluster)
    for a, b in merged:
        builder.join(a, b, None)
    nameless = {record.key for record in records if record.given_key is None}
    attach: dict[Key, list[Edge]] = {}
    for edge in edges:
        unnamed = [key for key in (edge.left, edge.right) if key in nameless]
        if not unnamed:
            builder.join(edge.left, edge.right, edge)
        for key in unnamed:
            attach.setdefault(key, []).append(edge)
    _attach(builder, nameless, attach)
    builder.result.clusters = builder.sets.clusters()
    return builder.result


def _attach(builder: _Builder, nameless: set[Key], edges: Mapping[Key, Sequence[Edge]]) -> None:
    """Each nameless record goes to the named cluster of its strongest edge, if no other cluster is as near.

    Nameless records among themselves are joined only where neither has a named neighbour.
    """
    alone = set()
    for key in sorted(edges):
        if builder.size[builder.sets.find(key)] > 1:
            continue  # its sender has merged it into another record
        named = [edge for edge in edges[key] if _other(edge, key) not in nameless]
        if not named:
            alone.add(key)
            continue
        strongest = [edge for edge in named if round(edge.weight, 6) == round(named[0].weight, 6)]
        if len({builder.sets.find(_other(edge, key)) for edge in strongest}) > 1:
            builder.result.refused["nameless_between_two"] += 1
            continue
        builder.join(strongest[0].left, strongest[0].right, strongest[0])
    for key in sorted(alone):
        for edge in edges[key]:
            if _other(edge, key) in alone:
                builder.join(edge.left, edge.right, edge)


def _other(edge: Edge, key: Key) -> Key:
    return edge.right if edge.left == key else edge.left
