from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import pyarrow as pa

from lakehouse.semantic import plain


def test_pairs_of_rules_are_counted_as_they_would_be_made(
    person: Callable[..., dict[str, Any]], table: Callable[..., pa.Table]
) -> None:
    said = [("Anna", "Meyer", "a@x.de", "1"), ("anna", "Meyer", "A@x.de", "1"), ("Anna", "Kurz", None, "2"),
            ("Bea", "Meyer", None, "1"), ("Anna", "MEYER", "c@x.de", None)]  # fmt: skip
    rows = [
        person("shopify", n, first, last, email=mail, zip=place) for n, (first, last, mail, place) in enumerate(said)
    ]
    low = [tuple(value and value.lower() for value in row) for row in said]

    def made(*columns: int) -> int:
        return sum(all(a[c] is not None and a[c] == b[c] for c in columns) for a, b in combinations(low, 2))

    assert plain.pairs_of_rules(table(rows)) == {
        "email": made(2), "first_name + last_name": made(0, 1), "last_name + zip": made(1, 3),
        "first_name + zip": made(0, 3),
    }  # fmt: skip
