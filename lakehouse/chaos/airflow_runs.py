"""A run of the pipeline in Airflow that a fault meets in the middle of a task, and that has to end well by itself."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lakehouse.commands._airflow import DAG_ID, RunFailed, trigger
from lakehouse.engines.airflow import Airflow, AirflowUnreachable
from lakehouse.settings import Settings
from lakehouse.waiting import wait_until

TASK_SECONDS = 600
RUN_SECONDS = 900
FIRST_TASKS = 1
"""So many have ended before the fault: the run is really under way."""


@dataclass(frozen=True)
class Ended:
    """How a run ended: its tasks by name, how many tries each took, and the seconds from its start to its end."""

    tries: dict[str, int]
    seconds: float

    @property
    def repeated(self) -> str:
        """The tasks that ran more than once."""
        again = [f"{name} ({count} tries)" for name, count in self.tries.items() if count > 1]
        return ", ".join(again) or "none"


class UnderWay:
    """A run that goes on."""

    def __init__(self, settings: Settings, run_id: str) -> None:
        self._settings, self.run_id, self.began = settings, run_id, time.time()

    @classmethod
    def triggered(cls, settings: Settings) -> UnderWay:
        """A new run, of which no task is skipped."""
        return cls(settings, trigger(Airflow(settings), everything=True))

    @classmethod
    def repeated(cls, settings: Settings, *tasks: str) -> UnderWay:
        """The last run, of which only these tasks run again."""
        airflow = Airflow(settings)
        run_id = airflow.runs(DAG_ID)[-1]
        airflow.clear(DAG_ID, run_id, tasks, downstream=False)
        return cls(settings, run_id)

    def wait_for_task(self, after: int = FIRST_TASKS) -> str:
        """The name of a task that runs now, once `after` tasks have ended. Raises `TookTooLong`."""
        found: list[str] = []

        def in_the_middle() -> bool:
            tasks = Airflow(self._settings).tasks(DAG_ID, self.run_id)
            found[:] = [task.task_id for task in tasks if task.state == "running"]
            return bool(found) and sum(task.finished for task in tasks) >= after

        wait_until(in_the_middle, timeout=TASK_SECONDS, what="a task of the run to be in its middle")
        return found[0]

    def wait_for_end(self) -> Ended:
        """Wait until the run has ended well. Raises `RunFailed`, or `TookTooLong` with what runs."""
        states: list[str] = []

        def over() -> bool:
            try:
                states.append(Airflow(self._settings).run_state(DAG_ID, self.run_id))
            except AirflowUnreachable:
                return False  # it or its database is what was killed
            return states[-1] in ("success", "failed")

        wait_until(over, timeout=RUN_SECONDS, what=f"the run {self.run_id} to end", every=1.0)
        tasks = Airflow(self._settings).tasks(DAG_ID, self.run_id)
        if states[-1] != "success":
            red = ", ".join(f"{task.task_id} ({task.state})" for task in tasks if task.state != "success")
            raise RunFailed(f"run {self.run_id} did not survive: {red}", "read the tasks' logs in Airflow")
        return Ended({task.task_id: task.try_number for task in tasks}, time.time() - self.began)
