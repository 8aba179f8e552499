"""Entity ids that stay. An id is made of the record that founded the entity, and lives on by the survivor rule."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from lakehouse.semantic.records import SOURCES, Key, Record

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://lakehouse-workbook.invalid/entity")
_NEVER = datetime.max.replace(tzinfo=UTC)
_PRECEDENCE = {source: rank for rank, source in enumerate(SOURCES.values())}


def founding_id(key: Key) -> str:
    """The id of an entity that a record founds: UUIDv5 of its source and id, the same for ever."""
    return str(uuid.uuid5(NAMESPACE, f"{key[0]}:{key[1]}"))


def _age(record: Record) -> tuple[datetime, int, str]:
    """Sorts the founder first: oldest, then by sender, then smallest id."""
    return record.created_at or _NEVER, _PRECEDENCE.get(record.source, len(_PRECEDENCE)), record.source_id


def assign(clusters: Sequence[Sequence[Key]], records: Mapping[Key, Record], previous: Mapping[Key, str]) -> list[str]:
    """The id of each cluster, no two the same.

    An id that members had before goes to the cluster which holds most of them (a split), and a cluster takes the id of
    most of its members (a merge); ties go to the id with the oldest member, then to the smallest id, then to the
    cluster with the oldest member. A cluster that gets none is founded by its oldest record. The order in which the
    clusters come does not matter.
    """
    oldest: dict[str, tuple[datetime, int, str]] = {}
    for key, entity in previous.items():
        if key in records:
            oldest[entity] = min(oldest.get(entity, _age(records[key])), _age(records[key]))
    founded = [min(_age(records[key]) for key in cluster) for cluster in clusters]
    claims = [
        (-members, oldest[entity], entity, founded[number], number)
        for number, cluster in enumerate(clusters)
        for entity, members in Counter(previous[key] for key in cluster if key in previous).items()
    ]
    ids: dict[int, str] = {}
    taken: set[str] = set()
    for _, _, entity, _, number in sorted(claims):
        if number not in ids and entity not in taken:
            ids[number] = entity
            taken.add(entity)
    # an id that was in use before is not given to somebody else, even if its entity is gone
    taken |= set(previous.values())
    for number in sorted(range(len(clusters)), key=lambda number: founded[number]):
        if number not in ids:
            ids[number] = _found(clusters[number], records, taken)
            taken.add(ids[number])
    return [ids[number] for number in range(len(clusters))]


def _found(cluster: Sequence[Key], records: Mapping[Key, Record], taken: set[str]) -> str:
    founders = sorted(cluster, key=lambda key: _age(records[key]))
    for key in founders:
        if (entity := founding_id(key)) not in taken:
            return entity
    generation = 2  # every member has founded an entity before that lives on elsewhere
    while (entity := founding_id((founders[0][0], f"{founders[0][1]}#{generation}"))) in taken:
        generation += 1
    return entity
