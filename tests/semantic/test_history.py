from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.semantic import history
from lakehouse.semantic.resolution import Overrides, Resolution, State, resolve

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NO_ALIAS = pa.table({name: pa.array([], pa.string()) for name in ("old_entity_id", "entity_id", "run_id")})
Person = Callable[..., dict[str, Any]]
Table = Callable[..., pa.Table]
KEYS = [("shopify", "1"), ("shopify", "2"), ("shopify", "3")]


def told(now: Resolution, before: State | None, aliases: pa.Table = NO_ALIAS
         ) -> tuple[list[tuple[Any, ...]], dict[str, str]]:  # fmt: skip
    events, alias = history.changes(now, before, aliases, "run", NOW)
    rows = [tuple(row[name] for name in ("event", "entity_id", "another_id", "records")) for row in events.to_pylist()]
    return rows, {row["old_entity_id"]: row["entity_id"] for row in alias.to_pylist()}


@pytest.fixture(scope="module")
def three(person: Person, table: Table) -> pa.Table:
    """Two records of Anna's and one of Bruno's."""
    anna = {"email": "anna.meyer@post.example"}
    rows = [person("shopify", 1, "Anna", "Meyer", **anna), person("shopify", 2, "Anna", "Meyer", day=1, **anna),
            person("shopify", 3, "Bruno", "Kurz")]  # fmt: skip
    return table(rows)


def test_the_life_of_an_entity(three: pa.Table) -> None:
    one = resolve(three.slice(0, 1))
    anna = one.entity[0]
    assert told(one, None) == ([("created", anna, None, 1)], {})

    two = resolve(three, one)
    bruno = two.entity[2]
    assert told(two, one) == ([("absorbed", anna, None, 1), ("created", bruno, None, 1)], {})

    merged = resolve(three, two, overrides=Overrides(must_link=[(KEYS[1], KEYS[2])]))
    assert told(merged, two) == ([("merged", bruno, anna, 1)], {bruno: anna})

    parted = resolve(three, merged, overrides=Overrides(dropped=[(KEYS[1], KEYS[2])]))
    _, aliases = history.changes(merged, two, NO_ALIAS, "run", NOW)
    events, alias = told(parted, merged, aliases)
    # whoever parts again gets back the id that his record founds
    assert events == [("split", bruno, anna, 1)]
    assert alias == {}


def test_an_alias_follows_a_chain_of_merges(three: pa.Table) -> None:
    apart = resolve(three, overrides=Overrides(cannot_link=[(KEYS[0], KEYS[1])]))
    a, b, c = apart.entity
    first = resolve(three, apart, overrides=Overrides(cannot_link=[(KEYS[0], KEYS[1])], must_link=[(KEYS[1], KEYS[2])]))
    survivor = first.entity[1]
    _, aliases = history.changes(first, apart, NO_ALIAS, "run", NOW)
    said = Overrides(must_link=[(KEYS[1], KEYS[2])], dropped=[(KEYS[0], KEYS[1])])
    second = resolve(three, first, overrides=said)
    _, alias = told(second, first, aliases)
    (last,) = set(second.entity)
    assert alias == dict.fromkeys({a, b, c} - {last}, last)
    assert survivor in {a, b, c}


def test_an_entity_without_a_living_record_is_retired_once(three: pa.Table) -> None:
    before = resolve(three)
    rows = three.to_pylist()
    rows[2]["is_deleted"] = True
    gone = resolve(pa.Table.from_pylist(rows, schema=three.schema), before)
    assert told(gone, before)[0] == [("retired", before.entity[2], None, 1)]
    assert told(resolve(gone.people, gone), gone)[0] == []


def test_a_record_that_is_no_more_retires_its_entity(three: pa.Table) -> None:
    before = resolve(three)
    after = resolve(three.slice(0, 2), before)
    assert told(after, before)[0] == [("retired", before.entity[2], None, 0)]
