"""The whole DAG on everything, and again after one percent came in: how much of the first time the second one takes.

The one percent are orders, so steps that read only other senders are skipped. A third run, after as much again, is one
of many: Spark has compiled by then what such a run needs. A fourth leaves no task out, as if every sender had sent.

The log is filled with a small world's messages and with as many copies of its orders as are asked for; Flink lands
them; Airflow runs its notebooks, of which the last one balances the ledger.
"""

from __future__ import annotations

import time
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from bench import orders
from bench.context import Bench, expect, run_dag
from bench.figures import Figure, Goal, Measured

if TYPE_CHECKING:
    from lakehouse.commands._airflow import FinishedRun

GOAL = Goal(25)
PEOPLE, QUICK_PEOPLE, QUICK_ORDERS = 3000, 100, 2_000
CHANGED = 100
"""One order in so many is new or changed, half of each, for the second run."""


def seconds_of(run: FinishedRun) -> dict[str, float]:
    """Seconds of each task that was not skipped."""
    return {task.task_id: task.seconds or 0.0 for task in run.tasks if task.state != "skipped"}


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
    full = run_dag(bench)
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
    delta = run_dag(bench)
    expect("orders in core after the second run", orders_in_core(), before + added)
    one_percent_more(1)
    bench.say("the DAG on as many again")
    again = run_dag(bench)
    one_percent_more(2)
    bench.say("the DAG on as many again, no task left out")
    whole = run_dag(bench, everything=True)
    expect("orders in core after the last run", orders_in_core(), before + 3 * added)
    steps = {"full": step_seconds(full.run_id), "delta": step_seconds(delta.run_id)}
    work = {name: sum(of.values()) for name, of in steps.items()}
    runs = {"full": full, "delta": delta, "again": again, "everything": whole}
    tasks = {name: seconds_of(run) for name, run in runs.items()}
    found_nothing = len(tasks["everything"]) - len(tasks["delta"])
    details: dict[str, Any] = {
        "orders": before, "messages": sent, "messages_later": sent_later, "landing_seconds": round(landing, 1),
        "dag_seconds": {name: round(run.seconds, 1) for name, run in runs.items()}, "tasks": tasks, "steps": steps,
    }  # fmt: skip
    note = f"{before:,} orders; {added:,} new and {changed:,} changed"
    return Measured(
        (
            Figure("1 % new ÷ full, the DAG", 100 * delta.seconds / full.seconds, "%", GOAL, note),
            Figure("the same, the next time", 100 * again.seconds / full.seconds, "%", None,
                   f"{again.seconds:.0f} s: as much again, with what Spark has compiled by then"),
            Figure("the same, no task left out", 100 * whole.seconds / full.seconds, "%", None,
                   f"{whole.seconds:.0f} s: {found_nothing} more notebooks, which find nothing"),
            Figure("1 % new ÷ full, the steps' own work", 100 * work["delta"] / work["full"], "%", None,
                   f"{work['delta']:.0f} s of {work['full']:.0f} s, without the notebooks around them"),
            Figure("the DAG in full", full.seconds, "s", None, _longest(tasks["full"])),
            Figure("the DAG on 1 % new", delta.seconds, "s", None, _longest(tasks["delta"])),
        ),
        details,
    )  # fmt: skip


def _longest(tasks: dict[str, float], most: int = 4) -> str:
    names = sorted(tasks, key=lambda name: -tasks[name])[:most]
    return "the longest: " + ", ".join(f"{name} {tasks[name]:.0f} s" for name in names)
