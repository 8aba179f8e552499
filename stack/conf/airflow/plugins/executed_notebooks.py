"""Serves the executed notebooks at /notebooks on the API server, and links each task to its own."""

import os
from pathlib import Path

from airflow.plugins_manager import AirflowPlugin
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from notebook_operator import ExecutedNotebookLink

RUNS_DIR = Path(os.environ["WORKBOOK_RUNS_DIR"])
RUNS_DIR.mkdir(parents=True, exist_ok=True)

runs = FastAPI(title="Executed notebooks", docs_url=None, redoc_url=None, openapi_url=None)
runs.mount("/", StaticFiles(directory=RUNS_DIR))


class ExecutedNotebooksPlugin(AirflowPlugin):
    """The archive as a page, and the link of a task to it."""

    name = "executed_notebooks"
    fastapi_apps = [{"app": runs, "url_prefix": "/notebooks", "name": "executed notebooks"}]
    operator_extra_links = [ExecutedNotebookLink()]
