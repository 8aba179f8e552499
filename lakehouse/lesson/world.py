"""The live records with the truth about them: what sheets and lessons about matching are judged against."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from lakehouse import incremental
from lakehouse.semantic import by_hand, evaluation, normalized_records
from lakehouse.settings import get_settings

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

    from lakehouse.semantic.records import Key


@dataclass(frozen=True, eq=False)
class World:
    """Records as they are compared, sorted by key; which person each is of; `real`: pairs that are one person."""

    people: pa.Table
    truth: dict[Key, str]
    real: int

    def frame(self) -> pd.DataFrame:
        """The records with what they say, one row each, in the order of `people`."""
        said = ("source", "source_id", "given_n", "given_key", "family_n", "email_n", "phone_n", "street_n", "zip_n",
                "city_n", "country_n")  # fmt: skip
        return self.people.select(said).to_pandas()


def world() -> World:
    """The records as they are now. Raises `NothingToEvaluate` where the data were not generated."""
    return _at(incremental.snapshots([normalized_records.TABLE.name])[normalized_records.TABLE.name])


@lru_cache(maxsize=1)
def _at(snapshot: int | None) -> World:
    truth = evaluation.read_truth(get_settings().world_dir / "truth" / "identities.jsonl")
    people = by_hand.part(normalized_records.read(snapshot))
    return World(people, truth, by_hand.true_pairs(people, truth).num_rows)


def tables(**names: str) -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own in which tables of the lakehouse, as they are now, stand under names of one's choice."""
    from lakehouse import metadata
    from lakehouse.semantic.resolution import connect

    con = connect()
    for name, table in names.items():
        con.register(name, metadata.catalog().load_table(table).scan().to_arrow())
    return con
