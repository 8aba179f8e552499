"""The layers below staging on the live stack: repeatable, no-op when nothing is new, money equal in each layer."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bench import orders as bench_orders
from lakehouse import incremental, metadata
from lakehouse.core import orders
from lakehouse.ingestion import messages
from lakehouse.pipeline import STEPS, find_step
from lakehouse.settings import load_settings
from lakehouse.streaming import jobs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lakehouse.ingestion.messages import Message
    from lakehouse.settings import Settings

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


def deletion(order_id: int, settings: Settings) -> Message:
    """The message of an order's deletion: the id is all that it carries."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    headers = {
        "x-shopify-topic": "orders/delete", "x-shopify-webhook-id": f"test-{uuid.uuid4()}",
        "x-shopify-shop-domain": settings.shopify_shops[0], "x-shopify-triggered-at": now,
        "x-shopify-api-version": "2026-01",
    }  # fmt: skip
    body = json.dumps({"id": order_id}).encode()
    return messages.shopify("orders/delete", body, headers, settings.shopify_shops, now)[0]


def test_a_deletion_reaches_core_though_only_changed_orders_are_computed(
    built: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lakehouse import rebuild

    settings, asked = load_settings(), []
    find_step("staging.stg_shopify_orders").run(built, "test-layers-before")
    find_step("core.orders").run(built, "test-layers-before")
    order_id = built.sql("SELECT min(order_id) FROM core.orders WHERE NOT is_deleted").collect()[0][0]
    bench_orders.publish([deletion(order_id, settings)], settings)
    jobs.wait_until_caught_up(settings)
    assert find_step("staging.stg_shopify_orders").run(built, "test-layers-3").updated == 1

    of_change = rebuild.changed_keys
    monkeypatch.setattr(rebuild, "changed_keys", lambda *given: asked.append(of_change(*given)) or asked[-1])
    done = find_step("core.orders").run(built, "test-layers-3")
    assert (done.read, done.updated) == (1, 1)
    assert len(asked) == 1
    marks = metadata.watermarks("core.orders")
    sources = (incremental.read_at(built, name, marks[name].last_snapshot_id) for name in orders.SOURCES)
    whole, stored = orders.transform(*sources), built.table("core.orders").select(*orders.TABLE.column_names)
    assert stored.where(f"order_id = {order_id}").select("is_deleted").collect()[0][0]
    assert stored.exceptAll(whole).count() == whole.exceptAll(stored).count() == 0


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
