"""What a scenario is, what it meets, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from lakehouse.chaos import visible
from lakehouse.chaos.load import Figures, SteadyLoad
from lakehouse.settings import Settings
from lakehouse.waiting import wait_until
from stack.native import faults, lifecycle

FLOWING_SECONDS = 120
VISIBLE_SECONDS = 240
"""From the end of an outage to new rows in raw: the job may have to go back to its checkpoint, more than once."""
PATIENCE = 2
"""Times what a service may take to start on a machine that has nothing else to do."""


@dataclass(frozen=True)
class Outcome:
    """What a scenario measured. Times are seconds since 1970, None where a scenario has no such moment.

    `visible_at` is when the first row was committed to raw that was received after `killed_at`. `seen` is what a
    person saw meanwhile, `meanwhile` what became of requests between `killed_at` and the later of the other two.
    """

    scenario: str
    service: str
    killed_at: float
    healthy_at: float | None = None
    visible_at: float | None = None
    meanwhile: Figures | None = None
    load: Figures | None = None
    seen: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ended_at(self) -> float:
        """When the last effect of the fault was over."""
        return max(self.killed_at, self.healthy_at or 0.0, self.visible_at or 0.0)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Ground:
    """Where a scenario acts: a stack under load since `began`. `say` is for progress, `fault_at` when it was hurt."""

    settings: Settings
    load: SteadyLoad
    say: Callable[[str], None]
    began: float = field(default_factory=time.time)
    fault_at: float = 0.0

    def wait_flowing(self) -> None:
        """Rows of this load are in raw: surviving a fault proves nothing of a load that had never arrived."""
        self.say("load: waiting for its first rows in raw")
        self._wait_visible(self.began, FLOWING_SECONDS, "the load's first rows in raw")

    def wait_visible(self, moment: float) -> float:
        """When the first row that was received after a moment became visible. Raises `TookTooLong`."""
        self._wait_visible(moment, VISIBLE_SECONDS, "new rows in raw")
        found = visible.first_after(self.settings, moment)
        return found if found is not None else time.time()

    def _wait_visible(self, moment: float, timeout: float, what: str) -> None:
        wait_until(
            lambda: visible.first_after(self.settings, moment) is not None,
            timeout=timeout, what=what, next_step="`lakehouse streaming list`", every=1.0,
        )  # fmt: skip

    def recovered(self, scenario: str, killed: faults.Killed) -> Outcome:
        """Wait until a service that was killed is healthy and later rows are visible. Raises `NotBack`."""
        self.say(f"{killed.service} killed; waiting for it")
        (service,) = lifecycle.select([killed.service], with_required=False)
        patience = service.start_timeout_seconds * PATIENCE
        recovery = faults.wait_until_back(self.settings, killed, patience)
        self.say(f"{killed.service} back after {recovery.seconds:.1f} s; waiting for new rows in raw")
        seen = self.wait_visible(killed.at)
        return Outcome(scenario, killed.service, killed.at, recovery.healthy_at, seen)


Act = Callable[[Ground], Outcome]


@dataclass(frozen=True)
class Scenario:
    """A fault and what must hold. `services` (or families) must run; `act` makes the fault and waits for its end.

    `act` raises when what must hold does not. Scenarios that name the same `load` run one after the other under it.
    """

    name: str
    title: str
    holds: str
    services: tuple[str, ...]
    act: Act
    load: str = ""
