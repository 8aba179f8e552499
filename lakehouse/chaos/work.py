"""Scenarios that meet the pipeline at work: Spark's executor and Connect server, Airflow's scheduler; two runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx

from lakehouse.chaos.airflow_runs import UnderWay
from lakehouse.chaos.kills import RAW
from lakehouse.chaos.scenario import Ground, Outcome, Scenario
from lakehouse.errors import LakehouseError
from lakehouse.settings import PROJECT_ROOT, Settings
from lakehouse.waiting import wait_until
from stack.native import faults, lifecycle
from stack.native.service import stack_environment

EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"
JOB_SECONDS = 180
PIPELINE_SECONDS = 900
EXECUTOR_SECONDS = 120
MOST_KILLS = 5


class PipelineFailed(LakehouseError):
    """`lakehouse pipeline run` ended with an error; the message is the end of what it said."""


class NotHit(LakehouseError):
    """A fault met nothing at work, so that surviving it proves nothing."""


def pipeline_run(settings: Settings) -> subprocess.Popen[str]:
    """Start `lakehouse pipeline run`."""
    return subprocess.Popen(
        [sys.executable, "-m", "lakehouse.cli", "pipeline", "run"], cwd=PROJECT_ROOT, text=True,
        env={**os.environ, **stack_environment(settings)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def finished(run: subprocess.Popen[str]) -> str:
    """The last line of what a run said. Raises `PipelineFailed`."""
    said, _ = run.communicate(timeout=PIPELINE_SECONDS)
    lines = said.strip().splitlines()
    if run.returncode:
        raise PipelineFailed("a run of the pipeline failed:\n" + "\n".join(lines[-8:]), "`lakehouse pipeline runs`")
    return lines[-1]


def _spark_jobs(settings: Settings) -> list[dict[str, Any]]:
    """What Spark says of its jobs; nothing while it does not answer."""
    url = f"http://{settings.host}:{settings.spark_connect_ui_port}/api/v1/applications"
    try:
        with httpx.Client(timeout=5, trust_env=False) as client:
            names = [application["id"] for application in client.get(url).json()]
            return [job for name in names for job in client.get(f"{url}/{name}/jobs").json()]
    except (httpx.HTTPError, ValueError):
        return []


def spark_works(settings: Settings) -> bool:
    """Whether a task of a job runs on Spark now."""
    return any(job["status"] == "RUNNING" and job["numActiveTasks"] for job in _spark_jobs(settings))


def _hurt_jobs(settings: Settings) -> set[int]:
    """Jobs that have lost tasks."""
    return {job["jobId"] for job in _spark_jobs(settings) if job["numFailedTasks"]}


def _kill_at_work(ground: Ground) -> tuple[float, float]:
    """Kill the executor while tasks run on it; returns when, and when the next one was there.

    Jobs are short: one that had ended when the signal came was not hit, and the next one is tried. Raises `NotHit`.
    """
    settings = ground.settings
    for _ in range(MOST_KILLS):
        before = _hurt_jobs(settings)
        wait_until(lambda: spark_works(settings), timeout=JOB_SECONDS, what="a job on Spark", every=0.05)
        killed = faults.kill_below(settings, "spark-worker", EXECUTOR)
        ground.say("executor killed; waiting for the next one")
        healthy = _wait_for_executor(settings, killed)
        if hurt := _hurt_jobs(settings) - before:
            ground.say(f"it was in the middle of job {min(hurt)}")
            return killed.at, healthy
    raise NotHit(f"{MOST_KILLS} executors were killed, and no job lost a task")


def _wait_for_executor(settings: Settings, killed: faults.Killed) -> float:
    (connect,) = lifecycle.select(["spark-connect"], with_required=False)

    def back() -> bool:
        fresh = faults.below(settings, "spark-worker", EXECUTOR) - {killed.pid}
        return bool(fresh) and lifecycle.why_not_healthy(connect, settings) is None

    wait_until(back, timeout=EXECUTOR_SECONDS, what="another executor", next_step="`lakehouse stack logs spark-worker`")
    return time.time()


def _kill_executor(ground: Ground) -> Outcome:
    ground.wait_flowing()
    run = pipeline_run(ground.settings)
    killed_at, healthy = _kill_at_work(ground)
    visible = ground.wait_visible(killed_at)
    ground.load.pause()
    ground.say("waiting for the pipeline's run to end")
    said = finished(run)
    return Outcome(
        "spark-executor", "Spark executor", killed_at, healthy, visible,
        notes=(f"the pipeline run went on: {said}",),
    )  # fmt: skip


def kill_in_a_run(ground: Ground, service: str, begin: Callable[[Settings], UnderWay]) -> Outcome:
    """Kill a service while a task runs that needs it; the run has to end green by itself.

    Raises `RunFailed`, or `NotHit` if no task had to run again.
    """
    ground.wait_flowing()
    run = begin(ground.settings)
    task = run.wait_for_task()
    if service == "spark-connect":
        wait_until(lambda: spark_works(ground.settings), timeout=JOB_SECONDS, what="a job on Spark", every=0.05)
    ground.say(f"in the middle of task {task}")
    outcome = ground.recovered(service, faults.kill(ground.settings, service))
    ground.load.pause()
    ground.say("waiting for the run to end by itself")
    ended = run.wait_for_end()
    if max(ended.tries.values()) == 1:
        raise NotHit(f"{service} was killed, and no task of the run had to run again")
    note = f"killed in task {task}; the run was green after {ended.seconds:.0f} s, run again: {ended.repeated}"
    return replace(outcome, notes=(note,))


def _in_a_run(service: str) -> Scenario:
    return Scenario(
        service,
        f"SIGKILL in the middle of a task: {service}",
        "the DAG run ends green by itself",
        (*RAW, "spark", "airflow", "trino", "clickhouse"),
        lambda ground: kill_in_a_run(ground, service, UnderWay.triggered),
    )


def _two_at_once(ground: Ground) -> Outcome:
    ground.wait_flowing()
    began = time.time()
    airflow = UnderWay.triggered(ground.settings)
    runs = [pipeline_run(ground.settings) for _ in range(2)]
    ground.say("two `lakehouse pipeline run` and an Airflow run at the same time")
    airflow.wait_for_task()
    # with all of them at work; a day that is being sent when the ledger is made would not balance
    ground.load.pause()
    said = [finished(run) for run in runs]
    ended = airflow.wait_for_end()
    notes = (*said, f"Airflow: green after {ended.seconds:.0f} s, run again: {ended.repeated}")
    return Outcome("two-runs", "", began, visible_at=ground.wait_visible(began), notes=notes)


SCENARIOS = (
    Scenario(
        "spark-executor", "SIGKILL in the middle of a job: Spark's executor", "the pipeline run goes on",
        (*RAW, "spark", "clickhouse"), _kill_executor,
    ),
    _in_a_run("spark-connect"),
    _in_a_run("airflow-scheduler"),
    Scenario(
        "two-runs", "two pipeline runs and one of Airflow at once", "one waits, or all are right",
        (*RAW, "spark", "airflow", "trino", "clickhouse"), _two_at_once,
    ),
)  # fmt: skip
