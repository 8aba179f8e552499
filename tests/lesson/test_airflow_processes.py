"""A run that is ended in the middle of a task: what it had started writes no more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from lakehouse.engines.airflow import Airflow
from lakehouse.lesson.airflow_processes import processes, stop_run
from lakehouse.lesson.leftovers import DAG
from lakehouse.lesson.scratch import drop_scratch
from lakehouse.waiting import wait_until
from stack.native.processes import is_alive, title

pytestmark = pytest.mark.stack
NAMESPACE = "scratch_test_stopped"


@pytest.fixture
def run(live_stack: None) -> Iterator[str]:
    airflow = Airflow()
    wait_until(lambda: DAG in airflow.dag_ids(), timeout=120, what=f"the DAG {DAG}")
    run_id = airflow.trigger(DAG, {"namespace": NAMESPACE}, date(2025, 12, 3))
    yield run_id
    airflow.delete_run(DAG, run_id)
    drop_scratch(NAMESPACE)


def _kernel(pid: int) -> bool:
    return "ipykernel" in title(pid, 1000)


def test_no_process_of_a_stopped_run_is_left(run: str) -> None:
    airflow = Airflow()
    seen: list[int] = []

    def task_and_kernel() -> bool:
        seen[:] = processes(airflow, DAG, run)
        return len(seen) > 1

    wait_until(task_and_kernel, timeout=120, what="the first task's kernel", every=0.05)
    assert sorted(map(_kernel, seen)) == [False, True]

    stop_run(airflow, DAG, run)

    assert not any(map(is_alive, seen))
    assert processes(airflow, DAG, run) == []
    assert airflow.run_state(DAG, run) == "failed"
    stop_run(airflow, DAG, run)
