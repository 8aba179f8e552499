"""The whole DAG on everything, and again after one percent came in: how much of the first time the second one takes.

The one percent are orders, so steps that read only other senders are skipped; a third run, after as much again, leaves
no task out, as if every sender had sent.

The log is filled with a small world's messages and with as many copies of its orders as are asked for; Flink lands
them; Airflow runs its notebooks, of which the last one balances the ledger.
"""

from __future__ import annotations

import time
from datetime import datetime
from itertools import chain
from typing import Any

from bench import orders
from bench.context import Bench, expect
from bench.figures import Figure, Goal, Measured

GOAL = Goal(25)
PEOPLE, QUICK_PEOPLE, QUICK_ORDERS = 3000, 100, 2_000
CHANGED = 100
"""One order in so many is new or changed, half of each, for the second run."""


def dag(bench: Bench, everything: bool = False) -> tuple[str, float, dict[str, float]]:
    """One run of the DAG: its id, its seconds, and those of each task that was not skipped."""
    from rich.console import Console

    from lakehouse.commands import _airflow
    from lakehouse.engines.airflow import Airflow

    airflow = Airflow(bench.settings)
    run_id = _airflow.trigger(airflow, everything)
    done = _airflow.follow(Console(quiet=True), airflow, run_id)
    return run_id, done.seconds, {t.task_id: t.seconds or 0.0 for t in done.tasks if t.state != "skipped"}


def step_seconds(run_id: str) -> dict[str, float]:
    """Seconds of the steps themselves, without the notebooks around them; of those that wrote something."""
    from lakehouse import metadata

    rows = metadata.load(metadata.RUNS).scan().to_arrow().to_pylist()
    return {row["step"]: _between(row["started_at"], row["finished_at"]) for row in rows if row["run_id"] == run_id}


def _between(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds(), 2)


def land(bench: Bench) -> float:
    """Seconds until raw shows all that the log holds."""
    from lakehouse.streaming import jobs

    began = time.perf_counter()
    jobs.ensure_running(bench.settings)
    jobs.wait_until_caught_up(bench.settings, timeout=300)
    return time.perf_counter() - began


def orders_in_core() -> int:
    from lakehouse import metadata
    from lakehouse.core.orders import TABLE

    return metadata.rows_in(metadata.load(TABLE))


def run(bench: Bench) -> Measured:
    """Fill, land, run; add one percent, land, run."""
    bench.stack.reset()
    bench.stack.only()
    settings, count = bench.settings, QUICK_ORDERS if bench.quick else bench.orders
    bench.say("a small world, and copies of its orders")
    day = orders.world(settings, bench.size(PEOPLE, QUICK_PEOPLE))
    some = orders.originals(day)
    everything = chain(
        chain.from_iterable(orders.of_delivery(delivery, settings) for delivery in day),
        orders.copies(some, range(count), settings),
    )
    sent = orders.publish(everything, settings)
    landing = land(bench)
    bench.say(f"the DAG on {sent:,} messages")
    full_id, full, full_tasks = dag(bench)
    before = orders_in_core()
    added = changed = count // CHANGED // 2

    def one_percent_more(time_of_it: int) -> int:
        first = count + time_of_it * added
        new = orders.copies(some, range(first, first + added), settings)
        again = range(time_of_it, changed * 2 * CHANGED, 2 * CHANGED)
        sent = orders.publish(chain(new, orders.copies(some, again, settings, orders.UPDATE)), settings)
        land(bench)
        return sent

    sent_later = one_percent_more(0)
    bench.say(f"the DAG on {sent_later:,} messages more")
    delta_id, delta, delta_tasks = dag(bench)
    expect("orders in core after the second run", orders_in_core(), before + added)
    one_percent_more(1)
    bench.say("the DAG on as many again, no task left out")
    _, whole, whole_tasks = dag(bench, everything=True)
    expect("orders in core after the third run", orders_in_core(), before + 2 * added)
    steps = {"full": step_seconds(full_id), "delta": step_seconds(delta_id)}
    work = {name: sum(of.values()) for name, of in steps.items()}
    details: dict[str, Any] = {
        "orders": before, "messages": sent, "messages_later": sent_later, "landing_seconds": round(landing, 1),
        "dag_seconds": {"full": round(full, 1), "delta": round(delta, 1), "everything": round(whole, 1)},
        "tasks": {"full": full_tasks, "delta": delta_tasks, "everything": whole_tasks}, "steps": steps,
    }  # fmt: skip
    note = f"{before:,} orders; {added:,} new and {changed:,} changed"
    return Measured(
        (
            Figure("1 % new ÷ full, the DAG", 100 * delta / full, "%", GOAL, note),
            Figure("the same, no task left out", 100 * whole / full, "%", None,
                   f"{whole:.0f} s: {len(whole_tasks) - len(delta_tasks)} more notebooks, which find nothing"),
            Figure("1 % new ÷ full, the steps' own work", 100 * work["delta"] / work["full"], "%", None,
                   f"{work['delta']:.0f} s of {work['full']:.0f} s, without the notebooks around them"),
            Figure("the DAG in full", full, "s", None, _longest(full_tasks)),
            Figure("the DAG on 1 % new", delta, "s", None, _longest(delta_tasks)),
        ),
        details,
    )  # fmt: skip


def _longest(tasks: dict[str, float], most: int = 4) -> str:
    names = sorted(tasks, key=lambda name: -tasks[name])[:most]
    return "the longest: " + ", ".join(f"{name} {tasks[name]:.0f} s" for name in names)
