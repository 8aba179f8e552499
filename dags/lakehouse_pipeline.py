"""`lakehouse_pipeline`: raw to marts. Every task but the first is a notebook; the same files teach, and run here.

Raw itself is filled by Flink all the time; each task takes what is new since its own last time, so a run
with nothing new changes nothing, and a retry is safe. The first task compares snapshots, and a step whose sources are
as it has read them is skipped; start a run with `everything` to leave none out. A lesson's cells that only explain
(engines measured on a large table, damaged copies, a table made a second time to compare) are left out here.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, Param, TaskGroup
from notebook_operator import NotebookOperator, StepOperator, WhatIsNewOperator

SCHEDULE = os.environ.get("WORKBOOK_SCHEDULE", "@hourly")
START = datetime.fromisoformat(os.environ.get("WORKBOOK_START_DATE", "2026-01-01T00:00:00+00:00"))
FIRST = 1000
"""Priority of what all else waits for the longest; without one Airflow takes the task with the most tasks after it."""


def step(table: str, notebook: str, *, with_table: bool = True, priority: int = 1) -> StepOperator:
    """The step that writes a table; `with_table`: its notebook serves all tables of a layer and is told which."""
    return StepOperator(
        task_id=table.split(".")[1],
        step=table,
        asked="what_is_new",
        notebook=notebook,
        parameters={"table": table} if with_table else {},
        priority_weight=priority,
        # a step that was skipped has its table as it should be
        trigger_rule="none_failed",
    )


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
    params={
        "everything": Param(False, type="boolean", description="also run the steps whose sources have not changed"),
    },
    tags=["workbook"],
) as dag:
    what_is_new = WhatIsNewOperator(task_id="what_is_new")

    with TaskGroup("staging", prefix_group_id=False) as staging:
        shop_orders = step("staging.stg_shopify_orders", "05_staging", priority=FIRST)
        shop_customers = step("staging.stg_shopify_customers", "05_staging")
        charges = step("staging.stg_stripe_charges", "05_staging")
        payers = step("staging.stg_stripe_customers", "05_staging")
        contacts = step("staging.stg_hubspot_contacts", "05_staging")
        companies = step("staging.stg_hubspot_companies", "05_staging")
        requests = step("staging.stg_privacy_requests", "05_staging")

    with TaskGroup("semantic", prefix_group_id=False):
        blocking_index = step("semantic.blocking_index", "07_blocking_index", with_table=False)
        entity_index = step("semantic.entity_index", "08_entity_index", with_table=False)

    with TaskGroup("core", prefix_group_id=False):
        customers = step("core.customers", "09_core")
        orders = step("core.orders", "09_core")

    with TaskGroup("analytics", prefix_group_id=False):
        customer_metrics = step("analytics.customer_metrics", "10_analytics")
        order_summary = step("analytics.order_summary", "10_analytics")
        payment_metrics = step("analytics.payment_metrics", "10_analytics")

    with TaskGroup("marts", prefix_group_id=False):
        customer_360 = step("marts.customer_360", "11_marts")
        sales = step("marts.sales_dashboard_daily", "11_marts")
        publish = step("marts.publish", "12_publish", with_table=False)

    reconcile = NotebookOperator(
        task_id="reconcile",
        notebook="20_reconcile",
        parameters={"with_faults": False, "whole": False},
        trigger_rule="none_failed",
    )

    # each after the steps that write what it reads, and after no other
    people = [shop_customers, payers, contacts]
    what_is_new >> staging
    people >> blocking_index >> entity_index
    [*people, entity_index] >> customers
    [shop_orders, entity_index] >> orders
    [customers, orders, charges, entity_index] >> customer_metrics
    orders >> order_summary
    charges >> payment_metrics
    [customers, customer_metrics] >> customer_360
    [orders, order_summary, payment_metrics] >> sales
    [customer_360, sales] >> publish
    [publish, companies, requests] >> reconcile
