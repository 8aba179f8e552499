from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from lakehouse.semantic.entity_index import entity_rows
from lakehouse.semantic.resolution import resolve
from lakehouse.semantic.tables import ENTITY_INDEX


def test_rows_of_a_table_in_pieces(person: Callable[..., dict[str, Any]], table: Callable[..., pa.Table]) -> None:
    rows = [
        person("hubspot", 1, "Anna", "Meyer", email="anna@example.com", phone="030 23125123", country="DE"),
        person("shopify", 2, None, None),
        person("stripe", 3, None, None, full_name="Bruno Kurz"),
    ]
    people = table(rows)
    pieces = pa.concat_tables([people.slice(0, 0), people.slice(0, 1), people.slice(1, 0), people.slice(1)])
    made = entity_rows(resolve(pieces))
    assert set(made.column_names) == set(ENTITY_INDEX.column_names)
    assert made.column("full_name").to_pylist() == ["Anna Meyer", None, "Bruno Kurz"]
    assert made.column("email_normalized").to_pylist() == ["anna@example.com", None, None]
    assert entity_rows(resolve(people.slice(0, 0))).num_rows == 0
