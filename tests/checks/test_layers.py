"""Keys of two tables, each as often: whatever differs is found, and named. Events of raw, old ones and new ones."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from lakehouse.checks.forward import Brought
from lakehouse.checks.layers import grown, same_keys

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.checks.check import Check


@pytest.fixture
def compare(local_spark: SparkSession) -> object:
    def frame(keys: list[int | None]) -> DataFrame:
        return local_spark.createDataFrame([(key,) for key in keys], "id long")

    def check(left: list[int | None], right: list[int | None]) -> Check:
        return same_keys("a = b", frame(left), frame(right), "id", ("a", "b"))

    return check


@pytest.mark.parametrize("keys", [[], [1], [1, 2, 3], [1, 1, 2], [None, 1]])
def test_the_same_keys_balance_in_any_order(compare: object, keys: list[int | None]) -> None:
    found = compare(keys, keys[::-1])  # type: ignore[operator]
    assert found.balanced
    assert (found.left, found.right) == (len(keys), len(keys))


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        ([1, 2], [1], "not in b: 2"),
        ([1], [1, 2], "not in a: 2"),
        ([1, 2], [1, 3], "not in b: 2; not in a: 3"),
        ([], [7], "not in a: 7"),
        ([1, 1, 2], [1, 2, 2], "2 keys are there more often on one side"),
        ([1, 2], [1, 2, 2], "1 keys are there more often on one side"),
    ],
)
def test_what_differs_is_named(compare: object, left: list[int], right: list[int], said: str) -> None:
    found = compare(left, right)  # type: ignore[operator]
    assert not found.balanced
    assert found.detail == said
    assert (found.left, found.right) == (len(left), len(right))


@dataclass(frozen=True)
class Rows(Brought):
    """A balance whose rows are given, where a table of the catalog would have them."""

    old: DataFrame
    new: DataFrame

    def before(self, spark: SparkSession) -> DataFrame:
        return self.old

    def added(self, spark: SparkSession) -> DataFrame:
        return self.new


@pytest.mark.parametrize(
    ("old", "new", "rows", "events"),
    [
        ("ab", "", 2, 2),
        ("ab", "cd", 4, 4),
        ("ab", "bc", 4, 3),
        ("ab", "ab", 4, 2),
        ("aab", "bbcc", 7, 3),
        ("", "aa", 2, 1),
    ],
)
def test_an_event_that_was_there_before_is_no_new_one(
    local_spark: SparkSession, old: str, new: str, rows: int, events: int
) -> None:
    def frame(ids: str) -> DataFrame:
        return local_spark.createDataFrame([(one,) for one in ids], "_webhook_id string")

    figures = {"rows": Decimal(len(old)), "events": Decimal(len(set(old)))}
    brought = {
        "raw.a": Rows(figures, "raw.a", 1, 2, len(new), frame(old), frame(new)),
        "raw.b": Rows({"rows": Decimal(3), "events": Decimal(2)}, "raw.b", 1, 2, 0, frame(""), frame("x")),
    }
    found = grown(local_spark, brought)
    assert found["raw.a"] == (rows, events)
    assert found["raw.b"] == (3, 2), "no row was added to it, so none is read"
