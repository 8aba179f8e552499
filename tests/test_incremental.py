"""What is new since last time: the pure window logic, and the proof against the live catalog."""

from __future__ import annotations

import random

import pytest

from lakehouse.incremental import Commit, plan_window

SOURCE = "raw.events"


def chain(*operations: str) -> dict[int, Commit]:
    """A history with ids 1, 2, … in which each snapshot follows the one before."""
    return {i: Commit(i, i - 1 or None, operation) for i, operation in enumerate(operations, start=1)}


def test_a_source_without_a_snapshot_has_nothing_to_read() -> None:
    assert plan_window(SOURCE, {}, None, None).empty


def test_the_first_read_is_full() -> None:
    window = plan_window(SOURCE, chain("append", "append"), 2, None)
    assert (window.start, window.end, window.full) == (None, 2, True)


def test_nothing_new_is_an_empty_window() -> None:
    window = plan_window(SOURCE, chain("append", "append"), 2, 2)
    assert window.empty
    assert not window.full


def test_new_appends_are_read_from_the_last_snapshot() -> None:
    window = plan_window(SOURCE, chain("append", "append", "append"), 3, 1)
    assert (window.start, window.end, window.empty) == (1, 3, False)


def test_how_many_rows_there_are_to_read_is_what_the_snapshots_say() -> None:
    said = {i: Commit(i, i - 1 or None, "append", 10 * i, 100 * i) for i in range(1, 5)}
    assert plan_window(SOURCE, said, 4, 1).rows == 20 + 30 + 40
    assert plan_window(SOURCE, said, 4, None).rows == 400
    assert plan_window(SOURCE, said | {3: Commit(3, 2, "replace", 999, 300)}, 4, 1).rows == 20 + 40
    assert plan_window(SOURCE, said | {3: Commit(3, 2, "append")}, 4, 1).rows is None
    assert plan_window(SOURCE, said | {3: Commit(3, 2, "delete", 0, 5)}, 4, 1).rows == 400


def test_compaction_in_between_adds_no_rows_and_hides_none() -> None:
    window = plan_window(SOURCE, chain("append", "append", "replace", "append"), 4, 1)
    assert (window.start, window.end) == (1, 4)


@pytest.mark.parametrize("operation", ["overwrite", "delete"])
def test_rewritten_rows_ask_for_a_full_read(operation: str) -> None:
    window = plan_window(SOURCE, chain("append", operation, "append"), 3, 1)
    assert window.full
    assert operation in window.reason


def test_an_expired_last_snapshot_asks_for_a_full_read() -> None:
    commits = {i: c for i, c in chain("append", "append", "append", "append").items() if i > 2}
    window = plan_window(SOURCE, commits, 4, 1)
    assert window.full
    assert "expired" in window.reason


def test_an_expired_last_snapshot_whose_child_is_kept_is_still_an_exact_start() -> None:
    commits = {i: c for i, c in chain("append", "append", "append").items() if i > 1}
    window = plan_window(SOURCE, commits, 3, 1)
    assert window.full or window.start == 1


def test_a_replaced_table_asks_for_a_full_read() -> None:
    window = plan_window(SOURCE, chain("append", "append"), 2, 99)
    assert window.full
    assert "replaced" in window.reason


def test_a_rolled_back_table_asks_for_a_full_read() -> None:
    # 3 was read, then the table was rolled back to 1 and went on with 4
    commits = chain("append", "append", "append") | {4: Commit(4, 1, "append")}
    assert plan_window(SOURCE, commits, 4, 3).full


@pytest.mark.parametrize("seed", range(200))
def test_every_row_is_read_once_whatever_its_stamp(seed: int) -> None:
    """Readers run at any time; rows are stamped before they are committed, by up to the whole history."""
    rng = random.Random(seed)
    commits: dict[int, Commit] = {}
    rows: dict[int, list[tuple[int, int]]] = {}
    read_by_snapshot: list[tuple[int, int]] = []
    read_by_clock: list[tuple[int, int]] = []
    current: int | None = None
    last: int | None = None
    clock_mark, clock = -1, 0
    written: list[tuple[int, int]] = []

    def read() -> None:
        nonlocal last, clock_mark
        window = plan_window(SOURCE, commits, current, last)
        if not window.empty:
            inside = [i for i in rows if (window.start or 0) < i <= (window.end or 0)]
            read_by_snapshot.extend(row for i in inside for row in rows[i])
        last = window.end
        visible = [row for i in rows for row in rows[i] if row[1] > clock_mark]
        read_by_clock.extend(visible)
        clock_mark = max([clock_mark, *(stamp for _, stamp in visible)])

    for snapshot in range(1, rng.randint(2, 25)):
        clock += rng.randint(1, 5)
        batch = [(len(written) + i, max(0, clock - rng.randint(0, 30))) for i in range(rng.randint(0, 4))]
        written.extend(batch)
        commits[snapshot] = Commit(snapshot, current, rng.choice(["append", "append", "append", "replace"]))
        rows[snapshot] = batch if commits[snapshot].operation == "append" else []
        if commits[snapshot].operation == "replace":
            written = written[: len(written) - len(batch)]
        current = snapshot
        if rng.random() < 0.5:
            read()
    read()
    assert sorted(read_by_snapshot) == sorted(written)
    # the clock never reads too much, and is the one that loses rows
    assert set(read_by_clock) <= set(written)


def test_a_clock_watermark_loses_the_row_that_is_committed_late() -> None:
    """The hole that snapshot ids close: stamped at 5, committed after a reader had seen stamp 7."""
    committed_first, committed_late = {"stamp": 7}, {"stamp": 5}
    mark = committed_first["stamp"]
    assert not committed_late["stamp"] > mark
    window = plan_window(SOURCE, chain("append", "append"), 2, 1)
    assert (window.start, window.end) == (1, 2)
