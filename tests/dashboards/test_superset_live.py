"""Superset on the live stack: what its charts say is what the marts say, to people who signed in and to nobody else."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from lakehouse.dashboards import browser, bundle, question
from lakehouse.dashboards.superset import Superset, SupersetRefused, import_all, signed_in
from lakehouse.engines import clickhouse, trino
from lakehouse.settings import PROJECT_ROOT, Settings, get_settings
from stack.native import lifecycle, supervisor

pytestmark = pytest.mark.stack
BUNDLE = bundle.load()
DATASETS, CHARTS, DASHBOARDS = (bundle.of_kind(BUNDLE, kind) for kind in ("datasets", "charts", "dashboards"))
CLICKHOUSE = bundle.expected_uuid(bundle.CLICKHOUSE)
SIGNS = {"==": "=", ">": ">"}
APPROXIMATE = 0.1
"""How far two estimates of one percentile may be apart."""


@pytest.fixture(scope="module")
def settings(live_stack: None, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """The profile installed and healthy, over a world's first day; ended again if it was not running before."""
    if request.config.getoption("--stack") == "own":
        request.getfixturevalue("first_day")
    found = get_settings()
    (service,) = lifecycle.select(["superset"], with_required=False)
    was_running = supervisor.is_running(found) and lifecycle.why_not_healthy(service, found) is None
    if not was_running:
        python = Path(sys.base_prefix) / "bin" / "python3.11"
        subprocess.run([str(python), "stack/setup.py", "dashboards"], cwd=PROJECT_ROOT, check=True)
        lifecycle.up(found, lifecycle.select(["dashboards"]), lambda *_: None)
    yield found
    if not was_running:
        lifecycle.down(found, [service], lambda *_: None, everything=False)
        assert supervisor.state_of(found, service.name) not in supervisor.ALIVE


@pytest.fixture(scope="module")
def superset(settings: Settings) -> Iterator[Superset]:
    """A session, with the bundle imported."""
    import_all(settings)
    with signed_in(settings) as session:
        yield session


@pytest.fixture(scope="module")
def numbers(superset: Superset) -> dict[str, int]:
    """The uuid of each chart → the number that Superset has given it."""
    return {chart["uuid"]: chart["id"] for chart in superset.listed("chart")}


# -- the same question to Superset and to the engine ---------------------------------------------------------------


def _literal(value: Any) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value).lower()


def _conditions(form: dict[str, Any]) -> list[str]:
    said = ["1 = 1"]
    for part in form["adhoc_filters"]:
        if part["expressionType"] == "SQL":
            said.append(f"({part['sqlExpression']})")
        elif part["operator"] != "TEMPORAL_RANGE":
            said.append(f'"{part["subject"]}" {SIGNS[part["operator"]]} {_literal(part["comparator"])}')
    return said


def _column(dataset: dict[str, Any], asked: Any) -> str:
    """A column of the dataset in SQL; on a time axis cut to its minute (days are dates already)."""
    if not isinstance(asked, str):
        name, grain = asked["label"], asked["timeGrain"]
        return {"P1D": f'"{name}"', "PT1M": f"date_trunc('minute', \"{name}\")"}[grain]
    stored = next(column for column in dataset["columns"] if column["column_name"] == asked)
    return stored.get("expression") or f'"{asked}"'


def directly(chart: dict[str, Any]) -> tuple[int, list[tuple[Any, ...]]]:
    """The rows that the engine gives for the chart's question, all of them; and how many of their columns are keys."""
    dataset, form = DATASETS[chart["dataset_uuid"]], chart["params"]
    asked = question.query_context(form)["queries"][0]["columns"]
    keys = [_column(dataset, column) for column in asked]
    metrics = {metric["metric_name"]: metric["expression"] for metric in dataset["metrics"]}
    values = [metrics[name] for name in question.metrics(form)]
    source = f"({dataset['sql']}) AS d" if dataset["sql"] else f"{dataset['schema']}.{dataset['table_name']}"
    sql = f"SELECT {', '.join([*keys, *values])} FROM {source} WHERE {' AND '.join(_conditions(form))}"
    if keys and values:
        sql += f" GROUP BY {', '.join(keys)}"
    engine = clickhouse if dataset["database_uuid"] == CLICKHOUSE else trino
    return len(keys), engine.query(sql)


def plain(value: Any) -> Any:
    """A value as JSON has it: numbers as floats, times as milliseconds since 1970."""
    if isinstance(value, datetime):
        return plain(value.replace(tzinfo=value.tzinfo or UTC).timestamp() * 1000)
    if isinstance(value, date):
        return plain(datetime(value.year, value.month, value.day, tzinfo=UTC))
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return float(f"{float(value):.12g}")
    return value


def rows(answer: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(plain(value) for value in row) for row in answer]


def test_the_import_makes_what_the_bundle_says(superset: Superset) -> None:
    for kind in ("database", "dataset", "chart", "dashboard"):
        there = {part["uuid"] for part in superset.listed(kind)}
        assert set(bundle.of_kind(BUNDLE, f"{kind}s")) <= there, kind


@pytest.mark.parametrize("uuid", [pytest.param(uuid, id=chart["slice_name"]) for uuid, chart in CHARTS.items()])
def test_a_chart_says_what_the_engine_says(superset: Superset, numbers: dict[str, int], uuid: str) -> None:
    shown = superset.ask(numbers[uuid])
    keys, answer = directly(CHARTS[uuid])
    found, wanted = rows([tuple(row.values()) for row in shown]), rows(answer)
    assert found
    if keys == len(wanted[0]):
        assert not Counter(found) - Counter(wanted)
    else:
        by_key = {row[:keys]: row[keys:] for row in wanted}
        assert len(by_key) == len(wanted)
        tolerance = APPROXIMATE if "seconds" in next(iter(reversed(shown[0]))) else 1e-9
        for row in found:
            assert row[keys:] == pytest.approx(by_key[row[:keys]], rel=tolerance, abs=tolerance)
    assert len(found) == min(len(wanted), CHARTS[uuid]["params"].get("row_limit", 1))


@pytest.mark.parametrize(
    ("path", "sql"),
    [
        ("charts/sales_orders", "SELECT count(*) FROM core.orders WHERE NOT is_deleted"),
        ("charts/sales_net_usd", "SELECT sum(net_amount_usd) FROM analytics.order_summary"),
        ("charts/customers_people", "SELECT count(*) FROM core.customers WHERE NOT is_deleted"),
        ("charts/payments_charges", "SELECT count(*) FROM staging.stg_stripe_charges"),
        ("charts/quality_unbalanced", "SELECT 0"),
        ("charts/quality_quarantined", "SELECT count(*) FROM raw.ingestion_quarantine"),
    ],
)
def test_a_number_is_what_the_layer_above_says(
    superset: Superset, numbers: dict[str, int], path: str, sql: str
) -> None:
    (row,) = superset.ask(numbers[bundle.expected_uuid(path)])
    assert rows([tuple(row.values())]) == rows(trino.query(sql))


def test_a_second_import_changes_nothing(superset: Superset, settings: Settings, numbers: dict[str, int]) -> None:
    """The first one here takes back what people changed, as colours that Superset keeps when a dashboard is opened."""
    import_all(settings)
    before = superset.exported()
    import_all(settings)
    assert superset.exported() == before
    assert {chart["uuid"]: chart["id"] for chart in superset.listed("chart")} == numbers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/dashboard/"),
        ("GET", "/api/v1/dashboard/sales/charts"),
        ("GET", "/api/v1/chart/"),
        ("GET", "/api/v1/chart/1/data/"),
        ("GET", "/api/v1/dataset/"),
        ("GET", "/api/v1/database/"),
        ("GET", "/api/v1/assets/export/"),
        ("GET", "/superset/dashboard/sales/"),
        ("GET", "/superset/welcome/"),
    ],
)
def test_who_is_not_signed_in_sees_nothing(superset: Superset, settings: Settings, method: str, path: str) -> None:
    answer = httpx.request(method, f"{settings.superset_url}{path}", timeout=60)
    assert answer.status_code in (302, 401, 403, 404)
    if answer.status_code == 302:
        assert "/login" in answer.headers["location"]
    assert "result" not in answer.text


def test_a_wrong_password_is_refused(settings: Settings) -> None:
    guess = settings.model_copy(update={"superset_password": settings.superset_secret_key})
    with pytest.raises(SupersetRefused, match="401"), signed_in(guess):
        pass


def test_it_listens_on_loopback_only(settings: Settings) -> None:
    process = supervisor.find(settings, "superset")
    assert process is not None
    pids = {process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))}
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for connection in psutil.net_connections("inet")
        if connection.pid in pids and connection.status == psutil.CONN_LISTEN
    }
    assert {port for _, port in listening} == {settings.superset_port}
    assert all(ipaddress.ip_address(address).is_loopback for address, _ in listening)


def test_its_log_and_its_answers_hold_no_secret(superset: Superset, settings: Settings) -> None:
    secrets = [
        getattr(settings, name).get_secret_value()
        for name in ("superset_password", "superset_secret_key", "postgres_password", "clickhouse_password")
    ]
    log = (settings.log_dir / "superset.log").read_text(encoding="utf-8", errors="replace")
    told = log + str(superset.exported()) + superset.call("GET", "/api/v1/database/").text
    assert not [secret for secret in secrets if secret in told]


def test_a_browser_draws_every_chart_and_asks_nobody_else(superset: Superset, settings: Settings) -> None:
    wanted = {dashboard["slug"]: len(bundle.charts_of(dashboard)) for dashboard in DASHBOARDS.values()}
    if browser.browser_path() is None:
        with pytest.raises(browser.NoBrowser, match="PATH"):
            browser.look_at(settings, wanted)
        return
    folder = settings.runs_dir / "dashboards"
    seen = browser.look_at(settings, wanted, partial(browser.save, folder=folder))
    assert {one.slug: (one.charts, one.errors, one.empty) for one in seen} == {
        s: (n, [], []) for s, n in wanted.items()
    }
    assert set().union(*(one.requested for one in seen)) == {settings.host}
