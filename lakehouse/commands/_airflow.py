"""A run of the pipeline in Airflow: started, followed task by task, its failure explained."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lakehouse.engines.airflow import Airflow, TaskState
from lakehouse.errors import LakehouseError
from lakehouse.waiting import wait_until

DAG_ID = "lakehouse_pipeline"
KNOWN_TIMEOUT_SECONDS = 120
POLL_SECONDS = 1.0
LOG_LINES = 25
MARKS = {"success": "[green]✓[/]", "skipped": "[dim]–[/]"}


class RunFailed(LakehouseError):
    """A run did not end well; the message names the task and its error."""


@dataclass(frozen=True)
class FinishedRun:
    """A run that ended well: its id, its tasks in the order they started, and how long it took as a whole."""

    run_id: str
    tasks: tuple[TaskState, ...]
    seconds: float

    @property
    def outcome(self) -> str:
        """How many tasks did their work, and how many had none, in words."""
        skipped = sum(task.state == "skipped" for task in self.tasks)
        return f"{len(self.tasks) - skipped} tasks, all green" + (f"; {skipped} had nothing new" if skipped else "")


def wait_until_known(airflow: Airflow) -> None:
    """Wait until Airflow has read the DAG's file. Raises `RunFailed` with the traceback if it cannot import it."""

    def known() -> bool:
        if errors := airflow.import_errors():
            raise RunFailed(f"Airflow cannot import the DAG:\n{errors[0]}")
        return DAG_ID in airflow.dag_ids()

    wait_until(
        known,
        timeout=KNOWN_TIMEOUT_SECONDS,
        what=f"Airflow to find the DAG {DAG_ID}",
        next_step="look at `lakehouse stack logs airflow-dag-processor`",
    )


def trigger(airflow: Airflow, everything: bool = False) -> str:
    """Start a run and return its id. If one is under way, the new one waits for its end: two never write at once.

    `everything`: also the tasks whose sources have not changed, which are skipped otherwise.
    """
    wait_until_known(airflow)
    return airflow.trigger(DAG_ID, {"everything": everything})


@contextmanager
def _board(console: Console) -> Iterator[Progress]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TextColumn("{task.fields[now]}"), TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress


def follow(console: Console, airflow: Airflow, run_id: str) -> FinishedRun:
    """Show each task as it ends, until the run does. Raises `RunFailed` with the log's end of the task that failed."""
    pause, began, told = threading.Event(), time.monotonic(), set[str]()
    with _board(console) as board:
        bar = board.add_task("pipeline", total=None, now="")
        while True:
            state, tasks = airflow.run_state(DAG_ID, run_id), airflow.tasks(DAG_ID, run_id)
            for task in tasks:
                if task.finished and task.task_id not in told:
                    told.add(task.task_id)
                    mark = MARKS.get(task.state or "", "[red]✗[/]")
                    console.print(
                        f"  {mark} {task.task_id:<24}{task.seconds or 0:7.1f} s  {task.state}", highlight=False
                    )
            running = ", ".join(task.task_id for task in tasks if task.state == "running")
            if state == "queued" and "" not in told:
                told.add("")
                others = [other for other in airflow.active_runs(DAG_ID) if other != run_id]
                if others:
                    console.print(f"  waits for the end of {', '.join(others)}", highlight=False)
            board.update(bar, total=len(tasks), completed=len(told - {""}), now=running)
            if state in ("success", "failed"):
                break
            pause.wait(POLL_SECONDS)
    if state == "failed":
        raise _failure(airflow, run_id, tasks)
    return FinishedRun(run_id, tuple(tasks), time.monotonic() - began)


def _failure(airflow: Airflow, run_id: str, tasks: list[TaskState]) -> RunFailed:
    failed = [task for task in tasks if task.state == "failed"]
    if not failed:
        return RunFailed(f"run {run_id} failed before any task ran", f"open {airflow.url}/dags/{DAG_ID}")
    log = airflow.log(DAG_ID, run_id, failed[0]).splitlines()
    # what a task did after it had failed is of no interest
    ends = [at for at, line in enumerate(log, start=1) if "Task failed with exception" in line]
    log = log[: ends[-1] if ends else None][-LOG_LINES:]
    page = airflow.links(DAG_ID, run_id, failed[0].task_id).get("Executed notebook", "")
    return RunFailed(
        f"task {failed[0].task_id} of run {run_id} failed; the end of its log:\n" + "\n".join(log),
        f"read the executed notebook: {page}" if page else f"open {airflow.url}/dags/{DAG_ID}",
    )
