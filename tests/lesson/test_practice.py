"""The tables that sheets 04 and 06 judge on are what the questions say, and go with their namespace."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lakehouse import metadata
from lakehouse.lesson.questions import late_commits, practice


@pytest.mark.parametrize("rows", [0, 1, 7, 100])
def test_parts_are_the_whole(rows: int) -> None:
    table = pa.table({"n": list(range(rows))})
    parts = [practice.part(table, begin / 10, (begin + 3) / 10) for begin in (0, 3, 6)] + [practice.part(table, 0.9, 1)]
    assert [n for part in parts for n in part["n"].to_pylist()] == list(range(rows))


def test_the_race_has_a_batch_of_each_kind() -> None:
    waiting = [b.name for b in late_commits.RACE if any(b.stamped < at < b.committed for at in late_commits.READS)]
    assert waiting == ["B", "E", "F"]
    assert all(b.stamped < b.committed for b in late_commits.RACE)
    moments = [b.committed for b in late_commits.RACE] + list(late_commits.READS)
    assert len(moments) == len(set(moments))


@pytest.mark.stack
@pytest.mark.usefixtures("first_day")
def test_a_table_with_a_past_differs_by_the_bad_write_alone() -> None:
    with practice.place("test_practice") as namespace:
        past = practice.with_a_past(namespace)
        rows = practice.rows_of(past.name)
        assert rows.keys() == past.wanted.keys()
        assert len(practice.listed(past.name)) == len(rows)
        damaged = {key for key, row in rows.items() if row != past.wanted[key]}
        assert past.order_id in damaged
        assert all(rows[key]["total_amount"] == 100 * past.wanted[key]["total_amount"] for key in damaged)
        snapshots = [snapshot.snapshot_id for snapshot in practice.load(past.name).snapshots()]
        assert snapshots.index(past.bad) == 2
        assert len(snapshots) == 5
    assert not metadata.catalog().namespace_exists(namespace)


@pytest.mark.stack
@pytest.mark.usefixtures("first_day")
def test_one_file_a_step_is_measured_where_each_has_its_partition() -> None:
    measured = practice.measure(["raw_table"])
    assert (measured["rows of others"] == 0).all()
    assert measured.attrs["files"] == measured["files opened"].sum()
    assert practice.measure([])["rows of others"].sum() > 0
    with pytest.raises(ValueError, match="is not `column` or `transform"):
        practice.measure(["by day"])
