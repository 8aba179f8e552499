"""compose.yaml, loaded by Compose's own loader with the .env that the project writes. No engine runs here."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse.ports import SEED_PORTS
from lakehouse.settings import Settings, secrets_file
from stack.compose import conf, environment, validator
from stack.native.secrets import ensure_secrets


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("compose")
    ensure_secrets(folder)
    return Settings(_env_file=secrets_file(folder), data_dir=folder, port_offset=0, profile="native", **SEED_PORTS)


@pytest.fixture(scope="module")
def project(settings: Settings) -> dict[str, Any]:
    """compose.yaml, loaded."""
    conf.write(settings)
    return validator.load(environment.write(settings))


@pytest.fixture(scope="module")
def services(project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return project["services"]


@pytest.fixture(scope="module")
def lasting(services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those that stay, without what runs once."""
    return {name: service for name, service in services.items() if "lakehouse.once" not in service.get("labels", {})}
