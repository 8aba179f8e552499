"""Scenarios by name, and the report of a suite."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from lakehouse.chaos import report, suite
from lakehouse.chaos.equal import Equal
from lakehouse.chaos.load import Figures
from lakehouse.chaos.proof import Exact
from lakehouse.chaos.scenario import Outcome
from stack.native.registry import all_services

KILLED = {"ingestion", "kafka", "flink-taskmanager", "flink-jobmanager", "catalog", "postgres", "object-store",
          "spark-executor", "spark-connect", "trino", "airflow-scheduler"}  # fmt: skip


def test_everything_that_must_survive_has_a_scenario() -> None:
    names = [scenario.name for scenario in suite.SCENARIOS]
    assert not KILLED - set(names)
    assert len(names) == len(set(names))


def test_scenarios_name_services_that_there_are() -> None:
    known = {service.name for service in all_services()}
    families = known | {name.split("-")[0] for name in known}
    assert set(suite.services_of(suite.SCENARIOS, tables=True)) <= families


def test_they_are_found_by_name_in_the_order_of_the_suite() -> None:
    assert [one.name for one in suite.find(["trino", "kafka"])] == ["kafka", "trino"]
    assert len(suite.find([])) == len(suite.SCENARIOS)
    with pytest.raises(suite.UnknownScenario, match="there is no scenario nobody"):
        suite.find(["kafka", "nobody"])


def test_kills_come_one_after_the_other_under_one_load() -> None:
    groups = [[one.name for one in group] for group in suite.by_load(suite.SCENARIOS)]
    assert groups[0][:2] == ["ingestion", "kafka"]
    assert [name for group in groups for name in group] == [one.name for one in suite.SCENARIOS]
    assert [len(group) for group in groups] == [8, 4, 1, 1, 1, 1]


@pytest.fixture
def results() -> suite.Results:
    load = Figures(10.0, 2000, 1950, 2100, 1900, {"bad_signature": 40}, {"broker_unavailable": 60}, 100)
    outcome = Outcome("kafka", "kafka", 100.0, 108.5, 111.25, meanwhile=load, load=load,
                      seen=(("a sender", "503"),), notes=("held",))  # fmt: skip
    return suite.Results(
        200, [outcome], [load],
        [(99, {"accepted": 200}), (100, {"failed": 150, "accepted": 50}), (500, {"accepted": 1})],
        Exact(1900, 3, 1890, 5000, 2), 75, [Equal("marts.customer_360", 300)],
    )  # fmt: skip


def test_the_report_has_the_times_and_the_proofs(results: suite.Results) -> None:
    said = StringIO()
    report.show(Console(width=160, file=said), results)
    text = said.getvalue()
    for word in (
        "kafka",
        "8.5",
        "11.2",
        "60 broker_unavailable",
        "200 a second, 195 acknowledged",
        "75 lines",
        "300 rows compared",
    ):
        assert word in text, text


def test_it_is_written_as_data_and_as_a_picture(results: suite.Results, tmp_path: Path) -> None:
    data, page = report.write(results, tmp_path / "chaos")
    found = json.loads(data.read_text())
    assert found["load"]["rate"] == 200.0
    assert found["outcomes"][0]["healthy_at"] == 108.5
    html = page.read_text()
    assert "✗ kafka" in html or "\\u2717 kafka" in html
    assert '<script src="http' not in html


def test_the_picture_leaves_the_pauses_out(results: suite.Results) -> None:
    picture = report.timeline(results)
    (accepted, *_) = picture.data
    assert list(accepted.x) == [0, 1, 1 + report.GAP_SECONDS]
    assert list(accepted.y) == [200, 50, 1]
    spans = [(shape.x0, shape.x1) for shape in picture.layout.shapes]
    assert spans == [(1, 9.5), (9.5, 12.25)]


def test_a_load_below_what_was_asked_is_named(results: suite.Results) -> None:
    with pytest.raises(suite.TooFew, match="kafka 200 offered, 195 acknowledged"):
        suite.prove_rate(results)
    results.rate = 190
    suite.prove_rate(results)


def test_what_did_not_hold_is_told_at_the_end(results: suite.Results) -> None:
    suite.prove_survived(results)
    results.failures["kafka"] = "it is not back"
    with pytest.raises(suite.NotSurvived, match="kafka: it is not back"):
        suite.prove_survived(results)
