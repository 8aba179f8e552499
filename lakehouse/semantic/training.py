"""Where a model's probabilities come from: from pairs whose truth is known, or from a table alone.

Without a truth: u by Splink from random pairs, m by Splink's expectation maximisation within blocks that are mostly
one person's, each field by the blocks that other fields make. Both are drawn towards the stated model where a level
is rare, so that no level is ever impossible.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.semantic import blocking, frequencies, matching, model

if TYPE_CHECKING:
    import pyarrow as pa
    from splink import Linker

log = logging.getLogger(__name__)
SEED = 20261101
SAMPLED_PAIRS = 2_000_000
ROUNDS = 5
"""Of the estimate of the prior; it settles after two or three."""
MIN_RECORDS = 200
"""Fewer records tell less than the stated model does."""
TRUST = 0.9
"""How much of a trained probability counts; the rest is the stated model's."""
EM_BLOCKS: tuple[tuple[str, ...], ...] = (
    ("id_n",),
    ("birth_n", "family_n"),
    ("birth_n", "given_n"),
    ("email_e",),
    ("phone_e",),
    ("given_n", "family_n", "zip_n"),
    ("given_n", "family_n", "city_n"),
    ("street_n", "zip_n"),
    ("given_n", "family_n"),
)
_FIELD_OF = {
    "id_n": "identifier", "birth_n": "birth", "email_e": "email", "phone_e": "phone", "given_n": "name",
    "family_n": "name", "zip_n": "address", "city_n": "address", "street_n": "address",
}  # fmt: skip
FLOOR = 0.02
"""Of u, what is left at least when the matches are taken out of random pairs."""
MIN_PAIRS = 50
"""A block rule that makes fewer pairs trains nothing."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without Splink's remarks on what is not trained yet: they are for whoever writes a model by hand."""
    logger = logging.getLogger("splink")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def maximise(linker: Linker, rule: Any, **options: Any) -> bool:
    """One session of expectation maximisation; False where Splink gives it up, for too few kinds of pairs are there."""
    from splink.internals.exceptions import SplinkException

    try:
        linker.training.estimate_parameters_using_expectation_maximisation(rule, **options)
    except (ValueError, SplinkException) as error:
        log.info("nothing is learnt from pairs with the same %s: %s", rule, error)
        return False
    return True


def train(people: pa.Table, start: model.Parameters | None = None, between_sources: bool = False) -> model.Parameters:
    """Parameters of this table alone, without a truth; `start` (the default model) for a small table.

    The same table gives the same parameters.
    """
    from splink import DuckDBAPI, Linker, block_on

    from lakehouse.semantic.resolution import connect

    stated = start or model.load()
    if people.num_rows < MIN_RECORDS:
        return stated
    # the probabilities of levels are learnt without regard to the values; how often those occur comes on top
    stated = replace(stated, shares={})
    with quiet(), connect() as con:
        blocking.register(con, people)
        matching.prepare(con)
        api = DuckDBAPI(connection=con)
        fields = matching.fields_with_values(con)
        if not fields:
            return stated
        linker = Linker(api.register("compared"), model.splink_settings(stated, fields), log_level=None)
        linker.training.estimate_u_using_random_sampling(max_pairs=SAMPLED_PAIRS, seed=SEED)
        for columns in EM_BLOCKS:
            if {_FIELD_OF[column] for column in columns}.issuperset(fields):
                continue  # pairs that are equal in all fields tell nothing of any
            same = " AND ".join(f"a.{column} = b.{column}" for column in columns)
            pairs = con.execute(
                f"SELECT count(*) FROM (SELECT 1 FROM compared a JOIN compared b ON {same} AND a.idx < b.idx"
                f" LIMIT {MIN_PAIRS})"
            ).fetchall()[0][0]
            if pairs >= MIN_PAIRS:
                maximise(linker, block_on(*columns), estimate_without_term_frequencies=True, max_pairs=SAMPLED_PAIRS)
        trained = replace(_mixed(stated, linker.misc.save_model_to_json()), shares=frequencies.count(con))
        blocking.index(con)
        blocking.candidates(con, between_sources=between_sources)
        return _with_prior(con, trained, people.num_rows)


def _mixed(stated: model.Parameters, settings: Mapping[str, Any]) -> model.Parameters:
    """The trained probabilities drawn towards the stated ones, level by level; untrained ones are the stated."""
    fields: dict[str, Mapping[str, tuple[float, float]]] = dict(stated.fields)
    for comparison in settings["comparisons"]:
        name = comparison["output_column_name"]
        known = stated.fields[name]
        fields[name] = {
            label: (
                _mix(level.get("m_probability"), known[label][0]),
                _mix(level.get("u_probability"), known[label][1]),
            )
            for level in comparison["comparison_levels"]
            if (label := level["label_for_charts"]) in known
        }
    return replace(stated, version=f"{stated.version}+trained", fields=fields, source="trained on the table itself")


def _mix(trained: float | None, stated: float) -> float:
    return stated if trained is None else TRUST * trained + (1 - TRUST) * stated


def _with_prior(con: Any, parameters: model.Parameters, records: int) -> model.Parameters:
    """The prior that explains the number of matches it leads to: candidates hold nearly all of them."""
    total = records * (records - 1) / 2
    now = parameters
    for _ in range(ROUNDS):
        edges = matching.score(con, now, threshold=0.01)
        matches = float(edges.column("probability").to_numpy().sum())
        prior = min(max(matches, 1.0) / total, 0.5)
        settled = abs(prior - now.prior) <= 0.01 * now.prior
        now = replace(_without_matches(parameters, prior), prior=prior)
        if settled:
            break
    return now


def _without_matches(parameters: model.Parameters, prior: float) -> model.Parameters:
    """u of pairs that are two people. Random pairs hold the matches too, and in a small table of much repeated people
    most pairs that agree on a rare value are matches: their share, prior times m, is taken out."""
    fields = {
        name: {label: (m, max((u - prior * m) / (1 - prior), u * FLOOR)) for label, (m, u) in levels.items()}
        for name, levels in parameters.fields.items()
    }
    return replace(parameters, fields=fields)


def save(parameters: model.Parameters, file: Path) -> None:
    """Write a model as `model.load` reads it."""
    file.write_text(json.dumps(parameters.as_json(), indent=1) + "\n", encoding="utf-8")
