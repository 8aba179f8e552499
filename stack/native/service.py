"""What a native service is: how it is prepared, started, and known to be healthy."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.errors import LakehouseError
from lakehouse.settings import ENV_PREFIX, Settings

CORE = "core"
"""The profile that `up` starts; services of another profile are add-ons, started by its name."""


class NotHealthy(Exception):
    """The service does not answer yet; the message says what was asked and what came back."""


class CannotPrepare(LakehouseError):
    """Preparing a service failed for good; the message names the cause and the next step."""


def _nothing(_: Settings) -> None:
    return None


def _yes(_: Settings) -> bool:
    return True


def _no_environment(_: Settings) -> dict[str, str]:
    return {}


def stack_environment(settings: Settings) -> dict[str, str]:
    """What a child process needs to load the same settings: this stack's place and any overrides."""
    overrides = {name: value for name, value in os.environ.items() if name.startswith(ENV_PREFIX)}
    return {
        **overrides,
        f"{ENV_PREFIX}DATA_DIR": str(settings.data_dir),
        f"{ENV_PREFIX}PORT_OFFSET": str(settings.port_offset),
        f"{ENV_PREFIX}STACK_NAME": settings.stack_name,
    }


def write_private(target: Path, text: str) -> None:
    """Write a file that holds secrets: for this user alone from its first byte, and whole or not at all."""
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)  # one that an interrupted run left may be open to others
    partial.touch(mode=0o600)
    partial.write_text(text, encoding="utf-8")
    partial.replace(target)


@dataclass(frozen=True)
class Service:
    """One process under supervisord.

    `prepare` writes configuration and formats storage; it runs before each start and is repeatable.
    `healthy` asks a real question (a query, a produced record, a session) and raises `NotHealthy`.
    `after_start` runs once the service is healthy (create topics, warm a session); it is repeatable.
    `complete` is whether what `after_start` makes is there: a healthy service without it gets it at the next `up`.
    `ports` maps what a person reads in `status` to the name of the setting that moves the port.
    """

    name: str
    title: str
    command: Callable[[Settings], list[str]]
    healthy: Callable[[Settings], None]
    requires: tuple[str, ...] = ()
    ports: Mapping[str, str] = field(default_factory=dict)
    environment: Callable[[Settings], dict[str, str]] = _no_environment
    prepare: Callable[[Settings], None] = _nothing
    after_start: Callable[[Settings], None] = _nothing
    complete: Callable[[Settings], bool] = _yes
    before_stop: Callable[[Settings], None] = _nothing
    start_timeout_seconds: int = 120
    stop_signal: str = "TERM"
    stop_timeout_seconds: int = 20
    profile: str = CORE
    url: Callable[[Settings], str] | None = None
    """A page that a person can open, if there is one."""
