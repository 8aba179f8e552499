"""Secrets are made once, kept, readable by their owner alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.settings import Settings, secrets_file
from stack.native.secrets import ensure_secrets


def read(folder: Path) -> dict[str, str]:
    lines = secrets_file(folder).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_all_secrets_are_made_and_fit_the_settings(tmp_path: Path) -> None:
    added = ensure_secrets(tmp_path)
    settings = Settings(_env_file=secrets_file(tmp_path))

    assert "postgres_password" in added
    assert len(settings.postgres_password.get_secret_value()) >= 32
    assert settings.stripe_webhook_secrets[0].get_secret_value().startswith("whsec_")


def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)

    assert secrets_file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_a_second_time_nothing_changes(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    before = secrets_file(tmp_path).read_bytes()

    assert ensure_secrets(tmp_path) == []
    assert secrets_file(tmp_path).read_bytes() == before


def test_only_missing_ones_are_added(tmp_path: Path) -> None:
    secrets_file(tmp_path).write_text("# my own\nLAKEHOUSE_POSTGRES_PASSWORD=chosen\n")

    assert "postgres_password" not in ensure_secrets(tmp_path)

    text = secrets_file(tmp_path).read_text()
    assert text.startswith("# my own\nLAKEHOUSE_POSTGRES_PASSWORD=chosen\n")
    assert secrets_file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_a_secret_of_the_environment_is_not_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_POSTGRES_PASSWORD", "from outside")

    ensure_secrets(tmp_path)

    assert "LAKEHOUSE_POSTGRES_PASSWORD" not in read(tmp_path)
    assert Settings(_env_file=secrets_file(tmp_path)).postgres_password.get_secret_value() == "from outside"


def test_two_stacks_share_no_secret(tmp_path: Path) -> None:
    ensure_secrets(tmp_path / "a")
    ensure_secrets(tmp_path / "b")

    assert not set(read(tmp_path / "a").values()) & set(read(tmp_path / "b").values())
