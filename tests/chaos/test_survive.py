"""The bounded part of the fault suite: services killed under load on the live stack, and nothing is lost.

`make chaos` is the whole. Runs after all other tests, for it kills what they need.
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
MOST_SENT_AGAIN = ("ingestion", "kafka")
"""Outages that senders notice."""


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


@pytest.mark.parametrize("name", ["ingestion", "kafka", "flink-taskmanager", "object-store"])
def test_a_killed_service_comes_back_by_itself(
    name: str, settings: Settings, results: suite.Results, say: Callable[[str], None]
) -> None:
    (scenario,) = suite.find([name])
    outcome = suite.run_one(settings, scenario, results, 0, say)
    assert outcome.healthy_at is not None
    assert outcome.visible_at is not None
    assert outcome.load is not None
    assert outcome.meanwhile is not None
    assert outcome.load.acknowledged > 0
    # senders that notice nothing have nothing to send again, but for what is refused on purpose
    assert bool(outcome.meanwhile.failed) == (name in MOST_SENT_AGAIN)


def test_a_scheduler_that_is_killed_in_the_middle_of_a_task_ends_its_run(
    settings: Settings, results: suite.Results, say: Callable[[str], None]
) -> None:
    scenario = Scenario(
        "airflow-scheduler", "SIGKILL in the middle of a task", "the run ends green by itself", (),
        lambda ground: work.kill_in_a_run(
            ground, "airflow-scheduler", lambda s: UnderWay.repeated(s, "customers", "orders")
        ),
    )  # fmt: skip
    outcome = suite.run_one(settings, scenario, results, 0, say)
    assert "tries" in outcome.notes[0]


def test_every_acknowledged_webhook_is_in_raw_exactly_once(
    settings: Settings, results: suite.Results, say: Callable[[str], None]
) -> None:
    suite.prove_raw(settings, results, say)
    assert results.exact is not None
    assert results.exact.acknowledged >= results.load.acknowledged > 0


def test_every_table_equals_its_rebuild_from_raw(
    settings: Settings, results: suite.Results, say: Callable[[str], None]
) -> None:
    suite.prove_tables(settings, results, say)
    assert {"marts.customer_360", "marts.sales_dashboard_daily"} <= {each.table for each in results.equal}
    assert all(each.rows for each in results.equal if each.table.startswith("marts."))
