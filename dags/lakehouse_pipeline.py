"""`lakehouse_pipeline`: raw to marts. Every task is a notebook; the same files teach, and run here.

Raw itself is filled by Flink all the time; each task takes what is new since its own last time, so a run
with nothing new changes nothing, and a retry is safe. A lesson's cells that only explain (engines measured on a large
table, damaged copies, a table made a second time to compare) are left out here.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, TaskGroup
from notebook_operator import NotebookOperator

STAGING = (
    "stg_shopify_orders",
    "stg_shopify_customers",
    "stg_stripe_charges",
    "stg_stripe_customers",
    "stg_hubspot_contacts",
    "stg_hubspot_companies",
    "stg_privacy_requests",
)
SCHEDULE = os.environ.get("WORKBOOK_SCHEDULE", "@hourly")
START = datetime.fromisoformat(os.environ.get("WORKBOOK_START_DATE", "2026-01-01T00:00:00+00:00"))


def notebook_task(task_id: str, notebook: str, table: str | None = None, **parameters: int) -> NotebookOperator:
    """One task; `table` is the notebook's parameter where one notebook serves all tables of a layer."""
    named: dict[str, str | int] = {} if table is None else {"table": table}
    return NotebookOperator(task_id=task_id, notebook=notebook, parameters={**named, **parameters})


with DAG(
    dag_id="lakehouse_pipeline",
    description="Raw webhooks to marts: staging, entity resolution, core, analytics, marts, publish, reconcile",
    doc_md=__doc__,
    start_date=START,
    schedule=None if SCHEDULE == "none" else SCHEDULE,
    catchup=False,
    # Two runs at once would compete for the same tables; the second one waits.
    max_active_runs=1,
    # an engine that was killed is back before the next try: Spark's server takes some 20 s on a busy machine
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30), "execution_timeout": timedelta(minutes=40)},
    tags=["workbook"],
) as dag:
    with TaskGroup("staging", prefix_group_id=False) as staging:
        for name in STAGING:
            notebook_task(name, "05_staging", f"staging.{name}")

    blocking_index = notebook_task("blocking_index", "07_blocking_index")
    entity_index = notebook_task("entity_index", "08_entity_index")

    with TaskGroup("core", prefix_group_id=False) as core:
        customers = notebook_task("customers", "09_core", "core.customers")
        orders = notebook_task("orders", "09_core", "core.orders")

    with TaskGroup("analytics", prefix_group_id=False) as analytics:
        for name in ("customer_metrics", "order_summary", "payment_metrics"):
            notebook_task(name, "10_analytics", f"analytics.{name}")

    with TaskGroup("marts", prefix_group_id=False) as marts:
        for name in ("customer_360", "sales_dashboard_daily"):
            notebook_task(name, "11_marts", f"marts.{name}")

    publish = notebook_task("publish", "12_publish")
    reconcile = notebook_task("reconcile", "20_reconcile", with_faults=False)

    staging >> blocking_index >> entity_index >> core >> analytics >> marts >> publish >> reconcile
