"""Airflow through its REST API: its parts, how many tasks wait, run and fail, what they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from lakehouse.engines.airflow import Airflow, AirflowUnreachable
from lakehouse.observability.samples import Sample, age
from lakehouse.settings import Settings

RECENT = timedelta(hours=1)
WAITING = ("scheduled", "queued", "running", "up_for_retry")
ENDED = ("success", "failed")
NEWEST = 100
HELP: Mapping[str, str] = {
    "airflow_component_up": "1 while Airflow calls a part of itself healthy",
    "airflow_heartbeat_age_seconds": "seconds since a part's last heartbeat",
    "airflow_tasks": "tasks that are scheduled, queued, running or about to be tried again",
    "airflow_tasks_ended": "tasks that succeeded or failed in the last hour",
    "airflow_task_seconds": "what a task took the last time it ended",
    "airflow_task_queued_seconds": "how long a task waited for a free slot the last time",
    "airflow_dag_run_failed": "1 if the run of a DAG that ended last had failed",
    "airflow_dag_run_seconds": "what the run of a DAG took that ended last",
    "airflow_pool_open_slots": "tasks that a pool still has room for",
    "airflow_import_errors": "DAG files that could not be read",
}


@lru_cache(maxsize=1)
def _client(settings: Settings) -> Airflow:
    """Signed in once; a token that has expired is renewed by `collect`."""
    return Airflow(settings)


def task_samples(ended: Iterable[Mapping[str, Any]]) -> list[Sample]:
    """Of tasks that ended, newest first: the newest of each."""
    newest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for task in ended:
        newest.setdefault((task["dag_id"], task["task_id"]), task)
    samples = []
    for (dag, name), task in newest.items():
        labels = {"dag_id": dag, "task_id": name}
        if task["duration"] is not None:
            samples.append(Sample("airflow_task_seconds", labels, task["duration"]))
        if task["start_date"] and task["queued_when"]:
            waited = datetime.fromisoformat(task["start_date"]) - datetime.fromisoformat(task["queued_when"])
            samples.append(Sample("airflow_task_queued_seconds", labels, max(0.0, waited.total_seconds())))
    return samples


def run_samples(ended: Iterable[Mapping[str, Any]]) -> list[Sample]:
    """Of runs that ended, newest first: how the newest of each DAG did."""
    newest: dict[str, Mapping[str, Any]] = {}
    for run in ended:
        newest.setdefault(run["dag_id"], run)
    samples = []
    for dag, run in newest.items():
        samples.append(Sample("airflow_dag_run_failed", {"dag_id": dag}, float(run["state"] == "failed")))
        if run["duration"] is not None:
            samples.append(Sample("airflow_dag_run_seconds", {"dag_id": dag}, run["duration"]))
    return samples


def health_samples(health: Mapping[str, Any]) -> list[Sample]:
    """Of the parts that run; the triggerer does not, and has no status."""
    samples = []
    for part, said in health.items():
        if said["status"] is None:
            continue
        samples.append(Sample("airflow_component_up", {"component": part}, float(said["status"] == "healthy")))
        beat = said.get(f"latest_{part}_heartbeat")
        if beat:
            labels = {"component": part}
            samples.append(Sample("airflow_heartbeat_age_seconds", labels, age(datetime.fromisoformat(beat))))
    return samples


def _ask(airflow: Airflow) -> list[Sample]:
    tasks, runs = "/api/v2/dags/~/dagRuns/~/taskInstances", "/api/v2/dags/~/dagRuns"
    recent = (datetime.now(UTC) - RECENT).isoformat()

    def count(**query: Any) -> float:
        return float(airflow.get(tasks, limit=1, **query)["total_entries"])

    newest = {"state": list(ENDED), "order_by": "-end_date", "limit": NEWEST}
    return [
        *health_samples(airflow.get("/api/v2/monitor/health")),
        *(Sample("airflow_tasks", {"state": state}, count(state=state)) for state in WAITING),
        *(Sample("airflow_tasks_ended", {"state": s}, count(state=s, end_date_gte=recent)) for s in ENDED),
        *task_samples(airflow.get(tasks, **newest)["task_instances"]),
        *run_samples(airflow.get(runs, **newest)["dag_runs"]),
        *(
            Sample("airflow_pool_open_slots", {"pool": pool["name"]}, pool["open_slots"])
            for pool in airflow.get("/api/v2/pools")["pools"]
        ),
        Sample("airflow_import_errors", {}, float(airflow.get("/api/v2/importErrors", limit=1)["total_entries"])),
    ]


def collect(settings: Settings) -> list[Sample]:
    """All of Airflow. Raises `AirflowUnreachable`; the next time signs in anew."""
    try:
        return _ask(_client(settings))
    except AirflowUnreachable:
        _client.cache_clear()
        raise
