"""The suite: each scenario under its own load; at the end the proof that nothing was lost and all tables are right."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from typing import Any

from data_generators import ledger
from lakehouse.chaos import equal, kills, load, proof, rebuilt, refusals, work
from lakehouse.chaos.scenario import Ground, Outcome, Scenario
from lakehouse.checks.deliveries import sent_days
from lakehouse.errors import LakehouseError
from lakehouse.lesson.load import finish
from lakehouse.settings import Settings
from lakehouse.streaming import jobs
from lakehouse.waiting import wait_until

SCENARIOS: tuple[Scenario, ...] = (*kills.SCENARIOS, *refusals.SCENARIOS, *work.SCENARIOS)
ALL_TABLES = ("spark", "trino", "clickhouse")
"""What the last proof asks, beside what carries webhooks to raw."""
CATCH_UP_SECONDS = 240
HEALTHY_SECONDS = 240

Say = Callable[[str], None]


class UnknownScenario(LakehouseError):
    """There is no scenario of that name."""


class TooFew(LakehouseError):
    """A load was below the rate that was asked for; the message says which."""


class NotSurvived(LakehouseError):
    """Scenarios in which something did not hold; the message says which, and what."""


class StillIll(LakehouseError):
    """Services are not healthy after all scenarios; the message says which, and why."""


@dataclass
class Results:
    """What the whole suite found. `per_second` is (second since 1970, requests by outcome)."""

    rate: int
    outcomes: list[Outcome] = field(default_factory=list)
    loads: list[load.Figures] = field(default_factory=list)
    per_second: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    exact: proof.Exact | None = None
    ledger_lines: int = 0
    equal: list[equal.Equal] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    """By scenario, what did not hold."""

    @property
    def load(self) -> load.Figures:
        """All loads as one."""
        return load.total(self.loads)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "load": {**asdict(self.load), "rate": round(self.load.rate, 1)}}


def find(names: Iterable[str]) -> list[Scenario]:
    """Scenarios by name, in the suite's order; all for no name. Raises `UnknownScenario`."""
    wanted = list(names) or [scenario.name for scenario in SCENARIOS]
    known = {scenario.name for scenario in SCENARIOS}
    if unknown := [name for name in wanted if name not in known]:
        raise UnknownScenario(f"there is no scenario {', '.join(unknown)}", "`lakehouse chaos list` names them")
    return [scenario for scenario in SCENARIOS if scenario.name in wanted]


def services_of(scenarios: Iterable[Scenario], tables: bool) -> list[str]:
    """Services and families that must run; with `tables` also those of the last proof."""
    names = {name for scenario in scenarios for name in scenario.services}
    return sorted(names | set(ALL_TABLES if tables else ()))


def by_load(scenarios: Iterable[Scenario]) -> list[list[Scenario]]:
    """Scenarios that run one after the other under one load, in the suite's order."""
    return [list(group) for _, group in groupby(scenarios, key=lambda scenario: scenario.load or scenario.name)]


def run_under_load(
    settings: Settings, scenarios: list[Scenario], results: Results, seconds: float, say: Say
) -> list[Outcome]:
    """Scenarios one after the other under one load, which lasts `seconds` at least; raw has caught up at the end.

    What does not hold in one of them is kept in `results`, so that it hides no later one.
    """
    say(f"making webhooks for {results.rate} a second")
    maker = load.Maker(settings)
    maker.begin(int(results.rate * load.STOCK_SECONDS))
    maker.wait()
    acted: list[tuple[Outcome, float, float]] = []
    with load.SteadyLoad(settings, rate=results.rate) as storm:
        for scenario in scenarios:
            ground = Ground(settings, storm, say)
            say(f"{scenario.name}: {scenario.title}")
            with _kept(results, scenario.name, say):
                acted.append((scenario.act(ground), ground.began, storm.ended or time.time()))
        wait_until(lambda: storm.ended or time.time() - storm.began >= seconds,
                   timeout=seconds + 1, what="the load's time to be over")  # fmt: skip
    say("waiting for raw to show all")
    with _kept(results, "raw after " + ", ".join(scenario.name for scenario in scenarios), say):
        jobs.wait_until_caught_up(settings, timeout=CATCH_UP_SECONDS)
    book = storm.attempts()
    outcomes = [
        replace(one, load=load.figures(book, began, ended),
                meanwhile=load.figures(book, one.killed_at, min(one.ended_at, storm.ended)))
        for one, began, ended in acted
    ]  # fmt: skip
    for one in outcomes:
        if one.load:
            say(f"{one.scenario}: {one.load.rate:,.0f} new webhooks a second for {one.load.seconds:.0f} s,"
                f" {one.load.taken_rate:,.0f} acknowledged")  # fmt: skip
    results.outcomes += outcomes
    results.loads.append(load.figures(book, storm.began, storm.ended))
    results.per_second += load.per_second(book, storm.began, storm.ended)
    return outcomes


@contextmanager
def _kept(results: Results, name: str, say: Say) -> Iterator[None]:
    """What does not hold within the `with` is kept for the end."""
    try:
        yield
    except LakehouseError as error:
        results.failures[name] = error.message
        say(f"FAILED: {error.message}")


def prove_survived(results: Results) -> None:
    """In each scenario all held that must. Raises `NotSurvived`."""
    if results.failures:
        what = "\n".join(f"  {name}: {why}" for name, why in results.failures.items())
        raise NotSurvived(f"scenarios in which something did not hold:\n{what}", "`lakehouse stack status`")


def attempts(settings: Settings) -> list[dict[str, Any]]:
    """The senders' whole book."""
    return [one for day in sent_days(settings.world_dir) for one in ledger.read_attempts(settings.world_dir, day)]


def prove_rate(results: Results) -> None:
    """Each load was as large as asked, offered and acknowledged. Raises `TooFew`."""
    few = [
        f"{outcome.scenario} {outcome.load.rate:,.0f} offered, {outcome.load.taken_rate:,.0f} acknowledged"
        for outcome in results.outcomes
        if outcome.load and outcome.load.taken_rate < results.rate
    ]
    if few:
        raise TooFew(
            f"loads below {results.rate} webhooks a second: {'; '.join(few)}", "give the machine nothing else to do"
        )


def prove_raw(settings: Settings, results: Results, say: Say) -> None:
    """Every acknowledged webhook is in raw exactly once. Raises `Lost`."""
    say("comparing the senders' book with raw")
    finish(settings, sent_days(settings.world_dir))
    jobs.wait_until_caught_up(settings, timeout=CATCH_UP_SECONDS)
    results.exact = proof.prove_exact(settings, attempts(settings))


def prove_tables(settings: Settings, results: Results, say: Say) -> None:
    """The pipeline runs, the ledger balances, every table equals its rebuild. Raises what does not hold."""
    from lakehouse.engines.spark import spark_session
    from lakehouse.pipeline import STEPS, run_step
    from lakehouse.reconcile import reconcile, require_balanced

    spark = spark_session(settings)
    for step in STEPS:
        say(f"pipeline: {step.name}")
        run_step(step.name, "chaos", spark)
    say("ledger")
    checks = reconcile(spark, settings)
    require_balanced(checks)
    results.ledger_lines = len(checks)
    say("a second catalog")
    with rebuilt.second_catalog(settings) as other:
        rebuilt.rebuild(settings, other, say)
        say("comparing tables with their rebuild")
        results.equal = equal.prove_equal(settings, other)


def prove_healthy(settings: Settings, names: Iterable[str]) -> None:
    """Every service is healthy again, without anybody's help. Raises `StillIll`."""
    from stack.native import lifecycle

    def ill() -> dict[str, str]:
        found = {one.name: lifecycle.why_not_healthy(one, settings) for one in lifecycle.select(names)}
        return {name: why for name, why in found.items() if why}

    try:
        wait_until(lambda: not ill(), timeout=HEALTHY_SECONDS, what="all services to be healthy", every=2.0)
    except LakehouseError as error:
        raise StillIll(f"services did not come back: {ill()}", "`lakehouse stack status`") from error
