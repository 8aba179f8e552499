"""A table made from its sources: only the keys that have changed where that is enough, all of them where it is not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse import held, metadata, rebuild
from lakehouse.merge import merge
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.stack
RUN = "test-rebuild"
STAGED_AT = Column("_staged_at", "timestamptz", "when the row was written")


def table(name: str, *more: Column) -> Table:
    columns = (Column("id", "long", "key", required=True), Column("value", "string", "what may change"), *more)
    return Table(name=name, grain="one row per id", key=("id",), columns=columns)


class World:
    """A staging table, one that names prefixes, and a table made from both; which keys its step computed."""

    def __init__(self, spark: SparkSession, mark: str) -> None:
        self.spark = spark
        self.staged = table(f"scratch.staged_{mark}", STAGED_AT)
        self.names = table(f"scratch.names_{mark}")
        self.target = table(f"scratch.made_{mark}")
        self.tables = (self.staged, self.names, self.target)
        self.computed: set[int] = set()
        for each in self.tables:
            metadata.load(each)

    def stage(self, **values: str) -> None:
        """The staging table holds these rows and no others: `_1="a"` is row 1."""
        frame = self.spark.createDataFrame([(int(i[1:]), v) for i, v in values.items()], "id long, value string")
        self._merge(self.staged, frame.selectExpr("*", "current_timestamp() AS _staged_at"))

    def name(self, prefix: str) -> None:
        self._merge(self.names, self.spark.createDataFrame([(0, prefix)], "id long, value string"))

    def _merge(self, into: Table, frame: DataFrame) -> None:
        before = metadata.load(into).current_snapshot()
        at = {"scratch.any": before.snapshot_id if before else 0}
        merge(self.spark, into, frame, sources=at, delete_missing=True, run_id=RUN)

    def transform(self, staged: DataFrame, names: DataFrame) -> DataFrame:
        self.computed = {row["id"] for row in staged.select("id").collect()}
        return staged.crossJoin(names.selectExpr("value AS prefix")).selectExpr("id", "concat(prefix, value) AS value")

    def run(self, **options: Any) -> dict[int, str]:
        sources = (self.staged.name, self.names.name)
        given = {"by_row": self.staged.name, **options}
        rebuild.rebuild(self.spark, RUN, self.target, sources, self.transform, **given)
        return {row["id"]: row["value"] for row in self.spark.table(self.target.name).collect()}


@pytest.fixture
def world(spark: SparkSession) -> Iterator[World]:
    world = World(spark, uuid.uuid4().hex[:8])
    world.name("x-")
    world.stage(_1="a", _2="b", _3="c", _4="d")
    assert world.run() == {1: "x-a", 2: "x-b", 3: "x-c", 4: "x-d"}
    assert world.computed == {1, 2, 3, 4}
    yield world
    for each in world.tables:
        metadata.catalog().purge_table(each.name)


def test_only_keys_whose_rows_have_changed_are_computed(world: World) -> None:
    world.stage(_1="a", _2="new", _4="d", _5="e")
    assert world.run() == {1: "x-a", 2: "x-new", 4: "x-d", 5: "x-e"}
    assert world.computed == {2, 5}


def test_several_commits_of_the_source_count_as_one_change(world: World) -> None:
    world.stage(_1="other", _2="b", _3="c", _4="d")
    world.stage(_1="a", _2="b", _3="c")
    assert world.run() == {1: "x-a", 2: "x-b", 3: "x-c"}
    assert world.computed == {1}


def test_another_source_asks_for_all(world: World) -> None:
    world.stage(_1="a", _2="new", _3="c", _4="d")
    world.name("y-")
    assert world.run() == {1: "y-a", 2: "y-new", 3: "y-c", 4: "y-d"}
    assert world.computed == {1, 2, 3, 4}


def test_after_a_change_of_code_all_is_computed(world: World) -> None:
    metadata.forget(world.target.name)
    assert world.run() == {1: "x-a", 2: "x-b", 3: "x-c", 4: "x-d"}
    assert world.computed == {1, 2, 3, 4}


def test_a_snapshot_that_is_gone_asks_for_all(world: World) -> None:
    old = metadata.load(world.staged).current_snapshot()
    assert old is not None
    world.stage(_1="a", _2="new", _3="c", _4="d")
    metadata.load(world.staged).maintenance.expire_snapshots().by_id(old.snapshot_id).commit()
    assert world.run()[2] == "x-new"
    assert world.computed == {1, 2, 3, 4}


def test_more_than_a_few_keys_ask_for_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "FEW_ROWS", 1)
    world.stage(_1="1", _2="2", _3="c", _4="d")
    assert world.run() == {1: "x-1", 2: "x-2", 3: "x-c", 4: "x-d"}
    assert world.computed == {1, 2, 3, 4}


def test_without_a_source_by_row_all_is_computed(world: World) -> None:
    world.stage(_1="a", _2="new", _3="c", _4="d")
    assert world.run(by_row=None)[2] == "x-new"
    assert world.computed == {1, 2, 3, 4}
