"""A resolution that goes on from an earlier one, against a resolution of everything at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lakehouse.semantic.generated import people_of_world
from lakehouse.semantic.records import Key
from lakehouse.semantic.resolution import Options, Overrides, Resolution, resolve

Person = Callable[..., dict[str, Any]]
Table = Callable[..., pa.Table]
Row = dict[str, Any]

# small on purpose, so that blocks come over the cap and values turn generic, and back
TIGHT = Options(threshold=0.9, max_block=4, max_cluster=5, max_names=2)


def partition(entities: Mapping[Key, str]) -> list[list[Key]]:
    members = defaultdict(list)
    for key, entity in entities.items():
        members[entity].append(key)
    return sorted(sorted(keys) for keys in members.values())


def assert_same(step: Resolution, whole: Resolution) -> None:
    assert partition(step.by_key()) == partition(whole.by_key())
    assert step.edges.select(whole.edges.column_names) == whole.edges
    assert step.confidence.tolist() == whole.confidence.tolist()


RECORD = st.fixed_dictionaries(
    {
        "first_name": st.sampled_from(["Anna", "Annna", "Bruno", "A.", None, "Carla"]),
        "last_name": st.sampled_from(["Meyer", "Mayer", "Kurz", None]),
        "email": st.sampled_from(["a.meyer@post.example", "shop@one.example", "bk@one.example", None]),
        "phone": st.sampled_from(["+493023125123", "+493023125124", None]),
        "zip": st.sampled_from(["10115", "80331", None]),
        "city": st.sampled_from(["Berlin", None]),
        "merged_into": st.sampled_from([None, None, None, "1", "2"]),
        "birth_date": st.sampled_from([None, None, "1980-02-03"]),
    }
)
# None takes a record away
BATCH = st.dictionaries(st.integers(0, 14), st.one_of(RECORD, RECORD, st.none()), min_size=1, max_size=8)


# a batch that fails is short enough to read; to shorten it further takes minutes
@settings(deadline=None, max_examples=25, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(st.lists(BATCH, min_size=2, max_size=4))
def test_going_on_equals_everything_at_once(person: Person, table: Table, batches: list[dict[int, Row | None]]) -> None:
    rows: dict[int, Row] = {}
    state: Resolution | None = None
    for batch in batches:
        for number, said in batch.items():
            rows.pop(number, None)
            if said is not None:
                rows[number] = {**person(("shopify", "hubspot")[number % 2], number, None, None, day=number), **said}
        people = table(list(rows.values()))
        before = state
        state = resolve(people, state, options=TIGHT)
        assert_same(state, resolve(people, options=TIGHT))
        again = resolve(people, state, options=TIGHT)
        assert again.by_key() == state.by_key()
        assert again.stats["records_touched", ""] == 0
        if before is not None:
            assert_no_id_changes_without_cause(before.by_key(), state.by_key())


def assert_no_id_changes_without_cause(before: dict[Key, str], now: dict[Key, str]) -> None:
    """A record has another id only if its entity was joined with another one, or parted, or lost its members."""
    old, new = defaultdict(set), defaultdict(set)
    for key, entity in before.items():
        if key in now:
            old[entity].add(key)
    for key, entity in now.items():
        if key in before:
            new[entity].add(key)
    for key in before.keys() & now.keys():
        if before[key] != now[key]:
            assert old[before[key]] != new[now[key]], f"{key} was renamed"


def test_batches_in_any_order_end_in_the_same_partition() -> None:
    people, _ = people_of_world(11, 120)
    whole = resolve(people)
    for step in (3, 5):
        state: Resolution | None = None
        for last in range(step):
            arrived = people.filter(pa.array([n * 7 % step <= last for n in range(people.num_rows)]))
            state = resolve(arrived, state)
        assert state is not None
        assert_same(state, whole)


def test_a_small_change_scores_little(person: Person, table: Table) -> None:
    people, _ = people_of_world(12, 200)
    first = resolve(people)
    changed = people.to_pylist()
    changed[0] |= {"given_n": "somebody", "given_key": "somebody", "family_n": "else"}
    second = resolve(pa.Table.from_pylist(changed, schema=people.schema), first)
    assert 1 <= second.stats["records_touched", ""] <= 10
    assert sum(a != b for a, b in zip(first.entity, second.entity, strict=True)) <= 5


@pytest.fixture(scope="module")
def namesakes(person: Person, table: Table) -> pa.Table:
    """Two records that match and a third that does not."""
    anna = {"email": "anna.meyer@post.example"}
    return table(
        [person("shopify", 1, "Anna", "Meyer", **anna), person("stripe", 2, "Anna", "Meyer", **anna),
         person("hubspot", 3, "Bruno", "Kurz")]
    )  # fmt: skip


SHOPIFY, STRIPE, HUBSPOT = ("shopify", "1"), ("stripe", "2"), ("hubspot", "3")


def test_what_a_person_says_is_heeded_and_can_be_taken_back(namesakes: pa.Table) -> None:
    plain = resolve(namesakes)
    assert partition(plain.by_key()) == [[HUBSPOT], [SHOPIFY, STRIPE]]
    apart = resolve(namesakes, plain, overrides=Overrides(cannot_link=[(SHOPIFY, STRIPE)]))
    assert partition(apart.by_key()) == [[HUBSPOT], [SHOPIFY], [STRIPE]]
    linked = resolve(namesakes, apart, overrides=Overrides(must_link=[(HUBSPOT, STRIPE)], dropped=[(SHOPIFY, STRIPE)]))
    assert partition(linked.by_key()) == [[HUBSPOT, SHOPIFY, STRIPE]]
    back = resolve(namesakes, linked, overrides=Overrides(dropped=[(HUBSPOT, STRIPE)]))
    assert partition(back.by_key()) == partition(plain.by_key())


def test_apart_wins_over_a_chain_of_links(namesakes: pa.Table) -> None:
    said = Overrides(must_link=[(HUBSPOT, STRIPE), (HUBSPOT, SHOPIFY)], cannot_link=[(SHOPIFY, STRIPE)])
    result = resolve(namesakes, overrides=said)
    assert len(partition(result.by_key())) == 2
    assert result.stats["unions_refused", "said_to_be_one_and_two"] == 1


def test_new_parameters_score_all_again_and_keep_ids(namesakes: pa.Table) -> None:
    first = resolve(namesakes)
    strict = resolve(namesakes, first, options=Options(threshold=0.9999999), rescore=True)
    assert strict.edges.num_rows <= first.edges.num_rows
    assert strict.by_key()[SHOPIFY] == first.by_key()[SHOPIFY]
