"""How often a value occurs: that two records share a rare name says more than that they share a common one.

The shares are part of a trained model and frozen with it, so a score does not depend on what else arrived that day. A
name's share is that of the given name times that of the family name: the whole name of a person is mostly there once,
and counting it would say nothing.

A share replaces a level's u, so both have to be probabilities of the same pairs. Trained models are like that; the
stated model is not: its u are of candidates, on purpose larger than those of random pairs. It has no shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from splink import Linker

TERMS: dict[str, tuple[str, ...]] = {"name_n": ("given_n", "family_n"), "city_n": ("city_n",)}
"""Column that is looked up → the columns whose shares make its share."""
JOINED = "|"
"""Between the parts of a term; no normalised value holds it."""
MOST_VALUES = 1_000
"""Of a column, so many values are listed, the most frequent ones; all others share one mean."""
FEWEST = 3
"""A value that fewer records have is not listed."""


@dataclass(frozen=True)
class Frequencies:
    """Shares of the records that say something in a column: of each listed value, and the mean one of all others."""

    values: Mapping[str, float]
    rest: float

    def as_json(self) -> dict[str, Any]:
        return {"rest": self.rest, "values": dict(self.values)}


def parse(found: Mapping[str, Any]) -> dict[str, Frequencies]:
    """By column, from what `as_json` of each gives."""
    return {column: Frequencies(said["values"], said["rest"]) for column, said in found.items()}


def term(name: str, columns: Sequence[str] = ()) -> str:
    """SQL: the value of a term; null unless all its columns say something."""
    return f" || '{JOINED}' || ".join(columns or TERMS[name])


def count(con: DuckDBPyConnection, people: str = "people") -> dict[str, Frequencies]:
    """The shares in the records of a table. A column that says nothing is left out."""
    return {
        column: found
        for column in dict.fromkeys(column for columns in TERMS.values() for column in columns)
        if (found := _count(con, people, column)) is not None
    }


def _count(con: DuckDBPyConnection, people: str, column: str) -> Frequencies | None:
    counted = con.execute(
        f"SELECT {column} AS value, count(*) AS n FROM {people} WHERE value IS NOT NULL GROUP BY 1 ORDER BY n DESC, 1"
    ).fetchall()
    if not counted:
        return None
    total = sum(n for _, n in counted)
    listed = {value: n / total for value, n in counted[:MOST_VALUES] if n >= FEWEST}
    others = counted[len(listed) :]
    rest = sum(n for _, n in others) / total / len(others) if others else 1 / total
    return Frequencies({value: round(share, 8) for value, share in listed.items()}, round(rest, 8))


def usable(known: Mapping[str, Frequencies]) -> list[str]:
    """The terms whose share follows from what the model knows."""
    return [name for name, columns in TERMS.items() if known.keys() >= set(columns)]


def lookup(
    con: DuckDBPyConnection, known: Mapping[str, Frequencies], name: str, compared: str = "compared"
) -> pa.Table:
    """The share of each value that a term has in a table, as Splink takes it: the columns `name` and `tf_name`."""
    columns = TERMS[name]
    for column in columns:
        said = known[column]
        listed = pa.table(
            {"value": pa.array(said.values, pa.string()), "share": pa.array(said.values.values(), pa.float64())}
        )
        con.register(f"shares_{column}", listed)
    shares = " * ".join(f"coalesce(shares_{column}.share, {known[column].rest!r})" for column in columns)
    joins = " ".join(f"LEFT JOIN shares_{column} ON {column} = shares_{column}.value" for column in columns)
    return con.sql(
        f"""
        SELECT {term(name)} AS {name}, {shares} AS tf_{name}
        FROM (SELECT DISTINCT {", ".join(columns)} FROM compared WHERE {term(name)} IS NOT NULL) {joins}
        ORDER BY ALL
        """
    ).to_arrow_table()  # fmt: skip


def register(linker: Linker, api: Any, lookups: Mapping[str, Any]) -> None:
    """Give Splink the shares by term, so that it does not count them in what it scores."""
    for name, table in lookups.items():
        linker.table_management.register_term_frequency_lookup(api.register(table), name)
