"""Settings of a stack that does not run, for what only reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.settings import Settings, secrets_file
from stack.native.secrets import ensure_secrets


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    ensure_secrets(tmp_path)
    return Settings(_env_file=secrets_file(tmp_path), data_dir=tmp_path)  # type: ignore[call-arg]
