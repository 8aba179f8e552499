"""Serves the executed notebooks at /notebooks on the API server to who is signed in; links each task to its own."""

import os
from pathlib import Path

from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.plugins_manager import AirflowPlugin
from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, Response
from notebook_operator import ExecutedNotebookLink

RUNS_DIR = Path(os.environ["WORKBOOK_RUNS_DIR"]).resolve()
RUNS_DIR.mkdir(parents=True, exist_ok=True)

BEING_WRITTEN = """<p>This notebook still runs, or its page is being written. It will show here by itself;
a task that was killed leaves none, only the notebook as far as it came.</p>"""
"""For who is faster than a task: the notebook is archived cell by cell, the page right after the task's end."""

runs = FastAPI(title="Executed notebooks", docs_url=None, redoc_url=None, openapi_url=None)


@runs.get("/{path:path}")
def page(path: str, user: GetUserDep) -> Response:
    """One executed notebook. They show customers' rows: who is not signed in gets a 401."""
    wanted = (RUNS_DIR / path).resolve()
    if wanted.is_relative_to(RUNS_DIR):
        if wanted.is_file():
            return FileResponse(wanted)
        if wanted.with_suffix(".ipynb").is_file():
            return HTMLResponse(BEING_WRITTEN, 202, headers={"Refresh": "1"})
    raise HTTPException(404, f"there is no executed notebook {path}")


class ExecutedNotebooksPlugin(AirflowPlugin):
    """The archive as a page, and the link of a task to it."""

    name = "executed_notebooks"
    fastapi_apps = [{"app": runs, "url_prefix": "/notebooks", "name": "executed notebooks"}]
    operator_extra_links = [ExecutedNotebookLink()]
