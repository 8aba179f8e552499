"""A learner's own namespace on the live catalog: empty at the start, gone at the end, nobody else's."""

from __future__ import annotations

import pytest

from lakehouse import metadata
from lakehouse.lesson import drop_scratch, query, scratch, spark_session


@pytest.mark.stack
def test_it_is_empty_each_time_and_goes_with_its_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBOOK_LEARNER", "ada")
    namespace = scratch("test")
    assert namespace == "scratch_ada_test"
    spark_session().sql(f"CREATE TABLE {namespace}.t AS SELECT 1 AS n")
    assert query(f"SELECT n FROM {namespace}.t")["n"].tolist() == [1]
    assert metadata.catalog().list_tables(scratch("test")) == []
    drop_scratch(namespace)
    drop_scratch(namespace)
    assert not metadata.catalog().namespace_exists(namespace)


@pytest.mark.stack
def test_watermarks_of_its_tables_go_with_it_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBOOK_LEARNER", "ada")
    namespace = scratch("test")
    metadata.advance(f"{namespace}.t", {"raw.x": 1}, "a batch")
    metadata.advance(f"{namespace}_more.t", {"raw.x": 1}, "a batch")
    drop_scratch(namespace)
    assert metadata.watermarks(f"{namespace}.t") == {}
    assert metadata.watermarks(f"{namespace}_more.t") != {}
    assert metadata.drop_watermarks_in(f"{namespace}_more")
    assert not metadata.drop_watermarks_in(f"{namespace}_more")


def test_other_namespaces_are_not_dropped() -> None:
    with pytest.raises(ValueError, match="core is not a scratch namespace"):
        drop_scratch("core")
