"""`workbook_daily_close`: one day of orders taken, valued in US dollars, reported. Lesson 13 drives it.

A run belongs to the day that its logical date names, and touches no other day: so any day can be run again, in any
order. It writes to the scratch namespace that its configuration names; its schedule ends with January 2026, so that
the clock starts none and only triggers and backfills do.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Param
from notebook_operator import NotebookOperator

TASKS = Path(__file__).resolve().parents[1] / "notebooks" / "tasks"
PARAMETERS = {"namespace": "{{ params.namespace }}", "day": "{{ logical_date | ds }}"}


def notebook_task(task_id: str) -> NotebookOperator:
    """The notebook of the task's name, for the run's own day."""
    return NotebookOperator(task_id=task_id, notebook=str(TASKS / task_id), parameters=PARAMETERS)


with DAG(
    dag_id="workbook_daily_close",
    description="One day of orders: taken, valued in US dollars, reported",
    doc_md=__doc__,
    schedule="@daily",
    start_date=datetime(2025, 12, 1, tzinfo=UTC),
    end_date=datetime(2026, 1, 31, tzinfo=UTC),
    catchup=False,
    # Days share tables: two at once would only wait for each other's commits.
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=2), "execution_timeout": timedelta(minutes=10)},
    params={
        "namespace": Param("scratch_me_13", type="string", pattern="^scratch_[a-z0-9_]+$",
                           description="where the tables of this run are"),
    },
    tags=["workbook"],
) as dag:  # fmt: skip
    notebook_task("take_orders") >> notebook_task("value_orders") >> notebook_task("report_day")
