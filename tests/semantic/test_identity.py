from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.semantic.identity import assign, founding_id
from lakehouse.semantic.records import Key, keys_of

Person = Callable[..., dict[str, Any]]
PEOPLE = 10


def test_the_founding_id_is_the_same_for_ever() -> None:
    assert founding_id(("shopify", "9007199254740993")) == "e5d39e41-ad90-57a8-95d0-e3aa510d6817"
    assert uuid.UUID(founding_id(("stripe", "cus_1"))).version == 5


@pytest.fixture(scope="module")
def people(person: Person, table: Callable[..., pa.Table]) -> pa.Table:
    """Ten records; number 9 is the oldest."""
    sources = ("shopify", "stripe", "hubspot")
    return table([person(sources[n % 3], n, "Anna", "Meyer", day=9 - n) for n in range(PEOPLE)])


def key(people: pa.Table, number: int) -> Key:
    return next(key for key in keys_of(people) if key[1] == str(number))


def ids(people: pa.Table, parts: Sequence[Sequence[int]], previous: Mapping[int, str]) -> dict[int, str]:
    """Record number → entity. Records in no part are clusters of their own."""
    numbers = [int(key[1]) for key in keys_of(people)]
    part = {number: n for n, members in enumerate(parts) for number in members}
    root = {}
    label = [root.setdefault(part.get(n, -n - 1), position) for position, n in enumerate(numbers)]
    before = [previous.get(number) for number in numbers]
    return dict(zip(numbers, assign(np.array(label), people, before), strict=True))


def test_the_oldest_record_founds(people: pa.Table) -> None:
    given = ids(people, [(1, 2, 3)], {})
    assert {given[1], given[2], given[3]} == {founding_id(key(people, 3))}
    assert given[4] == founding_id(key(people, 4))


def test_a_merge_keeps_the_id_of_most_members_then_the_oldest(people: pa.Table) -> None:
    assert ids(people, [(1, 2, 3)], {1: "many", 2: "many", 3: "few"})[3] == "many"
    assert ids(people, [(1, 3)], {1: "young", 3: "old"})[1] == "old"


def test_a_split_keeps_the_id_with_most_members_and_founds_the_other(people: pa.Table) -> None:
    given = ids(people, [(3,), (1, 2)], dict.fromkeys((1, 2, 3), "one"))
    assert given[1] == given[2] == "one"
    assert given[3] == founding_id(key(people, 3))


def test_an_id_that_lives_elsewhere_is_not_founded_again(people: pa.Table) -> None:
    founder = founding_id(key(people, 3))
    given = ids(people, [(1, 2), (3,)], dict.fromkeys((1, 2, 3), founder))
    assert given[1] == founder
    assert given[3] != founder


def test_new_members_change_no_id(people: pa.Table) -> None:
    # the new record is older than those which founded the entity
    assert ids(people, [(1, 2, 9)], {1: "one", 2: "one"})[9] == "one"


partitions = st.lists(st.integers(0, 4), min_size=PEOPLE, max_size=PEOPLE).map(
    lambda labels: [[n for n in range(PEOPLE) if labels[n] == label] for label in range(5)]
)


@settings(deadline=None)
@given(partitions, partitions, st.permutations(range(5)))
def test_ids_are_unique_stable_and_independent_of_order(
    people: pa.Table, first: list[list[int]], second: list[list[int]], order: list[int]
) -> None:
    one = ids(people, first, {})
    assert len(set(one.values())) == len([part for part in first if part])
    assert ids(people, first, one) == one
    two = ids(people, second, one)
    assert len(set(two.values())) == len([part for part in second if part])
    assert ids(people, [second[n] for n in order], one) == two
