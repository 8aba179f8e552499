"""Splink as its own guides set it up, to compare with: its library's comparisons, its blocking, its clustering.

No normalisation but lower case, no index, no guards: what one writes in an afternoon. Splink's parts are used as they
come (`splink.comparison_library`, random sampling for u, expectation maximisation for m).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from lakehouse.semantic import training
from lakehouse.semantic.datasets import UnusableTable
from lakehouse.semantic.training import maximise, quiet

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pyarrow as pa

    from lakehouse.semantic.records import Key

THRESHOLD = 0.95
SURE = {("email",), ("national_id",), ("first_name", "birth_date"), ("last_name", "birth_date"), ("last_name", "zip")}
"""Rules whose pairs are mostly matches."""
RECALL = 0.7
"""Of the deterministic rules that the prior is estimated from: the value of Splink's guides."""


def _comparisons(columns: Iterable[str]) -> list[Any]:
    import splink.comparison_library as cl

    library = {
        "first_name": lambda: cl.NameComparison("first_name"),
        "last_name": lambda: cl.NameComparison("last_name"),
        "email": lambda: cl.EmailComparison("email"),
        "phone": lambda: cl.LevenshteinAtThresholds("phone", 2),
        "birth_date": lambda: cl.LevenshteinAtThresholds("birth_date", [1, 2]),
        "street": lambda: cl.LevenshteinAtThresholds("street", [1, 2]),
        "city": lambda: cl.ExactMatch("city").configure(term_frequency_adjustments=True),
        "zip": lambda: cl.LevenshteinAtThresholds("zip", 1),
        "national_id": lambda: cl.LevenshteinAtThresholds("national_id", 2),
    }
    return [library[name]() for name in columns if name in library]


def _blocking(columns: set[str]) -> list[tuple[str, ...]]:
    wanted = (
        ("email",), ("phone",), ("national_id",), ("first_name", "last_name"), ("last_name", "zip"),
        ("first_name", "birth_date"), ("last_name", "birth_date"), ("first_name", "zip"), ("street", "city"),
    )  # fmt: skip
    return [rule for rule in wanted if columns.issuperset(rule)]


def _table(people: pa.Table) -> pa.Table:
    """The attributes in lower case; a full name is cut at its last blank where there are no parts."""
    import duckdb

    with duckdb.connect() as con:
        con.register("sent", people)
        return con.sql(
            r"""
            SELECT row_number() OVER (ORDER BY source, source_id) - 1 AS unique_id, source, source_id,
                   lower(coalesce(first_name, nullif(regexp_extract(full_name, '^(.*)\s+\S+$', 1), ''), full_name))
                       AS first_name,
                   lower(coalesce(last_name, nullif(regexp_extract(full_name, '^.*\s+(\S+)$', 1), ''))) AS last_name,
                   lower(email) AS email, phone, birth_date, lower(street) AS street, lower(city) AS city,
                   lower(zip) AS zip, national_id
            FROM sent ORDER BY unique_id
            """
        ).to_arrow_table()


def _said(table: pa.Table) -> set[str]:
    """The columns that tell records apart."""
    return {
        name for name in table.column_names[3:]
        if table.column(name).null_count < table.num_rows and len(table.column(name).unique()) > 1
    }  # fmt: skip


def pairs_of_rules(people: pa.Table) -> dict[str, int]:
    """How many pairs each blocking rule makes of a table, counted without making them: what the work grows with."""
    import duckdb

    table, found = _table(people), dict[str, int]()
    with duckdb.connect() as con:
        con.register("people", table)
        for rule in _blocking(_said(table)):
            there = " AND ".join(f"{column} IS NOT NULL" for column in rule)
            counted = con.execute(
                "SELECT coalesce(sum(n * (n - 1) // 2), 0)::BIGINT FROM"
                f" (SELECT count(*) AS n FROM people WHERE {there} GROUP BY {', '.join(rule)})"
            )
            found[" + ".join(rule)] = int(counted.fetchall()[0][0])
    return found


def resolve_plain(people: pa.Table, between_sources: bool = False, threshold: float = THRESHOLD,
                  spill: Path | None = None) -> dict[Key, str]:  # fmt: skip
    """Record → cluster, as Splink alone finds it. `people` as sent, `threshold` of edges; `spill` as of `connect`."""
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    from lakehouse.semantic.resolution import connect

    table = _table(people)
    columns = _said(table)
    rules = _blocking(columns)
    if not rules:
        raise UnusableTable("Splink's plain configuration finds nothing to block on", "leave it out: --no-plain")
    parts = [table]
    if between_sources:
        parts = [table.filter(pc.equal(table.column("source"), name)) for name in pc.unique(table.column("source"))]
    settings = SettingsCreator(
        link_type="link_only" if between_sources else "dedupe_only",
        comparisons=_comparisons(name for name in table.column_names if name in columns),
        blocking_rules_to_generate_predictions=[block_on(*rule) for rule in rules],
    )
    with quiet(), connect(spill) as con:
        api = DuckDBAPI(connection=con)
        linker = Linker([api.register(part) for part in parts], settings, log_level=None)
        sure = [block_on(*rule) for rule in rules if rule in SURE] or [block_on(*rules[0])]
        linker.training.estimate_probability_two_random_records_match(sure, recall=RECALL)
        linker.training.estimate_u_using_random_sampling(max_pairs=1_000_000, seed=training.SEED)
        for rule in rules[:4]:
            maximise(linker, block_on(*rule))
        pairs = linker.inference.predict(threshold_match_probability=threshold, warning_mode="never")
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(pairs, threshold)
        found = con.sql(f"SELECT * FROM {clusters.physical_name}").to_arrow_table()
    named = (found.column(name).to_pylist() for name in ("source", "source_id", "cluster_id"))
    return {(source, source_id): str(cluster) for source, source_id, cluster in zip(*named, strict=True)}
