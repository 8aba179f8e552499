"""Ending a run of Airflow so that nothing of it writes any more.

A run that is failed is over in Airflow's books at once. Its task's process learns that at its next heartbeat, and the
notebook's kernel when that process is gone: until then both go on writing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.engines.airflow import Airflow
from lakehouse.waiting import wait_until

if TYPE_CHECKING:
    from stack.native.processes import Stat

RUN_VARIABLE = "AIRFLOW_CTX_DAG_RUN_ID"
"""In the environment of what a task starts."""
STOP_SECONDS = 60
"""A heartbeat, then SIGTERM and, seconds later, SIGKILL."""


def _belongs(process: Stat, run_id: str, tasks: set[int]) -> bool:
    from stack.native.processes import has_environment, title

    # a process id of another machine may be anything here
    of_task = process.pid in tasks and "airflow" in title(process.pid, length=1000)
    return not process.zombie and (of_task or has_environment(process.pid, RUN_VARIABLE, run_id))


def processes(airflow: Airflow, dag_id: str, run_id: str) -> list[int]:
    """Ids of this machine's processes that work for a run: its tasks' own, and the kernels of their notebooks."""
    from stack.native.processes import all_processes

    tasks = airflow.task_pids(dag_id, run_id)
    return [process.pid for process in all_processes() if _belongs(process, run_id, tasks)]


def stop_run(airflow: Airflow, dag_id: str, run_id: str) -> None:
    """End a run as failed and return when none of its processes is left on this machine. Repeatable.

    Tasks of an Airflow on other machines are told to stop, and not waited for. Raises `TookTooLong`.
    """
    if run_id in airflow.active_runs(dag_id):
        airflow.fail(dag_id, run_id)
    wait_until(
        lambda: not processes(airflow, dag_id, run_id), timeout=STOP_SECONDS, every=0.2,
        what=f"the processes of the run {run_id} to end",
        next_step="look at `lakehouse stack logs airflow-scheduler`, then the same command again",
    )  # fmt: skip
