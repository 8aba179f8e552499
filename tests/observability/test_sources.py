"""What each part's own words become: pure, on answers as the engines give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.observability import Sample, airflow, freshness, spark


def job(number: int, seconds: int | None) -> dict[str, Any]:
    began = {"jobId": number, "submissionTime": "2026-01-01T00:00:00.000GMT"}
    return began if seconds is None else {**began, "completionTime": f"2026-01-01T00:00:{seconds:02d}.500GMT"}


# -- Spark --------------------------------------------------------------------------------------------------------


def test_each_job_is_counted_once_also_one_that_ended_after_a_later_one() -> None:
    times = spark.JobTimes()
    times.add("app", [job(1, 2), job(2, None), job(3, 4)])
    assert (times.jobs, times.seconds, times.last) == (2, 7.0, 4.5)
    times.add("app", [job(1, 2), job(2, 9), job(3, 4)])
    assert (times.jobs, times.seconds, times.last) == (3, 16.5, 9.5)


def test_a_restarted_driver_numbers_its_jobs_anew() -> None:
    times = spark.JobTimes()
    times.add("first", [job(0, 1)])
    times.add("second", [job(0, 1)])
    assert times.jobs == 2


@given(st.lists(st.integers(0, 20), unique=True), st.integers(1, 5))
def test_how_often_spark_is_asked_does_not_change_the_sum(ended: list[int], asks: int) -> None:
    times = spark.JobTimes()
    for part in range(1, asks + 1):
        times.add("app", [job(number, number) for number in ended[: len(ended) * part // asks]])
    assert times.jobs == len(ended)
    assert times.seconds == pytest.approx(sum(number + 0.5 for number in ended))


def test_an_executor_that_is_gone_keeps_its_counters_and_is_not_alive() -> None:
    one = {
        "id": "0", "isActive": False, "completedTasks": 5, "failedTasks": 1, "totalGCTime": 1500,
        "totalShuffleRead": 7, "totalShuffleWrite": 8, "totalDuration": 2000, "peakMemoryMetrics": None,
    }  # fmt: skip
    driver = {**one, "id": "driver", "isActive": True}
    samples = spark.executor_samples([one, driver])
    assert Sample("spark_executors", {}, 0) in samples
    assert Sample("spark_tasks_total", {"executor": "0", "status": "failed"}, 1) in samples
    assert Sample("spark_gc_seconds_total", {"executor": "0"}, 1.5) in samples
    assert {s.labels["executor"] for s in samples if s.name == "spark_task_seconds_total"} == {"0"}


# -- Airflow ------------------------------------------------------------------------------------------------------


def test_the_run_that_ended_last_says_how_a_dag_is() -> None:
    runs = [
        {"dag_id": "a", "state": "success", "duration": 3.0},
        {"dag_id": "b", "state": "failed", "duration": None},
        {"dag_id": "a", "state": "failed", "duration": 9.0},
    ]
    assert airflow.run_samples(runs) == [
        Sample("airflow_dag_run_failed", {"dag_id": "a"}, 0.0),
        Sample("airflow_dag_run_seconds", {"dag_id": "a"}, 3.0),
        Sample("airflow_dag_run_failed", {"dag_id": "b"}, 1.0),
    ]


def test_a_task_has_the_time_it_took_and_the_time_it_waited() -> None:
    task = {
        "dag_id": "d", "task_id": "t", "duration": 4.0,
        "queued_when": "2026-01-01T00:00:00Z", "start_date": "2026-01-01T00:00:02Z",
    }  # fmt: skip
    labels = {"dag_id": "d", "task_id": "t"}
    older = {**task, "duration": 99.0}
    assert airflow.task_samples([task, older]) == [
        Sample("airflow_task_seconds", labels, 4.0),
        Sample("airflow_task_queued_seconds", labels, 2.0),
    ]
    assert airflow.task_samples([{**task, "duration": None, "start_date": None}]) == []


def test_a_part_that_does_not_run_here_has_no_health() -> None:
    said = {"metadatabase": {"status": "healthy"}, "triggerer": {"status": None, "latest_triggerer_heartbeat": None}}
    assert airflow.health_samples(said) == [Sample("airflow_component_up", {"component": "metadatabase"}, 1.0)]


# -- freshness ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    value: str


@dataclass(frozen=True)
class Summary:
    operation: Operation


@dataclass(frozen=True)
class Snapshot:
    snapshot_id: int
    parent_snapshot_id: int | None
    timestamp_ms: int
    summary: Summary


def history(*operations: str) -> list[Any]:
    """Snapshots 1, 2, … at 1,000, 2,000, … milliseconds."""
    return [
        Snapshot(number, number - 1 or None, number * 1000, Summary(Operation(operation)))
        for number, operation in enumerate(operations, start=1)
    ]


@pytest.mark.parametrize(
    ("operations", "read", "since"),
    [
        ([], None, None),
        (["append", "append"], 2, None),
        (["append", "append", "overwrite"], 1, 2000),
        (["append", "append"], None, 1000),
        # compaction brings nothing new, but hides nothing either
        (["append", "replace"], 1, None),
        (["append", "append", "replace"], 1, 2000),
        # what was read is not kept any more: everything that is has to be read
        (["append", "append"], 77, 1000),
    ],
)
def test_a_reader_waits_since_the_oldest_commit_it_has_not_read(
    operations: list[str], read: int | None, since: int | None
) -> None:
    assert freshness.waiting_since(history(*operations), len(operations) or None, read) == since


@given(st.dictionaries(st.sampled_from(freshness.LAYERS), st.floats(0, 1e6)))
def test_no_layer_is_fresher_than_one_before_it(own: dict[str, float]) -> None:
    values = [sample.value for sample in freshness.cumulative(own)]
    assert values == sorted(values)
    assert values[-1] == max(own.values(), default=0.0)
    assert len(values) == len(freshness.LAYERS)


def test_what_comes_after_a_layer_that_is_not_known_is_not_known() -> None:
    found = freshness.cumulative({"raw": 4.0, "core": None, "marts": 9.0})
    assert [(sample.labels["layer"], sample.value) for sample in found] == [
        ("raw", 4.0), ("staging", 4.0), ("semantic", 4.0),
    ]  # fmt: skip
