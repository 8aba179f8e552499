"""What interrupted lessons of one learner left goes from every service; another learner's stays, and the stack's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse import metadata
from lakehouse.engines import clickhouse, kafka
from lakehouse.engines.airflow import Airflow
from lakehouse.engines.flink import RUNNING_STATES, FlinkRest, SqlGateway
from lakehouse.lesson import event_log, leftovers, scratch_jobs
from lakehouse.lesson.scratch import scratch
from lakehouse.marts.publish import DATABASE
from lakehouse.settings import Settings, secrets_file
from lakehouse.waiting import wait_until
from stack.native.secrets import ensure_secrets

LEARNERS = ("zoe", "zoe_two")
"""One's name begins as the other's, which is when a reset by prefix takes too much."""


def test_what_does_not_answer_is_named_and_the_rest_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_secrets(tmp_path)
    dead = Settings(_env_file=secrets_file(tmp_path), data_dir=tmp_path, clickhouse_url="http://127.0.0.1:9")
    monkeypatch.setattr(leftovers, "get_settings", lambda: dead)
    monkeypatch.setattr(leftovers, "known", lambda: ["bob"])
    monkeypatch.setattr(leftovers, "with_copies", list)
    places = (
        leftovers.Place("tables", ("ClickHouse",), lambda mine: ["never asked"]),
        leftovers.Place("files", (), lambda mine: [name for name in ("scratch_ada_1", "scratch_bob_1") if mine(name)]),
    )
    dropped, silent = leftovers.drop_all_of("ada", places)
    assert dropped == {"files": ["scratch_ada_1"]}
    with pytest.raises(leftovers.NotWhole, match="ClickHouse") as error:
        leftovers.complain("ada", silent)
    assert "lakehouse stack up clickhouse" in error.value.next_step


def _job(name: str) -> None:
    """A job that writes for ever, as one whose notebook was closed."""
    with SqlGateway(properties=scratch_jobs.properties(name, 1)) as gateway:
        gateway.execute("CREATE TEMPORARY TABLE ticks (n BIGINT) WITH ('connector'='datagen', 'rows-per-second'='1')")
        gateway.execute("CREATE TEMPORARY TABLE nowhere (n BIGINT) WITH ('connector'='blackhole')")
        job_id = str(gateway.execute("INSERT INTO nowhere SELECT n FROM ticks", {"pipeline.name": name})[0][0])
    wait_until(lambda: FlinkRest().checkpoints(job_id)["counts"]["completed"], timeout=60, what="a checkpoint")


def _group(name: str, topic: str) -> None:
    from confluent_kafka import TopicPartition

    consumer = event_log.consumer(name)
    consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    consumer.close()


def _interrupted(name: str) -> None:
    """What lessons make, never cleaned up."""
    namespace = scratch("06")
    assert namespace == f"scratch_{name}_06"
    metadata.catalog().create_table(f"{namespace}.events", pa.schema([("n", pa.int64())]))
    for topic in (f"scratch_{name}_02.orders", f"scratch.{name}.01.7f.shopify.orders", f"scratch-{name}-15-1015"):
        event_log.create_topic(topic, 1)
        _group(topic, topic)
    clickhouse.query(f"CREATE DATABASE scratch_{name}_12 ENGINE = Atomic")
    clickhouse.query(f"CREATE TABLE scratch_{name}_12.orders (n Int8) ENGINE = MergeTree ORDER BY n")
    clickhouse.query(f"CREATE TABLE {DATABASE}.scratch_{name}_18_sales (n Int8) ENGINE = MergeTree ORDER BY n")
    _job(f"scratch_{name}_03")


def _names() -> set[str]:
    """Every name in the services, and folders of checkpoints."""
    folder = scratch_jobs.checkpoint_folder("")
    return {
        *(f"namespace {'.'.join(parts)}" for parts in metadata.catalog().list_namespaces()),
        *(f"topic {name}" for name in kafka.topic_names()),
        *(f"group {name}" for name in kafka.consumer_groups()),
        *(f"database {name}" for (name,) in clickhouse.query("SELECT name FROM system.databases")),
        *(f"table {name}" for (name,) in clickhouse.query(
            f"SELECT name FROM system.tables WHERE database = '{DATABASE}'")),
        *(f"job {job.name}" for job in FlinkRest().jobs() if job.state in RUNNING_STATES),
        *(f"checkpoints {path.name}" for path in folder.glob("*")),
        *(f"run {run}" for run in Airflow().runs(leftovers.DAG)),
    }  # fmt: skip


@pytest.fixture
def of_two(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Leftovers of both learners; the names that there were before."""
    # who has neither an answer nor copies is not known as a learner: these two are
    monkeypatch.setattr(leftovers, "known", lambda: list(LEARNERS))
    for name in reversed(LEARNERS):
        leftovers.drop_all_of(name)
    before = _names()
    for name in LEARNERS:
        monkeypatch.setenv("WORKBOOK_LEARNER", name)
        _interrupted(name)
    yield before
    for name in reversed(LEARNERS):
        leftovers.drop_all_of(name)


@pytest.mark.stack
def test_all_of_one_learner_goes_and_nothing_of_another(of_two: set[str]) -> None:
    run = Airflow().trigger(leftovers.DAG, {"namespace": "scratch_zoe_13"}, date(2025, 12, 9))
    there = _names()
    left = {name for name in there - of_two if "zoe_two" in name or "zoe_two" in name.replace(".", "_")}
    assert len(there - of_two - left - {f"run {run}"}) == len(left) == 11, there - of_two

    dropped, silent = leftovers.drop_all_of("zoe")

    assert silent == []
    assert dropped["Flink jobs"] == ["scratch_zoe_03"]
    assert dropped["Airflow runs"] == [run]
    assert dropped["in ClickHouse"] == ["scratch_zoe_12", f"{DATABASE}.scratch_zoe_18_sales"]
    assert _names() == of_two | left
    assert leftovers.drop_all_of("zoe")[0] == {kind: [] for kind in dropped}
