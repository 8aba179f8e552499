"""Two tables with the same keys, each as often: whatever differs is found, and named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lakehouse.checks.layers import same_keys

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
