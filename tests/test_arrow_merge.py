"""Arrow rows into an Iceberg table on the live catalog: what differs is written, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pytest

from lakehouse import arrow_merge, metadata
from lakehouse.arrow_merge import append_arrow, merge_arrow, upsert_arrow
from lakehouse.merge import NotOneRowPerKey, StepResult
from lakehouse.tables import Column, Table

pytestmark = pytest.mark.stack
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


def test_a_batch_that_was_committed_is_not_written_again(table: Table) -> None:
    merge({"a": 1}, "one")
    assert not merge({"a": 2}, "one").changed
    assert stored() == {"a": 1}


def test_only_the_named_rows_are_looked_at(table: Table) -> None:
    merge({"a": 1, "b": 2}, "one")
    result = merge({"a": 5, "b": 6}, "two", only=["b"])
    assert (result.updated, stored()) == (1, {"a": 1, "b": 6})
    assert not merge({"a": 7}, "three", only=[]).changed


def test_a_change_of_most_of_the_table_writes_it_anew(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_merge, "MOST_NAMED", 1)
    merge({"a": 1, "b": 2, "c": 3}, "one")
    merge({"a": 2, "b": 3, "c": 3}, "two")
    assert stored() == {"a": 2, "b": 3, "c": 3}


def test_two_rows_of_one_key_are_refused(table: Table) -> None:
    twice = pa.concat_tables([rows({"a": 1}), rows({"a": 2})])
    with pytest.raises(NotOneRowPerKey, match="1 of 2 rows"):
        merge_arrow(TABLE, twice, by="id", sources={}, run_id="test", watermark=False, batch="one")


def test_append_and_upsert(table: Table) -> None:
    append_arrow(TABLE, rows({"a": 1}), "one", "test")
    append_arrow(TABLE, rows({"a": 1}), "one", "test")
    upsert_arrow(TABLE, rows({"a": 2, "b": 3}))
    assert stored() == {"a": 2, "b": 3}


def test_a_column_that_the_contract_has_got_is_added(table: Table) -> None:
    merge({"a": 1}, "one")
    wider = replace(TABLE, columns=(*TABLE.columns, Column("note", "string", "new")))
    both = rows({"a": 1, "b": 2}).append_column("note", pa.array(["x", "y"]))
    merge_arrow(wider, both, by="id", sources={}, run_id="test", watermark=False, batch="two")
    found = metadata.load(wider).scan().to_arrow().to_pylist()
    assert {row["id"]: row["note"] for row in found} == {"a": "x", "b": "y"}
