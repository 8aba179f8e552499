"""Pictures of a table: long columns are cut short, side branches have a line of their own, a live tree is complete."""

from __future__ import annotations

import pytest

from lakehouse.lesson import iceberg_pictures as pictures
from lakehouse.lesson.diagrams import Box
from lakehouse.lesson.questions import practice


def texts(tree: pictures.Tree, most: int) -> list[str]:
    return [annotation.text for annotation in tree.picture(most=most).layout.annotations if annotation.text]


def test_a_long_column_ends_with_a_box_that_counts_the_rest() -> None:
    tree = pictures.Tree([[Box("a", "A")], [Box(f"b{n}", f"B{n}") for n in range(6)]],
                         [("a", f"b{n}") for n in range(6)])  # fmt: skip
    assert texts(tree, 3) == ["A", "B0", "B1", "… and 4 more"]
    assert texts(tree, 6) == ["A", *(f"B{n}" for n in range(6))]
    # four arrows lead to the last box, and one is drawn
    assert len([a for a in tree.picture(most=3).layout.annotations if a.showarrow]) == 3


def test_names_and_sizes_are_short() -> None:
    assert pictures.name("s3://bucket/table/data/short.parquet") == "short.parquet"
    assert len(pictures.name("s3://b/t/00000-0-0123456789-0123456789.parquet")) == 20
    assert pictures.size(900) == "900 bytes"
    assert pictures.size(20_480) == "20 KiB"


@pytest.mark.parametrize(
    ("parents", "current", "wanted"),
    [
        ({1: None, 2: 1, 3: 2}, 3, {1: 0, 2: 0, 3: 0}),
        # 3 was rolled back to 2, then 4 came; 5 and 6 are a branch
        ({1: None, 2: 1, 3: 2, 4: 2, 5: 4, 6: 5}, 4, {1: 0, 2: 0, 3: 1, 4: 0, 5: 2, 6: 2}),
        # the parent of the oldest one was expired
        ({7: 3, 8: 7}, 8, {7: 0, 8: 0}),
        ({}, None, {}),
    ],
)
def test_a_snapshot_the_table_does_not_come_from_has_its_own_line(
    parents: dict[int, int | None], current: int | None, wanted: dict[int, int]
) -> None:
    assert pictures.lanes(parents, current) == wanted


@pytest.mark.stack
@pytest.mark.usefixtures("first_day")
def test_the_tree_of_a_live_table_names_all_its_files() -> None:
    with practice.place("test_pictures") as namespace:
        past = practice.with_a_past(namespace)
        current = practice.load(past.name)
        tree = pictures.tree(current)
        tasks = list(current.scan().plan_files())
        files = {task.file.file_path for task in tasks} | {d.file_path for task in tasks for d in task.delete_files}
        assert {box.key for box in tree.columns[-1]} == files
        assert {right for _, right in tree.arrows} == {box.key for column in tree.columns[1:] for box in column}
        everything = pictures.tree(current, [snapshot.snapshot_id for snapshot in current.snapshots()])
        assert len(everything.columns[2]) == len(current.snapshots())
        dots = [dot for trace in pictures.history(current).data if trace.mode == "markers" for dot in trace.x]
        assert len(dots) == len(current.snapshots())


@pytest.mark.stack
def test_a_table_without_a_snapshot_has_no_tree() -> None:
    with practice.place("test_pictures") as namespace, pytest.raises(ValueError, match="no snapshot"):
        pictures.tree(practice.table(f"{namespace}.empty"))
