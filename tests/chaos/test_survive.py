"""The bounded part of the fault suite: services killed under load on the live stack, and nothing is lost.

`make chaos` is the whole. Runs after all other tests, for it kills what they need; the scheduler's end, which takes a
run of the pipeline, is left to `make test-faults`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lakehouse.chaos import suite, work
from lakehouse.chaos.airflow_runs import UnderWay
from lakehouse.chaos.scenario import Scenario
from lakehouse.commands.demo import Report
from lakehouse.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.stack, pytest.mark.chaos, pytest.mark.usefixtures("first_day")]
RATE = 200
KILLED = ("ingestion", "kafka", "flink-taskmanager", "object-store")
NOTICED = {"ingestion": "ConnectError", "kafka": "broker_unavailable", "flink-taskmanager": "", "object-store": ""}
"""What senders see of an outage; an empty text: nothing."""


@pytest.fixture(scope="module")
def settings(first_day: Report) -> Settings:
    return load_settings()


@pytest.fixture(scope="module")
def results() -> suite.Results:
    return suite.Results(RATE)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    def line(text: str) -> None:
        with capsys.disabled():
            print(f"    {text}", flush=True)  # noqa: T201

    return line


def test_killed_services_come_back_by_themselves(
    settings: Settings, results: suite.Results, say: Callable[[str], None]
) -> None:
    outcomes = suite.run_under_load(settings, suite.find(KILLED), results, 0, say)
    assert not results.failures
    assert [outcome.scenario for outcome in outcomes] == list(KILLED)
    for outcome in outcomes:
        assert outcome.healthy_at is not None
        assert outcome.visible_at is not None
        assert outcome.meanwhile is not None
        # a loaded machine may be too slow for one or the other; what is away has another reason
        seen = set(outcome.meanwhile.failed) - {"timeout", "overloaded"}
        assert NOTICED[outcome.scenario] in (seen or {""}), outcome
    assert results.load.taken > 0


@pytest.mark.faults
def test_a_scheduler_that_is_killed_in_the_middle_of_a_task_ends_its_run(
    settings: Settings, results: suite.Results, say: Callable[[str], None]
) -> None:
    scenario = Scenario(
        "airflow-scheduler", "SIGKILL in the middle of a task", "the run ends green by itself", (),
        lambda ground: work.kill_in_a_run(
            ground, "airflow-scheduler", lambda s: UnderWay.repeated(s, "customers", "orders")
        ),
    )  # fmt: skip
    outcomes = suite.run_under_load(settings, [scenario], results, 0, say)
    assert not results.failures
    assert "tries" in outcomes[0].notes[0]


def test_every_acknowledged_webhook_is_in_raw_exactly_once(
    settings: Settings, results: suite.Results, say: Callable[[str], None]
) -> None:
    suite.prove_raw(settings, results, say)
    assert results.exact is not None
    assert results.exact.acknowledged >= results.load.taken > 0


def test_every_table_equals_its_rebuild_from_raw(
    settings: Settings, results: suite.Results, say: Callable[[str], None]
) -> None:
    suite.prove_tables(settings, results, say)
    assert {"marts.customer_360", "marts.sales_dashboard_daily"} <= {each.table for each in results.equal}
    assert all(each.rows for each in results.equal if each.table.startswith("marts."))
