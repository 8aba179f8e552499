"""Airflow's client beside a scheduler: rows of a run are locked by both, and the database ends one of the two."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from typing import Any

import psycopg2
import pytest

from lakehouse.engines.airflow import Airflow
from lakehouse.lesson.leftovers import DAG
from lakehouse.settings import get_settings
from lakehouse.waiting import wait_until

pytestmark = pytest.mark.stack


@pytest.fixture
def books(live_stack: None) -> Iterator[Any]:
    """A session in Airflow's database that is patient: of two that wait for each other it is not the one to end."""
    s = get_settings()
    login = {"user": s.postgres_user, "password": s.postgres_password.get_secret_value()}
    session = psycopg2.connect(host=s.postgres_host, port=s.postgres_port, dbname="airflow", **login)
    with closing(session), session.cursor() as cursor:
        cursor.execute("SET deadlock_timeout = '60s'")
        session.commit()
        yield cursor


@pytest.fixture
def run(books: Any) -> Iterator[str]:
    """A run whose tasks wait, for its DAG is paused."""
    airflow = Airflow()
    wait_until(lambda: DAG in airflow.dag_ids(), timeout=120, what=f"the DAG {DAG}")
    airflow._call("PATCH", f"/api/v2/dags/{DAG}", json={"is_paused": True})
    try:
        run_id = airflow.trigger(DAG, {"namespace": "scratch_test_13"}, date(2025, 12, 1))
        yield run_id
        airflow.delete_run(DAG, run_id)
    finally:
        airflow._call("PATCH", f"/api/v2/dags/{DAG}", json={"is_paused": False})


def _deadlocks(books: Any) -> int:
    books.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = 'airflow'")
    (found,) = books.fetchone()
    books.connection.rollback()
    return int(found)


def _waits(books: Any) -> bool:
    """Whether a statement about runs waits for somebody's rows."""
    about = "wait_event_type = 'Lock' AND query LIKE 'UPDATE dag_run%'"
    books.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees the same all the time
    books.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {about}")
    return bool(books.fetchone()[0])


def test_a_change_that_the_database_has_rolled_back_is_asked_for_again(books: Any, run: str) -> None:
    airflow, before = Airflow(), _deadlocks(books)
    with ThreadPoolExecutor(1) as threads:
        books.execute("SELECT id FROM dag_run WHERE run_id = %s FOR UPDATE", (run,))
        failed = threads.submit(airflow.fail, DAG, run)
        try:
            wait_until(lambda: _waits(books), timeout=30, what="Airflow to wait for the run's row", every=0.02)
            # the tasks' rows are Airflow's by now: each of the two has what the other wants
            books.execute("SELECT id FROM task_instance WHERE run_id = %s FOR UPDATE", (run,))
        finally:
            books.connection.rollback()
        failed.result(timeout=60)
    assert airflow.run_state(DAG, run) == "failed"
    wait_until(lambda: _deadlocks(books) > before, timeout=30, what="PostgreSQL to have counted the deadlock")
