"""The whole of entity resolution on a few people, and its quality on a generated world."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from random import Random

from lakehouse.semantic import blocking
from lakehouse.semantic.evaluation import evaluate
from lakehouse.semantic.matching import generic_values, score
from lakehouse.semantic.records import Key, Record
from lakehouse.semantic.resolution import Resolution, resolve

Make = Callable[..., Record]


def run(records: Sequence[Record], previous: dict[Key, str] | None = None) -> Resolution:
    ordered = sorted(records, key=lambda record: record.key)
    return resolve(ordered, blocking.candidates(blocking.index(ordered)), previous or {})


def groups(resolution: Resolution) -> list[list[Key]]:
    members = defaultdict(list)
    for key, entity in resolution.entity.items():
        members[entity].append(key)
    return sorted(sorted(keys) for keys in members.values())


def test_one_person_at_three_senders(person: Make) -> None:
    home = {"zip": "94105", "city": "San Francisco", "country": "US"}
    records = [
        person("shopify", 1, "Robert", "Miller", email="rmiller@example.com", phone="415 555 0132", **home),
        person("stripe", 2, None, None, name="Bob Miller", email="RMiller+pay@example.com"),
        person("hubspot", 3, "R.", "Miller", phone="+1 (415) 555-0132", country="United States"),
        person("hubspot", 4, "Maria", "Lopez", email="maria.lopez@example.com"),
    ]
    result = run(records)
    assert groups(result) == [[("hubspot", "3"), ("shopify", "1"), ("stripe", "2")], [("hubspot", "4")]]
    assert result.confidence["hubspot", "4"] == 100
    assert 95 <= result.confidence["hubspot", "3"] <= 100


def test_a_couple_with_one_mailbox_and_phone_stays_two_people(person: Make) -> None:
    shared = {"email": "family.meyer@example.com", "phone": "030 23125123", "zip": "10115", "country": "DE"}
    result = run([person("shopify", 1, "Anna", "Meyer", **shared), person("stripe", 2, "Bruno", "Meyer", **shared)])
    assert len(groups(result)) == 2


def test_a_mailbox_of_many_names_is_no_evidence(person: Make) -> None:
    names = ["Anna Kurz", "Bruno Lang", "Carla Meyer", "Dieter Braun", "Anna Roth"]
    people = [person("shopify", n, *name.split(), email="laden@firm.example") for n, name in enumerate(names)]
    assert generic_values(people)[0] == {"laden@firm.example"}
    assert len(groups(run(people))) == len(people)


def test_a_namesake_elsewhere_is_another_person(person: Make) -> None:
    berlin = person("shopify", 1, "Anna", "Meyer", email="anna1@example.com", zip="10115", city="Berlin", country="DE")
    munich = person(
        "stripe", 2, "Anna", "Meyer", email="am@post.example", postal_code="80331", city="Munich", country="DE"
    )
    assert len(groups(run([berlin, munich]))) == 2


def test_a_contact_that_was_merged_is_with_its_survivor(person: Make) -> None:
    kept = person("hubspot", 1, "Anna", "Meyer", email="anna@example.com")
    gone = person("hubspot", 2, "A", None, merged_into=1)
    assert groups(run([kept, gone])) == [[kept.key, gone.key]]


def test_no_records_and_records_with_nothing_in_them(person: Make) -> None:
    assert groups(run([])) == []
    assert len(groups(run([person("stripe", n, None, None) for n in range(50)]))) == 50


def test_a_thousand_equal_mailboxes_end_soon_and_join_nobody(person: Make) -> None:
    people = [person("shopify", n, f"Given{n:04d}x", f"Family{n:04d}", email="one@example.com") for n in range(1000)]
    result = run(people)
    assert result.stats["candidate_pairs", ""] == 0
    assert len(groups(result)) == 1000


def test_the_edge_tells_what_each_field_adds(person: Make) -> None:
    a = person("shopify", 1, "Anna", "Meyer", email="anna@example.com")
    b = person("stripe", 2, "Anna", "Meyer", email="anna@example.com")
    (edge,) = score([a, b], [(a.key, b.key)])
    assert edge.parts["name"] > 0
    assert edge.parts["email"] > 0
    assert edge.parts["phone"] == 0


def test_the_result_does_not_depend_on_the_order_of_pairs_and_a_rerun_keeps_ids(person: Make) -> None:
    records, _ = small_world(7, 150)
    candidates = blocking.candidates(blocking.index(records))
    first = resolve(records, candidates, {})
    Random(1).shuffle(candidates.pairs)
    again = resolve(records, candidates, first.entity)
    assert again.entity == first.entity
    assert again.confidence == first.confidence
    assert again.stats["records_moved", ""] == 0


def small_world(seed: int, people: int) -> tuple[list[Record], dict[Key, str]]:
    """What three senders know of the generator's people, and who is who."""
    from data_generators.config import WorldConfig
    from data_generators.profiles import make_profile
    from data_generators.world import build_world
    from lakehouse.semantic.records import make_record

    config = WorldConfig(seed=seed, people=people)
    rng = config.rng("profiles of a test")
    records, truth = [], {}
    for human in build_world(config).people[:people]:
        for source in sorted(human.knows):
            number = len(records)
            profile = make_profile(human, source, number, human.joined_ms, rng)
            place = profile.address
            row = {
                "customer_id": number, "contact_id": number, "email": profile.email, "phone": profile.phone,
                "first_name": profile.first_name, "last_name": profile.last_name, "address1": place.line1,
                "line1": place.line1, "city": place.city, "country": place.country, "zip": place.zip,
                "postal_code": place.zip,
            }  # fmt: skip
            records.append(make_record(source, row))
            truth[source, str(number)] = human.person_id
    return sorted(records, key=lambda record: record.key), truth


def test_quality_on_a_generated_world() -> None:
    for seed in (101, 102):
        records, truth = small_world(seed, 600)
        score = evaluate(run(records).entity, truth)
        assert score.pairwise.precision >= 0.98, score
        assert score.pairwise.f1 >= 0.95, score
        assert score.largest_predicted <= 2 * score.largest_true, score
