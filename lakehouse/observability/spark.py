"""Spark through the REST API of the one driver that serves all sessions: jobs, shuffle, garbage collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from lakehouse.observability.http import JsonApi, api
from lakehouse.observability.samples import Sample
from lakehouse.settings import Settings

NEXT_STEP = "start it with `lakehouse stack up spark`, look at it with `lakehouse stack logs spark-connect`"
HELP: Mapping[str, str] = {
    "spark_executors": "executors that are alive",
    "spark_jobs_active": "jobs that run now",
    "spark_jobs_total": "jobs that ended, by how they ended",
    "spark_job_seconds_total": "time of the jobs that ended since the exporter started",
    "spark_job_observations_total": "jobs that spark_job_seconds_total is the time of",
    "spark_job_last_seconds": "what the job took that ended last",
    "spark_tasks_total": "tasks of an executor that ended, by how they ended",
    "spark_task_seconds_total": "time of an executor's tasks",
    "spark_gc_seconds_total": "time of garbage collection",
    "spark_heap_peak_bytes": "the most heap that was ever used",
    "spark_shuffle_read_bytes_total": "bytes of shuffles that an executor read",
    "spark_shuffle_write_bytes_total": "bytes of shuffles that an executor wrote",
}
_ENDED = "driver.appStatus.jobs."
_ACTIVE = "driver.DAGScheduler.job.activeJobs"


class JobTimes:
    """Adds up what jobs took. Spark tells of each job for a while; each is counted once."""

    def __init__(self) -> None:
        self._application, self._seen = "", set[int]()
        self.seconds, self.jobs, self.last = 0.0, 0, 0.0

    def add(self, application: str, jobs: Sequence[Mapping[str, Any]]) -> None:
        """Take in the jobs of an application that ended and were not taken in before."""
        if application != self._application:
            self._application, self._seen = application, set()
        ended = {int(job["jobId"]): job for job in jobs if job.get("completionTime")}
        for number in sorted(ended.keys() - self._seen):
            job = ended[number]
            self.last = (_moment(job["completionTime"]) - _moment(job["submissionTime"])).total_seconds()
            self.seconds, self.jobs = self.seconds + self.last, self.jobs + 1
        # what Spark has forgotten need not be remembered here
        self._seen = set(ended)


TIMES = JobTimes()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("GMT", "+00:00"))


def executor_samples(executors: Iterable[Mapping[str, Any]]) -> list[Sample]:
    """Of each executor and the driver, those that are gone included: their counters stay."""
    samples = []
    executors = list(executors)
    for one in executors:
        labels = {"executor": str(one["id"])}
        peak = one.get("peakMemoryMetrics") or {}
        samples += [
            Sample("spark_tasks_total", {**labels, "status": "succeeded"}, one["completedTasks"]),
            Sample("spark_tasks_total", {**labels, "status": "failed"}, one["failedTasks"]),
            Sample("spark_gc_seconds_total", labels, one["totalGCTime"] / 1000),
            Sample("spark_shuffle_read_bytes_total", labels, one["totalShuffleRead"]),
            Sample("spark_shuffle_write_bytes_total", labels, one["totalShuffleWrite"]),
            Sample("spark_heap_peak_bytes", labels, peak.get("JVMHeapMemory", 0)),
        ]
        if one["id"] != "driver":
            samples.append(Sample("spark_task_seconds_total", labels, one["totalDuration"] / 1000))
    alive = sum(bool(one["isActive"]) for one in executors if one["id"] != "driver")
    return [*samples, Sample("spark_executors", {}, alive)]


def _driver_samples(rest: JsonApi, application: str) -> list[Sample]:
    page = rest.get("/metrics/json/")
    counted = {name.removeprefix(f"{application}."): value["count"] for name, value in page["counters"].items()}
    said = {name.removeprefix(f"{application}."): value["value"] for name, value in page["gauges"].items()}
    ended = [
        Sample("spark_jobs_total", {"status": status}, counted[f"{_ENDED}{status}Jobs"])
        for status in ("succeeded", "failed")
    ]
    return [*ended, Sample("spark_jobs_active", {}, said[_ACTIVE])]


def collect(settings: Settings) -> list[Sample]:
    """The Connect server's application. Raises `MetricsUnavailable`."""
    rest = api(settings.spark_connect_ui_url, NEXT_STEP)
    application = rest.get("/api/v1/applications")[0]["id"]
    path = f"/api/v1/applications/{application}"
    TIMES.add(application, rest.get(f"{path}/jobs") or ())
    return [
        *executor_samples(rest.get(f"{path}/allexecutors") or ()),
        *_driver_samples(rest, application),
        Sample("spark_job_seconds_total", {}, TIMES.seconds),
        Sample("spark_job_observations_total", {}, TIMES.jobs),
        Sample("spark_job_last_seconds", {}, TIMES.last),
    ]
