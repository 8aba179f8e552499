"""Settings: defaults, the port offset, overrides, and errors that name the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.ports import SEED_PORTS
from lakehouse.settings import Settings, SettingsError, load_settings, secrets_file
from stack.native.secrets import ensure_secrets


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT_OFFSET", "STACK_NAME"):
        monkeypatch.delenv(f"LAKEHOUSE_{name}", raising=False)
    monkeypatch.setenv("LAKEHOUSE_DATA_DIR", str(tmp_path))
    ensure_secrets(tmp_path)


def test_ports_are_the_documented_ones() -> None:
    settings = load_settings()

    assert {name: getattr(settings, name) for name in SEED_PORTS} == SEED_PORTS
    assert settings.catalog_uri == "http://127.0.0.1:8181"


def test_the_offset_moves_every_port_and_every_endpoint_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_PORT_OFFSET", "500")
    settings = load_settings()

    assert all(getattr(settings, name) == port + 500 for name, port in SEED_PORTS.items())
    assert settings.kafka_bootstrap == "127.0.0.1:9592"
    assert settings.spark_remote == "sc://127.0.0.1:15502"


def test_a_port_set_by_itself_is_not_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_PORT_OFFSET", "500")
    monkeypatch.setenv("LAKEHOUSE_CATALOG_PORT", "18181")
    settings = load_settings()

    assert settings.catalog_uri == "http://127.0.0.1:18181"
    assert settings.trino_port == SEED_PORTS["trino_port"] + 500


def test_an_endpoint_can_be_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_CATALOG_URI", "https://catalog.example.com")

    assert load_settings().catalog_uri == "https://catalog.example.com"


def test_an_unknown_name_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_CATALOGUE_PORT", "1")

    with pytest.raises(SettingsError, match=r"LAKEHOUSE_CATALOGUE_PORT.*lakehouse settings"):
        load_settings()


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    with secrets_file(tmp_path).open("a") as file:
        file.write("LAKEHOUSE_POSTGRESS_PASSWORD=x\n")

    with pytest.raises(SettingsError, match="postgress_password"):
        load_settings()


def test_a_wrong_value_is_named_without_its_neighbours_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_PORT_OFFSET", "500")
    monkeypatch.setenv("LAKEHOUSE_MAX_BODY_BYTES", "-1")
    monkeypatch.setenv("LAKEHOUSE_POSTGRES_PASSWORD", "very-secret")

    with pytest.raises(SettingsError, match="max_body_bytes") as error:
        load_settings()

    assert "very-secret" not in str(error.value)


def test_an_empty_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_POSTGRES_PASSWORD", "")

    with pytest.raises(SettingsError, match="LAKEHOUSE_POSTGRES_PASSWORD holds an empty secret"):
        load_settings()


def test_missing_secrets_say_how_they_are_made(tmp_path: Path) -> None:
    secrets_file(tmp_path).unlink()

    with pytest.raises(SettingsError, match="lakehouse stack init"):
        load_settings()


def test_secrets_are_not_shown() -> None:
    settings = load_settings()

    assert settings.postgres_password.get_secret_value() not in repr(settings)
    assert settings.shopify_webhook_secrets[0].get_secret_value() not in str(settings)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().postgres_port = 1  # type: ignore[misc]


def test_every_port_is_a_field() -> None:
    ports = {name for name in Settings.model_fields if name.endswith("_port")}

    assert ports == set(SEED_PORTS)
