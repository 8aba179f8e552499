"""The steps of the semantic layer on the live stack: what they keep between runs, and what people decide."""

from __future__ import annotations

import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse import metadata
from lakehouse.semantic import blocking_index, entity_index, inspection, normalized_records, overrides, state
from lakehouse.semantic.records import Key
from lakehouse.semantic.resolution import resolve
from lakehouse.semantic.tables import (
    BLOCKING_INDEX,
    ENTITY_EDGES,
    ENTITY_EVENTS,
    ENTITY_INDEX,
    ENTITY_RESOLUTION_STATS,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lakehouse.merge import StepResult
    from lakehouse.tables import Table

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("first_day")]


def rows(table: Table) -> list[dict[str, Any]]:
    return metadata.load(table).scan().to_arrow().to_pylist()


def entities() -> dict[Key, str]:
    return {(row["source"], row["source_id"]): row["entity_id"] for row in rows(ENTITY_INDEX)}


def groups(found: dict[Key, str]) -> list[list[Key]]:
    members = defaultdict(list)
    for key, entity in found.items():
        members[entity].append(key)
    return sorted(sorted(keys) for keys in members.values())


def run(spark: SparkSession, run_id: str) -> StepResult:
    blocking_index.run(spark, run_id)
    return entity_index.run(spark, run_id)


@pytest.fixture
def settled(spark: SparkSession) -> SparkSession:
    run(spark, "test-settle")
    return spark


def test_the_tables_hold_what_a_resolution_of_everything_gives(settled: SparkSession) -> None:
    people = normalized_records.read(None)
    whole = resolve(people)
    assert groups(entities()) == groups(whole.by_key())
    stored = {(row["left_id"], row["right_id"], round(row["match_weight"], 4)) for row in rows(ENTITY_EDGES)}
    made = state.edge_rows(people, whole.edges, "any").to_pylist()
    assert stored == {(row["left_id"], row["right_id"], round(row["match_weight"], 4)) for row in made}
    assert {row["source_id"] for row in rows(BLOCKING_INDEX)} <= {key[1] for key in entities()}


def test_a_decision_parts_a_person_and_taking_it_back_joins_them_again(settled: SparkSession) -> None:
    before = entities()
    edge = next(
        row for row in rows(ENTITY_EDGES)
        if row["is_held"] and len([k for k in before if before[k] == before[row["left_source"], row["left_id"]]]) == 2
    )  # fmt: skip
    a, b = (edge["left_source"], edge["left_id"]), (edge["right_source"], edge["right_id"])
    try:
        overrides.decide(a, b, overrides.CANNOT_LINK, "a test says so")
        run_id = f"test-apart-{uuid.uuid4()}"
        result = run(settled, run_id)
        now = entities()
        assert now[a] != now[b]
        assert {key for key in before if before[key] != now[key]} <= {a, b}
        assert result.updated in (1, 2)  # of one the entity, and of both the confidence unless it rounds to 100
        told = [row for row in rows(ENTITY_EVENTS) if row["run_id"] == run_id]
        assert [(row["event"], row["another_id"], row["records"]) for row in told] == [("split", before[a], 1)]
        stats = [row for row in rows(ENTITY_RESOLUTION_STATS) if row["run_id"] == run_id]
        assert {row["value"] for row in stats if row["metric"] == "records_touched"} == {2.0}
    finally:
        overrides.decide(a, b, overrides.DROPPED)
        run(settled, "test-together")
    assert groups(entities()) == groups(before)
    assert entities() == before


def test_a_change_of_the_model_scores_all_again_and_changes_no_id(settled: SparkSession) -> None:
    before = entities()
    metadata.forget(ENTITY_INDEX.name)
    result = run(settled, "test-rescore")
    assert entities() == before
    assert not result.changed


def test_a_person_and_a_pair_can_be_looked_at(settled: SparkSession) -> None:
    edge = max(rows(ENTITY_EDGES), key=lambda row: row["match_weight"])
    a, b = (edge["left_source"], edge["left_id"]), (edge["right_source"], edge["right_id"])
    found = inspection.person(a)
    assert {(row["source"], row["source_id"]) for row in found.records} >= {a, b}
    assert next(row["event"] for row in found.events) == "created"
    pair = inspection.explain(a, b)
    assert pair.weight == pytest.approx(edge["match_weight"], abs=0.001)
    assert pair.probability == pytest.approx(edge["match_probability"])
    assert pair.verdict == "They match."
    assert len(pair.waterfall().data[0].x) >= 3
    with pytest.raises(overrides.UnknownRecord, match="no record shopify:1"):
        inspection.person(("shopify", "1"))
