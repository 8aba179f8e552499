"""The layers below staging on the live stack: repeatable, no-op when nothing is new, money equal in each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lakehouse import incremental
from lakehouse.pipeline import STEPS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("first_day")]
LAYERS = ("semantic", "core", "analytics", "marts")
STEPS_BELOW = [step for step in STEPS if step.layer in LAYERS and step.name != "marts.publish"]
TABLES = [step.name for step in STEPS_BELOW] + [
    f"semantic.{name}"
    for name in ("normalized_records", "entity_edges", "entity_events", "entity_alias", "entity_resolution_stats")
]


@pytest.fixture(scope="module")
def built(spark: SparkSession) -> SparkSession:
    for step in STEPS_BELOW:
        step.run(spark, "test-layers-1")
    return spark


def test_a_second_run_makes_no_snapshot(built: SparkSession) -> None:
    before = incremental.snapshots(TABLES)
    results = [step.run(built, "test-layers-2") for step in STEPS_BELOW]
    assert [result.table for result in results if result.changed] == []
    assert incremental.snapshots(TABLES) == before


def test_money_per_currency_is_equal_in_each_layer(built: SparkSession) -> None:
    sums = {
        table: {row[0]: row[1] for row in built.sql(
            f"SELECT currency, sum({amount}) FROM {table} WHERE currency IS NOT NULL GROUP BY currency"
        ).collect()}
        for table, amount in {
            "staging.stg_shopify_orders": "total_amount",
            "core.orders": "total_amount",
            "analytics.order_summary": "total_amount",
            "marts.sales_dashboard_daily": "gross_amount + deleted_amount",
        }.items()
    }  # fmt: skip
    staged = sums.pop("staging.stg_shopify_orders")
    assert sums == dict.fromkeys(sums, staged)


def test_every_record_has_one_entity_and_every_entity_one_customer(built: SparkSession) -> None:
    def count(sql: str) -> int:
        return int(built.sql(sql).collect()[0][0])

    staged = sum(
        count(f"SELECT count(*) FROM staging.{table}")
        for table in ("stg_shopify_customers", "stg_stripe_customers", "stg_hubspot_contacts")
    )
    assert count("SELECT count(*) FROM semantic.entity_index") == staged
    assert count("SELECT count(DISTINCT source, source_id) FROM semantic.entity_index") == staged
    entities = count("SELECT count(DISTINCT entity_id) FROM semantic.entity_index")
    assert count("SELECT count(*) FROM core.customers") == entities
    assert count("SELECT count(*) FROM analytics.customer_metrics") == entities
    assert count("SELECT count(*) FROM marts.customer_360") == entities
    assert count("SELECT count(*) FROM core.orders") == count("SELECT count(*) FROM staging.stg_shopify_orders")
