"""When rows became visible, as the raw tables' own snapshots say; a catalog that is away shows none."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lakehouse.engines.catalog import CatalogUnavailable
from lakehouse.settings import Settings, get_settings, secrets_file
from lakehouse.streaming import commits
from lakehouse.streaming.tables import TABLES
from stack.native.secrets import ensure_secrets


@pytest.mark.stack
@pytest.mark.usefixtures("first_day")
def test_commits_are_in_order_and_have_rows() -> None:
    found = commits.since(get_settings(), 0)
    assert found == sorted(found, key=lambda commit: commit.at)
    assert all(commit.rows > 0 for commit in found)
    assert {commit.table for commit in found} <= {table.name for table in TABLES}
    middle = found[len(found) // 2].at
    assert [c for c in commits.since(get_settings(), middle) if c.at <= middle] == []
    assert commits.any_since(get_settings(), found[0].at - 1)
    assert not commits.any_since(get_settings(), time.time() + 3600)


def test_while_the_catalog_is_away_nobody_sees_rows(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    # port 9 is discard's: nothing listens there
    away = Settings(_env_file=secrets_file(tmp_path), data_dir=tmp_path, catalog_uri="http://127.0.0.1:9")
    with pytest.raises(CatalogUnavailable):
        commits.since(away, 0)
    assert not commits.any_since(away, 0)
