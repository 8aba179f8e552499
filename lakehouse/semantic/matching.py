"""Scores candidate pairs with Splink on DuckDB, and decides which values are evidence at all."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.semantic import frequencies, model
from lakehouse.semantic.blocking import BATCH

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_NAMES = 3
"""A mailbox or number used under more different names than this is a desk's: it stops being evidence."""

ROW_GROUP = 122_880
"""Rows that one processor goes through in DuckDB's tables."""
STRONGEST_FIRST = [("weight", "descending"), ("l", "ascending"), ("r", "ascending")]

DUCKDB, SPARK = "duckdb", "spark"
"""Where pairs are scored; both give the same edges."""
COMPARED = ("given_n", "given_key", "family_n", "street_n", "city_n", "zip_n", "birth_n", "id_n")
PARTS = tuple(f"mw_{name}" for name in model.LEVELS)
"""Columns of an edge that say what each field adds: match weights, log2."""
PAIRED = "idx IN (SELECT l FROM pairs UNION ALL SELECT r FROM pairs)"
"""SQL: whether a record is in a candidate pair."""
EDGES = pa.schema(
    [pa.field("l", pa.int64()), pa.field("r", pa.int64())]
    + [pa.field(name, pa.float64()) for name in ("weight", "probability", *PARTS)]
    + [pa.field("certain", pa.bool_())]
)
"""Scored pairs by the positions of their records, l < r."""


def shared_by_many(people: str, column: str, max_names: int) -> str:
    """SQL: values beside more than so many given names and not one family name. A family of five shares that name."""
    return (
        f"SELECT {column} AS value FROM {people} WHERE {column} IS NOT NULL GROUP BY 1"
        f" HAVING count(DISTINCT given_key) FILTER (length(given_key) > 1) > {max_names}"
        f" AND count(DISTINCT family_n) > 1"
    )


def find_generic(con: DuckDBPyConnection, max_names: int = MAX_NAMES, paired: bool = False) -> None:
    """Values that are no evidence, as DuckDB's tables `generic_email` and `generic_phone`.

    Desks' mailboxes are known by their form, others by counting the names that use them. `paired`: only of the values
    of records that are in a pair.
    """
    by_form = "SELECT DISTINCT email_n FROM people WHERE email_is_generic AND email_n IS NOT NULL"
    by_names = {}
    for column in ("email_n", "phone_n"):
        asked = f"(SELECT {column} FROM people WHERE {PAIRED})"
        table = f"people SEMI JOIN {asked} asked USING ({column})" if paired else "people"
        by_names[column] = shared_by_many(table, column, max_names)
    con.execute(f"CREATE OR REPLACE TABLE generic_email AS {by_names['email_n']} UNION {by_form}")
    con.execute(f"CREATE OR REPLACE TABLE generic_phone AS {by_names['phone_n']}")


def warm_up() -> None:
    """Load the libraries that scoring and clustering need, for a caller who waits for something else meanwhile."""
    for library in ("duckdb", "splink", "scipy.sparse.csgraph", "rapidfuzz.distance"):
        importlib.import_module(library)


def generic_counts(con: DuckDBPyConnection) -> dict[str, int]:
    """How many values `find_generic` found, by field."""
    return {name: con.execute(f"SELECT count(*) FROM generic_{name}").fetchall()[0][0] for name in ("email", "phone")}


def prepare(con: DuckDBPyConnection, max_names: int = MAX_NAMES, paired: bool = False) -> None:
    """DuckDB's table `compared`: what Splink sees of each record. Values that are no evidence are null.

    `paired`: only of records that are in a pair.
    """
    find_generic(con, max_names, paired)
    wanted = f"WHERE {PAIRED}" if paired else ""
    con.execute(
        f"""
        CREATE OR REPLACE TABLE compared AS
        SELECT idx, {", ".join(COMPARED)}, {frequencies.term("name_n")} AS name_n,
               CASE WHEN email_n NOT IN (SELECT value FROM generic_email) THEN email_n END AS email_e,
               CASE WHEN phone_n NOT IN (SELECT value FROM generic_phone) THEN phone_n END AS phone_e
        FROM people {wanted}
        """
    )


def fields_with_values(con: DuckDBPyConnection) -> list[str]:
    """The model's fields of which any record of `compared` says something; the others would only cost time."""
    counts = ", ".join(f"count({sql})" for sql in model.FILLED.values())
    found = con.execute(f"SELECT {counts} FROM compared").fetchall()[0]
    return [name for name, count in zip(model.FILLED, found, strict=True) if count]


def score(
    con: DuckDBPyConnection,
    parameters: model.Parameters | None = None,
    threshold: float = model.MATCH_PROBABILITY,
    max_names: int = MAX_NAMES,
    backend: str = DUCKDB,
) -> pa.Table:
    """Edges: the pairs of `pairs` that score at least `threshold`, strongest first, equal ones by their positions.

    Columns: l, r (positions, l < r), weight (log2, with the prior's), probability, one `mw_` column a field, and
    `certain`, whether it outweighs names that cannot be one person's. Pairs with incompatible given names are else no
    edges, whatever they share: two people of one household share address, phone and often the mailbox.
    """
    prepare(con, max_names, paired=True)
    fields, chosen = fields_with_values(con), parameters or model.load()
    if con.execute("SELECT count(*) FROM pairs").fetchall()[0][0] == 0:  # also where no record says anything
        return EDGES.empty_table()
    lookups = _lookups(con, chosen, fields)
    if backend == SPARK:
        edges = _score_on_spark(con, chosen, fields, threshold, lookups)
    else:
        parts = _parts(con)
        with ThreadPoolExecutor(parts) as pool:
            edges = pa.concat_tables(
                pool.map(lambda part: _score_part(con, chosen, fields, threshold, lookups, part, parts), range(parts))
            )
    return edges.cast(EDGES).sort_by(STRONGEST_FIRST)


def _parts(con: DuckDBPyConnection) -> int:
    """Into how many parts the pairs go that are scored side by side.

    DuckDB gives a processor a row group at a time, and Splink's query goes along the records: so few of them would all
    be one processor's.
    """
    sql = "SELECT current_setting('threads')::INT, count(*) FROM compared"
    threads, records = con.execute(sql).fetchall()[0]
    return 1 if records > threads * ROW_GROUP else int(threads)


def _score_part(con: DuckDBPyConnection, parameters: model.Parameters, fields: list[str], threshold: float,
                lookups: Mapping[str, pa.Table], part: int, parts: int) -> pa.Table:  # fmt: skip
    """The edges of one part of the pairs, in any order."""
    likely = f"likely_{part}"
    with con.cursor() as mine:
        _drop_impossible(mine, f"(FROM pairs WHERE l % {parts} = {part})", likely)
        scored = _predict(mine, parameters, fields, threshold, lookups, likely)
        edges = _edges(mine, scored.physical_name, fields, parameters)
        scored.drop_table_from_database_and_remove_from_cache()
    return edges


def _score_on_spark(con: DuckDBPyConnection, parameters: model.Parameters, fields: list[str], threshold: float,
                    lookups: Mapping[str, pa.Table]) -> pa.Table:  # fmt: skip
    """The edges of all pairs, in any order."""
    from lakehouse.semantic import spark_scoring

    _drop_impossible(con, "pairs", "likely")
    compared, likely = (con.sql(f"FROM {table}").to_arrow_table() for table in ("compared", "likely"))
    con.register("scored", spark_scoring.predict(compared, likely, lookups, parameters, fields, threshold))
    return _edges(con, "scored", fields, parameters)


def _edges(con: DuckDBPyConnection, scored: str, fields: list[str], parameters: model.Parameters) -> pa.Table:
    """Splink's table of pairs with levels and weights as edges, without those that the names forbid."""
    parts = ", ".join(f"{_weight(name, fields, parameters)} AS mw_{name}" for name in model.LEVELS)
    return con.sql(
        f"""
        SELECT least(idx_l, idx_r) AS l, greatest(idx_l, idx_r) AS r, round(match_weight, 6) AS weight,
               match_probability AS probability, {parts}, ({_certain(fields)}) AS certain
        FROM {scored} WHERE {_possible(fields)} OR {_certain(fields)}
        """
    ).to_arrow_table()


def _drop_impossible(con: DuckDBPyConnection, pairs: str, likely: str) -> None:
    """The table `likely` of `pairs` without those that are no edge whatever they score. Most pairs are of a household
    or of colleagues; to look at the given names costs a tenth of scoring all fields."""
    sides = ", ".join(f"a.{column} AS {column}_l, b.{column} AS {column}_r" for column in COMPARED)
    # one after the other, the cheap ones first: what an `OR` joins DuckDB orders by an estimate of its own
    possible = " ".join(f"WHEN {sql} THEN true" for sql in (model.NULL["name"], *model.CERTAIN, *model.POSSIBLE_NAMES))
    con.execute(
        f"""
        CREATE OR REPLACE TABLE {likely} AS
        SELECT l, r FROM (
            SELECT l, r, {sides} FROM {pairs} JOIN compared a ON l = a.idx JOIN compared b ON r = b.idx
        ) WHERE CASE {possible} ELSE false END
        """
    )


def _weight(name: str, fields: list[str], parameters: model.Parameters) -> str:
    """SQL: what a field adds to the weight of a pair, with what the frequency of its value adds."""
    if name not in fields:
        return "0.0"
    return f"mw_{name} + mw_tf_adj_{name}" if name in model.terms(parameters, fields) else f"mw_{name}"


def _lookups(con: DuckDBPyConnection, parameters: model.Parameters, fields: list[str]) -> dict[str, pa.Table]:
    wanted = model.terms(parameters, fields).values()
    return {term: frequencies.lookup(con, parameters.shares, term) for term in wanted}


def _predict(con: DuckDBPyConnection, parameters: model.Parameters, fields: list[str], threshold: float,
             lookups: Mapping[str, pa.Table], pairs: str = "pairs") -> Any:  # fmt: skip
    """Splink's table of the pairs with their levels (`gamma_`) and weights (`mw_`, `mw_tf_adj_`)."""
    from splink import DuckDBAPI, Linker

    # in small batches, for DuckDB gives a processor a batch at a time: a table of one batch is scored by one of them
    blocked = con.sql(f"SELECT l AS join_key_l, r AS join_key_r, '0' AS match_key FROM {pairs}").to_arrow_table(BATCH)
    api = DuckDBAPI(connection=con)
    linker = Linker(
        api.register("compared"), model.splink_settings(parameters, fields), log_level=None, validate_settings=False
    )
    frequencies.register(linker, api, lookups)
    linker.table_management.register_blocked_pairs_for_predict(api.register(blocked))
    return linker.inference.predict(threshold_match_probability=threshold, warning_mode="never")


def _certain(fields: list[str]) -> str:
    """SQL: what outweighs incompatible given names."""
    return " OR ".join(sql for name, sql in model.SAME_PERSON.items() if name in fields) or "false"


def _possible(fields: list[str]) -> str:
    """SQL: whether the given names can be one person's."""
    return f"gamma_name NOT IN ({model.DIFFERENT_NAME}, {model.HOUSEHOLD_NAME})" if "name" in fields else "true"


def score_unguarded(con: DuckDBPyConnection, threshold: float, max_names: int = MAX_NAMES) -> pa.Table:
    """The pairs of `pairs` that score at least `threshold`, also those whose given names forbid it; strongest first.

    Columns l, r, weight and probability. For lessons: to be compared with what `score` gives.
    """
    prepare(con, max_names, paired=True)
    parameters, fields = model.load(), fields_with_values(con)
    scored = _predict(con, parameters, fields, threshold, _lookups(con, parameters, fields))
    return con.sql(
        f"""
        SELECT least(idx_l, idx_r) AS l, greatest(idx_l, idx_r) AS r, round(match_weight, 6) AS weight,
               match_probability AS probability
        FROM {scored.physical_name} ORDER BY weight DESC, l, r
        """
    ).to_arrow_table()


def compare(con: DuckDBPyConnection, parameters: model.Parameters | None = None) -> dict[str, Any]:
    """The one pair of `pairs` level by level: `levels` and `weights` by field, `probability`, and `held_back` where
    the names forbid what the weight says."""
    prepare(con)
    fields, chosen = fields_with_values(con), parameters or model.load()
    if not fields:
        return {"levels": {}, "weights": {}, "probability": 0.0, "held_back": False}
    scored = _predict(con, chosen, fields, 0.0, _lookups(con, chosen, fields))
    weights = ", ".join(f"{_weight(name, fields, chosen)} AS weight_{name}" for name in fields)
    held_back = f"NOT ({_possible(fields)} OR {_certain(fields)}) AS held_back"
    sql = f"SELECT *, {weights}, {held_back} FROM {scored.physical_name}"
    row = con.sql(sql).to_arrow_table().to_pylist()[0]
    return {
        "levels": {name: row[f"gamma_{name}"] for name in fields},
        "weights": {name: row[f"weight_{name}"] for name in fields},
        "probability": row["match_probability"],
        "held_back": row["held_back"],
    }


def weight_of(probability: float) -> float:
    """A probability as a match weight: log2 of its odds."""
    return math.log2(probability / (1 - probability))
