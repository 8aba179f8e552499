"""The whole way on the live stack: a day sent, landed, modelled, published, balanced; and what upsets the balance."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from data_generators import ledger
from data_generators.generate import read_manifest
from lakehouse import incremental
from lakehouse.checks.check import Check
from lakehouse.checks.forward import Forward
from lakehouse.checks.layers import EVENTS
from lakehouse.checks.money import MONEY
from lakehouse.commands.demo import Report, table_sizes, unsent_day
from lakehouse.pipeline import STEPS, run_pipeline
from lakehouse.reconcile import NotBalanced, reconcile, require_balanced
from lakehouse.settings import get_settings
from lakehouse.tables import all_tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.stack
MAY_BE_EMPTY = {
    "staging.rejects", "semantic.entity_overrides", "semantic.entity_alias", "metadata.erasures",
    "metadata.erased_places",
}  # fmt: skip
"""Nobody has decided anything yet, no entity has been absorbed by another, and nobody has been erased."""


def lakehouse(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lakehouse.cli", *arguments], capture_output=True, text=True, check=False
    )


def test_the_first_day_arrives_in_every_table(first_day: Report) -> None:
    assert [title.split(" of ")[0] for title, _, _ in first_day.lines] == [
        "start the services",
        "send the webhooks",
        "Flink: topics to raw",
        "Airflow: raw to marts",
        "the ledger",
    ]
    filled = {name for name, rows, _, _ in table_sizes() if rows}
    assert {table.name for table in all_tables()} - filled <= MAY_BE_EMPTY


def test_the_api_answered_what_the_generator_expected(first_day: Report) -> None:
    world = get_settings().world_dir
    manifest = read_manifest(world)
    assert manifest is not None
    for day, planned in manifest["days"].items():
        found = ledger.summary(ledger.read_attempts(world, int(day)))
        expected = dict(planned["expected"])
        accepted = expected.pop("accepted") + expected.pop("quarantined", 0)
        assert found["outcomes"] == {"accepted": accepted, **expected}
    assert unsent_day(get_settings()) is None


def test_with_nothing_new_no_row_and_no_snapshot_changes(first_day: Report, spark: SparkSession) -> None:
    names = [table.name for table in all_tables()]
    list(run_pipeline("test-settle", spark))
    before = incremental.snapshots(names)
    results = list(run_pipeline("test-again", spark))
    assert [result.table for result in results if result.changed] == []
    assert len(results) == len(STEPS)
    assert incremental.snapshots(names) == before


def test_a_missing_and_a_changed_row_are_named_and_repaired(first_day: Report, spark: SparkSession) -> None:
    gone, changed = (
        row[0]
        for row in spark.sql("SELECT order_id FROM core.orders WHERE total_amount > 0 ORDER BY 1 LIMIT 2").collect()
    )
    spark.sql(f"DELETE FROM core.orders WHERE order_id = {gone}")
    spark.sql(f"UPDATE core.orders SET total_amount = total_amount + 0.01 WHERE order_id = {changed}")
    checks = reconcile(spark)
    with pytest.raises(NotBalanced, match=str(gone)):
        require_balanced(checks)
    wrong = {check.check for check in checks if not check.balanced}
    assert {"staging orders = core orders", "money of orders"} <= wrong

    repaired = lakehouse("pipeline", "run", "--anew", "--step", "core.orders")
    assert "1 inserted, 1 updated" in repaired.stdout, repaired
    list(run_pipeline("test-repair", spark))
    require_balanced(reconcile(spark))


def test_the_ledger_as_a_command_ends_with_an_error_when_a_row_is_there_twice(
    first_day: Report, spark: SparkSession
) -> None:
    row = spark.sql("SELECT _kafka_partition, _kafka_offset FROM raw.stripe_customers ORDER BY 1, 2 LIMIT 1").collect()[
        0
    ]
    where = f"_kafka_partition = {row[0]} AND _kafka_offset = {row[1]}"
    before = incremental.history("raw.stripe_customers")[1]
    forward = balanced(spark)
    spark.sql(f"INSERT INTO raw.stripe_customers SELECT * FROM raw.stripe_customers WHERE {where}")
    try:
        said = lakehouse("reconcile")
        brought = reconcile(spark, forward=forward)
    finally:
        # the row's copy goes as it came: raw is as before, and its history says so
        spark.sql(f"CALL lakehouse.system.rollback_to_snapshot('raw.stripe_customers', {before})")
    assert said.returncode == 1
    assert f"more than once in raw: {row[0]}/{row[1]}" in " ".join((said.stdout + said.stderr).split())
    assert f"more than once in raw: {row[0]}/{row[1]}" in [check.detail for check in brought]
    assert lakehouse("reconcile").returncode == 0


def balanced(spark: SparkSession) -> Forward:
    """What a ledger that has read every row, and balances, leaves to the next one."""
    first = Forward()
    require_balanced(reconcile(spark, forward=first))
    first.keep()
    return Forward.last()


def numbers(checks: list[Check]) -> list[tuple[object, ...]]:
    return [(c.check, c.left_name, c.left, c.right_name, c.right, c.currency, c.balanced) for c in checks]


def test_the_next_day_is_added_and_stays_balanced(first_day: Report, spark: SparkSession) -> None:
    old = balanced(spark)
    before = {name: rows for name, rows, _, _ in table_sizes()}
    days = len((read_manifest(get_settings().world_dir) or {"days": {}})["days"])
    said = lakehouse("demo")
    assert said.returncode == 0, said.stdout[-4000:] + said.stderr[-4000:]
    assert f"send the webhooks of day {days + 1}" in said.stdout
    assert "lines balance" in said.stdout
    after = {name: rows for name, rows, _, _ in table_sizes()}
    for name in ("raw.shopify_orders", "staging.stg_shopify_orders", "core.orders"):
        assert after[name] > before[name]

    # Airflow's ledger has read what came on that day, and the next one would read nothing
    new, whole = Forward.last(), Forward()
    for part in (EVENTS, MONEY):
        kept, found = old.known[part, "raw.shopify_orders"], new.known[part, "raw.shopify_orders"]
        assert found.since == kept.since
        assert found.snapshot_id != kept.snapshot_id
    assert numbers(reconcile(spark, forward=whole)) == numbers(reconcile(spark, forward=new))
    assert {of: found.figures for of, found in whole.counted.items()} == {
        of: found.figures for of, found in new.counted.items()
    }
