"""Flink through its REST API: jobs, checkpoints, backpressure, lag, the TaskManagers' memory.

Flink's own Prometheus reporter listens on every address of the machine and cannot be told otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from lakehouse.engines import flink
from lakehouse.engines.flink import RUNNING_STATES
from lakehouse.observability.http import JsonApi, api
from lakehouse.observability.samples import Sample, age_of
from lakehouse.settings import Settings

LAG = "KafkaConsumer.records-lag-max"
HELP: Mapping[str, str] = {
    "flink_job_up": "1 while a job runs, 0 while it is away or coming back",
    "flink_job_restarts_total": "times a job was restarted after a failure",
    "flink_checkpoints_completed": "checkpoints of a job since it was submitted",
    "flink_checkpoints_failed": "failed checkpoints of a job since it was submitted",
    "flink_checkpoint_duration_ms": "milliseconds that a job's newest checkpoint took",
    "flink_checkpoint_age_seconds": "seconds since a job's newest checkpoint",
    "flink_records_lag_max": "messages behind, as the source's own consumer says",
    "flink_backpressured_ratio": "share of time that a task waits for those after it, by its slowest subtask",
    "flink_busy_ratio": "share of time that a task works, by its busiest subtask",
    "flink_records_per_second": "records that a task takes in",
    "flink_taskmanagers": "TaskManagers that have registered",
    "flink_slots_available": "slots that no job holds",
    "flink_taskmanager_heap_bytes": "heap that all TaskManagers use",
    "flink_taskmanager_gc_seconds_total": "time of garbage collection in all TaskManagers",
}
_OF_TASKS = {
    "backPressuredTimeMsPerSecond": ("flink_backpressured_ratio", 1000.0),
    "busyTimeMsPerSecond": ("flink_busy_ratio", 1000.0),
    "numRecordsInPerSecond": ("flink_records_per_second", 1.0),
}
_OF_TASKMANAGERS = {
    "Status.JVM.Memory.Heap.Used": ("flink_taskmanager_heap_bytes", 1.0),
    "Status.JVM.GarbageCollector.All.Time": ("flink_taskmanager_gc_seconds_total", 1000.0),
}


def checkpoint_samples(checkpoints: Mapping[str, Any], job: str) -> list[Sample]:
    """From Flink's statistics: what the last checkpoint took, how long ago it was, how many failed."""
    counts, last = checkpoints["counts"], checkpoints["latest"]["completed"]
    found = [Sample(f"flink_checkpoints_{state}", {"job": job}, counts[state]) for state in ("completed", "failed")]
    if last:
        found += [
            Sample("flink_checkpoint_duration_ms", {"job": job}, last["end_to_end_duration"]),
            Sample("flink_checkpoint_age_seconds", {"job": job}, age_of(last["latest_ack_timestamp"])),
        ]
    return found


def flink_samples(job_name: str, settings: Settings | None = None) -> list[Sample]:
    """Checkpoints and the sources' own lag of a running job; nothing of a job that does not run.

    `flink_records_lag_max` is reported by the consumer itself: it ends with it, and a source that has fetched nothing
    lately has no value, which is no sample here.
    """
    rest = flink.FlinkRest(settings)
    job = rest.running(job_name)
    if job is None:
        return []
    found = checkpoint_samples(rest.checkpoints(job.job_id), job_name)
    for metric, value in rest.vertex_metrics(job.job_id, LAG):
        if not math.isnan(value):
            found.append(Sample("flink_records_lag_max", {"job": job_name, "source": metric}, value))
    return found


# -- what the exporter asks ---------------------------------------------------------------------------------------


def _numbers(answer: Iterable[Mapping[str, Any]] | None, statistic: str = "max") -> dict[str, float]:
    """Metric → number; a metric without a value (Flink says NaN) has none here."""
    said = {metric["id"]: float(metric.get(statistic, metric.get("value", "nan"))) for metric in answer or ()}
    return {name: value for name, value in said.items() if not math.isnan(value)}


def _task_samples(rest: JsonApi, job_id: str, job: str, vertex: Mapping[str, Any]) -> list[Sample]:
    """Of one vertex of a job; a source has its consumer's lag, too."""
    name = str(vertex["name"]).split(" -> ")[0].removeprefix("Source: ").rpartition("default_database.")[2]
    labels, path = {"job": job, "task": name}, f"/jobs/{job_id}/vertices/{vertex['id']}/subtasks/metrics"
    known = [metric["id"] for metric in rest.get(path) or ()]
    lags = [metric for metric in known if metric.endswith(LAG)]
    values = _numbers(rest.get(path, get=",".join([*_OF_TASKS, *lags])))
    found = [Sample(name, labels, values[key] / unit) for key, (name, unit) in _OF_TASKS.items() if key in values]
    return found + [
        Sample("flink_records_lag_max", {"job": job, "source": name}, values[lag]) for lag in lags if lag in values
    ]


def _job_samples(rest: JsonApi, job: Mapping[str, Any]) -> list[Sample]:
    job_id, name = job["jid"], job["name"]
    samples = [Sample("flink_job_up", {"job": name}, float(job["state"] == "RUNNING"))]
    restarts = _numbers(rest.get(f"/jobs/{job_id}/metrics", get="numRestarts"))
    samples += [Sample("flink_job_restarts_total", {"job": name}, value) for value in restarts.values()]
    checkpoints, plan = rest.get(f"/jobs/{job_id}/checkpoints"), rest.get(f"/jobs/{job_id}")
    if checkpoints and "counts" in checkpoints:
        samples += checkpoint_samples(checkpoints, name)
    for vertex in plan["vertices"] if plan else ():
        samples += _task_samples(rest, job_id, name, vertex)
    return samples


def collect(settings: Settings) -> list[Sample]:
    """The cluster and every job that runs or is coming back; the job that fills raw is told of when it is away, too."""
    from lakehouse.streaming.jobs import JOB_NAME

    rest = api(settings.flink_rest_url, flink.NEXT_STEP)
    overview = rest.get("/overview")
    samples = [
        Sample("flink_taskmanagers", {}, overview["taskmanagers"]),
        Sample("flink_slots_available", {}, overview["slots-available"]),
    ]
    totals = _numbers(rest.get("/taskmanagers/metrics", get=",".join(_OF_TASKMANAGERS)), "sum")
    samples += [Sample(name, {}, totals[key] / unit) for key, (name, unit) in _OF_TASKMANAGERS.items() if key in totals]
    jobs = [job for job in rest.get("/jobs/overview")["jobs"] if job["state"] in RUNNING_STATES]
    for job in jobs:
        samples += _job_samples(rest, job)
    if not any(job["name"] == JOB_NAME for job in jobs):
        samples.append(Sample("flink_job_up", {"job": JOB_NAME}, 0.0))
    return samples
