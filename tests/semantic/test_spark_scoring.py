"""Splink's Spark backend, in a classic session of its own, against the DuckDB one."""

from __future__ import annotations

import pytest

from lakehouse.semantic import datasets, model, records, spark_scoring
from lakehouse.semantic.resolution import Options, resolve


@pytest.mark.slow
def test_both_backends_give_the_same_clusters_on_febrl4() -> None:
    people = records.normalise(datasets.febrl4().people)
    here, there = (
        resolve(people, options=Options(threshold=0.5, between_sources=True, backend=backend))
        for backend in ("duckdb", "spark")
    )
    assert there.edges.num_rows > 4000
    assert there.edges.select(["l", "r"]) == here.edges.select(["l", "r"])
    assert there.by_key() == here.by_key()


def test_a_spark_that_does_not_start_is_an_error_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_ER_SPARK_MASTER", "no-such-master")
    people = records.normalise(datasets.febrl4().people.slice(0, 10))
    with pytest.raises(spark_scoring.SparkFailed, match="no-such-master"):
        spark_scoring.predict(people, people.select(["source"]), {}, model.load(), ["name"], 0.5)
