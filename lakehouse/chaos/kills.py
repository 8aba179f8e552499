"""Services that are killed: SIGKILL to all processes at once, so that no handler runs and nothing is flushed."""

from __future__ import annotations

from dataclasses import replace

from lakehouse.chaos.scenario import Ground, Outcome, Scenario
from lakehouse.errors import LakehouseError
from stack.native import faults

RAW = ("ingestion", "flink")
"""With what they require, these carry webhooks to raw."""
LOAD = "kills"
KILLED = {
    "ingestion": "senders cannot connect, and try again",
    "kafka": "the API answers 503, and senders try again",
    "flink-taskmanager": "senders notice nothing; raw stands still, and the job goes back to its last checkpoint",
    "flink-jobmanager": "senders notice nothing; the job is found again in ZooKeeper",
    "catalog": "senders notice nothing; commits wait for it",
    "postgres": "senders notice nothing; the catalog's and Airflow's connections are made anew",
    "object-store": "senders notice nothing; what could not be written is written again",
}


def _kill(name: str) -> Scenario:
    def act(ground: Ground) -> Outcome:
        ground.wait_flowing()
        return ground.recovered(name, faults.kill(ground.settings, name))

    return Scenario(name, f"SIGKILL: {name}", KILLED[name], RAW, act, LOAD)


class FewerRows(LakehouseError):
    """An engine sees less than before it was killed."""


def _trino_answer(ground: Ground) -> list[tuple[object, ...]]:
    from lakehouse.engines import trino

    return trino.query("SELECT count(*), min(_received_at) FROM raw.shopify_orders", settings=ground.settings)


def _kill_trino(ground: Ground) -> Outcome:
    """A query before and after: the second sees at least as much."""
    ground.wait_flowing()
    before = _trino_answer(ground)[0]
    outcome = ground.recovered("trino", faults.kill(ground.settings, "trino"))
    after = _trino_answer(ground)[0]
    if after[0] < before[0]:  # type: ignore[operator]
        raise FewerRows(f"count(*) of raw.shopify_orders: {before[0]} before the kill, {after[0]} after")
    return replace(outcome, notes=(f"count(*) of raw.shopify_orders: {before[0]:,} before, {after[0]:,} after",))


SCENARIOS = (
    *(_kill(name) for name in KILLED),
    Scenario("trino", "SIGKILL: trino", "it answers again, from the same tables", (*RAW, "trino"), _kill_trino, LOAD),
)
