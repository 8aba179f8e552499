"""Samples and rules; and on the live stack: each part tells what it is asked, and a rule can be made to fire."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest

from lakehouse import observability
from lakehouse.engines import kafka
from lakehouse.engines.flink import FlinkRest
from lakehouse.observability import FIRING, NO_SERIES, QUIET, Backlog, Rule, Sample
from lakehouse.settings import get_settings
from lakehouse.streaming.jobs import JOB_NAME

PAGE = """# HELP webhook_requests_total requests
# TYPE webhook_requests_total counter
webhook_requests_total{outcome="refused",source="stripe"} 3.0
webhook_requests_total{outcome="accepted",source="stripe"} 7.0
# TYPE webhook_requests_created gauge
webhook_requests_created{outcome="refused",source="stripe"} 1.7e+09
# TYPE webhook_in_flight gauge
webhook_in_flight 0.0
"""


def test_a_page_of_metrics_is_read_without_the_times_of_creation() -> None:
    assert observability.parse(PAGE) == [
        Sample("webhook_requests_total", {"outcome": "refused", "source": "stripe"}, 3.0),
        Sample("webhook_requests_total", {"outcome": "accepted", "source": "stripe"}, 7.0),
        Sample("webhook_in_flight", {}, 0.0),
    ]


def test_text_that_is_no_page_of_metrics_is_refused() -> None:
    with pytest.raises(ValueError, match=r".+"):
        observability.parse("<html>sign in</html>")


@pytest.mark.parametrize(
    ("labels", "above", "state"),
    [
        ({"outcome": "refused"}, 2, FIRING),
        ({"outcome": "refused"}, 3, QUIET),
        ({"source": "stripe"}, 5, FIRING),
        ({"outcome": "rejected"}, 0, NO_SERIES),
        ({"outcome": "refused", "shop": "x"}, 0, NO_SERIES),
    ],
)
def test_a_rule_fires_is_quiet_or_has_no_series(labels: dict[str, str], above: float, state: str) -> None:
    rule = Rule("refusals", "webhook_requests_total", above, labels)
    assert rule.state(observability.parse(PAGE)) == state


def test_a_rule_over_another_metric_has_no_series() -> None:
    assert Rule("r", "webhook_requests", 0, {}).state(observability.parse(PAGE)) == NO_SERIES


@pytest.mark.parametrize(("committed", "messages"), [(None, 10), (0, 10), (4, 6), (10, 0)])
def test_what_was_not_committed_is_unread(committed: int | None, messages: int) -> None:
    assert Backlog("orders", 0, 10, committed).messages == messages


def test_a_job_without_a_checkpoint_has_counts_alone() -> None:
    before_the_first = {"counts": {"completed": 0, "failed": 0}, "latest": {"completed": None}}
    names = [sample.name for sample in observability.checkpoint_samples(before_the_first, "job")]
    assert names == ["flink_checkpoints_completed", "flink_checkpoints_failed"]


# -- the live stack ---------------------------------------------------------------------------------------------------


@pytest.fixture
def topic() -> Iterator[str]:
    """A topic of two partitions, gone afterwards with the group of its name."""
    from confluent_kafka.admin import NewTopic

    name, admin = f"scratch-test-{uuid.uuid4().hex[:8]}", kafka.admin()
    admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])[name].result()
    yield name
    admin.delete_topics([name])[name].result()
    admin.delete_consumer_groups([name])[name].result()


@pytest.mark.stack
def test_a_group_is_behind_by_what_it_has_not_committed(topic: str) -> None:
    from confluent_kafka import Consumer, Producer, TopicPartition

    config = {"bootstrap.servers": get_settings().kafka_bootstrap}
    producer = Producer(config)
    for number in range(7):
        producer.produce(topic, b"x", partition=0 if number < 5 else 1)
    assert producer.flush(30) == 0
    places = [(topic, 0), (topic, 1)]
    assert [(b.end, b.committed) for b in observability.backlogs(topic, places)] == [(5, None), (2, None)]
    consumer = Consumer({**config, "group.id": topic})
    consumer.commit(offsets=[TopicPartition(topic, 0, 3)], asynchronous=False)
    consumer.close()
    assert [b.messages for b in observability.backlogs(topic, places)] == [2, 2]


@pytest.mark.stack
def test_the_door_counts_a_refusal_and_a_rule_over_it_fires() -> None:
    refused = {"source": "shopify", "outcome": "refused", "reason": "missing_signature"}
    there = sum(s.value for s in observability.ingestion_samples() if s.matches("webhook_requests_total", refused))
    rule = Rule("refusals", "webhook_requests_total", there, refused)
    answer = httpx.post(f"{get_settings().ingestion_url}/webhooks/shopify/orders/create", content=b"{}")
    assert answer.status_code == 401
    assert rule.state(observability.ingestion_samples()) == FIRING


@pytest.mark.stack
@pytest.mark.usefixtures("first_day")
def test_every_part_has_live_series() -> None:
    log = observability.log_samples()
    assert {(s.labels["topic"], s.labels["partition"]) for s in log} == {
        (name, str(partition)) for name in kafka.TOPICS for partition in range(kafka.PARTITIONS)
    }
    assert {"flink_checkpoint_duration_ms", "flink_checkpoint_age_seconds"} <= {
        s.name for s in observability.flink_samples(JOB_NAME)
    }
    rest = FlinkRest()
    job = rest.running(JOB_NAME)
    assert job is not None
    # each topic is a source of its own
    assert len(rest.vertex_metrics(job.job_id, ".numRecordsIn")) >= len(kafka.TOPICS)
    assert rest.vertex_metrics(job.job_id, "no such metric") == []
    of_raw = {s.name: s.value for s in observability.table_samples(["raw.shopify_orders"])}
    assert of_raw["iceberg_snapshots"] >= 1
    assert of_raw["iceberg_data_files"] >= 1
    assert of_raw["iceberg_commit_age_seconds"] >= 0


@pytest.mark.stack
def test_a_job_that_does_not_run_has_no_series() -> None:
    assert observability.flink_samples("no such job") == []
