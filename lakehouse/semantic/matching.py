"""Scores candidate pairs with Splink on DuckDB, and decides which values are evidence at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakehouse.semantic import model
from lakehouse.semantic.normalize import is_generic_email
from lakehouse.semantic.records import Key, Record

if TYPE_CHECKING:
    import pyarrow as pa

MAX_NAMES = 3
"""A mailbox or number used under more different names than this is a desk's: it stops being evidence."""

_COMPARED = ("given_n", "given_key", "family_n", "street_n", "city_n", "zip_n")


@dataclass(frozen=True)
class Edge:
    """A scored pair. `parts` are the match weights (log2) of the fields; `weight` is their sum with the prior's."""

    left: Key
    right: Key
    weight: float
    probability: float
    parts: dict[str, float] = field(default_factory=dict, compare=False)


def _shared_by_many(records: Sequence[Record], value: Callable[[Record], str | None], max_names: int) -> set[str]:
    """Values that stand beside more than `max_names` different given names or families."""
    given: dict[str, set[str]] = defaultdict(set)
    family: dict[str, set[str]] = defaultdict(set)
    for record in records:
        key = value(record)
        if key is not None:
            if record.given_key is not None and len(record.given_key) > 1:
                given[key].add(record.given_key)
            if record.family_n is not None:
                family[key].add(record.family_n)
    # a family of five shares one family name; a desk shares neither name
    return {v for v, names in given.items() if len(names) > max_names and len(family[v]) > 1}


def generic_values(records: Sequence[Record], max_names: int = MAX_NAMES) -> tuple[set[str], set[str]]:
    """Emails and phones that are no evidence: desks' by their form, and those used under many different names."""
    emails = {r.email_n for r in records if r.email_n is not None and is_generic_email(r.email_n)}
    return (
        emails | _shared_by_many(records, lambda r: r.email_n, max_names),
        _shared_by_many(records, lambda r: r.phone_n, max_names),
    )


def _table(records: Sequence[Record], generic: tuple[set[str], set[str]]) -> pa.Table:
    import pyarrow as pa

    emails, phones = generic
    columns: dict[str, list[str | None] | list[int]] = {
        "id": list(range(len(records))),
        "email_e": [None if r.email_n in emails else r.email_n for r in records],
        "phone_e": [None if r.phone_n in phones else r.phone_n for r in records],
    }
    columns |= {name: [getattr(r, name) for r in records] for name in _COMPARED}
    types = {name: pa.int64() if name == "id" else pa.string() for name in columns}
    return pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})


def score(
    records: Sequence[Record], pairs: Sequence[tuple[Key, Key]], threshold: float = model.MATCH_PROBABILITY
) -> list[Edge]:
    """Edges of the pairs that score at least `threshold`, strongest first, equal ones by their keys.

    `records` are sorted by key. Pairs with incompatible given names are no edges, whatever else they share: two people
    of one household share address, phone and often the mailbox.
    """
    if not pairs:
        return []
    import pyarrow as pa
    from splink import DuckDBAPI, Linker

    position = {record.key: index for index, record in enumerate(records)}
    api = DuckDBAPI()
    linker = Linker(
        api.register(_table(records, generic_values(records))), model.splink_settings(), log_level=None,
    )  # fmt: skip
    blocked = pa.table(
        {
            "join_key_l": pa.array([position[a] for a, _ in pairs], pa.int64()),
            "join_key_r": pa.array([position[b] for _, b in pairs], pa.int64()),
            "match_key": pa.array(["0"] * len(pairs)),
        }
    )
    linker.table_management.register_blocked_pairs_for_predict(api.register(blocked))
    scored = linker.inference.predict(threshold_match_probability=threshold, warning_mode="never")
    forbidden = (model.DIFFERENT_NAME, model.HOUSEHOLD_NAME)
    wanted = scored.as_duckdbpyrelation().filter(f"gamma_name NOT IN {forbidden}")
    return sorted(
        (_edge(records, row) for row in wanted.to_arrow_table().to_pylist()),
        key=lambda edge: (-round(edge.weight, 6), edge.left, edge.right),
    )


def _edge(records: Sequence[Record], row: dict[str, float]) -> Edge:
    left, right = sorted((records[int(row["id_l"])].key, records[int(row["id_r"])].key))
    parts = {name: float(row[f"mw_{name}"]) for name in model.LEVELS if row.get(f"mw_{name}") is not None}
    return Edge(left, right, float(row["match_weight"]), float(row["match_probability"]), parts)
