"""A step whose sender has sent nothing yet, on the live catalog: readers find its table, empty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from lakehouse import metadata
from lakehouse.lesson.scratch import drop_scratch, scratch
from lakehouse.staging import stg_privacy_requests as requests
from lakehouse.staging.step import run_step
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.merge import StepResult

pytestmark = pytest.mark.stack


@pytest.fixture
def namespace() -> Iterator[str]:
    name = scratch("step")
    yield name
    drop_scratch(name)


def _table(name: str) -> Table:
    return Table(name, "one row per thing", ("id",), (Column("id", "long", "a number"),))


def _not_called(*_: object) -> tuple[StepResult, DataFrame]:
    raise AssertionError("rows were written of a table that has none")


def test_where_nothing_came_the_tables_are_made_and_stay_empty(spark: SparkSession, namespace: str) -> None:
    raw, target, beside = (_table(f"{namespace}.{name}") for name in ("raw", "target", "beside"))
    metadata.load(raw)

    def once() -> StepResult:
        return run_step(
            spark, "test", raw_table=raw.name, target=target, entity_type="thing", parse=requests.parse,
            write_state=_not_called, also=(beside,),
        )  # fmt: skip

    for _ in range(2):
        assert not once().changed
        for table in (target, beside):
            assert spark.table(table.name).count() == 0
            assert metadata.load(table).current_snapshot() is None
    assert metadata.watermarks(target.name)[raw.name].last_snapshot_id is None
