"""The whole of entity resolution on a few people, and its quality on a generated world."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.semantic import records
from lakehouse.semantic.evaluation import evaluate
from lakehouse.semantic.generated import people_of_world
from lakehouse.semantic.records import Key
from lakehouse.semantic.resolution import Resolution, resolve

Person = Callable[..., dict[str, Any]]
Table = Callable[..., pa.Table]


def groups(resolution: Resolution) -> list[list[Key]]:
    members = defaultdict(list)
    for key, entity in resolution.by_key().items():
        members[entity].append(key)
    return sorted(sorted(keys) for keys in members.values())


def confidence(resolution: Resolution) -> dict[Key, float]:
    return dict(zip(records.keys_of(resolution.people), resolution.confidence.tolist(), strict=True))


def test_one_person_at_three_senders(person: Person, table: Table) -> None:
    home = {"zip": "94105", "city": "San Francisco", "country": "US"}
    result = resolve(
        table(
            [
                person("shopify", 1, "Robert", "Miller", email="rmiller@example.com", phone="415 555 0132", **home),
                person("stripe", 2, None, None, full_name="Bob Miller", email="RMiller+pay@example.com"),
                person("hubspot", 3, "R.", "Miller", phone="+1 (415) 555-0132", country="United States"),
                person("hubspot", 4, "Maria", "Lopez", email="maria.lopez@example.com"),
            ]
        )
    )
    assert groups(result) == [[("hubspot", "3"), ("shopify", "1"), ("stripe", "2")], [("hubspot", "4")]]
    assert confidence(result)["hubspot", "4"] == 100
    assert 95 <= confidence(result)["hubspot", "3"] <= 100


def test_a_couple_with_one_mailbox_and_phone_stays_two_people(person: Person, table: Table) -> None:
    shared = {"email": "family.meyer@example.com", "phone": "030 23125123", "zip": "10115", "country": "DE"}
    couple = [person("shopify", 1, "Anna", "Meyer", **shared), person("stripe", 2, "Bruno", "Meyer", **shared)]
    assert len(groups(resolve(table(couple)))) == 2


def test_a_mailbox_of_many_names_is_no_evidence(person: Person, table: Table) -> None:
    names = ["Anna Kurz", "Bruno Lang", "Carla Meyer", "Dieter Braun", "Anna Roth"]
    people = [person("shopify", n, *name.split(), email="laden@firm.example") for n, name in enumerate(names)]
    result = resolve(table(people))
    assert result.stats["generic_values", "email"] == 1
    assert len(groups(result)) == len(people)


def test_a_namesake_elsewhere_is_another_person(person: Person, table: Table) -> None:
    berlin = {"email": "anna1@example.com", "zip": "10115", "city": "Berlin", "country": "DE"}
    munich = {"email": "am@post.example", "zip": "80331", "city": "Munich", "country": "DE"}
    two = [person("shopify", 1, "Anna", "Meyer", **berlin), person("stripe", 2, "Anna", "Meyer", **munich)]
    assert len(groups(resolve(table(two)))) == 2


def test_a_contact_that_was_merged_is_with_its_survivor(person: Person, table: Table) -> None:
    kept = person("hubspot", 1, "Anna", "Meyer", email="anna@example.com")
    gone = person("hubspot", 2, "A", None, merged_into="1")
    assert groups(resolve(table([kept, gone]))) == [[("hubspot", "1"), ("hubspot", "2")]]


def test_no_records_and_records_with_nothing_in_them(person: Person, table: Table) -> None:
    assert groups(resolve(table([]))) == []
    assert len(groups(resolve(table([person("stripe", n, None, None) for n in range(50)])))) == 50


def test_a_thousand_equal_mailboxes_end_soon_and_join_nobody(person: Person, table: Table) -> None:
    people = [person("shopify", n, f"Given{n:04d}x", f"Family{n:04d}", email="one@example.com") for n in range(1000)]
    result = resolve(table(people))
    assert result.stats["candidate_pairs", ""] == 0
    assert result.stats["dropped_block", "email_exact: one@example.com"] == 1000
    assert len(groups(result)) == 1000


def test_the_edge_tells_what_each_field_adds(person: Person, table: Table) -> None:
    anna = {"email": "anna@example.com"}
    result = resolve(table([person(source, 1, "Anna", "Meyer", **anna) for source in ("shopify", "stripe")]))
    (edge,) = result.edges.to_pylist()
    assert edge["mw_name"] > 0
    assert edge["mw_email"] > 0
    assert edge["mw_phone"] == 0
    assert edge["held"]


def test_the_result_does_not_depend_on_the_order_of_rows_and_a_rerun_keeps_ids() -> None:
    people, _ = people_of_world(7, 150)
    first = resolve(people)
    order = list(range(people.num_rows))
    Random(1).shuffle(order)
    shuffled = records.normalise(people.take(order).select(records.SENT.names))
    again = resolve(shuffled, first, rescore=True)
    assert again.by_key() == first.by_key()
    assert again.edges == first.edges
    assert again.stats["records_moved", ""] == 0


@pytest.mark.parametrize("seed", [211, 212, 213, 214, 215])
def test_quality_on_a_generated_world(seed: int) -> None:
    people, truth = people_of_world(seed, 600)
    score = evaluate(resolve(people).by_key(), truth)
    assert score.pairwise.precision >= 0.98, score
    assert score.pairwise.f1 >= 0.95, score
    assert score.largest_predicted <= 2 * score.largest_true, score
