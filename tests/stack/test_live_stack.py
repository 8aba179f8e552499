"""The whole live stack: every service healthy, within its memory, closed to strangers, on loopback alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import psycopg2
import pytest

from lakehouse.commands.demo import Report
from lakehouse.engines import kafka, trino
from lakehouse.engines.catalog import iceberg_catalog
from lakehouse.settings import Settings, get_settings
from stack.native import faults
from stack.native.inspection import inspect_all
from stack.native.registry import core_services
from stack.native.services import postgres

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.stack
MEMORY_LIMIT_MB = 9 * 1024


@pytest.fixture(scope="module")
def settings(live_stack: None) -> Settings:
    return get_settings()


def test_every_service_is_healthy_and_all_together_fit_in_the_memory(settings: Settings) -> None:
    rows = inspect_all(settings)
    assert {row.name: (row.state, row.reason) for row in rows if row.state != "healthy"} == {}
    assert {row.name for row in rows} == {service.name for service in core_services()}
    assert 0 < sum(row.memory_mb for row in rows) <= MEMORY_LIMIT_MB


def test_status_says_the_same_to_a_person_and_to_a_program(settings: Settings) -> None:
    def status(*options: str) -> str:
        command = [sys.executable, "-m", "lakehouse.cli", "stack", "status", *options]
        wide = {**os.environ, "COLUMNS": "160"}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=wide).stdout

    rows = json.loads(status("--json"))
    shown = status()
    assert f"of {MEMORY_LIMIT_MB // 1024} GB" in shown
    for row in rows:
        assert row["name"] in shown
        assert str(row["pid"]) in shown


@pytest.mark.parametrize("password", ["", "wrong"])
@pytest.mark.parametrize("database", postgres.DATABASES)
def test_postgres_refuses_who_has_no_password(settings: Settings, database: str, password: str) -> None:
    with pytest.raises(psycopg2.OperationalError, match=r"password authentication failed|no password supplied"):
        psycopg2.connect(
            host=settings.host,
            port=settings.postgres_port,
            user=settings.postgres_user,
            password=password,
            dbname=database,
        )
    connection = postgres.connect(settings, database)
    connection.close()


@pytest.mark.parametrize("path", ["/v1/namespaces", "/v1/namespaces/raw/tables", "/v1/config"])
@pytest.mark.parametrize("token", [None, "", "Bearer", "Bearer wrong", "Basic bGFrZWhvdXNlOng="])
def test_the_catalog_refuses_who_has_no_token(settings: Settings, path: str, token: str | None) -> None:
    headers = {} if token is None else {"Authorization": token}
    answer = httpx.get(f"{settings.catalog_uri}{path}", headers=headers)
    assert answer.status_code == 401
    assert "raw" not in answer.text


def test_the_catalog_gives_a_token_for_the_secret_only(settings: Settings) -> None:
    form = {"grant_type": "client_credentials", "client_id": settings.catalog_client_id, "scope": "catalog"}
    url = f"{settings.catalog_uri}/v1/oauth/tokens"
    assert httpx.post(url, data={**form, "client_secret": "wrong"}).status_code == 401
    secret = settings.catalog_client_secret.get_secret_value()
    token = httpx.post(url, data={**form, "client_secret": secret}).json()["access_token"]
    assert _status(settings, token) == 200
    for place in (0, len(token) // 2):
        forged = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert _status(settings, forged) == 401, f"the token with another character {place}"
    assert isinstance(iceberg_catalog(settings).list_namespaces(), list)


def _status(settings: Settings, token: str) -> int:
    url = f"{settings.catalog_uri}/v1/namespaces"
    return httpx.get(url, headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_session_that_is_open_outlives_the_catalog(settings: Settings, spark: SparkSession) -> None:
    """Its token is older than the server that has come back: nobody would think of asking for another."""
    before = {row[0] for row in spark.sql("SHOW NAMESPACES IN lakehouse").collect()}
    faults.wait_until_back(settings, faults.kill(settings, "catalog"))
    assert {row[0] for row in spark.sql("SHOW NAMESPACES IN lakehouse").collect()} >= before


def test_the_broker_has_the_topics_and_makes_no_others(settings: Settings) -> None:
    assert set(kafka.TOPICS) <= kafka.topic_names(settings)
    assert kafka.ensure_topics(settings) == []
    kafka.admin(settings).list_topics("nobody.made.this", timeout=15)
    assert "nobody.made.this" not in kafka.topic_names(settings)


def test_trino_sees_the_lake_and_says_what_is_wrong(settings: Settings, first_day: Report) -> None:
    assert {("raw",), ("core",), ("marts",)} <= set(trino.query("SHOW SCHEMAS", settings=settings))
    with pytest.raises(trino.TrinoQueryFailed, match="TABLE_NOT_FOUND"):
        trino.query("SELECT * FROM core.nowhere", settings=settings)
    with pytest.raises(trino.TrinoUnavailable, match="lakehouse stack up trino"):
        trino.query("SELECT 1", settings=settings.model_copy(update={"trino_url": "http://127.0.0.1:9"}))
