"""The one kind of task there is: run a notebook with parameters and keep the executed copy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.configuration import conf
from airflow.sdk import BaseOperator, BaseOperatorLink

from lakehouse.runner import EXPLAINS, run_notebook

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey


def archive_folder(dag_id: str, run_id: str, task_id: str) -> Path:
    """Where all tries of one task of one run are, below the runs folder."""
    return Path(dag_id) / run_id.replace("/", "_") / task_id


class ExecutedNotebookLink(BaseOperatorLink):
    """A button on the task: the executed notebook of this try, as a page with its pictures."""

    name = "Executed notebook"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        folder = archive_folder(ti_key.dag_id, ti_key.run_id, ti_key.task_id)
        return f"{conf.get('api', 'base_url')}/notebooks/{quote(str(folder))}/try-{ti_key.try_number}.html"


class NotebookOperator(BaseOperator):
    """Run `notebooks/<notebook>.ipynb` with `parameters`; `run_id` is added, and each try is archived.

    Cells tagged `explains` are for a reader and are left out: they look at whole tables, whatever is new. A failing
    cell fails the task with that cell's error. A retry is safe: every step a notebook runs is idempotent.
    """

    template_fields = ("parameters",)
    operator_extra_links = (ExecutedNotebookLink(),)

    def __init__(self, *, notebook: str, parameters: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.notebook = notebook
        self.parameters = parameters or {}

    def execute(self, context: Any) -> str:
        instance = context["ti"]
        folder = archive_folder(instance.dag_id, instance.run_id, instance.task_id)
        executed = run_notebook(
            self.notebook,
            {**self.parameters, "run_id": instance.run_id},
            Path(os.environ["WORKBOOK_RUNS_DIR"]) / folder,
            try_number=instance.try_number,
            leave_out=EXPLAINS,
        )
        return str(executed.html)
