"""A table is equal to its rebuild only if every row is; an entity's id does not count, who is in it does."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from lakehouse.chaos.equal import NotEqual, compared_tables, differences, entity_names
from lakehouse.tables import Column, Table

MART = Table(
    "marts.people", "one row per person", ("entity_id",),
    (
        Column("entity_id", "string", "the person", required=True),
        Column("orders", "long", "how many"),
        Column("_loaded_at", "timestamptz", "when it was written"),
    ),
)  # fmt: skip
THEN, NOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


def index(**entities: tuple[str, ...]) -> pa.Table:
    rows = [(entity, "shopify", record) for entity, records in entities.items() for record in records]
    return pa.table(dict(zip(("entity_id", "source", "source_id"), zip(*rows, strict=True), strict=True)))


def mart(rows: list[tuple[str, int | None]], written: datetime = THEN) -> pa.Table:
    return pa.table(
        {
            "entity_id": pa.array([row[0] for row in rows], pa.string()),
            "orders": pa.array([row[1] for row in rows], pa.int64()),
            "_loaded_at": pa.array([written for _ in rows], pa.timestamp("us", "UTC")),
        }
    )


def test_entities_are_the_same_by_their_members() -> None:
    assert entity_names(index(a=("1", "2"), b=("3",)), index(x=("3",), y=("2", "1"))) == {"x": "b", "y": "a"}


@pytest.mark.parametrize("other", [{"x": ("1",), "y": ("2",), "z": ("3",)}, {"x": ("1", "2", "3")}, {"x": ("1", "2")}])
def test_another_partition_is_named(other: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(NotEqual, match="entities differ"):
        entity_names(index(a=("1", "2"), b=("3",)), index(**other))


def test_rows_are_equal_under_other_ids_and_when_written_at_another_time() -> None:
    names = {"x": "a", "y": "b"}
    assert differences(MART, mart([("a", 1), ("b", None)]), mart([("y", None), ("x", 1)], NOW), names) == ""


def test_what_differs_is_named_with_its_values() -> None:
    here, there = mart([("a", 1), ("b", 2), ("c", 3)]), mart([("a", 1), ("b", 5), ("d", 3)])
    found = differences(MART, here, there, {})
    assert found == "other values (orders 2 and 5): b; only here: c; only in the rebuild: d"


def test_a_row_that_is_there_twice_is_a_difference() -> None:
    assert differences(MART, mart([("a", 1), ("a", 1)]), mart([("a", 1)]), {}) == "only here: a"


def test_all_layers_below_raw_are_compared() -> None:
    names = {table.name for table in compared_tables()}
    assert {"staging.stg_shopify_orders", "core.customers", "analytics.customer_metrics", "marts.customer_360",
            "marts.sales_dashboard_daily"} <= names  # fmt: skip
