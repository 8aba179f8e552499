"""Rows a second from a backlog in the event log to Iceberg: the Flink job, a plain Python consumer, and (where its jars
are) the Iceberg sink of Kafka Connect, on the same messages and the same columns.

Each is timed from when it is told to begin to when a reader of the table sees the last row; then rows are counted, and
each place of the log has to be there once.
"""

from __future__ import annotations

import json
import time
from typing import Any

from bench import connect_sink, orders
from bench.context import Bench, PartFailed, expect, python
from bench.figures import Figure, Measured
from bench.parts.webhooks import TOPIC
from lakehouse.waiting import wait_until

NAMESPACE = "bench_landing"
FULL_ROWS, QUICK_ROWS = 100_000, 5_000
PEOPLE = 150
FLINK_SERVICES = ("flink-taskmanager", "flink-jobmanager")
TIMEOUT_SECONDS = 900
SEEN_EVERY_SECONDS = 0.2


def rows_of(name: str) -> int:
    """Rows of the newest snapshot, as the catalog has it; 0 for a table without one or that is not there."""
    from lakehouse import metadata

    if not metadata.catalog().table_exists(name):
        return 0
    snapshot = metadata.catalog().load_table(name).current_snapshot()
    return int((snapshot.summary or {})["total-records"]) if snapshot else 0


def check_places(name: str, rows: int) -> None:
    """Each (partition, offset) of the backlog is in the table once. Raises `PartFailed`."""
    from lakehouse import metadata

    found = metadata.catalog().load_table(name).scan(selected_fields=("_kafka_partition", "_kafka_offset")).to_arrow()
    places = found.group_by(["_kafka_partition", "_kafka_offset"]).aggregate([])
    expect(f"rows and places of {name}", (found.num_rows, places.num_rows), (rows, rows))


def by_flink(bench: Bench, rows: int) -> dict[str, float]:
    """The pipeline's own job, which reads the other topics too (they are empty)."""
    from lakehouse import metadata
    from lakehouse.streaming import jobs
    from lakehouse.streaming.tables import TABLES
    from lakehouse.tables import create_all

    create_all(metadata.catalog(), TABLES)
    used, began = bench.stack.usage(FLINK_SERVICES), time.perf_counter()
    jobs.submit(bench.settings, None)
    wait_until(lambda: rows_of("raw.shopify_orders") >= rows, timeout=TIMEOUT_SECONDS, what="Flink to land the backlog",
               every=SEEN_EVERY_SECONDS)  # fmt: skip
    seconds = time.perf_counter() - began
    cpu = sum(bench.stack.usage(FLINK_SERVICES).since(used).values())
    jobs.stop(bench.settings)
    check_places("raw.shopify_orders", rows)
    return {"rows": rows, "seconds": round(seconds, 3), "cpu_seconds": round(cpu, 2)}


def by_python(bench: Bench, rows: int) -> dict[str, float]:
    said: dict[str, float] = json.loads(
        python("bench.python_consumer", f"--rows={rows}", f"--namespace={NAMESPACE}", timeout=TIMEOUT_SECONDS)
    )
    check_places(f"{NAMESPACE}.shopify_orders", rows)
    return said


def run(bench: Bench) -> Measured:
    """Make the backlog, land it by each way."""
    from lakehouse.streaming import jobs

    bench.stack.reset()
    bench.stack.only("catalog", "kafka", "flink")
    # a stack's start submits the job: beside the one that is measured, it would land every message a second time
    jobs.stop(bench.settings)
    rows = bench.size(FULL_ROWS, QUICK_ROWS)
    bench.say(f"a backlog of {rows:,} orders")
    some = orders.originals(orders.world(bench.settings, PEOPLE))
    orders.publish(orders.copies(some, range(rows), bench.settings), bench.settings)
    size = sum(len(original.body) for original in some) / len(some)
    details: dict[str, Any] = {"rows": rows, "bytes_a_message": round(size), "topic": TOPIC}
    bench.say("Flink")
    details["flink"] = by_flink(bench, rows)
    # its slots are free and its heap is not in the others' way
    bench.stack.only("catalog", "kafka")
    bench.say("Python and pyiceberg")
    details["python"] = by_python(bench, rows)
    try:
        bench.say("Kafka Connect")
        details["connect"] = connect_sink.land(bench, NAMESPACE, rows)
    except PartFailed as error:
        # what is compared with may be missing; what is ours may not
        details["connect"] = {"error": str(error)}
    return Measured(tuple(_figures(details)), details)


def _figures(details: dict[str, Any]) -> list[Figure]:
    found = []
    flink = details["flink"]["rows"] / details["flink"]["seconds"]
    kilobytes = details["bytes_a_message"] / 1000
    for name, title in (("flink", "Flink job"), ("python", "Python, pyiceberg"), ("connect", "Kafka Connect sink")):
        said = details[name]
        if "error" in said:
            continue
        rate = said["rows"] / said["seconds"]
        note = f"{said['rows']:,} orders of {kilobytes:.1f} kB, {said['cpu_seconds']:.0f} s of CPU"
        if name != "flink":
            note += f"; Flink is {flink / rate:.2f} times as fast"
        found.append(Figure(title, rate, "rows/s", None, note))
    return found
