"""The job on the live stack: bytes as they came, whatever they are; each message once, through stops and SIGKILLs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer

from lakehouse.engines.kafka import TOPICS
from lakehouse.ingestion.publisher import producer_config
from lakehouse.settings import Settings, load_settings
from lakehouse.streaming import jobs
from lakehouse.waiting import wait_until
from stack.native import supervisor

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.stack
STRANGE = [
    b"",
    b"{",
    b"\xff\xfe\x00\x80",
    b"[1, 2]",
    b"null",
    b'"text"',
    b"1e999",
    b'{"id": 99999999999999999999999999, "order_number": 1.5, "amount": "many"}',
    b'{"id": {"a": 1}, "created_at": "yesterday", "updated_at": 17, "customer": "none", "occurredAt": "x"}',
    b'{"id": 1, "id": 2}',
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b'{"id": 1, "note": "\\ud800", "email": "' + b"e" * 100_000 + b'"}',
]
ISO_TIMES = {
    "2026-01-01T10:00:00+01:00": "2026-01-01 09:00:00",
    "2026-01-01T10:00:00-05:30": "2026-01-01 15:30:00",
    "2026-01-01T10:00:00Z": "2026-01-01 10:00:00",
    "2026-13-01T10:00:00Z": None,
}


ORDERS: dict[bytes, tuple[int | None, str | None, str | None, str | None]] = {
    b'{"id": 7, "email": "a\\"b\\u00e9@x.test", "total_price": "12.30", "customer": {"id": 1}}': (
        7, 'a"b\u00e9@x.test', "12.30", '{"id":1}',
    ),
    b'{"id": "8", "email": null, "total_price": 12.5, "customer": null}': (8, None, "12.5", None),
    b'{"id": {"id": 9}, "email": ["x"], "total_price": true}': (None, None, "true", None),
    b'{"total_price": "1.00", "line_items": [{"id": 10, "email": "inside"}]}': (None, None, "1.00", None),
    b'[{"id": 11, "total_price": "2.00"}]': (None, None, None, None),
    b'{"id": 12, "total_price": "3.00"': (None, None, None, None),
}  # fmt: skip
"""An order's body → id, email, total_price, customer."""


@pytest.fixture(scope="module")
def stack_settings(live_stack: None) -> Settings:
    found = load_settings()
    jobs.ensure_running(found)
    return found


@pytest.fixture
def producer(stack_settings: Settings) -> Producer:
    # the broker may be asked while a job comes back: patience of its own
    return Producer({**producer_config(stack_settings), "message.timeout.ms": 60_000})


def send(producer: Producer, topic: str, mark: str, bodies: list[bytes]) -> None:
    """Messages as the API publishes them; the webhook id carries the mark and the number."""
    for number, body in enumerate(bodies):
        headers: list[tuple[str, Any]] = [
            ("source", b"test"),
            ("webhook_topic", b"test/strange"),
            ("webhook_id", f"{mark}-{number}".encode()),
            ("received_at", b"2026-01-01T00:00:00.123456Z"),
            ("body_sha256", b"0" * 64),
        ]
        producer.produce(topic, value=body, key=str(number), headers=headers)
        producer.poll(0)
    assert producer.flush(60) == 0


def in_raw(spark: SparkSession, table: str, mark: str) -> tuple[int, int, int]:
    """Rows, distinct webhook ids and distinct places of the messages with a mark."""
    row = spark.sql(
        f"""SELECT count(*), count(DISTINCT _webhook_id), count(DISTINCT _kafka_partition, _kafka_offset)
            FROM {table} WHERE _webhook_id LIKE '{mark}-%'"""
    ).collect()[0]
    return row[0], row[1], row[2]


def lakehouse(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lakehouse.cli", *arguments], capture_output=True, text=True, check=False
    )


def test_strange_bodies_are_rows_with_the_exact_bytes(
    stack_settings: Settings, producer: Producer, spark: SparkSession
) -> None:
    mark = f"strange-{uuid.uuid4()}"
    for topic in TOPICS:
        send(producer, topic, mark, STRANGE)
    jobs.wait_until_caught_up(stack_settings)
    for topic in TOPICS:
        rows = spark.sql(
            f"SELECT _webhook_id, _payload FROM raw.{topic.replace('.', '_')} WHERE _webhook_id LIKE '{mark}-%'"
        ).collect()
        found = {int(row["_webhook_id"].rpartition("-")[2]): bytes(row["_payload"]) for row in rows}
        assert len(rows) == len(STRANGE)
        assert found == dict(enumerate(STRANGE)), topic


def test_an_orders_fields_are_read_whatever_it_is(
    stack_settings: Settings, producer: Producer, spark: SparkSession
) -> None:
    mark = f"orders-{uuid.uuid4()}"
    send(producer, "shopify.orders", mark, list(ORDERS))
    jobs.wait_until_caught_up(stack_settings)
    rows = spark.sql(
        f"SELECT _payload, id, email, total_price, customer FROM raw.shopify_orders WHERE _webhook_id LIKE '{mark}-%'"
    ).collect()
    found = {bytes(row["_payload"]): (row["id"], row["email"], row["total_price"], row["customer"]) for row in rows}
    assert found == ORDERS


def test_times_are_read_with_their_offset(stack_settings: Settings, producer: Producer, spark: SparkSession) -> None:
    mark = f"times-{uuid.uuid4()}"
    send(producer, "shopify.orders", mark, [f'{{"id": 1, "created_at": "{text}"}}'.encode() for text in ISO_TIMES])
    jobs.wait_until_caught_up(stack_settings)
    rows = spark.sql(
        f"""SELECT CAST(created_at AS STRING) AS at, CAST(_received_at AS STRING) AS received FROM raw.shopify_orders
            WHERE _webhook_id LIKE '{mark}-%' ORDER BY _webhook_id"""
    ).collect()
    assert [row["at"] for row in rows] == list(ISO_TIMES.values())
    assert {row["received"] for row in rows} == {"2026-01-01 00:00:00.123456"}


def test_stopped_with_a_savepoint_and_started_from_it(
    stack_settings: Settings, producer: Producer, spark: SparkSession
) -> None:
    mark = f"stop-{uuid.uuid4()}"
    send(producer, "shopify.customers", f"{mark}-before", [b"{}"] * 200)
    stopped = lakehouse("streaming", "stop")
    assert "savepoint" in stopped.stdout, stopped.stderr
    assert jobs.find(stack_settings) is None
    assert "no job runs" in lakehouse("streaming", "stop").stdout
    send(producer, "shopify.customers", f"{mark}-meanwhile", [b"{}"] * 200)
    started = lakehouse("streaming", "start")
    assert started.returncode == 0, started.stderr
    assert jobs.ensure_running(stack_settings).name == jobs.JOB_NAME
    send(producer, "shopify.customers", f"{mark}-after", [b"{}"] * 200)
    assert lakehouse("streaming", "wait").returncode == 0
    assert in_raw(spark, "raw.shopify_customers", mark) == (600, 600, 600)
    listed = lakehouse("streaming", "list").stdout
    assert jobs.JOB_NAME in listed
    assert "RUNNING" in listed


def test_a_job_whose_state_is_lost_begins_where_raw_ends(
    stack_settings: Settings, producer: Producer, spark: SparkSession
) -> None:
    mark = f"lost-{uuid.uuid4()}"
    send(producer, "shopify.customers", f"{mark}-before", [b"{}"] * 200)
    jobs.wait_until_caught_up(stack_settings)
    jobs.stop(stack_settings)
    send(producer, "shopify.customers", f"{mark}-meanwhile", [b"{}"] * 200)
    jobs._remember(stack_settings, job="0" * 32)  # a job without checkpoints
    assert jobs.resume_point(stack_settings) is None
    new = jobs.ensure_running(stack_settings)
    assert jobs.ensure_running(stack_settings).job_id == new.job_id
    jobs.wait_until_caught_up(stack_settings)
    assert in_raw(spark, "raw.shopify_customers", mark) == (400, 400, 400)


def test_a_start_that_was_cut_off_is_not_made_a_second_time_from_its_savepoint(
    stack_settings: Settings, producer: Producer, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = f"cut-{uuid.uuid4()}"
    jobs.stop(stack_settings)
    send(producer, "shopify.customers", f"{mark}-meanwhile", [b"{}"] * 100)

    def submitted_and_cut_off(*given: Any) -> str:
        submit(*given)
        raise KeyboardInterrupt

    submit = jobs.submit
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "submit", submitted_and_cut_off)
        with pytest.raises(KeyboardInterrupt):
            jobs.ensure_running(stack_settings)
    jobs.wait_until_caught_up(stack_settings)
    jobs.stop(stack_settings)
    jobs.ensure_running(stack_settings)
    jobs.wait_until_caught_up(stack_settings)
    assert in_raw(spark, "raw.shopify_customers", mark) == (100, 100, 100)


def test_a_job_of_another_plan_is_succeeded_where_raw_ends(
    stack_settings: Settings, producer: Producer, spark: SparkSession, caplog: pytest.LogCaptureFixture
) -> None:
    mark = f"plan-{uuid.uuid4()}"

    def replaced(part: str) -> None:
        send(producer, "hubspot.contacts", f"{mark}-{part}", [b"{}"] * 100)
        jobs.stop(stack_settings)
        send(producer, "hubspot.contacts", f"{mark}-{part}-meanwhile", [b"{}"] * 100)
        caplog.clear()
        jobs.ensure_running(stack_settings)
        assert "another version of its SQL" in caplog.text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "PARTITIONS", 1)  # with one reader, readers and writers are one operator
        replaced("there")
    replaced("back")
    jobs.wait_until_caught_up(stack_settings)
    assert in_raw(spark, "raw.hubspot_contacts", mark) == (400, 400, 400)


def test_a_job_of_before_the_broker_asked_for_an_account_is_replaced_and_its_successor_goes_on(
    stack_settings: Settings, producer: Producer
) -> None:
    send(producer, "shopify.customers", f"account-{uuid.uuid4()}", [b"{}"] * 50)
    jobs.wait_until_caught_up(stack_settings)
    old = jobs.ensure_running(stack_settings)
    jobs._remember(stack_settings, job=old.job_id)  # as it was remembered then
    new = jobs.ensure_running(stack_settings)
    assert new.job_id != old.job_id
    assert jobs.ensure_running(stack_settings).job_id == new.job_id
    send(producer, "shopify.customers", f"account-{uuid.uuid4()}", [b"{}"] * 50)
    assert all(lag.behind == 0 for lag in jobs.wait_until_caught_up(stack_settings))


def kill(settings: Settings, service: str) -> int:
    """SIGKILL a service; returns the pid it had. supervisord starts it again."""
    pid = next(process.pid for process in supervisor.processes(settings) if process.name == service)
    os.kill(pid, signal.SIGKILL)
    return pid


@pytest.mark.parametrize("service", ["flink-taskmanager", "flink-jobmanager"])
def test_killed_under_way_and_back_by_itself_with_each_message_once(
    stack_settings: Settings, producer: Producer, spark: SparkSession, service: str
) -> None:
    mark = f"kill-{uuid.uuid4()}"
    send(producer, "stripe.customers", f"{mark}-first", [b"{}"] * 500)
    jobs.wait_until_caught_up(stack_settings)  # rows were committed before the kill, or it would prove nothing
    assert in_raw(spark, "raw.stripe_customers", mark)[0] == 500

    pause = threading.Event()
    sender = threading.Thread(
        target=lambda: [
            (send(producer, "stripe.customers", f"{mark}-during{batch}", [b"{}"] * 50), pause.wait(0.1))
            for batch in range(40)
        ]
    )
    sender.start()
    pid = kill(stack_settings, service)
    sender.join()

    def is_back() -> bool:
        found = {process.name: process.pid for process in supervisor.processes(stack_settings)}
        return found[service] not in (0, pid)

    wait_until(is_back, timeout=60, what=f"{service} to be started again")
    jobs.wait_until_caught_up(stack_settings, timeout=120)
    assert in_raw(spark, "raw.stripe_customers", mark) == (2500, 2500, 2500)


def test_topics_and_raw_have_the_same_places(stack_settings: Settings) -> None:
    for lag in jobs.wait_until_caught_up(stack_settings):
        assert lag.behind == 0, lag
