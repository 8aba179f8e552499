"""Entity ids that stay. An id is made of the record that founded the entity, and lives on by the survivor rule."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lakehouse.semantic.records import SOURCES, Key, keys_of

if TYPE_CHECKING:
    import pyarrow as pa

    Numbers = np.ndarray[Any, np.dtype[Any]]

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://lakehouse-workbook.invalid/entity")
_PRECEDENCE = {source: rank for rank, source in enumerate(SOURCES.values())}


def founding_id(key: Key) -> str:
    """The id of an entity that a record founds: UUIDv5 of its source and id, the same for ever."""
    # uuid.uuid5 does the same and takes four times as long, which a million of them feel
    digest = bytearray(hashlib.sha1(NAMESPACE.bytes + f"{key[0]}:{key[1]}".encode(), usedforsecurity=False).digest())
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest[:16].hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def ages(people: pa.Table) -> Numbers:
    """The rank of each record by age: oldest first, then by sender, then smallest id; without a date last."""
    import pyarrow as pa

    precedence = [_PRECEDENCE.get(source, len(_PRECEDENCE)) for source in people.column("source").to_pylist()]
    table = people.select(["created_at", "source_id"]).append_column("precedence", pa.array(precedence, pa.int32()))
    order = [("created_at", "ascending"), ("precedence", "ascending"), ("source_id", "ascending")]
    rank = np.empty(people.num_rows, dtype=np.int64)
    rank[table.to_pandas().sort_values([name for name, _ in order], kind="stable").index] = np.arange(people.num_rows)
    return rank


def assign(label: Numbers, people: pa.Table, before: Sequence[str | None], taken: Iterable[str] = ()) -> list[str]:
    """The entity of each record. `label` are its clusters, `before` the entity that each record had, if any.

    An id that members had before goes to the cluster which holds most of them (a split), and a cluster takes the id of
    most of its members (a merge); ties go to the id with the oldest member, then to the smallest id, then to the
    cluster with the oldest member. A cluster that gets none is founded by its oldest record. No two are the same, and
    none is one of `taken`, which others have.
    """
    keys, rank = keys_of(people), ages(people)
    founder = np.full(len(keys), len(keys), dtype=np.int64)
    np.minimum.at(founder, label, rank)
    by_rank = np.empty(len(keys), dtype=np.int64)
    by_rank[rank] = np.arange(len(keys))
    ids = _inherited(label.tolist(), before, rank, founder)
    used = set(taken).union(entity for entity in before if entity is not None)
    members = _members(label, [root for root in np.unique(label).tolist() if root not in ids], bool(used))
    for root in sorted(members, key=lambda root: founder[root]):
        entity = founding_id(keys[int(by_rank[founder[root]])])
        if entity in used:
            entity = _found([keys[n] for n in sorted(members[root], key=lambda n: rank[n])], used)
        ids[root] = entity
        used.add(entity)
    return [ids[root] for root in label.tolist()]


def _members(label: Numbers, roots: Sequence[int], needed: bool) -> dict[int, list[int]]:
    """Records of the clusters; empty lists where nobody was here before, for then nobody asks."""
    members: dict[int, list[int]] = {root: [] for root in roots}
    if needed:
        for position, root in enumerate(label.tolist()):
            if root in members:
                members[root].append(position)
    return members


def _inherited(label: Sequence[int], before: Sequence[str | None], rank: Numbers, founder: Numbers) -> dict[int, str]:
    """Cluster → the id it takes over, for those that take one."""
    oldest: dict[str, int] = {}
    members: dict[int, Counter[str]] = defaultdict(Counter)
    for position, entity in enumerate(before):
        if entity is not None:
            members[label[position]][entity] += 1
            oldest[entity] = min(oldest.get(entity, len(label)), int(rank[position]))
    claims = sorted(
        (-count, oldest[entity], entity, int(founder[root]), root)
        for root, counts in members.items()
        for entity, count in counts.items()
    )
    ids: dict[int, str] = {}
    taken: set[str] = set()
    for _, _, entity, _, root in claims:
        if root not in ids and entity not in taken:
            ids[root] = entity
            taken.add(entity)
    return ids


def _found(oldest_first: Sequence[Key], taken: set[str]) -> str:
    """An id for a cluster whose oldest record has founded an entity before that lives on elsewhere."""
    for key in oldest_first:
        if (entity := founding_id(key)) not in taken:
            return entity
    generation, (source, source_id) = 2, oldest_first[0]
    while (entity := founding_id((source, f"{source_id}#{generation}"))) in taken:
        generation += 1
    return entity
