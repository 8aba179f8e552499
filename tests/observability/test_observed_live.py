"""The add-on on the live stack: everything is scraped, every rule can be evaluated, what matters most has a series.

That each alert fires when its fault is made, and is quiet after the repair, is `test_alerts_live.py`.
"""

from __future__ import annotations

import pytest
import yaml

from lakehouse.waiting import wait_until
from stack.native.services import metrics

from .conftest import Observer

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("first_day")]
KEY_SERIES = (
    "flink_checkpoint_duration_ms", "flink_backpressured_ratio", "kafka_group_lag",
    "spark_job_seconds_total", "spark_shuffle_write_bytes_total", "spark_gc_seconds_total",
    "airflow_tasks_ended", "airflow_task_seconds", "airflow_task_queued_seconds",
    "iceberg_snapshots", "iceberg_data_files", "iceberg_bytes",
    "webhook_requests_total", "freshness_seconds", "service_up",
)  # fmt: skip


def test_every_target_is_scraped(observer: Observer) -> None:
    targets = yaml.safe_load((metrics.TEMPLATES / "scrape.yml").read_text(encoding="utf-8"))["scrape_configs"]
    wanted = {target["job_name"] for target in targets}
    wait_until(
        lambda: {one["metric"]["job"] for one in observer.series("up == 1")} == wanted,
        timeout=60,
        what=f"{', '.join(sorted(wanted))} to be scraped",
    )


def test_every_rule_is_evaluated_without_an_error(observer: Observer) -> None:
    groups = yaml.safe_load((metrics.TEMPLATES / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    wanted = {rule["alert"] for group in groups for rule in group["rules"]}
    wait_until(
        lambda: all(not rule["lastEvaluation"].startswith("0001") for rule in observer.rules().values()),
        timeout=60,
        what="every rule to have been evaluated",
    )
    rules = observer.rules()
    assert set(rules) == wanted
    assert {name: rule["lastError"] for name, rule in rules.items() if rule["lastError"]} == {}


@pytest.mark.parametrize("name", KEY_SERIES)
def test_what_matters_most_has_a_live_series(observer: Observer, name: str) -> None:
    wait_until(lambda: observer.series(name), timeout=60, what=f"a series of {name}")
