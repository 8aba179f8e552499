"""On the live stack: every panel and alert has a series, and each alert fires by its fault and is quiet after it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
import yaml

from lakehouse.pipeline import run_pipeline
from lakehouse.settings import Settings
from lakehouse.streaming import jobs
from lakehouse.waiting import TookTooLong, wait_until
from stack.native import dashboards
from stack.native.services import metrics

from . import faults
from .conftest import Observer
from .faults import Fault

LOUD_SECONDS, QUIET_SECONDS = 120, 120
WAVES: tuple[dict[Fault, tuple[str, ...]], ...] = (
    {
        faults.dag_file_is_broken: ("AirflowImportErrors",),
        faults.dag_run_fails: ("AirflowRunFailed",),
        faults.flink_job_with_a_slow_step: ("FlinkBackpressure", "FlinkCheckpointsFail"),
        faults.table_of_small_files: ("TableOfSmallFiles",),
        faults.table_of_many_snapshots: ("TableOfManySnapshots",),
        faults.connections_are_taken: ("PostgresConnectionsShort",),
        faults.spark_job_fails: ("SparkJobsFail",),
        faults.spark_has_little_memory: ("SparkCollectsGarbage",),
        faults.bad_queries: ("ClickHouseQueriesFail", "TrinoQueriesFail"),
        faults.unsigned_webhooks: ("WebhooksWithBadSignatures",),
        faults.disk_fills: ("DiskFillsUp",),
        faults.broker_hangs_under_a_day: (
            "WebhooksNotStored", "WebhooksAnsweredSlowly", "QuarantineFills", "MartsStale",
        ),
    },
    {
        faults.worker_of_flink_is_gone: ("FlinkJobDown", "FlinkJobRestarted", "FlinkCheckpointOld", "RawBehind"),
        faults.stopped("spark-worker"): ("SparkWithoutExecutor",),
        faults.stopped("airflow-scheduler"): ("AirflowSchedulerSilent",),
        faults.stopped("clickhouse"): ("ServiceDown", "SourceSilent"),
        faults.catalog_is_killed: ("ServiceRestarted",),
    },
    {faults.stopped("ingestion"): ("ScrapeTargetDown",), faults.pool_has_no_slots: ("AirflowTasksWait",)},
)  # fmt: skip
"""Faults that are made together, and what each has to set off."""
ALERTS = sorted(
    rule["alert"]
    for group in yaml.safe_load((metrics.TEMPLATES / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
)
PANELS = [
    pytest.param(query, id=f"{board.name}: {panel.title}: {legend}")
    for board in dashboards.load()
    for panel in board.panels
    if not panel.optional
    for legend, query in panel.queries.items()
]


def test_there_is_a_fault_for_every_alert() -> None:
    assert sorted(name for wave in WAVES for names in wave.values() for name in names) == ALERTS


@dataclass
class Incident:
    """What was seen of the alerts: seconds from the fault until it fired, from the repair until it was quiet."""

    began: float
    early: set[str] = field(default_factory=set)
    fired: dict[str, float] = field(default_factory=dict)
    quiet: dict[str, float] = field(default_factory=dict)


def _watch(observer: Observer, wanted: set[str], fires: bool, seen: dict[str, float], timeout: float) -> None:
    """Note when each of these alerts fires, or does not any more; at most for `timeout` seconds."""
    began = time.monotonic()

    def all_seen() -> bool:
        firing = observer.firing()
        for name in wanted - seen.keys():
            if (name in firing) == fires:
                seen[name] = time.monotonic() - began
        return wanted <= seen.keys()

    try:
        wait_until(all_seen, timeout=timeout, what="alerts", every=0.5)
    except TookTooLong:
        return  # what was not seen is what the tests tell of


def _make(wave: dict[Fault, tuple[str, ...]], settings: Settings, observer: Observer, incident: Incident) -> None:
    """Make the faults of a wave at once, see their alerts, and mend them."""
    wanted = {name for names in wave.values() for name in names}
    incident.early |= wanted & observer.firing()
    seen = threading.Event()

    def live(fault: Fault) -> None:
        with fault(settings):
            seen.wait()

    with ThreadPoolExecutor(len(wave)) as pool:
        faulty = [pool.submit(live, fault) for fault in wave]
        try:
            _watch(observer, wanted, True, incident.fired, LOUD_SECONDS)
        finally:
            seen.set()
        for fault in faulty:
            fault.result()


@pytest.fixture(scope="module")
def incident(first_day: object, spark: object, observer: Observer) -> Incident:
    """All faults, wave after wave, from a stack that is well; then the time until everything is quiet."""
    found = Incident(began=time.monotonic())
    if observer.series("max(freshness_seconds) > 0"):
        assert list(run_pipeline("before-the-alerts"))
    _watch(observer, set(ALERTS), False, {}, QUIET_SECONDS)
    with faults.LEFT:
        for wave in WAVES:
            _make(wave, observer.settings, observer, found)
        # the last repair: marts with all that was sent meanwhile
        jobs.wait_until_caught_up(observer.settings)
        assert list(run_pipeline("after-the-alerts"))
        _watch(observer, set(ALERTS), False, found.quiet, QUIET_SECONDS)
    return found


@pytest.mark.stack
@pytest.mark.faults
@pytest.mark.parametrize("query", PANELS)
def test_every_line_of_every_panel_shows_something(observer: Observer, incident: Incident, query: str) -> None:
    assert observer.points(query, time.monotonic() - incident.began) > 0


@pytest.mark.stack
@pytest.mark.faults
@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_live_series(observer: Observer, incident: Incident, alert: str) -> None:
    rule = observer.rules()[alert]
    assert rule["lastError"] == ""
    assert rule["lastSeriesFetched"] > 0, "it could not fire, whatever happened"


@pytest.mark.stack
@pytest.mark.faults
@pytest.mark.parametrize("alert", ALERTS)
def test_it_fires_when_its_fault_is_made(incident: Incident, alert: str) -> None:
    assert alert not in incident.early, "it fired before its fault was made"
    assert alert in incident.fired


@pytest.mark.stack
@pytest.mark.faults
@pytest.mark.parametrize("alert", ALERTS)
def test_it_is_quiet_after_the_repair(incident: Incident, alert: str) -> None:
    assert alert in incident.quiet
