"""Upkeep: which snapshots may go, as a pure function; and on scratch tables of the live catalog, beside a writer."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from lakehouse import incremental, maintenance, metadata
from lakehouse.cli import app
from lakehouse.maintenance import NotMaintained, Snap, removable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
READER = "test.reader"


def line(count: int) -> list[Snap]:
    """Snapshots 1, 2, … of one a day, the newest today."""
    return [Snap(i, i - 1 or None, NOW - (count - i) * DAY) for i in range(1, count + 1)]


def test_old_ones_go_and_the_newest_never_does() -> None:
    assert removable(line(5), 5, {}, NOW - 2 * DAY, 1) == ([1, 2], "")
    assert removable(line(5), 5, {}, NOW + DAY, 1) == ([1, 2, 3, 4], "")
    assert removable([], None, {}, NOW, 1) == ([], "")


def test_the_last_few_stay_however_old() -> None:
    assert removable(line(5), 5, {}, NOW + DAY, 3)[0] == [1, 2]
    assert removable(line(2), 2, {}, NOW + DAY, 3)[0] == []


def test_what_a_reader_needs_stays_with_all_that_came_after_it() -> None:
    assert removable(line(6), 6, {3: "staging.x", 5: "staging.y"}, NOW + DAY, 1) == ([1, 2], "staging.x")


def test_a_snapshot_beside_the_line_goes_unless_it_is_needed_or_named() -> None:
    rolled_back = [*line(3), Snap(9, 2, NOW - 3 * DAY), Snap(10, 9, NOW - 3 * DAY)]
    assert removable(rolled_back, 3, {}, NOW - 2 * DAY, 3)[0] == [9, 10]
    assert removable(rolled_back, 3, {9: "staging.x"}, NOW - 2 * DAY, 3)[0] == [10]
    assert removable(rolled_back, 3, {}, NOW - 2 * DAY, 3, named=[10])[0] == [9]


@pytest.mark.parametrize("seed", range(100))
def test_every_reader_can_read_on(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randint(1, 30)
    commits = {i: incremental.Commit(i, i - 1 or None, "append") for i in range(1, count + 1)}
    readers = {rng.randint(1, count): f"r{i}" for i in range(rng.randint(0, 4))}
    gone, held_by = removable(line(count), count, readers, NOW - rng.randint(-1, 30) * DAY, rng.randint(1, 5))
    left = {i: commit for i, commit in commits.items() if i not in gone}
    assert count in left
    for snapshot in readers:
        planned = incremental.plan_window("t", left, count, snapshot)
        assert (planned.start, planned.end) == (snapshot, count)
    assert not held_by or held_by in readers.values()


def test_help_names_the_commands() -> None:
    shown = CliRunner().invoke(app, ["maintenance", "--help"])
    assert shown.exit_code == 0
    for command in ("status", "compact", "expire", "orphans"):
        assert command in shown.output


# -- on the live catalog ------------------------------------------------------------------------------------------


@pytest.fixture
def table(live_stack: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from lakehouse.lesson import drop_scratch, scratch

    monkeypatch.setenv("WORKBOOK_LEARNER", "test")
    namespace = scratch("maintenance")
    name = f"{namespace}.events"
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("said", pa.string())])
    metadata.catalog().create_table(name, schema, properties={"format-version": "2"})
    yield name
    metadata.drop_watermarks(READER)
    drop_scratch(namespace)


def append(table: str, *ids: int) -> int:
    """Add rows; the snapshot that holds them."""
    loaded = metadata.catalog().load_table(table)
    loaded.append(pa.table({"id": pa.array(ids, pa.int64()), "said": [f"row {i}" for i in ids]}))
    current = loaded.current_snapshot()
    assert current is not None
    return current.snapshot_id


def ids(table: str) -> list[int]:
    return sorted(metadata.catalog().load_table(table).scan().to_arrow().column("id").to_pylist())


@pytest.mark.stack
def test_compaction_keeps_the_rows_and_a_repeat_does_nothing(spark: SparkSession, table: str) -> None:
    for i in range(6):
        append(table, i)
    done = maintenance.compact(spark, table)
    assert (done.files_before, done.files_after, done.manifests_after) == (6, 1, 1)
    assert ids(table) == list(range(6))
    assert not maintenance.compact(spark, table).changed
    found = maintenance.health(table)
    assert (found.rows, found.files, found.manifests) == (6, 1, 1)


@pytest.mark.stack
def test_a_reader_reads_no_row_again_after_a_compaction(spark: SparkSession, table: str) -> None:
    append(table, 1)
    metadata.advance(READER, {table: append(table, 2)}, "batch-1")
    done = maintenance.compact(spark, table)
    assert done.followed == (READER,)
    assert incremental.unchanged(spark, [table], READER)
    assert incremental.read_new(spark, table, READER).frame.count() == 0
    append(table, 3)
    new = incremental.read_new(spark, table, READER)
    assert not new.window.full
    assert [row["id"] for row in new.frame.collect()] == [3]


@pytest.mark.stack
def test_a_reader_that_is_behind_gets_the_rows_across_a_compaction_once(spark: SparkSession, table: str) -> None:
    metadata.advance(READER, {table: append(table, 1)}, "batch-1")
    append(table, 2)
    assert maintenance.compact(spark, table).followed == ()
    append(table, 3)
    new = incremental.read_new(spark, table, READER)
    assert not new.window.full
    assert sorted(row["id"] for row in new.frame.collect()) == [2, 3]


@pytest.mark.stack
def test_nothing_is_lost_beside_a_live_writer(spark: SparkSession, table: str) -> None:
    append(table, *range(10))
    stop, written = threading.Event(), list(range(10))

    def write() -> None:
        while not stop.is_set():
            append(table, len(written))
            written.append(len(written))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = [maintenance.compact(spark, table) for _ in range(3)]
    finally:
        stop.set()
        writer.join()
    assert any(one.files_before for one in done)
    assert len(written) > 10
    assert ids(table) == written


@pytest.mark.stack
def test_expiry_holds_what_a_watermark_needs_then_lets_it_go(spark: SparkSession, table: str) -> None:
    snapshots = [append(table, i) for i in range(4)]
    metadata.advance(READER, {table: snapshots[1]}, "batch-1")
    plan = maintenance.plan_expiry(table, timedelta(0), keep_last=1)
    assert (plan.expire, plan.kept, plan.held_by) == ((snapshots[0],), 3, READER)
    assert maintenance.expire(spark, plan).snapshots == 1
    assert maintenance.expire(spark, plan).snapshots == 0
    assert incremental.read_new(spark, table, READER).frame.count() == 2

    metadata.advance(READER, {table: snapshots[3]}, "batch-2")
    maintenance.compact(spark, table)
    done = maintenance.expire(spark, maintenance.plan_expiry(table, timedelta(0), keep_last=1))
    assert done.data_files == 4
    assert ids(table) == [0, 1, 2, 3]
    assert incremental.unchanged(spark, [table], READER)


@pytest.mark.stack
def test_the_newest_commit_of_flink_stays_with_all_after_it(spark: SparkSession, table: str) -> None:
    append(table, 1)
    loaded = metadata.catalog().load_table(table)
    loaded.append(pa.table({"id": [2], "said": ["flink"]}), snapshot_properties={maintenance.FLINK_COMMIT: "job"})
    mark = loaded.current_snapshot()
    assert mark is not None
    append(table, 3)
    maintenance.compact(spark, table)
    maintenance.expire(spark, maintenance.plan_expiry(table, timedelta(0), keep_last=1))
    kept = [s.snapshot_id for s in metadata.catalog().load_table(table).snapshots()]
    assert kept[0] == mark.snapshot_id
    commits, at = incremental.history(table)
    while at != mark.snapshot_id:
        assert at is not None
        at = commits[at].parent_id


@pytest.mark.stack
def test_an_orphan_is_found_by_its_age_and_removed_alone(spark: SparkSession, table: str) -> None:
    append(table, 1)
    maintenance.compact(spark, table)
    loaded = metadata.catalog().load_table(table)
    left = f"{loaded.location()}/data/left-by-a-writer-that-died.parquet"
    with loaded.io.new_output(left).create(overwrite=True) as sink:
        sink.write(b"half a file")
    assert maintenance.orphans(table) == []
    # a table of an earlier test had the same location, and what no metadata named was left when it was dropped
    found = maintenance.orphans(table, timedelta(0))
    assert left in [file.path for file in found]
    assert maintenance.remove(table, found) == len(found)
    assert maintenance.orphans(table, timedelta(0)) == []
    assert ids(table) == [1]


@pytest.mark.stack
def test_the_commands_show_before_they_delete(spark: SparkSession, table: str) -> None:
    for i in range(3):
        append(table, i)
    run = CliRunner()
    assert run.invoke(app, ["maintenance", "compact", table]).exit_code == 0
    shown = run.invoke(app, ["maintenance", "expire", table, "--keep-days", "0", "--keep-last", "1"])
    assert "--delete" in shown.output
    assert maintenance.health(table).snapshots > 1
    done = run.invoke(app, ["maintenance", "expire", table, "--keep-days", "0", "--keep-last", "1", "--delete"])
    assert "done" in done.output
    assert maintenance.health(table).snapshots == 1
    assert "no orphan file" in run.invoke(app, ["maintenance", "orphans", table]).output
    assert table in run.invoke(app, ["maintenance", "status", table.split(".")[0]]).output


@pytest.mark.stack
def test_a_table_that_is_not_there_is_named() -> None:
    with pytest.raises(NotMaintained, match=r"there is no table raw\.nothing"):
        list(maintenance.tables_of(["raw.nothing"]))
    with pytest.raises(NotMaintained, match="there is no layer or table nowhere"):
        list(maintenance.tables_of(["nowhere"]))
