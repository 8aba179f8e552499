"""Arrow rows into an Iceberg table on the live catalog: what differs is written, once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from lakehouse import arrow_merge, metadata, row_delta
from lakehouse.arrow_merge import append_arrow, merge_arrow, upsert_arrow
from lakehouse.engines import clickhouse, trino
from lakehouse.merge import NotOneRowPerKey, StepResult
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.stack
UNWRITTEN_SECONDS = 3
"""Longer than a merge of a row takes that waits for nobody."""
TABLE = Table(
    "staging.test_arrow_merge",
    "one row per id",
    ("id",),
    (
        Column("id", "string", "key", required=True),
        Column("value", "long", "a number"),
        Column("_at", "string", "audit"),
    ),
)


@pytest.fixture
def table(live_stack: None) -> Iterator[Table]:
    metadata.load(TABLE)
    yield TABLE
    metadata.catalog().drop_table(TABLE.name)
    metadata.forget(TABLE.name)


def rows(values: dict[str, int | None], at: str = "now") -> pa.Table:
    return pa.table(
        {"id": list(values), "value": pa.array(list(values.values()), pa.int64()), "_at": [at] * len(values)}
    )


def stored() -> dict[str, int | None]:
    found = metadata.load(TABLE).scan().to_arrow().to_pylist()
    return {row["id"]: row["value"] for row in found}


def merge(values: dict[str, int | None], batch: str, only: list[str] | None = None, at: str = "now") -> StepResult:
    return merge_arrow(
        TABLE, rows(values, at), by="id", sources={}, run_id="test", watermark=False, batch=batch,
        only=None if only is None else pa.array(only, pa.string()),
    )  # fmt: skip


def snapshots() -> int:
    return len(metadata.load(TABLE).snapshots())


def test_only_what_differs_is_written_and_nothing_is_no_commit(table: Table) -> None:
    first = merge({"a": 1, "b": 2, "c": None}, "one")
    assert (first.inserted, first.changed, snapshots()) == (3, True, 1)
    second = merge({"a": 1, "b": 3, "d": 4}, "two")
    assert (second.inserted, second.updated, second.deleted) == (1, 1, 1)
    assert stored() == {"a": 1, "b": 3, "d": 4}
    before = snapshots()
    assert not merge({"a": 1, "b": 3, "d": 4}, "three", at="later").changed
    assert snapshots() == before


def test_nothing_is_written_where_what_comes_before_has_failed(table: Table) -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        merge_arrow(TABLE, rows({"a": 1}), by="id", sources={}, run_id="test", batch="one",
                    after=pool.submit(divmod, 1, 0))  # fmt: skip
    assert stored() == {}


def test_it_is_compared_before_and_written_after_what_comes_before(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared, gate = threading.Event(), threading.Event()
    differences = arrow_merge._differences

    def noted(*arguments: Any) -> dict[str, pa.Table]:
        found = differences(*arguments)
        compared.set()
        return found

    monkeypatch.setattr(arrow_merge, "_differences", noted)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(gate.wait)
        second = pool.submit(merge_arrow, TABLE, rows({"a": 1}), by="id", sources={}, run_id="test", watermark=False,
                             batch="one", after=first)  # fmt: skip
        try:
            assert compared.wait(30)
            with pytest.raises(TimeoutError):
                second.result(timeout=UNWRITTEN_SECONDS)
            assert stored() == {}
        finally:
            gate.set()
        assert second.result().inserted == 1
    assert stored() == {"a": 1}


def test_a_batch_that_was_committed_is_not_written_again(table: Table) -> None:
    merge({"a": 1}, "one")
    assert not merge({"a": 2}, "one").changed
    assert stored() == {"a": 1}


def test_only_the_named_rows_are_looked_at(table: Table) -> None:
    merge({"a": 1, "b": 2}, "one")
    result = merge({"a": 5, "b": 6}, "two", only=["b"])
    assert (result.updated, stored()) == (1, {"a": 1, "b": 6})
    assert not merge({"a": 7}, "three", only=[]).changed


def deletes() -> int:
    return int(metadata.load(TABLE).inspect.delete_files().num_rows)


def test_a_small_change_writes_places_and_a_large_one_the_whole_table(table: Table) -> None:
    world: dict[str, int | None] = {str(number): number for number in range(20)}
    merge(world, "one")
    merge(world | {"3": 33}, "two")
    assert (deletes(), stored()) == (1, world | {"3": 33})
    # three of twenty are deleted ones then, five would be too many
    merge(world | {"3": 34, "4": 44}, "three", only=["3", "4"])
    assert (deletes(), stored()) == (3, world | {"3": 34, "4": 44})
    merge(world | {"3": 35, "5": 55}, "four", only=["3", "4", "5"])
    assert (deletes(), stored()) == (0, world | {"3": 35, "5": 55})


def test_many_files_are_put_together(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_merge, "MOST_FILES", 2)
    world: dict[str, int | None] = {str(number): number for number in range(20)}
    merge(world, "one")
    merge(world | {"1": 11}, "two")
    assert deletes() == 1
    merge(world | {"1": 11, "2": 22}, "three")
    assert (deletes(), len(list(metadata.load(TABLE).scan().plan_files())), stored()["2"]) == (0, 1, 22)


def test_rows_that_the_caller_has_read_are_used_only_while_they_are_the_newest(table: Table) -> None:
    merge({"a": 1, "b": 2}, "one")
    was = row_delta.read(metadata.load(TABLE))
    common: dict[str, Any] = {"by": "id", "sources": {}, "run_id": "test", "watermark": False, "stored": was}
    assert not merge_arrow(TABLE, rows({"a": 1, "b": 2}), batch="two", **common).changed
    merge({"a": 5, "b": 2}, "three")
    result = merge_arrow(TABLE, rows({"a": 1, "b": 2}), batch="four", **common)
    assert (result.updated, stored()) == (1, {"a": 1, "b": 2})


def test_every_engine_reads_the_same_rows_after_a_change(table: Table, spark: SparkSession) -> None:
    world: dict[str, int | None] = {str(number): number for number in range(40)}
    merge(world, "one")
    merge(world | {"3": 33, "new": None}, "two")
    world = {key: value for key, value in world.items() if key != "7"} | {"3": 34, "new": 1}
    merge(world, "three")
    assert deletes() >= 2
    wanted = sorted(world.items())
    asked = "SELECT id, value FROM"
    answers = {
        "pyiceberg": list(stored().items()),
        "spark": [tuple(row) for row in spark.sql(f"{asked} {TABLE.name}").collect()],
        "trino": trino.query(f"{asked} {TABLE.name}"),
        "clickhouse": clickhouse.query(f"{asked} {clickhouse.lake_table(TABLE.name)}"),
    }
    assert {engine: sorted(found) for engine, found in answers.items()} == dict.fromkeys(answers, wanted)
    # and what another engine writes after it is read here
    spark.sql(f"DELETE FROM {TABLE.name} WHERE id = '9'")
    merge(world | {"10": 100}, "four")
    assert stored() == world | {"10": 100}


def test_two_rows_of_one_key_are_refused(table: Table) -> None:
    twice = pa.concat_tables([rows({"a": 1}), rows({"a": 2})])
    with pytest.raises(NotOneRowPerKey, match="1 of 2 rows"):
        merge_arrow(TABLE, twice, by="id", sources={}, run_id="test", watermark=False, batch="one")


def test_append_and_upsert(table: Table) -> None:
    append_arrow(TABLE, rows({"a": 1}), "one", "test")
    append_arrow(TABLE, rows({"a": 1}), "one", "test")
    upsert_arrow(TABLE, rows({"a": 2, "b": 3}))
    assert stored() == {"a": 2, "b": 3}


def test_rows_put_by_several_writers_at_once_are_all_there(table: Table) -> None:
    together = threading.Barrier(4)

    def put(name: str) -> None:
        together.wait(timeout=60)
        upsert_arrow(TABLE, rows({name: ord(name)}))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, "abcd"))
    assert stored() == {name: ord(name) for name in "abcd"}


def test_a_column_that_the_contract_has_got_is_added(table: Table) -> None:
    merge({"a": 1}, "one")
    wider = replace(TABLE, columns=(*TABLE.columns, Column("note", "string", "new")))
    both = rows({"a": 1, "b": 2}).append_column("note", pa.array(["x", "y"]))
    merge_arrow(wider, both, by="id", sources={}, run_id="test", watermark=False, batch="two")
    found = metadata.load(wider).scan().to_arrow().to_pylist()
    assert {row["id"]: row["note"] for row in found} == {"a": "x", "b": "y"}
