from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.semantic import blocking
from lakehouse.semantic.blocking import Candidates
from lakehouse.semantic.resolution import connect

Person = Callable[..., dict[str, Any]]
Table = Callable[..., pa.Table]


def keys(people: pa.Table) -> dict[str, str]:
    with connect() as con:
        blocking.register(con, people)
        blocking.index(con)
        rows = blocking.index_rows(con).to_pylist()
    return {row["blocking_type"]: row["blocking_key"] for row in rows}


def test_a_record_has_a_key_of_each_rule_that_applies(person: Person, table: Table) -> None:
    record = person(
        "shopify", 1, "Bob", "Miller", email="bob.miller@firm.example", phone="415 555 0132", country="US",
        zip="94105", city="San Francisco", street="1 Main Street", birth_date="1980-02-03", national_id="12-34",
    )  # fmt: skip
    assert keys(table([record])) == {
        "email_exact": "bob.miller@firm.example",
        "phone_exact": "+14155550132",
        "national_id": "1234",
        "email_local": "bobmiller",
        "name_postcode": "mill|94105",
        "name_city": "robert|miller|san francisco",
        "name_full": "miller|robert",
        "name_prefix_domain": "r|mil|firm.example",
        "phone_area_name": "+1415555|r|miller",
        "street_given": "robert|1 main st",
        "street_postcode": "1 main s|94105",
        "birth_name": "1980-02-03|mi",
        "birth_family": "1980-02-03|mil",
        "birth_postcode": "1980-02-03|94105",
        "birth_street": "1980-02-03|1 main",
    }


def test_an_empty_record_has_no_key(person: Person, table: Table) -> None:
    assert keys(table([person("stripe", 1, None, None)])) == {}


def test_a_column_without_any_value_changes_no_key(person: Person, table: Table) -> None:
    """Of such a column DuckDB is told so; the keys of the others are what they are beside records that have one."""
    bare = person("shopify", 1, "Anna", "Meyer", email="a.meyer@firm.example", zip="94105")
    full = person("stripe", 2, "Bob", "Miller", phone="415 555 0132", country="US", birth_date="1980-02-03",
                  national_id="12-34", street="1 Main Street", city="San Francisco")  # fmt: skip
    alone = keys(table([bare]))
    with connect() as con:
        blocking.register(con, table([bare, full]))
        blocking.index(con)
        beside = [row for row in blocking.index_rows(con).to_pylist() if row["source"] == "shopify"]
    assert alone
    assert alone == {row["blocking_type"]: row["blocking_key"] for row in beside}


def test_the_index_read_back_makes_the_same_blocks(person: Person, table: Table) -> None:
    people = table([person("shopify", n, "Anna", "Meyer", email=f"a{n % 3}@firm.example") for n in range(9)])
    with connect() as con:
        blocking.register(con, people)
        blocking.index(con)
        made = sorted(con.execute("FROM blocks").fetchall())
        blocking.load(con, blocking.index_rows(con))
        assert sorted(con.execute("FROM blocks").fetchall()) == made


Placed = tuple[str, str, int]
"""Key, rule and record."""


def found(placed: Iterable[Placed], part: Callable[[int], str] = lambda _: "", **options: Any
          ) -> tuple[Candidates, list[tuple[int, int]]]:  # fmt: skip
    """Candidates of blocks made by hand. `part` gives a record's postcode."""
    rows = sorted(set(placed))
    numbers = {rule.name: number for number, rule in enumerate(blocking.RULES)}
    with connect() as con:
        con.execute("CREATE TABLE people (idx BIGINT, part VARCHAR, source VARCHAR)")
        con.execute("CREATE TABLE blocks (pass INTEGER, key VARCHAR, idx BIGINT)")
        for record in sorted({record for _, _, record in rows}):
            con.execute("INSERT INTO people VALUES (?, ?, ?)", [record, part(record), str(record % 2)])
        if rows:
            con.executemany("INSERT INTO blocks VALUES (?, ?, ?)", [(numbers[kind], key, n) for key, kind, n in rows])
        result = blocking.candidates(con, **options)
        return result, sorted(con.execute("SELECT l, r FROM pairs").fetchall())


def block(count: int, key: str = "k", kind: str = "email_exact") -> list[Placed]:
    return [(key, kind, number) for number in range(count)]


def test_a_block_over_the_cap_makes_no_pair_and_is_named() -> None:
    result, pairs = found(block(41) + block(3, "small"), max_block=40)
    assert len(pairs) == result.pairs == 3
    assert result.dropped_blocks == {"email_exact": 1}
    assert result.dropped_records == {"email_exact": 41}
    assert result.largest_block == {"email_exact": 41}
    assert result.dropped == [("email_exact", "k", 41)]


def test_a_block_over_the_cap_is_split_where_that_helps() -> None:
    result, pairs = found(block(12), part=lambda n: "1000" if n < 3 else "2000", max_block=8)
    assert pairs == [(0, 1), (0, 2), (1, 2)]
    assert result.split_blocks == {"email_exact": 1}
    assert result.dropped == [("email_exact", "k/2000", 9)]


def test_a_pair_of_several_passes_counts_as_new_once() -> None:
    result, pairs = found(block(2) + block(2, kind="phone_exact"))
    assert pairs == [(0, 1)]
    assert result.per_pass == {"email_exact": 1, "phone_exact": 1}
    assert result.new_per_pass == {"email_exact": 1}


def test_between_sources_only_pairs_of_two_sources_are_made() -> None:
    _, pairs = found(block(4), between_sources=True)
    assert pairs == [(0, 1), (0, 3), (1, 2), (2, 3)]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([r.name for r in blocking.RULES]),
                          st.integers(0, 60))))  # fmt: skip
def test_pairs_are_bounded(placed: list[Placed]) -> None:
    cap = 8
    _, pairs = found(placed, max_block=cap)
    assert len(pairs) <= len(set(placed)) * cap / 2
    assert all(a < b for a, b in pairs)
    in_blocks = Counter((key, kind) for key, kind, _ in set(placed))
    small = {key for key, size in in_blocks.items() if size <= cap}
    members: dict[tuple[str, str], list[int]] = {}
    for key, kind, record in set(placed):
        members.setdefault((key, kind), []).append(record)
    expected = {(a, b) for key in small for a in members[key] for b in members[key] if a < b}
    assert set(pairs) == expected


@pytest.mark.parametrize("address", ["info@firm.example", "sales2@firm.example", "x@none.com"])
def test_a_desk_is_known_by_its_address(person: Person, table: Table, address: str) -> None:
    assert set(keys(table([person("shopify", 1, None, None, email=address)]))) == {"email_exact"}
