from __future__ import annotations

from collections.abc import Callable
from random import Random

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.semantic.clusters import UnionFind, cluster, compatible_given
from lakehouse.semantic.matching import Edge
from lakehouse.semantic.records import Key, Record

Make = Callable[..., Record]


def edge(a: Record, b: Record, weight: float = 10.0) -> Edge:
    left, right = sorted((a.key, b.key))
    return Edge(left, right, weight, 0.99)


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15))), st.randoms(use_true_random=False))
def test_union_find_gives_connected_components_in_any_order(pairs: list[tuple[int, int]], random: Random) -> None:
    keys = [("shopify", str(number)) for number in range(16)]
    graph = nx.Graph()
    graph.add_nodes_from(keys)
    graph.add_edges_from((keys[a], keys[b]) for a, b in pairs)
    expected = sorted(sorted(component) for component in nx.connected_components(graph))
    for _ in range(2):
        sets = UnionFind(keys)
        for a, b in pairs:
            sets.union(keys[a], keys[b])
        assert sets.clusters() == expected
        random.shuffle(pairs)


def test_names_that_can_be_one_person() -> None:
    assert compatible_given("robert", "robert")
    assert compatible_given("r", "robert")
    assert compatible_given("robert", "robret")
    assert not compatible_given("robert", "anna")
    assert not compatible_given("ann", "dan")


def test_an_initial_does_not_join_two_people(person: Make) -> None:
    anna, initial, alex = (person("shopify", n, first, "Meyer") for n, first in enumerate(("Anna", "A.", "Alex")))
    found = cluster([anna, initial, alex], [edge(anna, initial, 12), edge(initial, alex, 11)])
    assert found.clusters == [[anna.key, initial.key], [alex.key]]
    assert found.refused == {"incompatible_names": 1}


def test_a_nameless_record_attaches_and_never_bridges(person: Make) -> None:
    anna, other = person("shopify", 1, "Anna", "Meyer"), person("shopify", 2, "Anna", "Meyer")
    nameless = person("stripe", 3, None, None)
    strong_first = cluster([anna, other, nameless], [edge(anna, nameless, 12), edge(other, nameless, 11)])
    assert strong_first.clusters == [[anna.key, nameless.key], [other.key]]
    tie = cluster([anna, other, nameless], [edge(anna, nameless, 11), edge(other, nameless, 11)])
    assert tie.clusters == [[anna.key], [other.key], [nameless.key]]
    assert tie.refused == {"nameless_between_two": 1}


def test_nameless_records_join_each_other_where_nobody_has_a_name(person: Make) -> None:
    a, b = person("stripe", 1, None, None), person("stripe", 2, None, None)
    assert cluster([a, b], [edge(a, b)]).clusters == [[a.key, b.key]]


def test_an_oversized_cluster_is_cut_at_its_weakest_edge(person: Make) -> None:
    people = [person("shopify", n, "Anna", "Meyer") for n in range(6)]
    strong = [edge(people[0], people[n], 20 - n) for n in (1, 2)] + [edge(people[3], people[n], 19 - n) for n in (4, 5)]
    weak = edge(people[2], people[3], 1)
    found = cluster(people, sorted([*strong, weak], key=lambda e: -e.weight), max_cluster=4)
    assert [len(keys) for keys in found.clusters] == [3, 3]
    assert found.refused == {"too_large": 1}


def test_what_a_sender_merged_is_together(person: Make) -> None:
    a, b = person("hubspot", 1, "Anna", "Meyer"), person("hubspot", 2, "Bruno", "Kurz")
    links: list[tuple[Key, Key]] = [(b.key, a.key)]
    assert cluster([a, b], [], links).clusters == [[a.key, b.key]]
