"""Which steps a run has to do: all that a change can reach, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.incremental import snapshots
from lakehouse.metadata import Watermark
from lakehouse.pending import Work, before, plan, work
from lakehouse.pipeline import STEPS, run_pipeline

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lakehouse.commands.demo import Report

NAMES = [step.name for step in STEPS]
ASKED = {step.name for step in STEPS if step.asked}
SOURCES = {step.name: set(step.sources) for step in STEPS}


def reached(changed: set[str]) -> set[str]:
    """The steps that read, by any number of steps, what one of these writes; and these."""
    found, earlier = set(changed), before()
    for name in NAMES:
        if found & set(earlier[name]):
            found.add(name)
    return found


def pending(found: list[Work]) -> set[str]:
    return {one.step for one in found if one.pending}


def test_a_step_comes_after_all_that_write_what_it_reads() -> None:
    for name, earlier in before().items():
        assert all(NAMES.index(other) < NAMES.index(name) for other in earlier)


def test_what_no_step_writes_is_raw_or_a_decision_by_hand() -> None:
    written = {table for step in STEPS for table in (step.name, *step.also)}
    outside = set[str]().union(*SOURCES.values()) - written
    assert {name for name in outside if not name.startswith("raw.")} == {"semantic.entity_overrides"}


@given(st.sets(st.sampled_from(NAMES)))
def test_all_that_a_change_reaches_has_work_and_nothing_else(changed: set[str]) -> None:
    found = plan({name: ["a.source"] for name in changed})
    assert [one.step for one in found] == NAMES
    assert pending(found) == reached(changed) | ASKED
    assert all(bool(one.reason) == one.pending for one in found)


def test_an_order_moves_nobody_s_identity() -> None:
    found = pending(plan({"staging.stg_shopify_orders": ["raw.shopify_orders"]}))
    assert "core.orders" in found
    assert not found & {"semantic.blocking_index", "semantic.entity_index", "core.customers"}


def test_the_reason_names_sources_and_steps() -> None:
    by_name = {one.step: one for one in plan({"core.orders": ["staging.stg_shopify_orders"]})}
    assert by_name["core.orders"].reason == "new in staging.stg_shopify_orders"
    assert by_name["analytics.order_summary"].reason == "after core.orders"
    assert by_name["marts.publish"].reason == "after marts.customer_360, marts.sales_dashboard_daily; asks ClickHouse"
    assert by_name["core.customers"].reason == ""


@pytest.fixture
def up_to_date(first_day: Report, spark: SparkSession) -> None:
    """All steps have read all that other tests have sent."""
    list(run_pipeline("test-pending", spark))


@pytest.mark.stack
def test_after_a_run_only_those_are_left_that_ask_each_time(up_to_date: None) -> None:
    assert pending(work()) == ASKED


@pytest.mark.stack
def test_a_step_that_has_read_less_has_work_again(up_to_date: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from lakehouse import metadata

    known = metadata.all_watermarks()
    source = "staging.stg_stripe_charges"
    assert snapshots([source])[source] == known["analytics.payment_metrics"][source].last_snapshot_id
    known["analytics.payment_metrics"][source] = Watermark(None, None)
    monkeypatch.setattr(metadata, "all_watermarks", lambda: known)
    found = {one.step: one for one in work()}
    assert found["analytics.payment_metrics"].changed == (source,)
    assert "marts.sales_dashboard_daily" in pending(list(found.values()))
    assert not found["analytics.customer_metrics"].pending
