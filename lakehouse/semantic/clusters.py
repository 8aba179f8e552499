"""From scored pairs to clusters, one a person, with guards against people growing together.

Edges are taken from the strongest to the weakest and join two clusters only if nothing speaks against it. So a weak
edge never bridges what a stronger one keeps apart, and an oversized cluster is cut at its weakest edges. Most
components need no guard (one given name, few records) and are taken whole; the others are built edge by edge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rapidfuzz.distance import OSA, JaroWinkler

from lakehouse.semantic.normalize import given_key

if TYPE_CHECKING:
    import pyarrow as pa

    Numbers = np.ndarray[Any, np.dtype[Any]]

MAX_CLUSTER = 24
"""Records of one person over all senders. What would be larger is cut and counted."""


Pair = tuple[int, int]
"""The positions of two records."""


class Edge(NamedTuple):
    """A scored pair, by the positions of its records. `certain`: incompatible given names do not speak against it."""

    l: int  # noqa: E741 - left and right, as everywhere
    r: int
    weight: float
    certain: bool = False


class UnionFind:
    """Disjoint sets; the smallest member is the root, so the result does not depend on the order of unions."""

    def __init__(self, members: Iterable[int]) -> None:
        self._parent = {member: member for member in members}

    def find(self, member: int) -> int:
        root = member
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[member] != root:
            self._parent[member], member = root, self._parent[member]
        return root

    def union(self, a: int, b: int) -> int:
        first, second = sorted((self.find(a), self.find(b)))
        self._parent[second] = first
        return first


@dataclass
class Clustering:
    """`label[i]` is the smallest position in the cluster of record i; `refused` counts unions that a guard forbade."""

    label: Numbers
    component: Numbers
    """The same before any guard has cut."""
    refused: Counter[str] = field(default_factory=Counter)
    guarded: int = 0
    """Components that had to be built edge by edge."""


def compatible_given(a: str, b: str) -> bool:
    """Whether two given names (long forms) can be one person's: equal, an initial, or a typo."""
    if a == b or (min(len(a), len(b)) == 1 and a[0] == b[0]):
        return True
    if min(len(a), len(b)) <= 3:
        return False
    return JaroWinkler.similarity(a, b) >= 0.92 or OSA.distance(a, b) <= 1


class Name(NamedTuple):
    """A name as one record has it; `key` is the given name's long form."""

    key: str
    given: str
    family: str | None


Group = frozenset[Name]
"""Names that can all be one person's."""


def _agree(a: Group, b: Group) -> bool:
    """Every given name of one group with every one of the other: their long forms, or as they are written."""
    return all(compatible_given(x.key, y.key) or compatible_given(x.given, y.given) for x in a for y in b)


def _swapped(x: Name, y: Name) -> bool:
    """One is the other with given and family name swapped."""
    if x.family is None or y.family is None:
        return False
    return compatible_given(x.given, y.family) and compatible_given(x.family, y.given)


def _turned(group: Group) -> Group:
    turned = ((given_key(n.family), n.family, n.given) for n in group)
    return frozenset(Name(key, given, family) for key, given, family in turned if key is not None and given is not None)


def _one_group(a: Group, b: Group) -> Group | None:
    """Both groups as one, if they can be one person's; a group that was written the wrong way round is turned."""
    if _agree(a, b):
        return a | b
    if any(_swapped(x, y) for x in a for y in b):
        # the smaller one is more likely the one that was written wrong
        small, large = sorted((a, b), key=len)
        for wrong, right in ((small, large), (large, small)):
            turned = _turned(wrong)
            if _agree(turned, right):
                return turned | right
    return None


class _Builder:
    """Joins clusters of one component while the guards allow it."""

    def __init__(self, names: Mapping[int, Name | None], max_cluster: int, refused: Counter[str],
                 source: Mapping[int, str] | None, apart: Iterable[Pair]) -> None:  # fmt: skip
        self.sets = UnionFind(names)
        # where a source knows a person once: the sources that a cluster has already
        self.sources = {member: {source[member]} if source else set() for member in names}
        # a cluster that certain evidence made may know a person under two names: a group each
        self.names: dict[int, list[Group]] = {m: [frozenset({n})] if n else [frozenset()] for m, n in names.items()}
        self.size = dict.fromkeys(names, 1)
        self.max_cluster = max_cluster
        self.refused = refused
        # the records that a person has said are not of this cluster
        self.apart: dict[int, set[int]] = {}
        for a, b in apart:
            self.apart.setdefault(a, set()).add(b)
            self.apart.setdefault(b, set()).add(a)

    def join(self, a: int, b: int, edge: Edge | None) -> None:
        """Join the clusters of two records; `edge` None: a sender or a person says so, and no other guard is asked."""
        first, second = self.sets.find(a), self.sets.find(b)
        if first == second:
            return
        if any(self.sets.find(other) == second for other in self.apart.get(first, ())):
            self.refused["said_to_be_two" if edge is not None else "said_to_be_one_and_two"] += 1
            return
        if edge is not None:
            if self.size[first] + self.size[second] > self.max_cluster:
                self.refused["too_large"] += 1
                return
            if self.sources[first] & self.sources[second]:
                self.refused["same_source"] += 1
                return
        names = self._joined(first, second)
        if names is None and edge is not None and not edge.certain:
            self.refused["incompatible_names"] += 1
            return
        size = self.size[first] + self.size[second]
        sources = self.sources[first] | self.sources[second]
        root = self.sets.union(first, second)
        self.names[root] = names or self.names[first] + self.names[second]
        self.size[root], self.sources[root] = size, sources
        apart = self.apart.get(first, set()) | self.apart.get(second, set())
        if apart:
            self.apart[root] = apart

    def _joined(self, first: int, second: int) -> list[Group] | None:
        """The groups of both clusters, the first two that agree made one; None where no two agree."""
        for a in self.names[first]:
            for b in self.names[second]:
                one = _one_group(a, b)
                if one is not None:
                    rest = [g for g in self.names[first] if g is not a] + [g for g in self.names[second] if g is not b]
                    return [one, *rest]
        return None


def build(
    names: Mapping[int, Name | None],
    edges: Sequence[Edge],
    merged: Sequence[Pair] = (),
    max_cluster: int = MAX_CLUSTER,
    refused: Counter[str] | None = None,
    source: Mapping[int, str] | None = None,
    apart: Iterable[Pair] = (),
) -> dict[int, int]:
    """Record → smallest member of its cluster, for one component. `edges` come strongest first.

    With `source`, a cluster takes one record of each source. Records that are `apart` are never in one cluster.

    What a sender merged or a person linked (`merged`) is joined first, whatever its names. A record without a given
    name is attached last, by its strongest edge alone: it may belong to a person, but never joins two.
    """
    builder = _Builder(names, max_cluster, Counter() if refused is None else refused, source, apart)
    for a, b in merged:
        builder.join(a, b, None)
    attach: dict[int, list[Edge]] = {}
    for edge in edges:
        nameless = [member for member in (edge.l, edge.r) if names[member] is None]
        if not nameless or edge.certain:
            builder.join(edge.l, edge.r, edge)
            continue
        for member in nameless:
            attach.setdefault(member, []).append(edge)
    _attach(builder, names, attach)
    return {member: builder.sets.find(member) for member in names}


def _attach(builder: _Builder, names: Mapping[int, Name | None], edges: Mapping[int, Sequence[Edge]]) -> None:
    """Each nameless record goes to the named cluster of its strongest edge, if no other cluster is as near.

    Nameless records among themselves are joined only where neither has a named neighbour.
    """
    alone = set()
    for member in sorted(edges):
        if builder.size[builder.sets.find(member)] > 1:
            continue  # it was merged into another record, or is certain
        named = [edge for edge in edges[member] if names[_other(edge, member)] is not None]
        if not named:
            alone.add(member)
            continue
        strongest = [edge for edge in named if edge.weight == named[0].weight]
        if len({builder.sets.find(_other(edge, member)) for edge in strongest}) > 1:
            builder.refused["nameless_between_two"] += 1
            continue
        builder.join(strongest[0].l, strongest[0].r, strongest[0])
    for member in sorted(alone):
        for edge in edges[member]:
            if _other(edge, member) in alone:
                builder.join(edge.l, edge.r, edge)


def _other(edge: Edge, member: int) -> int:
    return edge.r if edge.l == member else edge.l


def components(records: int, edges: pa.Table, merged: Sequence[Pair] = ()) -> Numbers:
    """The smallest position of each record's connected component."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    a = np.concatenate([edges.column("l").to_numpy(), np.array([pair[0] for pair in merged], dtype=np.int64)])
    b = np.concatenate([edges.column("r").to_numpy(), np.array([pair[1] for pair in merged], dtype=np.int64)])
    graph = coo_matrix((np.ones(len(a), dtype=np.int8), (a, b)), shape=(records, records))
    count, component = connected_components(graph, directed=False)
    smallest = np.full(count, records, dtype=np.int64)
    np.minimum.at(smallest, component, np.arange(records))
    return smallest[component]


def cluster(
    people: pa.Table,
    edges: pa.Table,
    merged: Sequence[Pair] = (),
    max_cluster: int = MAX_CLUSTER,
    one_per_source: bool = False,
    apart: Sequence[Pair] = (),
    only: Numbers | None = None,
) -> Clustering:
    """Clusters of all people. `edges` as `matching.score` gives them, strongest first.

    `merged` are one whatever their names, `apart` never are. `only` is a mask of records: components without any of
    them are left uncut, for the caller knows their clusters.
    """
    component = components(people.num_rows, edges, merged)
    result = Clustering(component.copy(), component)
    largest = 1 if one_per_source else max_cluster
    guarded = _guarded(people, component, edges, [*merged, *apart], largest)
    if only is not None:
        guarded = np.intersect1d(guarded, component[only])
    result.guarded = len(guarded)
    inside = np.flatnonzero(np.isin(component, guarded))
    names = _names(people, inside)
    sources = people.column("source").take(inside).to_pylist() if one_per_source else []
    source = dict(zip(inside.tolist(), sources, strict=True)) if one_per_source else None
    kept_apart: dict[int, list[Pair]] = {}
    for pair in apart:
        if component[pair[0]] == component[pair[1]]:
            kept_apart.setdefault(int(component[pair[0]]), []).append(pair)
    for members, mine, links in _parts(component, guarded, edges, merged):
        own = {member: names[member] for member in members}
        separate = kept_apart.get(int(component[members[0]]), ())
        for member, label in build(own, mine, links, max_cluster, result.refused, source, separate).items():
            result.label[member] = label
    return result


def _guarded(people: pa.Table, component: Numbers, edges: pa.Table, said: Sequence[Pair],
             max_cluster: int) -> Numbers:  # fmt: skip
    """Components in which a guard could have something to say: two given names, none, too many records, an order."""
    codes = people.column("given_key").combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy()
    left, right = (edges.column(name).to_numpy() for name in ("l", "r"))
    suspect = np.bincount(component, minlength=people.num_rows) > max_cluster
    odd = (codes[left] != codes[right]) | (codes[left] < 0)
    suspect[component[left[odd]]] = True
    for pair in said:
        suspect[component[list(pair)]] = True
    return np.flatnonzero(suspect)


def _parts(
    component: Numbers, wanted: Numbers, edges: pa.Table, merged: Sequence[Pair]
) -> Iterable[tuple[list[int], list[Edge], list[Pair]]]:
    """Members, edges (strongest first) and merges of each wanted component."""
    number = {int(c): n for n, c in enumerate(wanted)}
    members: list[list[int]] = [[] for _ in number]
    mine: list[list[Edge]] = [[] for _ in number]
    links: list[list[Pair]] = [[] for _ in number]
    inside = np.isin(component, wanted)
    for position in np.flatnonzero(inside):
        members[number[int(component[position])]].append(int(position))
    columns = [edges.column(name).to_numpy(zero_copy_only=False) for name in ("l", "r", "weight", "certain")]
    chosen = np.flatnonzero(inside[columns[0]])
    for l, r, weight, certain in zip(*(column[chosen].tolist() for column in columns), strict=True):  # noqa: E741
        mine[number[int(component[l])]].append(Edge(l, r, weight, certain))
    for a, b in merged:
        if inside[a]:
            links[number[int(component[a])]].append((a, b))
    return zip(members, mine, links, strict=True)


def _names(people: pa.Table, members: Numbers) -> dict[int, Name | None]:
    rows = people.select(["given_key", "given_n", "family_n"]).take(members)
    columns = (rows.column(name).to_pylist() for name in ("given_key", "given_n", "family_n"))
    return {
        member: Name(key, given, family) if key is not None else None
        for member, key, given, family in zip(members.tolist(), *columns, strict=True)
    }
