from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import networkx as nx
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.semantic.clusters import Edge, Name, UnionFind, build, cluster, compatible_given

Person = Callable[..., dict[str, Any]]
Table = Callable[..., pa.Table]


def edges_of(edges: Sequence[Edge]) -> pa.Table:
    """Edges as `matching.score` gives them, strongest first."""
    ordered = sorted(edges, key=lambda e: (-e.weight, e.l, e.r))
    columns = {name: [getattr(edge, name) for edge in ordered] for name in ("l", "r", "weight", "certain")}
    types = {"l": pa.int64(), "r": pa.int64(), "weight": pa.float64(), "certain": pa.bool_()}
    return pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})


def clustered(people: pa.Table, edges: Sequence[Edge], *merged: tuple[int, int], **options: Any
              ) -> tuple[list[list[int]], Counter[str]]:  # fmt: skip
    found = cluster(people, edges_of(edges), merged, **options)
    members: dict[int, list[int]] = {}
    for position, root in enumerate(found.label.tolist()):
        members.setdefault(root, []).append(position)
    return sorted(members.values()), found.refused


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15))), st.randoms(use_true_random=False))
def test_union_find_gives_connected_components_in_any_order(pairs: list[tuple[int, int]], random: Random) -> None:
    graph = nx.Graph()
    graph.add_nodes_from(range(16))
    graph.add_edges_from(pairs)
    expected = {n: min(component) for component in nx.connected_components(graph) for n in component}
    for _ in range(2):
        sets = UnionFind(range(16))
        for a, b in pairs:
            sets.union(a, b)
        assert {n: sets.find(n) for n in range(16)} == expected
        random.shuffle(pairs)


def test_names_that_can_be_one_person() -> None:
    assert compatible_given("robert", "robert")
    assert compatible_given("r", "robert")
    assert compatible_given("robert", "robret")
    assert not compatible_given("robert", "anna")
    assert not compatible_given("ann", "dan")


def test_an_initial_does_not_join_two_people(person: Person, table: Table) -> None:
    people = table([person("shopify", n, first, "Meyer") for n, first in enumerate(("Anna", "A.", "Alex"))])
    groups, refused = clustered(people, [Edge(0, 1, 12), Edge(1, 2, 11)])
    assert groups == [[0, 1], [2]]
    assert refused == {"incompatible_names": 1}


def test_a_nameless_record_attaches_and_never_bridges(person: Person, table: Table) -> None:
    anna, other = person("shopify", 1, "Anna", "Meyer"), person("shopify", 2, "Anna", "Meyer")
    people = table([anna, other, person("stripe", 3, None, None)])
    assert clustered(people, [Edge(0, 2, 12), Edge(1, 2, 11)])[0] == [[0, 2], [1]]
    groups, refused = clustered(people, [Edge(0, 2, 11), Edge(1, 2, 11)])
    assert groups == [[0], [1], [2]]
    assert refused == {"nameless_between_two": 1}


def test_nameless_records_join_each_other_where_nobody_has_a_name(person: Person, table: Table) -> None:
    people = table([person("stripe", 1, None, None), person("stripe", 2, None, None)])
    assert clustered(people, [Edge(0, 1, 10)])[0] == [[0, 1]]


def test_an_oversized_cluster_is_cut_at_its_weakest_edge(person: Person, table: Table) -> None:
    people = table([person("shopify", n, "Anna", "Meyer") for n in range(6)])
    strong = [Edge(0, n, 20 - n) for n in (1, 2)] + [Edge(3, n, 19 - n) for n in (4, 5)]
    groups, refused = clustered(people, [*strong, Edge(2, 3, 1)], max_cluster=4)
    assert groups == [[0, 1, 2], [3, 4, 5]]
    assert refused == {"too_large": 1}


def test_what_a_sender_merged_is_together(person: Person, table: Table) -> None:
    people = table([person("hubspot", 1, "Anna", "Meyer"), person("hubspot", 2, "Bruno", "Kurz")])
    assert clustered(people, [], (1, 0))[0] == [[0, 1]]


def test_certain_evidence_outweighs_incompatible_names(person: Person, table: Table) -> None:
    people = table([person("shopify", 1, "Anna", "Meyer"), person("shopify", 2, "Gerda", "Kurz")])
    assert clustered(people, [Edge(0, 1, 20)])[0] == [[0], [1]]
    assert clustered(people, [Edge(0, 1, 20, True)])[0] == [[0, 1]]


def test_a_source_that_knows_a_person_once_gives_a_cluster_one_record(person: Person, table: Table) -> None:
    people = table([person(source, n, "Anna", "Meyer") for n, source in enumerate(("a", "a", "b"))])
    groups, refused = clustered(people, [Edge(0, 2, 12), Edge(1, 2, 11)], one_per_source=True)
    assert groups == [[0, 2], [1]]
    assert refused == {"same_source": 1}


def test_a_name_written_the_wrong_way_round_is_turned() -> None:
    names = {
        0: Name("anna", "anna", "meyer"),
        1: Name("meyer", "meyer", "anna"),
        2: Name("meyer", "meyer", "hanna"),
    }
    assert build(names, [Edge(0, 1, 12), Edge(0, 2, 11)]) == {0: 0, 1: 0, 2: 0}


def test_a_family_name_of_two_words_the_wrong_way_round() -> None:
    names = {0: Name("sara", "sara", "al khalifa"), 1: Name("al", "al khalifa", "sara")}
    assert build(names, [Edge(0, 1, 30)]) == {0: 0, 1: 0}


def test_a_typo_of_a_short_form_agrees_with_the_short_form() -> None:
    names = {0: Name("juees", "juees", "pinto"), 1: Name("julian", "jules", "pinto")}
    assert build(names, [Edge(0, 1, 30)]) == {0: 0, 1: 0}


@pytest.mark.parametrize("records", [0, 1, 50])
def test_without_edges_everybody_is_alone(person: Person, table: Table, records: int) -> None:
    people = table([person("shopify", n, "Anna", "Meyer") for n in range(records)])
    assert clustered(people, [])[0] == [[n] for n in range(records)]
