"""The add-on beside the live stack, with short windows, and a look at what it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from lakehouse.settings import Settings, load_settings
from lakehouse.waiting import wait_until
from stack.native import lifecycle

QUICK = {
    "LAKEHOUSE_METRICS_INTERVAL_SECONDS": "2",
    "LAKEHOUSE_ALERT_WINDOW_SECONDS": "20",
    "LAKEHOUSE_ALERT_STALE_SECONDS": "15",
}
"""So that a fault is seen after seconds, and forgotten after twenty."""


def quiet(name: str, what: str, seconds: float) -> None:
    """Progress of services, which a test does not show."""


@dataclass(frozen=True)
class Observer:
    """The metrics store and the alerts, asked as a person's browser does."""

    settings: Settings

    def series(self, query: str) -> list[dict[str, Any]]:
        """What a PromQL query gives now. An error of the query is raised."""
        answer = httpx.get(f"{self.settings.metrics_url}/api/v1/query", params={"query": query}, timeout=30)
        return answer.raise_for_status().json()["data"]["result"]

    def rules(self) -> dict[str, dict[str, Any]]:
        """Every alert by its name, as it was evaluated last."""
        answer = httpx.get(f"{self.settings.metrics_url}/api/v1/rules", timeout=30).raise_for_status()
        return {rule["name"]: rule for group in answer.json()["data"]["groups"] for rule in group["rules"]}

    def firing(self) -> set[str]:
        """The alerts that fire now."""
        return {name for name, rule in self.rules().items() if rule["state"] == "firing"}


@pytest.fixture(scope="session")
def observer(live_stack: None) -> Iterator[Observer]:
    """The profile `observe`, started for these tests and ended after them."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in QUICK.items():
            environment.setenv(name, value)
        settings = load_settings()
        services = lifecycle.select(["observe"])
        lifecycle.down(settings, services, quiet, everything=False)
        lifecycle.up(settings, services, quiet)
        found = Observer(settings)
        wait_until(
            lambda: len(found.series("exporter_source_up == 1")) == len(found.series("exporter_source_up")) > 1,
            timeout=120,
            what="every part of the stack to have answered the exporter",
        )
        yield found
        lifecycle.down(settings, services, quiet, everything=False)
