"""What a part of the suite is given."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.own_stack import OwnStack
from lakehouse.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from lakehouse.commands._airflow import FinishedRun


class PartFailed(Exception):
    """A part could not be measured, or what it measured was wrong: a count that does not fit, another answer."""


@dataclass(frozen=True)
class Bench:
    """The stack to measure on and how much of it. `quick` is for a look: its figures say little."""

    stack: OwnStack
    quick: bool = False
    orders: int = 1_000_000
    """Of the pipeline's part."""
    people: int = 450_000
    """Of entity resolution's part."""

    @property
    def settings(self) -> Settings:
        return self.stack.settings

    def size(self, full: int, quick: int) -> int:
        """How many, for a whole measurement and for a look."""
        return quick if self.quick else full

    def say(self, text: str) -> None:
        """A word on how far it is; the figures come at the end."""
        print(f"    {text}", flush=True)


def run_dag(bench: Bench, everything: bool = False) -> FinishedRun:
    """A run of the pipeline in Airflow to its end; `everything`: no step is skipped."""
    from rich.console import Console

    from lakehouse.commands import _airflow
    from lakehouse.engines.airflow import Airflow

    airflow = Airflow(bench.settings)
    return _airflow.follow(Console(quiet=True), airflow, _airflow.trigger(airflow, everything))


def python(module: str, *arguments: object, timeout: float) -> str:
    """What a module of this project prints, run as a process of its own. Raises `PartFailed` with its last words."""
    command = [sys.executable, "-m", module, *(str(argument) for argument in arguments)]
    try:
        done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise PartFailed(f"{module} was stopped after {timeout:.0f} s") from error
    if done.returncode != 0:
        raise PartFailed(f"{module}: {done.stderr.strip()[-1500:] or 'no word'}")
    return done.stdout


def expect(what: str, found: Any, wanted: Any) -> None:
    """Raise `PartFailed` unless both are equal: a fast wrong answer is no measurement."""
    if found != wanted:
        raise PartFailed(f"{what}: {found!r}, and not {wanted!r}")
