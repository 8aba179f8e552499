"""A real supervisord over small real processes: what a stack is, without its engines."""

from __future__ import annotations

import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lakehouse.settings import Settings, secrets_file
from stack.native import lifecycle
from stack.native.secrets import ensure_secrets
from stack.native.service import NotHealthy, Service


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a stack in a folder of its own, with ports that are free now."""
    ensure_secrets(tmp_path)
    return Settings(
        _env_file=secrets_file(tmp_path),
        data_dir=tmp_path,
        port_offset=0,
        jupyter_port=free_port(),
        clickhouse_port=free_port(),
    )


def web(name: str, setting: str, **changes: object) -> Service:
    """A web server on the port of `setting`; healthy when it answers."""

    def healthy(settings: Settings) -> None:
        try:
            urllib.request.urlopen(f"http://{settings.host}:{getattr(settings, setting)}/", timeout=2).close()
        except (urllib.error.URLError, OSError) as error:
            raise NotHealthy(str(error)) from error

    def command(settings: Settings) -> list[str]:
        folder = str(settings.run_dir)
        bind = ("--bind", settings.host, "--directory", folder)
        return [sys.executable, "-m", "http.server", *bind, str(getattr(settings, setting))]

    definition: dict[str, object] = {
        "title": name,
        "command": command,
        "healthy": healthy,
        "ports": {"http": setting},
        "start_timeout_seconds": 20,
        "stop_timeout_seconds": 5,
    }
    return Service(name=name, **{**definition, **changes})  # type: ignore[arg-type]


def shell(name: str, script: str, healthy: Callable[[Settings], None], **changes: object) -> Service:
    """A shell script as a service."""
    definition: dict[str, object] = {"start_timeout_seconds": 20, "stop_timeout_seconds": 5, **changes}
    return Service(name=name, title=name, command=lambda s: ["sh", "-c", script], healthy=healthy, **definition)  # type: ignore[arg-type]


Install = Callable[..., list[Service]]


@pytest.fixture
def install(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Make these the only services there are; they are all stopped at the end."""

    def use(*services: Service) -> list[Service]:
        monkeypatch.setattr(lifecycle, "all_services", lambda: services)
        return list(services)

    yield use
    lifecycle.down(settings, [], lambda *_: None, everything=True)
