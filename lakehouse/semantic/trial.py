"""The engine on a table of people whose truth is known: how good, how fast, which pass found what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from lakehouse.semantic import blocking, model, records, training
from lakehouse.semantic.evaluation import Evaluation, NothingToEvaluate, evaluate
from lakehouse.semantic.plain import resolve_plain
from lakehouse.semantic.resolution import Options, Resolution, connect, resolve
from lakehouse.settings import scoring_settings

if TYPE_CHECKING:
    from lakehouse.semantic.datasets import Dataset
    from lakehouse.semantic.records import Key

WITHIN, BETWEEN = 0.9, 0.5
"""Thresholds where none is given: within one table a chain of weak pairs makes a false cluster, so pairs have to be
strong; between tables that know a person once each, the best partner is mostly the right one."""


class PassRecall(NamedTuple):
    """What one blocking pass is worth. `found` are true pairs, `added` those that no pass before has found."""

    name: str
    pairs: int
    found: int
    added: int
    largest_block: int
    dropped_records: int


@dataclass(frozen=True)
class Trial:
    """One resolution of a data set; `seconds` is for normalising, training where it was asked for, and resolving."""

    resolution: Resolution
    evaluation: Evaluation | None
    seconds: float
    threshold: float
    parameters: model.Parameters


def run(dataset: Dataset, threshold: float | None = None, parameters: model.Parameters | None = None) -> Trial:
    """Resolve the data set. Without `parameters` they are trained on the table itself, which needs no truth."""
    began = perf_counter()
    people = records.normalise(dataset.people)
    chosen = parameters or training.train(people, between_sources=dataset.between_sources)
    limit = threshold if threshold is not None else BETWEEN if dataset.between_sources else WITHIN
    options = Options(threshold=limit, between_sources=dataset.between_sources, backend=scoring_settings().er_backend)
    resolution = resolve(people, parameters=chosen, options=options)
    seconds = perf_counter() - began
    return Trial(resolution, _evaluated(resolution.by_key(), dataset.truth), seconds, limit, chosen)


def run_plain(dataset: Dataset) -> tuple[Evaluation | None, float]:
    """The same by Splink's plain configuration, and its seconds."""
    began = perf_counter()
    found = resolve_plain(dataset.people, dataset.between_sources)
    return _evaluated(found, dataset.truth), perf_counter() - began


def _evaluated(found: Mapping[Key, str], truth: Mapping[Key, str]) -> Evaluation | None:
    return evaluate(found, truth) if truth else None


def pass_recall(people: pa.Table, truth: Mapping[Key, str], between_sources: bool = False
                ) -> tuple[list[PassRecall], int]:  # fmt: skip
    """What each blocking pass finds of the true pairs, and how many of those there are.

    What no pass finds is lost whatever is scored: the sum of `added` is the ceiling of recall. Raises
    `NothingToEvaluate`.
    """
    if not truth:
        raise NothingToEvaluate("no truth is given", "name the column that is equal for one person: --truth COLUMN")
    with connect() as con:
        blocking.register(con, people)
        blocking.index(con)
        found = blocking.candidates(con, between_sources=between_sources)
        known = [truth.get(key) for key in records.keys_of(people)]
        con.register(
            "known", pa.table({"idx": pa.array(range(len(known)), pa.int64()), "who": pa.array(known, pa.string())})
        )
        across = "AND a.source <> b.source" if between_sources else ""
        con.execute(
            f"""
            CREATE TABLE real_pairs AS
            WITH p AS (SELECT idx, source, who FROM people JOIN known USING (idx) WHERE who IS NOT NULL)
            SELECT a.idx AS l, b.idx AS r
            FROM p a JOIN p b ON a.who = b.who AND a.idx < b.idx {across}
            """
        )
        passes = [_one_pass(con.execute, number, rule.name, found) for number, rule in enumerate(blocking.RULES)]
        total = con.execute("SELECT count(*) FROM real_pairs").fetchall()[0][0]
    return [one for one in passes if one.pairs], int(total)


def _one_pass(ask: Callable[[str], Any], number: int, name: str, found: blocking.Candidates) -> PassRecall:
    bit, earlier = 1 << number, (1 << number) - 1
    true, added = ask(
        f"SELECT count(*), count(*) FILTER (passes & {earlier} = 0)"
        f" FROM pairs SEMI JOIN real_pairs USING (l, r) WHERE passes & {bit} > 0"
    ).fetchall()[0]
    return PassRecall(
        name,
        found.per_pass.get(name, 0),
        true,
        added,
        found.largest_block.get(name, 0),
        found.dropped_records.get(name, 0),
    )
