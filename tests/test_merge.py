"""The one way to write: against the live catalog, with crashes at the worst moment."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from lakehouse import held, incremental, metadata
from lakehouse import merge as merging
from lakehouse.held import hold
from lakehouse.merge import NotOneRowPerKey, batch_id, is_audit, merge
from lakehouse.metadata import Watermark
from lakehouse.pipeline import record_run
from lakehouse.tables import Column, Table, iceberg_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

RUN = "test-run"


def test_audit_columns_are_when_and_by_which_delivery() -> None:
    assert all(is_audit(name) for name in ("_staged_at", "_raw_id", "_run_id", "_batch_id"))
    assert not any(is_audit(name) for name in ("updated_at", "_version", "email"))


def test_a_batch_has_the_same_id_when_it_is_repeated_and_another_when_anything_differs() -> None:
    known = {"raw.a": Watermark(1, "b")}
    first = batch_id("staging.t", known, {"raw.a": 2, "raw.b": None})
    assert first == batch_id("staging.t", dict(known), {"raw.b": None, "raw.a": 2})
    others = {
        batch_id("staging.u", known, {"raw.a": 2, "raw.b": None}),
        batch_id("staging.t", known, {"raw.a": 3, "raw.b": None}),
        batch_id("staging.t", {"raw.a": Watermark(1, "forgotten")}, {"raw.a": 2, "raw.b": None}),
        batch_id("staging.t", {}, {"raw.a": 2, "raw.b": None}),
    }
    assert first not in others
    assert len(others) == 4


def table(name: str) -> Table:
    return Table(
        name=name,
        grain="one row per id",
        key=("id",),
        columns=(
            Column("id", "long", "key", required=True),
            Column("part", "string", "who writes it"),
            Column("value", "string", "what may change"),
            Column("amount", "decimal(18,2)", "money"),
            Column("_staged_at", "timestamptz", "audit"),
        ),
        partitioning=("part",),
    )


@pytest.fixture
def scratch() -> Iterator[tuple[Table, Table]]:
    """A source and a target of their own, and no trace of them after."""
    mark = uuid.uuid4().hex[:8]
    source, target = table(f"scratch.source_{mark}"), table(f"scratch.target_{mark}")
    metadata.load(source), metadata.load(target)
    yield source, target
    for each in (source, target):
        metadata.catalog().purge_table(each.name)


def rows(spark, *values: tuple[int, str | None]):
    frame = spark.createDataFrame(
        [(i, "p", v, "1.50") for i, v in values], "id long, part string, value string, amount string"
    )
    return frame.selectExpr("*", "current_timestamp() AS _staged_at")


def write(spark, target: Table, frame, at: int, **options):
    given = {"sources": {"scratch.any": at}, "delete_missing": False, "run_id": RUN, **options}
    return merge(spark, target, frame, **given)


def state(spark, target: Table) -> dict[int, str | None]:
    return {row["id"]: row["value"] for row in spark.table(target.name).collect()}


def snapshots(target: Table) -> int:
    return len(metadata.load(target).snapshots())


@pytest.mark.stack
def test_rows_are_inserted_updated_and_kept(spark, scratch) -> None:
    _, target = scratch
    first = write(spark, target, rows(spark, (1, "a"), (2, None), (2**60 + 1, "c")), 1)
    assert (first.inserted, first.updated, first.deleted, first.changed) == (3, 0, 0, True)
    second = write(spark, target, rows(spark, (1, "a"), (2, "b"), (4, "d")), 2)
    assert (second.read, second.inserted, second.updated, second.deleted) == (3, 1, 1, 0)
    assert state(spark, target) == {1: "a", 2: "b", 2**60 + 1: "c", 4: "d"}
    assert second.snapshot_id == metadata.load(target).current_snapshot().snapshot_id


@pytest.mark.stack
def test_missing_rows_are_deleted_only_when_asked(spark, scratch) -> None:
    _, target = scratch
    write(spark, target, rows(spark, (1, "a"), (2, "b"), (3, "c")), 1)
    result = write(spark, target, rows(spark, (1, "a"), (2, "x"), (9, "n")), 2, delete_missing=True)
    assert (result.inserted, result.updated, result.deleted) == (1, 1, 1)
    assert state(spark, target) == {1: "a", 2: "x", 9: "n"}


@pytest.mark.stack
@pytest.mark.parametrize("few", [0, 100_000], ids=["many keys", "few keys"])
def test_how_many_keys_there_are_makes_no_difference(spark, scratch, monkeypatch, few) -> None:
    monkeypatch.setattr(held, "FEW_ROWS", few)
    _, target = scratch
    write(spark, target, rows(spark, (1, "a"), (2, "b"), (3, "c")), 1)
    second = write(spark, target, rows(spark, (1, "a"), (2, "x"), (4, "d")), 2)
    assert (second.read, second.inserted, second.updated, second.deleted) == (3, 1, 1, 0)
    assert state(spark, target) == {1: "a", 2: "x", 3: "c", 4: "d"}


@pytest.mark.stack
def test_rows_of_other_keys_stay_when_a_frame_is_about_some(spark, scratch) -> None:
    _, target = scratch
    write(spark, target, rows(spark, (1, "a"), (2, "b"), (3, "c")), 1)
    about = spark.createDataFrame([(1,), (2,), (9,)], "id long")
    result = write(spark, target, rows(spark, (1, "x"), (9, "n")), 2, delete_missing=True, among=about)
    assert (result.inserted, result.updated, result.deleted) == (1, 1, 1)
    assert state(spark, target) == {1: "x", 3: "c", 9: "n"}


@pytest.mark.stack
def test_rows_that_the_caller_has_read_are_read_again_after_another_writers_commit(spark, scratch, monkeypatch) -> None:
    from pyspark.errors import PySparkException

    _, target = scratch
    write(spark, target, rows(spark, (1, "a"), (2, "b")), 1)

    def longer(kept: ExitStack) -> tuple[DataFrame, DataFrame]:
        old = hold(spark.table(target.name).where("id = 1"), 1, kept)
        return old.selectExpr("id", "part", "concat(value, '!') AS value", "amount", "_staged_at"), old

    really, calls = merging._write, []

    def overtaken_once(*given: object) -> None:
        calls.append(given)
        if len(calls) == 1:
            newer = rows(spark, (1, "z")).toArrow().cast(iceberg_schema(target).as_arrow())
            metadata.load(target).overwrite(newer, overwrite_filter="id = 1")
            raise PySparkException("CommitFailedException: another writer was first")
        really(*given)

    monkeypatch.setattr(merging, "_write", overtaken_once)
    result = write(spark, target, longer, 3)
    assert len(calls) == 2
    assert (result.updated, result.inserted) == (1, 0)
    assert state(spark, target) == {1: "z!", 2: "b"}


@pytest.mark.parametrize(
    ("rows", "dead", "files", "changed", "mode"),
    [
        (1_000_000, 0, 0, 5_000, "merge-on-read"),
        (1_000_000, 190_000, 4, 5_000, "merge-on-read"),
        (1_000_000, 196_000, 4, 5_000, "copy-on-write"),
        (1_000_000, 0, 0, 300_000, "copy-on-write"),
        (1_000_000, 0, 100, 5_000, "copy-on-write"),
        (199_999, 0, 0, 1, "copy-on-write"),
        (0, 0, 0, 0, "copy-on-write"),
    ],
)
def test_how_a_merge_writes(rows: int, dead: int, files: int, changed: int, mode: str) -> None:
    said = {"total-records": str(rows), "total-position-deletes": str(dead), "total-delete-files": str(files)}
    assert merging.merge_mode(said, changed) == mode
    assert merging.merge_mode({}, changed) == "copy-on-write"


@pytest.mark.stack
def test_of_a_large_table_a_few_rows_are_written_and_not_its_files(spark, scratch, monkeypatch) -> None:
    monkeypatch.setattr(merging, "LARGE_TABLE", 10)
    _, target = scratch
    before = [(i, "a") for i in range(20)]
    write(spark, target, rows(spark, *before), 1)
    files = {task.file.file_path for task in metadata.load(target).scan().plan_files()}
    write(spark, target, rows(spark, (3, "x"), (20, "n")), 2)
    loaded = metadata.load(target)
    assert files < {task.file.file_path for task in loaded.scan().plan_files()}
    assert sum(len(task.delete_files) for task in loaded.scan().plan_files()) == 1
    assert loaded.current_snapshot().summary["total-records"] == "22"
    assert metadata.rows_in(loaded) == 21
    wanted = dict(before) | {3: "x", 20: "n"}
    assert state(spark, target) == wanted
    # many changes at once: the files are written anew, and the marked row is in none
    changes = [(i, "y") for i in range(10)]
    write(spark, target, rows(spark, *changes), 3)
    loaded = metadata.load(target)
    assert not files & {task.file.file_path for task in loaded.scan().plan_files()}
    assert metadata.rows_in(loaded) == 21
    assert state(spark, target) == wanted | dict(changes)


@pytest.mark.stack
def test_nothing_differs_nothing_is_committed(spark, scratch) -> None:
    _, target = scratch
    write(spark, target, rows(spark, (1, "a"), (2, None)), 1)
    before = snapshots(target)
    again = write(spark, target, rows(spark, (1, "a"), (2, None)), 2, delete_missing=True)
    assert (again.changed, again.read) == (False, 2)
    assert snapshots(target) == before
    # but it is known that the newer source was read
    assert metadata.watermarks(target.name)["scratch.any"].last_snapshot_id == 2


@pytest.mark.stack
def test_a_writer_of_one_part_leaves_the_others_alone(spark, scratch) -> None:
    _, target = scratch
    other = rows(spark, (1, "a")).selectExpr("id", "'q' AS part", "value", "amount", "_staged_at")
    write(spark, target, other, 1)
    result = write(spark, target, rows(spark, (2, "b")), 2, delete_missing=True, within="part = 'p'")
    assert (result.inserted, result.deleted) == (1, 0)
    write(spark, target, rows(spark, (3, "c")), 3, delete_missing=True, within="part = 'p'")
    assert state(spark, target) == {1: "a", 3: "c"}


@pytest.mark.stack
@pytest.mark.parametrize("bad", [((1, "a"), (1, "b")), ((None, "a"), (2, "b"))])
def test_rows_without_one_row_per_key_are_refused(spark, scratch, bad) -> None:
    _, target = scratch
    with pytest.raises(NotOneRowPerKey):
        write(spark, target, rows(spark, *bad), 1)
    assert snapshots(target) == 0


@pytest.mark.stack
@pytest.mark.parametrize("existing", [False, True], ids=["append", "merge"])
def test_a_crash_between_data_and_watermark_is_repaired_without_a_second_commit(
    spark, scratch, monkeypatch, existing: bool
) -> None:
    _, target = scratch
    if existing:
        write(spark, target, rows(spark, (1, "old")), 1)

    def crash(*_: object) -> None:
        raise ConnectionResetError("the process ends here")

    with monkeypatch.context() as patch:
        patch.setattr(merging.metadata, "advance", crash)
        with pytest.raises(ConnectionResetError):
            write(spark, target, rows(spark, (1, "a"), (2, "b")), 2)
    after_crash = snapshots(target)
    known = metadata.watermarks(target.name).get("scratch.any")
    assert (known.last_snapshot_id if known else None) == (1 if existing else None)

    # the frame is not even looked at: another one shows it
    repeat = write(spark, target, rows(spark, (7, "other")), 2)
    assert not repeat.changed
    assert snapshots(target) == after_crash
    assert repeat.snapshot_id == metadata.load(target).current_snapshot().snapshot_id
    assert metadata.watermarks(target.name)["scratch.any"].last_snapshot_id == 2
    assert state(spark, target) == {1: "a", 2: "b"}


@pytest.mark.stack
def test_targets_that_move_their_watermarks_at_the_same_moment_all_move(scratch, monkeypatch) -> None:
    """Staging's tasks run side by side and share one table of watermarks: whoever is refused commits again."""
    monkeypatch.setattr(metadata, "KEPT_SNAPSHOTS", 2)
    _, target = scratch
    targets = [f"{target.name}_{k}" for k in range(4)]
    together = threading.Barrier(len(targets))

    def move(name: str) -> None:
        for snapshot in (1, 2, 3):
            together.wait(timeout=60)
            metadata.advance(name, {"scratch.any": snapshot}, f"{name}-{snapshot}")

    with ThreadPoolExecutor(len(targets)) as pool:
        list(pool.map(move, targets))
    assert {name: metadata.watermarks(name)["scratch.any"] for name in targets} == {
        name: Watermark(3, f"{name}-3") for name in targets
    }


@pytest.mark.stack
def test_watermarks_keep_few_snapshots_and_all_rows(scratch, monkeypatch) -> None:
    monkeypatch.setattr(metadata, "KEPT_SNAPSHOTS", 3)
    _, target = scratch
    before = metadata.all_watermarks()
    for snapshot in range(1, 6):
        metadata.advance(target.name, {"scratch.any": snapshot}, f"batch-{snapshot}")
    assert metadata.all_watermarks() == before | {target.name: {"scratch.any": Watermark(5, "batch-5")}}
    # a change is two snapshots: the old rows go, the new ones come
    assert len(metadata.load(metadata.WATERMARKS).snapshots()) <= 2 * 3 + 2


@pytest.mark.stack
def test_a_forgotten_watermark_reads_all_again_and_is_a_new_batch(spark, scratch) -> None:
    source, target = scratch
    write(spark, source, rows(spark, (1, "a")), 1)

    def step():
        new = incremental.read_new(spark, source.name, target.name)
        return merge(spark, target, new.frame, sources={source.name: new.window.end}, delete_missing=False, run_id=RUN)

    assert step().inserted == 1
    assert incremental.unchanged(spark, [source.name], target.name)
    metadata.forget(target.name)
    assert not incremental.unchanged(spark, [source.name], target.name)
    again = step()
    assert (again.read, again.changed) == (1, False)
    assert incremental.unchanged(spark, [source.name], target.name)


@pytest.mark.stack
def test_a_late_commit_with_an_early_stamp_is_read_once(spark, scratch) -> None:
    """Stamped first, committed last: a clock watermark never sees it, the snapshot window does."""
    source, target = scratch

    def commit(key: int, stamp: str) -> None:
        rows(spark, (key, stamp)).selectExpr(
            "id", "part", "value", "CAST(amount AS DECIMAL(18,2)) AS amount", f"TIMESTAMP '{stamp}' AS _staged_at"
        ).writeTo(source.name).append()

    def step() -> list[int]:
        new = incremental.read_new(spark, source.name, target.name)
        keys = sorted(row["id"] for row in new.frame.collect())
        merge(spark, target, new.frame, sources={source.name: new.window.end}, delete_missing=False, run_id=RUN)
        return keys

    commit(1, "2026-01-01 10:00:03")
    assert step() == [1]
    mark = spark.table(target.name).selectExpr("max(_staged_at) AS m").collect()[0]["m"]
    commit(2, "2026-01-01 10:00:00")
    commit(3, "2026-01-01 10:00:04")
    by_clock = spark.table(source.name).where(f"_staged_at > TIMESTAMP '{mark:%Y-%m-%d %H:%M:%S}'")
    assert [row["id"] for row in by_clock.collect()] == [3]
    assert step() == [2, 3]
    assert step() == []
    assert set(state(spark, target)) == {1, 2, 3}


@pytest.mark.stack
def test_an_expired_watermark_falls_back_to_all_rows(spark, scratch, caplog) -> None:
    source, target = scratch
    for key in (1, 2, 3):
        rows(spark, (key, "x")).selectExpr(
            "id", "part", "value", "CAST(amount AS DECIMAL(18,2)) AS amount", "_staged_at"
        ).writeTo(source.name).append()
        if key == 1:
            new = incremental.read_new(spark, source.name, target.name)
            merge(spark, target, new.frame, sources={source.name: new.window.end}, delete_missing=False, run_id=RUN)
    spark.sql(
        f"CALL lakehouse.system.expire_snapshots(table => '{source.name}', "
        "older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1)"
    ).collect()
    with caplog.at_level("INFO", logger="lakehouse.incremental"):
        new = incremental.read_new(spark, source.name, target.name)
    assert "expired" in caplog.text
    assert sorted(row["id"] for row in new.frame.collect()) == [1, 2, 3]
    result = merge(spark, target, new.frame, sources={source.name: new.window.end}, delete_missing=False, run_id=RUN)
    assert (result.inserted, result.updated) == (2, 0)


@pytest.mark.stack
def test_only_a_step_that_changed_something_or_failed_leaves_a_run(spark, scratch) -> None:
    _, target = scratch
    run_id = f"test-{uuid.uuid4().hex}"

    def recorded() -> list[dict]:
        from pyiceberg.expressions import EqualTo

        return metadata.load(metadata.RUNS).scan(row_filter=EqualTo("run_id", run_id)).to_arrow().to_pylist()

    for at in (1, 2):
        with record_run(spark, run_id, target.name) as record:
            record.finish(write(spark, target, rows(spark, (1, "a")), at))
    assert [(r["step"], r["inserted"], r["status"]) for r in recorded()] == [(target.name, 1, "succeeded")]
    with pytest.raises(ValueError, match="broken"), record_run(spark, run_id, target.name):
        raise ValueError("broken transform")
    assert sorted(r["status"] for r in recorded()) == ["failed", "succeeded"]
