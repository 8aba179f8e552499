"""Settings of a stack that is not there: for what only needs ports, names and secrets."""

from __future__ import annotations

import pytest

from lakehouse.settings import Settings
from stack.native.secrets import ensure_secrets


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("stack")
    ensure_secrets(folder)
    return Settings(_env_file=folder / "secrets.env", data_dir=folder)  # type: ignore[call-arg]
