from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.semantic.identity import assign, founding_id
from lakehouse.semantic.records import Key, Record

Make = Callable[..., Record]


def test_the_founding_id_is_the_same_for_ever() -> None:
    assert founding_id(("shopify", "9007199254740993")) == "e5d39e41-ad90-57a8-95d0-e3aa510d6817"
    assert uuid.UUID(founding_id(("stripe", "cus_1"))).version == 5


@pytest.fixture(scope="module")
def people(person: Make) -> dict[Key, Record]:
    records = [person(("shopify", "stripe", "hubspot")[n % 3], n, "Anna", "Meyer", day=9 - n) for n in range(10)]
    return {record.key: record for record in records}


def keys(people: dict[Key, Record], *numbers: int) -> list[Key]:
    return [key for key in people if int(key[1]) in numbers]


def test_the_oldest_record_founds(people: dict[Key, Record]) -> None:
    assert assign([keys(people, 1, 2, 3)], people, {}) == [founding_id(keys(people, 3)[0])]


def test_a_merge_keeps_the_id_of_most_members_then_the_oldest(people: dict[Key, Record]) -> None:
    before = {**dict.fromkeys(keys(people, 1, 2), "many"), **dict.fromkeys(keys(people, 3), "few")}
    assert assign([keys(people, 1, 2, 3)], people, before) == ["many"]
    tie = {**dict.fromkeys(keys(people, 1), "young"), **dict.fromkeys(keys(people, 3), "old")}
    assert assign([keys(people, 1, 3)], people, tie) == ["old"]


def test_a_split_keeps_the_id_with_most_members_and_founds_the_other(people: dict[Key, Record]) -> None:
    before = dict.fromkeys(keys(people, 1, 2, 3), "one")
    assert assign([keys(people, 3), keys(people, 1, 2)], people, before) == [founding_id(keys(people, 3)[0]), "one"]


def test_an_id_that_lives_elsewhere_is_not_founded_again(people: dict[Key, Record]) -> None:
    (founder,) = keys(people, 3)
    before = dict.fromkeys(keys(people, 1, 2, 3), founding_id(founder))
    first, second = assign([keys(people, 1, 2), [founder]], people, before)
    assert first == founding_id(founder)
    assert second not in (first, founding_id(founder))


def test_new_members_change_no_id(people: dict[Key, Record]) -> None:
    before = dict.fromkeys(keys(people, 1, 2), "one")
    # the new record is older than those which founded the entity
    assert assign([keys(people, 1, 2, 9)], people, before) == ["one"]


@st.composite
def partitions(draw: st.DrawFn) -> list[list[int]]:
    labels = draw(st.lists(st.integers(0, 4), min_size=10, max_size=10))
    return [members for label in range(5) if (members := [n for n in range(10) if labels[n] == label])]


@settings(deadline=None)
@given(partitions(), partitions(), st.randoms(use_true_random=False))
def test_ids_are_unique_stable_and_independent_of_order(
    people: dict[Key, Record], first: list[list[int]], second: list[list[int]], random: Random
) -> None:
    def mapping(parts: Sequence[list[int]], previous: dict[Key, str]) -> dict[Key, str]:
        clusters = [keys(people, *part) for part in parts]
        ids = assign(clusters, people, previous)
        assert len(set(ids)) == len(clusters)
        return {key: entity for entity, members in zip(ids, clusters, strict=True) for key in members}

    one = mapping(first, {})
    assert mapping(first, one) == one
    two = mapping(second, one)
    shuffled = list(second)
    random.shuffle(shuffled)
    assert mapping(shuffled, one) == two
