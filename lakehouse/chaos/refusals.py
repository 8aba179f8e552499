"""Scenarios in which a service lives and does not do its work: the broker hangs, a disk is full, a bucket is read-only.

Each shows the state that a person sees meanwhile, is repaired, and loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import orjson

from data_generators.signing import Signer
from lakehouse.chaos.kills import RAW
from lakehouse.chaos.scenario import Ground, Outcome, Scenario
from lakehouse.engines.flink import FlinkRest
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.streaming import jobs
from lakehouse.waiting import wait_until
from stack.native import faults, lifecycle, object_store_admin

PROBE_PATH = "/webhooks/shopify/chaos/probe"
"""A topic that nobody knows: where a probe is taken, it is put aside."""
STATE_SECONDS = 90
HEALTHY_SECONDS = 180

Seen = list[tuple[str, str]]
"""(where one looks, what one sees)."""


def probe(settings: Settings) -> httpx.Response:
    """The API's answer to one signed webhook."""
    body = orjson.dumps({"id": time.time_ns()})
    signed = Signer.of(settings).headers("shopify", PROBE_PATH, body, "right", time.time())
    headers = {"Content-Type": "application/json", "X-Shopify-Topic": "chaos/probe", **signed}
    return httpx.post(
        f"{settings.ingestion_url}{PROBE_PATH}", content=body, headers=headers, timeout=30, trust_env=False
    )


def _why(settings: Settings, name: str) -> str | None:
    (service,) = lifecycle.select([name], with_required=False)
    return lifecycle.why_not_healthy(service, settings)


def _see_status(ground: Ground, name: str) -> tuple[str, str]:
    """What `lakehouse stack status` says of a service that has to be ill. Raises `TookTooLong`."""
    found: list[str] = []

    def ill() -> bool:
        why = _why(ground.settings, name)
        found[:] = [why or ""]
        return why is not None

    wait_until(ill, timeout=STATE_SECONDS, what=f"{name} to be seen as ill")
    return f"stack status: {name}", found[0]


def _see_unavailable(ground: Ground) -> tuple[str, str]:
    """A sender gets 503 with a reason and `Retry-After`."""
    answers: list[httpx.Response] = []

    def refused() -> bool:
        answers[:] = [probe(ground.settings)]
        return answers[0].status_code == 503 and answers[0].json()["reason"] == "broker_unavailable"

    wait_until(refused, timeout=STATE_SECONDS, what="503 broker_unavailable")
    after = answers[0].headers.get("retry-after", "")
    if not after.isdigit():
        raise LakehouseError(f"a 503 without a number of seconds in Retry-After: {dict(answers[0].headers)}")
    return "a sender", f"503 {answers[0].json()['reason']}, Retry-After: {after}"


def _see_flink(ground: Ground) -> tuple[str, str]:
    """The job cannot go on and says why."""
    rest, found = FlinkRest(ground.settings), list[str]()

    def complains() -> bool:
        job = rest.running(jobs.JOB_NAME)
        failure = rest.last_failure(job.job_id) if job else None
        if job is None or failure is None or failure[0] < ground.fault_at:
            return False
        found[:] = [f"{job.state}: {failure[1]}"]
        return True

    wait_until(complains, timeout=STATE_SECONDS, what="the job to say what is wrong", every=1.0)
    return "streaming list", found[0][:300]


def _see_lag(ground: Ground) -> tuple[str, str]:
    """Messages that raw has not got yet: more than a checkpoint's worth of the load."""
    behind = [0]

    def grows() -> bool:
        behind[0] = sum(lag.behind for lag in jobs.lags(ground.settings))
        return behind[0] > ground.load.rate * ground.settings.checkpoint_interval_seconds

    wait_until(grows, timeout=STATE_SECONDS, what="raw to be behind", every=1.0)
    return "streaming lag", f"raw is {behind[0]:,} messages behind"


Fault = Callable[[Settings], AbstractContextManager[object]]
See = Callable[[Ground], tuple[str, str]]


def _refused(name: str, title: str, holds: str, service: str, fault: Fault, sees: tuple[See, ...]) -> Scenario:
    def act(ground: Ground) -> Outcome:
        ground.wait_flowing()
        began, seen = time.time(), Seen()
        ground.fault_at = began
        with fault(ground.settings):
            ground.say(f"{service}: {title}")
            for see in sees:
                seen.append(see(ground))
                ground.say(": ".join(seen[-1]))
        repaired = time.time()
        ground.say("repaired; waiting for health and new rows in raw")
        wait_until(
            lambda: _why(ground.settings, service) is None and _why(ground.settings, "ingestion") is None,
            timeout=HEALTHY_SECONDS, what=f"{service} to be healthy after its repair",
        )  # fmt: skip
        healthy = time.time()
        visible = ground.wait_visible(repaired)
        jobs.wait_running(ground.settings)
        note = (
            f"lasted {repaired - began:.0f} s; after the repair healthy in {healthy - repaired:.1f} s,"
            f" new rows in raw in {visible - repaired:.1f} s"
        )
        return Outcome(name, service, began, healthy, visible, seen=tuple(seen), notes=(note,))

    return Scenario(name, title, holds, RAW, act, "refusals")


def _ill(name: str) -> See:
    return lambda ground: _see_status(ground, name)


SCENARIOS = (
    _refused(
        "broker-hangs", "the broker takes connections and answers nothing (SIGSTOP)",
        "503 with Retry-After, and nothing lost", "kafka", lambda s: faults.held(s, "kafka"),
        (_see_unavailable, _ill("kafka"), _ill("ingestion")),
    ),
    _refused(
        "broker-disk-full", "the broker's disk is full: no file of it can grow",
        "503 with Retry-After, and nothing lost after repair", "kafka", lambda s: faults.disk_full(s, "kafka"),
        (_see_unavailable, _ill("kafka")),
    ),
    _refused(
        "store-refuses", "the bucket is over its quota: every write is refused",
        "senders notice nothing; raw stands still, says why, and makes up for it", "object-store",
        object_store_admin.read_only, (_ill("object-store"), _see_flink, _see_lag),
    ),
    _refused(
        "store-disk-full", "the object store's disk is full: no file of it can grow",
        "senders notice nothing; raw stands still, says why, and makes up for it", "object-store",
        lambda s: faults.disk_full(s, "object-store"), (_ill("object-store"), _see_flink, _see_lag),
    ),
)  # fmt: skip
