"""Scores candidate pairs with Splink on DuckDB, and decides which values are evidence at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.semantic import model

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

MAX_NAMES = 3
"""A mailbox or number used under more different names than this is a desk's: it stops being evidence."""

COMPARED = ("given_n", "given_key", "family_n", "street_n", "city_n", "zip_n", "birth_n", "id_n")
PARTS = tuple(f"mw_{name}" for name in model.LEVELS)
"""Columns of an edge that say what each field adds: match weights, log2."""


def _shared_by_many(column: str, max_names: int) -> str:
    """SQL: values beside more than so many given names and not one family name. A family of five shares that name."""
    return (
        f"SELECT {column} AS value FROM people WHERE {column} IS NOT NULL GROUP BY 1"
        f" HAVING count(DISTINCT given_key) FILTER (length(given_key) > 1) > {max_names}"
        f" AND count(DISTINCT family_n) > 1"
    )


def find_generic(con: DuckDBPyConnection, max_names: int = MAX_NAMES) -> None:
    """Values that are no evidence, as DuckDB's tables `generic_email` and `generic_phone`.

    Desks' mailboxes are known by their form, others by counting the names that use them.
    """
    by_form = "SELECT DISTINCT email_n FROM people WHERE email_is_generic AND email_n IS NOT NULL"
    con.execute(f"CREATE OR REPLACE TABLE generic_email AS {_shared_by_many('email_n', max_names)} UNION {by_form}")
    con.execute(f"CREATE OR REPLACE TABLE generic_phone AS {_shared_by_many('phone_n', max_names)}")


def generic_counts(con: DuckDBPyConnection) -> dict[str, int]:
    """How many values `find_generic` found, by field."""
    return {name: con.execute(f"SELECT count(*) FROM generic_{name}").fetchall()[0][0] for name in ("email", "phone")}


def prepare(con: DuckDBPyConnection) -> None:
    """DuckDB's table `compared`: what Splink sees of each record. Values that are no evidence are null."""
    find_generic(con)
    con.execute(
        f"""
        CREATE OR REPLACE TABLE compared AS
        SELECT idx, {", ".join(COMPARED)},
               CASE WHEN email_n NOT IN (SELECT value FROM generic_email) THEN email_n END AS email_e,
               CASE WHEN phone_n NOT IN (SELECT value FROM generic_phone) THEN phone_n END AS phone_e
        FROM people
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
) -> pa.Table:
    """Edges: the pairs of `pairs` that score at least `threshold`, strongest first, equal ones by their positions.

    Columns: l, r (positions, l < r), weight (log2, with the prior's), probability, one `mw_` column a field, and
    `certain`, whether it outweighs names that cannot be one person's. Pairs with incompatible given names are else no
    edges, whatever they share: two people of one household share address, phone and often the mailbox.
    """
    from splink import DuckDBAPI, Linker

    prepare(con)
    blocked = con.sql("SELECT l AS join_key_l, r AS join_key_r, '0' AS match_key FROM pairs").to_arrow_table()
    if blocked.num_rows == 0:  # also where no record says anything
        return _edges_schema().empty_table()
    fields = fields_with_values(con)
    api = DuckDBAPI(connection=con)
    linker = Linker(api.register("compared"), model.splink_settings(parameters, fields), log_level=None)
    linker.table_management.register_blocked_pairs_for_predict(api.register(blocked))
    scored = linker.inference.predict(threshold_match_probability=threshold, warning_mode="never")
    certain = " OR ".join(sql for name, sql in model.SAME_PERSON.items() if name in fields) or "false"
    possible = f"gamma_name NOT IN ({model.DIFFERENT_NAME}, {model.HOUSEHOLD_NAME})" if "name" in fields else "true"
    parts = ", ".join(f"mw_{name}" if name in fields else f"0.0 AS mw_{name}" for name in model.LEVELS)
    edges = con.sql(
        f"""
        SELECT least(idx_l, idx_r) AS l, greatest(idx_l, idx_r) AS r, round(match_weight, 6) AS weight,
               match_probability AS probability, {parts}, ({certain}) AS certain
        FROM {scored.physical_name} WHERE {possible} OR {certain}
        ORDER BY weight DESC, l, r
        """
    ).to_arrow_table()
    scored.drop_table_from_database_and_remove_from_cache()
    return edges.cast(_edges_schema())


def _edges_schema() -> pa.Schema:
    import pyarrow as pa

    numbers = [pa.field(name, pa.float64()) for name in ("weight", "probability", *PARTS)]
    return pa.schema([pa.field("l", pa.int64()), pa.field("r", pa.int64()), *numbers, pa.field("certain", pa.bool_())])
