"""Manifests name live files alone after `clean`, and the rows are what they were: on a scratch table."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from pyiceberg.expressions import EqualTo
from pyiceberg.manifest import ManifestEntryStatus

from lakehouse import incremental, manifests, metadata

pytestmark = pytest.mark.stack


@pytest.fixture
def table(live_stack: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from lakehouse.lesson import drop_scratch, scratch

    monkeypatch.setenv("WORKBOOK_LEARNER", "test")
    namespace = scratch("manifests")
    name = f"{namespace}.t"
    loaded = metadata.catalog().create_table(name, pa.schema([pa.field("id", pa.int64())]))
    for ids in ([1, 2], [3], [4]):
        loaded.append(pa.table({"id": ids}))
    loaded.delete(EqualTo("id", 2))
    yield name
    drop_scratch(namespace)


def statuses(table: str) -> set[ManifestEntryStatus]:
    loaded = metadata.catalog().load_table(table)
    current = loaded.current_snapshot()
    assert current is not None
    return {
        entry.status
        for manifest in current.manifests(loaded.io)
        for entry in manifest.fetch_manifest_entry(loaded.io, discard_deleted=False)
    }


def test_entries_of_deleted_files_go_and_rows_stay(table: str) -> None:
    loaded = metadata.catalog().load_table(table)
    assert manifests.has_entries_of_deleted_files(loaded)
    assert ManifestEntryStatus.DELETED in statuses(table)
    before = incremental.history(table)[1]
    manifests.clean(loaded, {"why": "test"})
    loaded = metadata.catalog().load_table(table)
    assert not manifests.has_entries_of_deleted_files(loaded)
    assert ManifestEntryStatus.DELETED not in statuses(table)
    assert sorted(loaded.scan().to_arrow().column("id").to_pylist()) == [1, 3, 4]
    current = loaded.current_snapshot()
    assert current is not None
    assert current.summary is not None
    assert (current.summary["total-records"], current.summary["why"]) == ("3", "test")
    # for a reader it is a compaction: no row is new
    commits, now = incremental.history(table)
    assert incremental.plan_window(table, commits, now, before).empty
