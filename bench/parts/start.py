"""From nothing to a stack that answers, and once more with its data in place; and the memory of each service."""

from __future__ import annotations

import time

from bench.context import Bench
from bench.figures import Figure, Goal, Measured
from bench.own_stack import wait_for_quiet

GOAL = Goal(90)
QUIET_PROCESSES, QUIET_SECONDS = 1.5, 60


def run(bench: Bench) -> Measured:
    """All services of the core, cold and again; nothing was installed or downloaded meanwhile."""
    bench.stack.reset()
    bench.say("a cold start")
    began = time.perf_counter()
    cold = bench.stack.only()
    cold_seconds = time.perf_counter() - began
    wait_for_quiet(QUIET_PROCESSES, QUIET_SECONDS)
    memory = bench.stack.memory_mb()
    bench.say("a second start")
    bench.stack.end()
    began = time.perf_counter()
    again = bench.stack.only()
    again_seconds = time.perf_counter() - began
    slowest = max(cold, key=lambda name: cold[name])
    largest = sorted(memory, key=lambda name: -memory[name])[:3]
    return Measured(
        (
            Figure("cold start of the stack", cold_seconds, "s", GOAL,
                   f"{len(cold)} services, databases made anew; the longest: {slowest}, {cold[slowest]:.0f} s"),
            Figure("start with data in place", again_seconds, "s"),
            Figure("memory of all services", sum(memory.values()) / 1024, "GB", None,
                   "proportional set size, idle; the largest: "
                   + ", ".join(f"{name} {memory[name] / 1024:.1f}" for name in largest)),
        ),
        {"cold_seconds": cold, "again_seconds": again, "memory_mb": memory},
    )  # fmt: skip
