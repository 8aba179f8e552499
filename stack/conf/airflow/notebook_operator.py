"""Tasks that run a notebook with parameters and keep the executed copy; a step's only where it has something to do."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.configuration import conf
from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowSkipException

from lakehouse.runner import EXPLAINS, PROJECT_ROOT, export_html, notebook_python, run_notebook

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey


def archive_folder(dag_id: str, run_id: str, task_id: str) -> Path:
    """Where all tries of one task of one run are, below the runs folder."""
    return Path(dag_id) / run_id.replace("/", "_") / task_id


def _archive(instance: Any) -> Path:
    return Path(os.environ["WORKBOOK_RUNS_DIR"]) / archive_folder(instance.dag_id, instance.run_id, instance.task_id)


def write_page(context: Any) -> None:
    """The page of a task that has succeeded. Airflow logs an error that this raises; the task stays a success."""
    instance = context["ti"]
    os.nice(10)  # this process has nothing else to do, and the tasks that waited for it have begun
    export_html(_archive(instance) / f"try-{instance.try_number}.ipynb")


class ExecutedNotebookLink(BaseOperatorLink):
    """A button on the task: the executed notebook of this try, as a page with its pictures."""

    name = "Executed notebook"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        folder = archive_folder(ti_key.dag_id, ti_key.run_id, ti_key.task_id)
        if not (Path(os.environ["WORKBOOK_RUNS_DIR"]) / folder).exists():
            return ""  # no notebook was started
        return f"{conf.get('api', 'base_url')}/notebooks/{quote(str(folder))}/try-{ti_key.try_number}.html"


class NotebookOperator(BaseOperator):
    """Run `notebooks/<notebook>.ipynb` with `parameters`; `run_id` is added, and each try is archived.

    Cells tagged `explains` are for a reader and are left out: they look at whole tables, whatever is new. A failing
    cell fails the task with that cell's error. A retry is safe: every step a notebook runs is idempotent. The page of a
    try that succeeded is written once Airflow knows of the success: the tasks after this one do not wait for it.
    """

    template_fields = ("parameters",)
    operator_extra_links = (ExecutedNotebookLink(),)

    def __init__(self, *, notebook: str, parameters: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(on_success_callback=write_page, **kwargs)
        self.notebook = notebook
        self.parameters = parameters or {}

    def execute(self, context: Any) -> str:
        instance = context["ti"]
        executed = run_notebook(
            self.notebook,
            {**self.parameters, "run_id": instance.run_id},
            _archive(instance),
            try_number=instance.try_number,
            leave_out=EXPLAINS,
            page=False,
        )
        return str(executed.html)


class WhatIsNewOperator(BaseOperator):
    """Ask which steps of the pipeline have something to do; its result is a list of their names, its log says why.

    With the run's parameter `everything` that is all of them.
    """

    def execute(self, context: Any) -> list[str]:
        command = notebook_python("lakehouse.cli", "pipeline", "pending", "--json")
        asked = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
        if asked.returncode != 0:
            raise RuntimeError(f"`lakehouse pipeline pending` failed: {asked.stderr.strip()[-2000:]}")
        found: list[dict[str, Any]] = json.loads(asked.stdout)
        for work in found:
            self.log.info("%-34s %s", work["step"], work["reason"] or "nothing new")
        if context["params"]["everything"]:
            self.log.info("the run was started with `everything`: no step is left out")
            return [work["step"] for work in found]
        return [work["step"] for work in found if work["pending"]]


class StepOperator(NotebookOperator):
    """The notebook of a step, skipped when `asked`, a task of `WhatIsNewOperator`, has found nothing for the step.

    Only the first try is skipped: a task that somebody clears runs.
    """

    def __init__(self, *, step: str, asked: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.step = step
        self.asked = asked

    def execute(self, context: Any) -> str:
        instance = context["ti"]
        # None: somebody marked the asking task as done, so nothing is known
        pending = instance.xcom_pull(task_ids=self.asked)
        if instance.try_number == 1 and pending is not None and self.step not in pending:
            raise AirflowSkipException(f"{self.step} holds all of its sources already: its notebook is not started")
        return super().execute(context)
