"""`lakehouse_maintenance`: once a week the files and snapshots of all tables are put in order, beside their writers.

The task is a notebook, lesson 17. It can run at any time and again: nothing that a reader still needs goes.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG
from notebook_operator import NotebookOperator

START = datetime.fromisoformat(os.environ.get("WORKBOOK_START_DATE", "2026-01-01T00:00:00+00:00"))
LAYERS = ("raw", "staging", "semantic", "core", "analytics", "marts", "metadata")

with DAG(
    dag_id="lakehouse_maintenance",
    description="Compaction, snapshot expiry, orphan files, for all layers",
    doc_md=__doc__,
    start_date=START,
    schedule=None if os.environ.get("WORKBOOK_SCHEDULE") == "none" else "0 4 * * 0",
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=5), "execution_timeout": timedelta(hours=2)},
    tags=["workbook"],
) as dag:
    NotebookOperator(task_id="maintain", notebook="17_maintenance", parameters={"maintain": " ".join(LAYERS)})
