"""The whole DAG on everything, and again after one percent came in: how much of the first time that takes.

The one percent are orders, so steps that read only other senders are skipped. It is measured three times, after one
percent more each time, and the figure is the median: the first such run finds Spark without the code that it needs, and
two cores are not the same from minute to minute. A last run leaves no task out, as if every sender had sent.

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
    from collections.abc import Sequence

    from lakehouse.commands._airflow import FinishedRun

GOAL = Goal(25)
PEOPLE, QUICK_PEOPLE, QUICK_ORDERS = 3000, 100, 2_000
CHANGED = 100
"""One order in so many is new or changed, half of each, for each further run."""
RUNS = 3
"""So many runs with one percent new."""


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


def median(runs: Sequence[FinishedRun]) -> FinishedRun:
    """The run in the middle, by its seconds."""
    return sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]


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

    sent_later, runs = 0, {"full": full}
    for number in range(RUNS):
        sent_later = one_percent_more(number)
        bench.say(f"the DAG on {sent_later:,} messages more, {number + 1} of {RUNS}")
        runs[f"delta {number + 1}"] = run_dag(bench)
        expect(f"orders in core after {number + 1}", orders_in_core(), before + (number + 1) * added)
    one_percent_more(RUNS)
    bench.say("the DAG on as many again, no task left out")
    runs["everything"] = whole = run_dag(bench, everything=True)
    expect("orders in core after the last run", orders_in_core(), before + (RUNS + 1) * added)
    deltas = [run for name, run in runs.items() if name.startswith("delta")]
    delta = median(deltas)
    steps = {"full": step_seconds(full.run_id), "delta": step_seconds(delta.run_id)}
    work = {name: sum(of.values()) for name, of in steps.items()}
    tasks = {name: seconds_of(run) for name, run in {**runs, "delta": delta}.items()}
    found_nothing = len(tasks["everything"]) - len(tasks["delta"])
    details: dict[str, Any] = {
        "orders": before, "messages": sent, "messages_later": sent_later, "landing_seconds": round(landing, 1),
        "dag_seconds": {name: round(run.seconds, 1) for name, run in runs.items()}, "tasks": tasks, "steps": steps,
    }  # fmt: skip
    took = ", ".join(f"{run.seconds:.0f}" for run in deltas)
    note = f"{before:,} orders; {added:,} new and {changed:,} changed, the median of {took} s"
    return Measured(
        (
            Figure("1 % new ÷ full, the DAG", 100 * delta.seconds / full.seconds, "%", GOAL, note),
            Figure("the same, the first time", 100 * deltas[0].seconds / full.seconds, "%", None,
                   f"{deltas[0].seconds:.0f} s: Spark has not compiled yet what such a run needs"),
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
