"""How many webhooks a second are stored for good, and how long a sender waits at a thousand a second.

The API, the broker and the generator share the machine; nothing else of the stack runs. Every request that was answered
200 is then looked for in its topic, by its id: a figure counts only if all are there.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.context import Bench, expect, python
from bench.figures import Figure, Goal, Measured
from lakehouse.engines import kafka
from lakehouse.settings import Settings

TOPIC = "shopify.orders"
MOST_GOAL, LATENCY_GOAL_MS = Goal(3000, least=True), Goal(50)
RATE = 1000
CONNECTIONS = 64
WARM_SECONDS, MOST_SECONDS, STEADY_SECONDS = 12, 20, 30
SERVICES = ("ingestion", "kafka")


def ends(settings: Settings) -> dict[int, int]:
    """How many messages each partition of the topic holds."""
    return {number: end for (topic, number), end in kafka.end_offsets(settings).items() if topic == TOPIC}


def stored_ids(settings: Settings, before: Mapping[int, int], after: Mapping[int, int]) -> list[str]:
    """Webhook ids of the messages between two readings of `ends`, one for each message."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(kafka.client_config(settings) | {"group.id": "bench", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(TOPIC, number, start) for number, start in before.items()])
        missing = sum(after.values()) - sum(before.values())
        found: list[str] = []
        while len(found) < missing:
            batch = consumer.consume(min(10_000, missing - len(found)), timeout=20)
            if not batch:
                break
            found += [dict(message.headers())["webhook_id"].decode() for message in batch if message.error() is None]
        return found
    finally:
        consumer.close()


def limit(cpu: Mapping[str, float], accepted: int, cores: int) -> tuple[dict[str, float], float]:
    """Microseconds of CPU a webhook by process, and how many a second that would allow if all cores did only this."""
    each = {name: round(seconds / accepted * 1e6, 1) for name, seconds in cpu.items()}
    return each, cores / (sum(each.values()) / 1e6)


def read_ids(file: Path) -> dict[str, float]:
    """What the generator wrote: webhook id → when its request was due, in seconds since 1970."""
    pairs = (line.split() for line in file.read_text(encoding="utf-8").splitlines())
    return {name: float(due) for name, due in pairs}


def measure(bench: Bench, mode: str, seconds: float, **options: float) -> dict[str, Any]:
    """One run of the generator: what it says, with CPU seconds by process. Raises `PartFailed` if one is missing."""
    before, used = ends(bench.settings), bench.stack.usage(SERVICES)
    with tempfile.TemporaryDirectory() as folder:
        ids = Path(folder) / "ids"
        arguments = [f"--{name}={value}" for name, value in {"seconds": seconds, "ids": ids, **options}.items()]
        said = json.loads(python("bench.load", mode, *arguments, timeout=seconds + 60))
        accepted = read_ids(ids)
    after = ends(bench.settings)
    said["cpu"] = bench.stack.usage(SERVICES).since(used) | {"generator": said.pop("cpu_seconds")}
    expect("answers", (said["broken"], set(said["statuses"])), (0, {"200"}))
    stored = stored_ids(bench.settings, before, after)
    expect("messages stored for the webhooks that were acknowledged", len(stored), len(accepted))
    expect("webhooks that are acknowledged and not stored, or the other way round",
           sorted(set(stored) ^ accepted.keys())[:10], [])  # fmt: skip
    return said


def run(bench: Bench) -> Measured:
    """The most that goes through, then a steady thousand a second."""
    import os

    bench.stack.only("ingestion")
    share = 0.2 if bench.quick else 1.0
    bench.say("warming up")
    measure(bench, "closed", WARM_SECONDS * share, connections=CONNECTIONS)
    bench.say("as many as go through")
    most = measure(bench, "closed", MOST_SECONDS * share, connections=CONNECTIONS)
    bench.say(f"{RATE:,} a second")
    steady = measure(bench, "open", STEADY_SECONDS * share, rate=RATE, connections=4 * CONNECTIONS)
    cores = len(os.sched_getaffinity(0))
    each, possible = limit(most["cpu"], most["accepted"], cores)
    parts = ", ".join(f"{name} {microseconds:.0f}" for name, microseconds in each.items())
    return Measured(
        (
            Figure("webhooks stored", most["per_second"], "/s", MOST_GOAL, f"{CONNECTIONS} connections, closed loop"),
            Figure("p99 while as many as possible", most["p99_ms"], "ms"),
            Figure(f"p50 at {RATE:,}/s", steady["p50_ms"], "ms", None, "from the moment a request was due"),
            Figure(
                f"p99 at {RATE:,}/s",
                steady["p99_ms"],
                "ms",
                LATENCY_GOAL_MS,
                f"{steady['accepted']:,} requests, p99.9 {steady['p99.9_ms']:.0f} ms",
            ),
            Figure("CPU of one webhook", sum(each.values()), "µs", None, parts),
            Figure("limit of these cores", possible, "/s", None, f"{cores} cores do nothing else"),
        ),
        {"most": most, "steady": steady, "cpu_microseconds": each},
    )
