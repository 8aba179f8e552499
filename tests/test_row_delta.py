"""Position deletes in a catalog of this process; that the engines read them is asked in test_arrow_merge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType

from lakehouse.row_delta import FILE, POS, Stored, commit, read

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

SCHEMA = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "kind", StringType()))
BY_KIND = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "kind"))


def rows(*ids: int, kind: str = "a") -> pa.Table:
    return pa.table({"id": list(ids), "kind": [kind] * len(ids)}, schema=SCHEMA.as_arrow())


def ids(table: IcebergTable, snapshot_id: int | None = None) -> list[int]:
    return sorted(table.scan(snapshot_id=snapshot_id).to_arrow().column("id").to_pylist())


@pytest.fixture(params=[PartitionSpec(), BY_KIND], ids=["whole", "parted"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> IcebergTable:
    """Five rows in two files."""
    catalog = InMemoryCatalog("test", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("lake")
    made = catalog.create_table("lake.t", SCHEMA, partition_spec=request.param, properties={"format-version": "2"})
    commit(made, rows(1, 2, 3), {}, {"step": "first"})
    commit(made, rows(4, 5, kind="b"), {}, {"step": "second"})
    return made


def take_out(table: IcebergTable, stored: Stored, gone: list[int], come: pa.Table) -> None:
    mine = stored.rows.filter(pa.array(np.isin(stored.rows.column("id").to_numpy(), gone)))
    places = {
        file.file: mine.filter(pa.array(mine.column(FILE).to_numpy() == number)).column(POS).to_numpy()
        for number, file in enumerate(stored.files)
    }
    commit(table, come, places, {"step": "change"})


def test_rows_go_and_come_in_one_snapshot(table: IcebergTable) -> None:
    before = table.current_snapshot()
    take_out(table, read(table), [2, 5], rows(6))
    assert ids(table) == [1, 3, 4, 6]
    assert before is not None
    assert ids(table, before.snapshot_id) == [1, 2, 3, 4, 5]
    now = table.current_snapshot()
    assert now is not None
    assert now.parent_snapshot_id == before.snapshot_id
    assert now.summary is not None
    said = now.summary.additional_properties
    assert (now.summary.operation.value, said["step"]) == ("overwrite", "change")
    assert (said["added-position-deletes"], said["total-position-deletes"], said["added-records"]) == ("2", "2", "1")
    assert table.inspect.delete_files().num_rows == 2


def test_what_is_read_has_its_places_and_no_deleted_rows(table: IcebergTable) -> None:
    take_out(table, read(table), [1], rows(1))
    stored = read(table)
    assert sorted(stored.data.column("id").to_pylist()) == [1, 2, 3, 4, 5]
    assert (stored.dead(), stored.snapshot_id) == (1, table.current_snapshot().snapshot_id)
    take_out(table, stored, [1, 2], rows())
    assert ids(table) == [3, 4, 5]
    assert read(table).dead() == 3


def test_a_table_written_whole_has_no_deletes_left(table: IcebergTable) -> None:
    take_out(table, read(table), [1, 4], rows())
    commit(table, rows(7, 8), {}, {}, whole=True)
    stored = read(table)
    assert (ids(table), stored.dead(), len(stored.files)) == ([7, 8], 0, 1)
    assert table.inspect.delete_files().num_rows == 0
    said = table.current_snapshot().summary.additional_properties
    assert (said["total-records"], said["total-delete-files"], said["total-data-files"]) == ("2", "0", "1")
    commit(table, rows(), {}, {}, whole=True)
    assert ids(table) == []


def test_a_table_without_rows(tmp_path: Path) -> None:
    catalog = InMemoryCatalog("test", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("lake")
    empty = catalog.create_table("lake.t", SCHEMA)
    stored = read(empty)
    assert (stored.rows.num_rows, stored.snapshot_id, stored.dead()) == (0, None, 0)
    assert set(stored.rows.column_names) == {"id", "kind", FILE, POS}


def test_a_commit_in_between_makes_the_places_worthless(table: IcebergTable) -> None:
    stored = read(table)
    other = table.catalog.load_table("lake.t")
    commit(other, rows(9), {}, {})
    with pytest.raises(CommitFailedException):
        take_out(table, stored, [1], rows(1))
    assert ids(other.refresh()) == [1, 2, 3, 4, 5, 9]
