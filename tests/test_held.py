"""Rows that are held for several queries: what they are then, and what happens when their executor dies."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from lakehouse import held
from lakehouse.chaos.work import EXECUTOR
from lakehouse.held import FEW_ROWS, few, hold, lost
from lakehouse.merge import StepResult
from lakehouse.pipeline import ATTEMPTS, Step, _run_again_if_lost
from lakehouse.settings import get_settings
from stack.native import faults

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def test_few_are_known_to_be_few() -> None:
    assert few(0)
    assert few(FEW_ROWS)
    assert not few(FEW_ROWS + 1)
    assert not few(None)


class _Gone(RuntimeError):
    def __init__(self) -> None:
        super().__init__(f"[{held._LOST}] Checkpoint block rdd_1_0 not found")


@pytest.mark.parametrize("failures", range(ATTEMPTS + 1))
def test_a_step_whose_rows_are_lost_is_done_again(failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []

    def run(self: Step, spark: object, run_id: str) -> StepResult:
        runs.append(run_id)
        if len(runs) <= failures:
            raise _Gone
        return StepResult("t", read=len(runs))

    monkeypatch.setattr(Step, "run", run)
    step, session = Step("staging.t", "none"), None
    if failures < ATTEMPTS:
        assert _run_again_if_lost(step, session, "r").read == failures + 1  # type: ignore[arg-type]
    else:
        with pytest.raises(_Gone):
            _run_again_if_lost(step, session, "r")  # type: ignore[arg-type]
    assert len(runs) == min(failures + 1, ATTEMPTS)


def test_another_error_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []

    def run(self: Step, spark: object, run_id: str) -> StepResult:
        runs.append(run_id)
        raise ValueError("a column is missing")

    monkeypatch.setattr(Step, "run", run)
    with pytest.raises(ValueError, match="column"):
        _run_again_if_lost(Step("staging.t", "none"), None, "r")  # type: ignore[arg-type]
    assert runs == ["r"]


def _rows(spark: SparkSession) -> DataFrame:
    return spark.range(0, 1000, numPartitions=2).selectExpr("id", "uuid() AS made")


@pytest.mark.stack
def test_few_rows_that_are_held_are_made_once(spark: SparkSession) -> None:
    with ExitStack() as kept:
        frame = hold(_rows(spark), 1000, kept)
        first, second = ({row["made"] for row in frame.collect()} for _ in range(2))
    assert len(first) == 1000
    assert first == second


@pytest.mark.stack
def test_who_knows_how_many_rows_are_kept_by_spark_for_a_while(spark: SparkSession) -> None:
    rows = spark.range(0, 1000, numPartitions=2)
    with ExitStack() as kept:
        assert hold(rows, None, kept).storageLevel.useMemory
        assert rows.count() == 1000
    assert not rows.storageLevel.useMemory


@pytest.mark.stack
def test_few_rows_go_with_their_executor_and_it_is_known_that_they_did(spark: SparkSession) -> None:
    from pyspark.errors import PySparkException

    with ExitStack() as kept:
        few_rows, many_rows = hold(_rows(spark), 1000, kept), hold(_rows(spark), None, kept)
        assert many_rows.count() == 1000
        faults.kill_below(get_settings(), "spark-worker", EXECUTOR)
        with pytest.raises(PySparkException) as gone:
            few_rows.count()
        assert lost(gone.value)
        assert many_rows.count() == 1000
