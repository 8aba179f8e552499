from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from lakehouse.semantic import blocking
from lakehouse.semantic.blocking import BlockingRow
from lakehouse.semantic.records import Record

Make = Callable[..., Record]


def test_a_record_has_a_key_of_each_rule_that_applies(person: Make) -> None:
    record = person(
        "shopify", 1, "Bob", "Miller", email="bob.miller@firm.example", phone="415 555 0132", country="US",
        zip="94105", city="San Francisco", address1="1 Main Street",
    )  # fmt: skip
    keys = {row.blocking_type: row.blocking_key for row in blocking.index([record])}
    assert keys == {
        "email_exact": "bob.miller@firm.example",
        "phone_exact": "+14155550132",
        "email_local": "bobmiller",
        "name_postcode": "mill|94105",
        "name_city": "robert|miller|san francisco",
        "name_full": "robert|miller",
        "name_prefix_domain": "mil|firm.example",
        "phone_area_name": "+1415555|r|miller",
        "street_given": "robert|1 main st",
    }


def test_an_empty_record_has_no_key(person: Make) -> None:
    assert blocking.index([person("stripe", 1, None, None)]) == []


def _rows(count: int, key: str = "k", kind: str = "email_exact") -> list[BlockingRow]:
    return [BlockingRow(key, kind, "shopify", f"{number:05d}", None) for number in range(count)]


def test_a_block_over_the_cap_makes_no_pair_and_is_counted() -> None:
    found = blocking.candidates(_rows(41) + _rows(3, "small"), max_block=40)
    assert len(found.pairs) == 3
    assert found.dropped_blocks == {"email_exact": 1}
    assert found.dropped_records == {"email_exact": 41}
    assert found.largest_block == {"email_exact": 41}


def test_a_pair_of_several_passes_counts_as_new_once() -> None:
    found = blocking.candidates(_rows(2) + _rows(2, kind="phone_exact"))
    assert len(found.pairs) == 1
    assert found.per_pass == {"email_exact": 1, "phone_exact": 1}
    assert found.new_per_pass == {"email_exact": 1}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(list(blocking.RULES)), st.integers(0, 60))))
def test_pairs_are_bounded_and_do_not_depend_on_order(keys: list[tuple[str, str, int]]) -> None:
    rows = [BlockingRow(key, kind, "shopify", str(number), None) for key, kind, number in keys]
    found = blocking.candidates(rows, max_block=8)
    assert found.pairs == blocking.candidates(rows[::-1], max_block=8).pairs
    assert len(found.pairs) <= len(rows) * 8 / 2
    assert all(a < b for a, b in found.pairs)
