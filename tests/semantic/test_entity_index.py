from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from lakehouse.semantic import entity_index, normalized_records
from lakehouse.semantic.entity_index import entity_rows
from lakehouse.semantic.records import SENT
from lakehouse.semantic.resolution import resolve
from lakehouse.semantic.tables import ENTITY_INDEX


def test_rows_of_a_table_in_pieces(person: Callable[..., dict[str, Any]], table: Callable[..., pa.Table]) -> None:
    rows = [
        person("hubspot", 1, "Anna", "Meyer", email="anna@example.com", phone="030 23125123", country="DE"),
        person("shopify", 2, None, None),
        person("stripe", 3, None, None, full_name="Bruno Kurz"),
        person("stripe", 4, "", "Kim"),
    ]
    people = table(rows)
    pieces = pa.concat_tables([people.slice(0, 0), people.slice(0, 1), people.slice(1, 0), people.slice(1)])
    made = entity_rows(resolve(pieces))
    assert set(made.column_names) == set(ENTITY_INDEX.column_names)
    assert made.column("full_name").to_pylist() == ["Anna Meyer", None, "Bruno Kurz", "Kim"]
    assert made.column("email_normalized").to_pylist() == ["anna@example.com", None, None, None]
    assert entity_rows(resolve(people.slice(0, 0))).num_rows == 0


def test_rows_of_some_records_and_who_is_said_otherwise(
    person: Callable[..., dict[str, Any]], table: Callable[..., pa.Table]
) -> None:
    rows = [person("shopify", 1, "Anna", "Meyer"), person("stripe", 2, "Anna", "Meyer"), person("hubspot", 3, "B", "K")]
    before = table(rows)
    # plain letters are as they were: nobody has to be compared again, and yet the row is another
    rows[0] |= {"first_name": "ANNA"}
    people = table(rows[::-1])
    first = resolve(before.take([2, 0, 1]))
    again = resolve(people, first)
    assert again.origin is not None
    ids = entity_index._ids(again, first, ~again.origin.same)
    assert ids.to_pylist() == ["1"]
    assert again.stats["records_touched", ""] == 0
    assert entity_rows(again, ids).column("full_name").to_pylist() == ["ANNA Meyer"]
    assert entity_rows(again, ids.slice(0, 0)).num_rows == 0


def test_only_changed_records_are_normalised_again(
    person: Callable[..., dict[str, Any]], table: Callable[..., pa.Table]
) -> None:
    rows = [person("shopify", number, "Anna", "Meyer", zip=str(10115 + number)) for number in range(1, 6)]
    before = table(rows)
    marked = before.set_column(
        before.column_names.index("city_n"), "city_n", pa.array(["as before"] * before.num_rows, pa.string())
    )
    rows[1] |= {"zip": "80331"}
    rows[4] = person("stripe", 9, "Carla", None)
    sent = table(rows).select(SENT.names)
    shuffled = marked.take([3, 0, 4, 2, 1])
    people, origin = normalized_records.bring_up(sent, shuffled)
    assert sorted(normalized_records.changed_ids(people, shuffled, origin).to_pylist()) == ["2", "5", "9"]
    assert origin.place.tolist() == [1, 4, 3, 0, -1]
    assert origin.same.tolist() == [True, False, True, True, False]
    assert origin.now().tolist() == [3, 0, -1, 2, 1]
    assert origin.gone().tolist() == [2]
    assert people.column("source_id").to_pylist() == ["1", "2", "3", "4", "9"]
    assert people.column("city_n").to_pylist() == ["as before", None, "as before", "as before", None]
    assert people.drop_columns(["city_n"]) == table(rows).drop_columns(["city_n"])
