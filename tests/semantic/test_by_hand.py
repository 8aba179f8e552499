"""Keys tried by hand: what they cost and find, and what grows together over them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.semantic import by_hand, evaluation, pictures, pictures_guards
from lakehouse.semantic.generated import people_of_world
from lakehouse.semantic.records import SENT, keys_of, normalise

TRUTH = {("shopify", "1"): "anna", ("stripe", "2"): "anna", ("hubspot", "3"): "bruno", ("shopify", "4"): "bruno"}


def people() -> pa.Table:
    """Anna by mailbox; Bruno shares Anna's number; his other record shares nothing but the family name."""
    rows = [
        ("shopify", "1", "Anna", "Roth", "anna@roth.example", "+19175550115"),
        ("stripe", "2", "Anna", "Roth", "anna@roth.example", None),
        ("hubspot", "3", "Bruno", "Roth", "bruno@roth.example", "+19175550115"),
        ("shopify", "4", "Bruno", "Roth", None, None),
    ]
    names = ("source", "source_id", "first_name", "last_name", "email", "phone")
    return normalise(pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=SENT))


def test_a_key_is_worth_what_it_makes_and_finds() -> None:
    assert by_hand.worth(people(), TRUTH, ["email_n"]) == (1, 1, 2)
    assert by_hand.worth(people(), TRUTH, ["phone_n"]) == (1, 0, 2)
    assert by_hand.worth(people(), TRUTH, ["family_n"]) == (6, 2, 4)
    # a pair that two keys find is one pair
    assert by_hand.worth(people(), TRUTH, ["email_n", "family_n"]) == (6, 2, 4)


def test_pairs_say_which_keys_they_share() -> None:
    found = by_hand.pairs(people(), ["email_n", "phone_n", "given_key"])
    keys = keys_of(people())
    shared = {(keys[row["l"]][1], keys[row["r"]][1]): row["keys"] for row in found.to_pylist()}
    assert {frozenset(pair): bits for pair, bits in shared.items()} == {
        frozenset("12"): 0b101, frozenset("13"): 0b010, frozenset("34"): 0b100,
    }  # fmt: skip


def test_who_is_reached_over_any_number_of_pairs_is_one() -> None:
    label = by_hand.chains(people(), by_hand.pairs(people(), ["email_n", "phone_n"]))
    counted = by_hand.people_per_cluster(people(), label, TRUTH)
    assert sorted(counted.values()) == [1, 2]


def test_a_key_that_cannot_be_used_says_why() -> None:
    with pytest.raises(by_hand.BadKey, match=r"refuses the key.*mailbox.*columns are"):
        by_hand.worth(people(), TRUTH, ["mailbox"])


def test_keys_that_make_too_many_pairs_are_refused_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "MOST_PAIRS", 5)
    with pytest.raises(by_hand.BadKey, match="these keys make 6 pairs"):
        by_hand.pairs(people(), ["family_n"])
    # one key alone is only counted
    assert by_hand.worth(people(), TRUTH, ["family_n"]).pairs == 6


def test_true_pairs_are_those_of_one_person() -> None:
    keys = keys_of(people())
    found = {frozenset((keys[row["l"]], keys[row["r"]])) for row in by_hand.true_pairs(people(), TRUTH).to_pylist()}
    assert {frozenset(TRUTH[key] for key in pair) for pair in found} == {frozenset({"anna"}), frozenset({"bruno"})}
    assert len(found) == 2


def test_a_part_keeps_postcodes_whole() -> None:
    everybody, _ = people_of_world(3, 200)
    assert by_hand.part(everybody, 10**6) is everybody
    some = by_hand.part(everybody, 200)
    assert 0 < some.num_rows < everybody.num_rows
    inside, all_of = (table.column("zip_n").to_pylist() for table in (some, everybody))
    assert all(inside.count(code) == all_of.count(code) for code in set(inside))


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(1, 50))
def test_guards_only_ever_take_apart(seed: int) -> None:
    everybody, truth = people_of_world(seed, 120)
    sweep = pictures_guards.over_merged(everybody, truth)
    wrong = sweep.pivot(index="threshold", columns="guards", values="wrong_pairs")
    assert (wrong[True] <= wrong[False]).all()
    # and without them a low threshold joins two people in every world
    assert wrong[False].iloc[0] > 0


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(1, 50))
def test_an_afternoons_join_grows_people_together(seed: int) -> None:
    everybody, truth = people_of_world(seed, 120)
    pairs = by_hand.pairs(everybody, by_hand.AFTERNOON)
    label = by_hand.chains(everybody, pairs)
    score = evaluation.evaluate(dict(zip(keys_of(everybody), label.tolist(), strict=True)), truth)
    assert score.pairwise.precision < 0.9 < score.pairwise.recall
    drawn = pictures_guards.cluster_graph(everybody, pairs, label, truth)
    assert len(drawn.data[-1].x) > 2
    assert drawn.data[0].name.startswith("joins two people: ")


def test_without_guards_there_are_pairs_that_names_forbid() -> None:
    everybody, truth = people_of_world(5, 200)
    guarded, _ = pictures.scored_pairs(everybody, truth)
    every, _ = pictures.scored_pairs(everybody, truth, unguarded=True)
    ours, theirs = (set(zip(pairs["l"], pairs["r"], strict=True)) for pairs in (guarded, every))
    assert ours < theirs


def test_keys_of_records_are_coloured_by_block() -> None:
    import pandas as pd

    keys = pd.DataFrame(
        [("a", "email", "x@y"), ("b", "email", "x@y"), ("c", "email", "z@y"), ("a", "phone", "1"), ("c", "phone", "2")],
        columns=["record", "blocking_type", "blocking_key"],
    )
    drawn = pictures.keys_of_records(keys).data[0]
    assert [list(row) for row in drawn.z] == [[1, 1, 0], [0, None, 0]]
