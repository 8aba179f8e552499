"""Scenarios that meet the pipeline at work: Spark's executor and Connect server, Airflow's scheduler; two runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

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


class PipelineFailed(LakehouseError):
    """`lakehouse pipeline run` ended with an error; the message is the end of what it said."""


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


def spark_works(settings: Settings) -> bool:
    """Whether a job runs on Spark now."""
    url = f"http://{settings.host}:{settings.spark_connect_ui_port}/api/v1/applications"
    try:
        with httpx.Client(timeout=5, trust_env=False) as client:
            names = [application["id"] for application in client.get(url).json()]
            return any(client.get(f"{url}/{name}/jobs", params={"status": "running"}).json() for name in names)
    except (httpx.HTTPError, ValueError):
        return False


def _kill_executor(ground: Ground) -> Outcome:
    settings = ground.settings
    ground.wait_flowing()
    run = pipeline_run(settings)
    wait_until(lambda: spark_works(settings), timeout=JOB_SECONDS, what="a job on Spark", every=0.05)
    killed = faults.kill_below(settings, "spark-worker", EXECUTOR)
    ground.say("executor killed in the middle of a job; waiting for the next one")
    (connect,) = lifecycle.select(["spark-connect"], with_required=False)

    def back() -> bool:
        fresh = faults.below(settings, "spark-worker", EXECUTOR) - {killed.pid}
        return bool(fresh) and lifecycle.why_not_healthy(connect, settings) is None

    wait_until(back, timeout=EXECUTOR_SECONDS, what="another executor", next_step="`lakehouse stack logs spark-worker`")
    healthy = time.time()
    said = finished(run)
    return Outcome(
        "spark-executor", "Spark executor", killed.at, healthy, ground.wait_visible(killed.at),
        notes=(f"the pipeline run went on: {said}",),
    )  # fmt: skip


def kill_in_a_run(ground: Ground, service: str, begin: Callable[[Settings], UnderWay]) -> Outcome:
    """Kill a service while a task runs; the run has to end green by itself. Raises `RunFailed`."""
    ground.wait_flowing()
    run = begin(ground.settings)
    task = run.wait_for_task()
    ground.say(f"in the middle of task {task}")
    outcome = ground.recovered(service, faults.kill(ground.settings, service))
    ground.load.pause()
    ground.say("waiting for the run to end by itself")
    ended = run.wait_for_end()
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
    said = [finished(run) for run in runs]
    ground.load.pause()
    ended = airflow.wait_for_end()
    notes = (*said, f"Airflow: green after {ended.seconds:.0f} s, run again: {ended.repeated}")
    return Outcome("two-runs", "", began, visible_at=ground.wait_visible(began), notes=notes)


SCENARIOS = (
    Scenario(
        "spark-executor", "SIGKILL in the middle of a job: Spark's executor", "the pipeline run goes on",
        (*RAW, "spark"), _kill_executor,
    ),
    _in_a_run("spark-connect"),
    _in_a_run("airflow-scheduler"),
    Scenario(
        "two-runs", "two pipeline runs and one of Airflow at once", "one waits, or all are right",
        (*RAW, "spark", "airflow", "trino", "clickhouse"), _two_at_once,
    ),
)  # fmt: skip
