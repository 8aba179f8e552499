"""How long after a sender sent it a webhook can be read in raw: p50 and p95 under a light, steady load.

A reader asks the catalog ten times a second for the table's newest snapshot and notes when it first saw each; a webhook
was visible from the first snapshot that has its row.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.context import Bench, expect, python
from bench.figures import Figure, Goal, Measured
from bench.load import percentile
from bench.parts.webhooks import read_ids
from lakehouse.waiting import wait_until

TABLE = "raw.shopify_orders"
RATE = 25
WARM_SECONDS, SECONDS = 10, 90
LOOK_EVERY_SECONDS = 0.1
ALLOWED_SECONDS = 1.0
"""Beside one checkpoint interval: what the goal gives to everything but the waiting for a checkpoint."""
VISIBLE_SECONDS = 60


class Reader:
    """Looks at the table in a thread while a `with` lasts; `seen` is when each snapshot was first there."""

    def __init__(self) -> None:
        self.seen: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1)

    def __enter__(self) -> Reader:
        self._running = self._thread.submit(self._look)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._running.result()
        self._thread.shutdown()

    def _look(self) -> None:
        from lakehouse import metadata

        while not self._stop.is_set():
            snapshot = metadata.catalog().load_table(TABLE).current_snapshot()
            if snapshot is not None:
                self.seen.setdefault(snapshot.snapshot_id, time.time())
            self._stop.wait(LOOK_EVERY_SECONDS)


def waits(due: Mapping[str, float], snapshots: list[tuple[float, set[str]]]) -> list[float]:
    """Seconds from when each webhook was due to when it was first seen; `snapshots` are (seen at, all ids in it)."""
    found: dict[str, float] = {}
    for at, ids in sorted(snapshots, key=lambda one: one[0]):
        for name in ids & due.keys() - found.keys():
            found[name] = at - due[name]
    return list(found.values())


def _ids_in(snapshot_id: int, since: float) -> set[str]:
    """Webhook ids that came after a moment, in a snapshot of the table."""
    from datetime import UTC, datetime

    from pyiceberg.expressions import GreaterThan

    from lakehouse import metadata

    after = GreaterThan("_received_at", datetime.fromtimestamp(since, UTC).isoformat())
    scan = metadata.catalog().load_table(TABLE).scan(after, ("_webhook_id",), snapshot_id=snapshot_id)
    return set(scan.to_arrow()["_webhook_id"].to_pylist())


def run(bench: Bench) -> Measured:
    """The load, the reader beside it, and then the rows of every snapshot that it saw."""
    from lakehouse import metadata
    from lakehouse.streaming import jobs

    bench.stack.only("ingestion", "catalog", "flink")
    jobs.ensure_running(bench.settings)
    share = 0.2 if bench.quick else 1.0
    bench.say(f"{RATE} webhooks a second")
    python("bench.load", "open", f"--rate={RATE}", f"--seconds={WARM_SECONDS * share}", timeout=120)
    with tempfile.TemporaryDirectory() as folder, Reader() as reader:
        began, ids = time.time(), Path(folder) / "ids"
        python("bench.load", "open", f"--rate={RATE}", f"--seconds={SECONDS * share}", f"--ids={ids}", timeout=300)
        due = read_ids(ids)
        last = max(due.values())

        def all_visible() -> bool:
            newest = metadata.catalog().load_table(TABLE).current_snapshot()
            return newest is not None and due.keys() <= _ids_in(newest.snapshot_id, began - 1)

        wait_until(all_visible, timeout=VISIBLE_SECONDS, what="all webhooks to be in raw", every=1)
    snapshots = [(at, _ids_in(number, began - 1)) for number, at in reader.seen.items() if at > began]
    found = waits(due, snapshots)
    expect("webhooks that became visible", len(found), len(due))
    interval = bench.settings.checkpoint_interval_seconds
    details: dict[str, Any] = {"webhooks": len(found), "snapshots": len(snapshots), "checkpoint_seconds": interval,
                               "seconds": sorted(round(wait, 3) for wait in found)[:: max(1, len(found) // 200)],
                               "load_seconds": round(last - began, 1)}  # fmt: skip
    note = f"{len(found):,} webhooks at {RATE}/s, a checkpoint each {interval:g} s"
    return Measured(
        (
            Figure("webhook → raw, p50", percentile(found, 0.5), "s", None, note),
            Figure(
                "webhook → raw, p95",
                percentile(found, 0.95),
                "s",
                Goal(interval + ALLOWED_SECONDS),
                f"of it up to {interval:g} s until the next checkpoint begins",
            ),
        ),
        details,
    )
