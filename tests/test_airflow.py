"""The DAG on the live Airflow: every task's page with its pictures, a failing cell turns red, the retry is safe."""

from __future__ import annotations

import re
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx
import pytest
from rich.console import Console

from lakehouse.commands._airflow import DAG_ID, RunFailed, follow, trigger
from lakehouse.commands.demo import Report
from lakehouse.engines.airflow import Airflow, AirflowUnreachable
from lakehouse.pending import before
from lakehouse.pipeline import STEPS, run_pipeline
from lakehouse.settings import get_settings, load_settings
from lakehouse.waiting import wait_until
from stack.native import lifecycle

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.stack
LOADS_FROM_NETWORK = re.compile(
    r"""<(script|img|iframe)[^>]*\ssrc="https?:|<link[^>]*\shref="https?:|import\("https?:"""
)


def quiet(name: str, what: str, seconds: float) -> None:
    """Progress of services, which a test does not show."""


def last_run(airflow: Airflow) -> str:
    """The last one in which no step was skipped."""
    runs = reversed(airflow.runs(DAG_ID))
    return next(run for run in runs if all(task.state == "success" for task in airflow.tasks(DAG_ID, run)))


def test_each_step_of_the_pipeline_is_a_task(first_day: Report) -> None:
    airflow = Airflow()
    tasks = {task.task_id for task in airflow.tasks(DAG_ID, last_run(airflow))}
    assert {step.name.split(".")[1] for step in STEPS} | {"what_is_new", "reconcile"} == tasks


def test_a_task_waits_for_those_whose_tables_it_reads_and_for_no_other(first_day: Report) -> None:
    after: dict[str, set[str]] = {}
    for task, followers in Airflow().downstream(DAG_ID).items():
        for follower in followers:
            after.setdefault(follower, set()).add(task)
    wanted = {step.split(".")[1]: {name.split(".")[1] for name in earlier} for step, earlier in before().items()}
    found = {task: after[task] for task in wanted}
    assert found == {task: earlier or {"what_is_new"} for task, earlier in wanted.items()}
    read = set[str]().union(*wanted.values())
    assert after["reconcile"] == set(wanted) - read


def test_a_step_with_nothing_new_is_skipped_until_somebody_clears_it(first_day: Report, spark: SparkSession) -> None:
    list(run_pipeline("test-airflow", spark))  # what other tests have sent
    airflow = Airflow()
    run_id = trigger(airflow)
    done = follow(Console(quiet=True), airflow, run_id)
    states = {task.task_id: task.state for task in done.tasks}
    work_done = {task for task, state in states.items() if state == "success"}
    assert work_done == {"what_is_new", "publish", "reconcile"}, states
    assert {states[task] for task in states.keys() - work_done} == {"skipped"}
    assert f"{len(STEPS) - 1} had nothing new" in done.outcome
    assert not airflow.links(DAG_ID, run_id, "customers")["Executed notebook"]

    airflow.clear(DAG_ID, run_id, ["customers"], downstream=False)
    wait_until(lambda: airflow.run_state(DAG_ID, run_id) != "success", timeout=60, what="the cleared run to start")
    follow(Console(quiet=True), airflow, run_id)
    again = {task.task_id: task for task in airflow.tasks(DAG_ID, run_id)}["customers"]
    assert (again.state, again.try_number) == ("success", 2)
    assert "try-2.html" in airflow.links(DAG_ID, run_id, "customers")["Executed notebook"]


def test_maintenance_is_a_dag_of_its_own() -> None:
    airflow = Airflow()
    wait_until(lambda: "lakehouse_maintenance" in airflow.dag_ids(), timeout=120, what="the DAG of maintenance")
    assert airflow.import_errors() == []


def test_every_task_links_to_its_executed_notebook(first_day: Report) -> None:
    airflow, settings = Airflow(), get_settings()
    run_id = last_run(airflow)
    for task in airflow.tasks(DAG_ID, run_id):
        if task.task_id == "what_is_new":
            continue
        page = airflow.links(DAG_ID, run_id, task.task_id)["Executed notebook"]
        path = unquote(page.removeprefix(f"{settings.airflow_url}/notebooks/"))
        archived = settings.runs_dir / path
        assert archived.with_suffix(".ipynb").is_file(), page
        wait_until(archived.is_file, timeout=30, what="the page, which is written after its task has ended")
        html = archived.read_text(encoding="utf-8")
        assert "Plotly.newPlot" in html, f"{task.task_id} shows no picture"
        assert LOADS_FROM_NETWORK.search(html) is None, f"{task.task_id} needs the network to be read"


def test_the_pages_are_for_those_who_are_signed_in(first_day: Report) -> None:
    airflow = Airflow()
    page = airflow.links(DAG_ID, last_run(airflow), "orders")["Executed notebook"]
    assert "core.orders" in airflow.page(page)
    assert httpx.get(page, timeout=30).status_code == 401


def test_a_page_that_is_not_written_yet_says_so_and_comes() -> None:
    settings, airflow = get_settings(), Airflow()
    folder = settings.runs_dir / f"test-{uuid.uuid4().hex[:8]}"
    page = f"{settings.airflow_url}/notebooks/{folder.name}/try-1.html"
    folder.mkdir(parents=True)
    try:
        (folder / "try-1.ipynb").write_text("{}")
        assert "being written" in airflow.page(page)
        (folder / "try-1.html").write_text("here it is")
        assert airflow.page(page) == "here it is"
    finally:
        shutil.rmtree(folder)


def test_no_page_outside_the_archive_is_served() -> None:
    settings, airflow = get_settings(), Airflow()
    assert (settings.data_dir / "secrets.env").is_file()
    for path in (
        "..%2Fsecrets.env",
        "%2E%2E/secrets.env",
        "x/..%2F..%2Fsecrets.env",
        str(settings.data_dir / "secrets.env"),
    ):
        with pytest.raises(AirflowUnreachable, match="404"):
            airflow.page(f"{settings.airflow_url}/notebooks/{path}")


def test_a_failing_cell_turns_the_task_red_and_a_retry_repairs_it(first_day: Report) -> None:
    settings = load_settings()
    airflow, clickhouse = Airflow(), lifecycle.select(["clickhouse"], with_required=False)
    lifecycle.down(settings, clickhouse, quiet, everything=False)
    try:
        run_id = trigger(airflow, everything=True)
        with pytest.raises(RunFailed, match="publish") as failed:
            follow(Console(quiet=True), airflow, run_id)
        assert "ClickHouseUnavailable" in failed.value.message
        assert "ClickHouse does not answer" in failed.value.message
    finally:
        lifecycle.up(settings, clickhouse, quiet)
    states = {task.task_id: task.state for task in airflow.tasks(DAG_ID, run_id)}
    assert (states["publish"], states["reconcile"]) == ("failed", "upstream_failed")
    folder = settings.runs_dir / DAG_ID / run_id / "publish"
    assert _tries(folder) == ["try-1.html", "try-2.html"]

    airflow.clear_failed(DAG_ID, run_id)
    wait_until(lambda: airflow.run_state(DAG_ID, run_id) != "failed", timeout=60, what="the cleared run to start")
    done = follow(Console(quiet=True), airflow, run_id)
    assert {task.state for task in done.tasks} == {"success"}
    assert _tries(folder) == ["try-1.html", "try-2.html", "try-3.html"]


def _tries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.html"))


def test_the_client_says_what_to_do_when_airflow_is_away() -> None:
    settings: Any = get_settings().model_copy(update={"airflow_url": "http://127.0.0.1:9"})
    with pytest.raises(AirflowUnreachable, match="lakehouse stack up airflow"):
        Airflow(settings)
