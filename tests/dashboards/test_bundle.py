"""The bundle of dashboards is whole: what one part names is there, its columns are the contracts', its uuids stay."""

from __future__ import annotations

import io
import json
import re
import zipfile
from importlib import import_module
from typing import Any

import pytest
import sqlglot
import yaml
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify

from lakehouse.dashboards import bundle, question
from lakehouse.marts.publish import PUBLISHED, clickhouse_type
from lakehouse.settings import Settings, secrets_file
from lakehouse.tables import Table
from stack.native.secrets import ensure_secrets

LAYERS = ("streaming", "staging", "semantic", "core", "analytics", "marts")
CONTRACTS: dict[str, Table] = {
    table.name: table
    for module in (*(f"lakehouse.{layer}.tables" for layer in LAYERS), "lakehouse.metadata")
    for table in import_module(module).TABLES
}
BUNDLE = bundle.load()
DATABASES, DATASETS, CHARTS, DASHBOARDS = (
    bundle.of_kind(BUNDLE, kind) for kind in ("databases", "datasets", "charts", "dashboards")
)
DIALECTS = {
    bundle.expected_uuid("databases/clickhouse"): "clickhouse",
    bundle.expected_uuid("databases/trino"): "trino",
}
MONEY = re.compile(r"amount(?!_usd)")
"""In the name of a column that is money in the currency of its row."""


def dataset_of(chart: dict[str, Any]) -> dict[str, Any]:
    return DATASETS[chart["dataset_uuid"]]


def dialect_of(dataset: dict[str, Any]) -> str:
    return DIALECTS[dataset["database_uuid"]]


def named(parts: dict[str, dict[str, Any]], title: str) -> Any:
    return pytest.mark.parametrize("part", [pytest.param(part, id=part[title]) for part in parts.values()])


def columns(dataset: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {column["column_name"]: column for column in dataset["columns"]}


def metrics(dataset: dict[str, Any]) -> dict[str, str]:
    return {metric["metric_name"]: metric["expression"] for metric in dataset["metrics"]}


def test_the_five_dashboards_are_there() -> None:
    slugs = {dashboard["slug"] for dashboard in DASHBOARDS.values()}
    assert slugs == {"sales", "customer-360", "payments", "data-quality", "pipeline"}
    assert all(dashboard["published"] for dashboard in DASHBOARDS.values())


def test_every_uuid_follows_from_the_path_and_is_there_once() -> None:
    parts = {path: part["uuid"] for path, part in BUNDLE.items() if path != "metadata.yaml"}
    assert parts == {path: bundle.expected_uuid(path) for path in parts}
    assert len(set(parts.values())) == len(parts)


def test_what_is_named_is_there_and_what_is_there_is_used() -> None:
    assert {dataset["database_uuid"] for dataset in DATASETS.values()} == set(DATABASES)
    assert {chart["dataset_uuid"] for chart in CHARTS.values()} == set(DATASETS)
    shown = [uuid for dashboard in DASHBOARDS.values() for uuid in bundle.charts_of(dashboard)]
    assert sorted(shown) == sorted(CHARTS)


@named(DASHBOARDS, "slug")
def test_a_dashboard_is_laid_out_in_full_rows(part: dict[str, Any]) -> None:
    position = {name: item for name, item in part["position"].items() if isinstance(item, dict)}
    rows = position["GRID_ID"]["children"]
    for row in rows:
        assert sum(position[child]["meta"]["width"] for child in position[row]["children"]) == 12, row
    reached = {
        "ROOT_ID",
        "HEADER_ID",
        "GRID_ID",
        *rows,
        *(child for row in rows for child in position[row]["children"]),
    }
    assert reached == set(position)
    for item in position.values():
        if item["type"] == "CHART":
            assert item["meta"]["sliceName"] == CHARTS[item["meta"]["uuid"]]["slice_name"]


@named(DASHBOARDS, "slug")
def test_a_dashboards_filters_name_columns_of_its_datasets(part: dict[str, Any]) -> None:
    here = {CHARTS[uuid]["dataset_uuid"] for uuid in bundle.charts_of(part)}
    for filter_ in part["metadata"]["native_filter_configuration"]:
        for target in filter_["targets"]:
            if filter_["filterType"] == "filter_time":
                assert target == {}
            else:
                assert target["datasetUuid"] in here
                assert target["column"]["name"] in columns(DATASETS[target["datasetUuid"]])


@named({uuid: part for uuid, part in DATASETS.items() if not part["sql"]}, "table_name")
def test_a_dataset_of_a_table_has_the_columns_of_its_contract(part: dict[str, Any]) -> None:
    contract = CONTRACTS[f"{part['schema']}.{part['table_name']}"]
    stored = {name: column for name, column in columns(part).items() if "expression" not in column}
    wanted = {column.name: column for column in contract.columns if column.type != "binary"}
    assert list(stored) == list(wanted)
    assert {name: column["description"] for name, column in stored.items()} == {n: c.doc for n, c in wanted.items()}
    if dialect_of(part) == "clickhouse":
        assert contract in PUBLISHED
        assert {n: c["type"] for n, c in stored.items()} == {n: clickhouse_type(c) for n, c in wanted.items()}
    temporal = {name for name, column in wanted.items() if column.type in ("date", "timestamptz")}
    assert {name for name, column in stored.items() if column["is_dttm"]} == temporal


def lake() -> dict[str, dict[str, dict[str, str]]]:
    """All contracts as sqlglot wants them: schema, table, column."""
    schemas: dict[str, dict[str, dict[str, str]]] = {}
    for table in CONTRACTS.values():
        schema, name = table.name.split(".")
        schemas.setdefault(schema, {})[name] = {column.name: "varchar" for column in table.columns}
    return schemas


@named({uuid: part for uuid, part in DATASETS.items() if part["sql"]}, "table_name")
def test_a_dataset_of_sql_reads_columns_of_the_contracts_and_gives_those_it_says(part: dict[str, Any]) -> None:
    query = qualify(sqlglot.parse_one(part["sql"], dialect="trino"), dialect="trino", schema=lake())
    assert [column.alias_or_name for column in query.selects] == list(columns(part))


def test_a_column_that_no_contract_has_is_found() -> None:
    with pytest.raises(sqlglot.errors.OptimizeError, match="nowhere"):
        qualify(sqlglot.parse_one("SELECT nowhere FROM core.orders"), dialect="trino", schema=lake())


@named(DATASETS, "table_name")
def test_metrics_and_calculated_columns_use_the_datasets_columns(part: dict[str, Any]) -> None:
    expressions = [*metrics(part).values(), *(c["expression"] for c in part["columns"] if "expression" in c)]
    for expression in expressions:
        tree = sqlglot.parse_one(expression, dialect=dialect_of(part))
        used = {column.name for column in tree.find_all(exp.Column)}
        assert used <= set(columns(part)), expression
    assert part["main_dttm_col"] is None or columns(part)[part["main_dttm_col"]]["is_dttm"]


def columns_of(chart: dict[str, Any]) -> list[str]:
    """The columns that a chart groups by, shows, or puts on its axis."""
    form = chart["params"]
    asked = question.query_context(form)["queries"][0]["columns"]
    return [column if isinstance(column, str) else column["label"] for column in asked]


@named(CHARTS, "slice_name")
def test_a_chart_asks_for_what_its_dataset_has(part: dict[str, Any]) -> None:
    dataset, form = dataset_of(part), part["params"]
    assert part["viz_type"] == form["viz_type"]
    assert set(columns_of(part)) <= set(columns(dataset))
    assert set(question.metrics(form)) <= set(metrics(dataset))
    assert columns_of(part) or question.metrics(form)
    for filter_ in form["adhoc_filters"]:
        if filter_["expressionType"] == "SIMPLE":
            assert filter_["subject"] in columns(dataset)
        else:
            tree = sqlglot.parse_one(filter_["sqlExpression"], dialect=dialect_of(dataset))
            assert {column.name for column in tree.find_all(exp.Column)} <= set(columns(dataset))
    for column, _ in question.query_context(form)["queries"][0]["orderby"]:
        assert column in {*columns(dataset), *metrics(dataset)}


@named(CHARTS, "slice_name")
def test_amounts_of_different_currencies_are_never_added(part: dict[str, Any]) -> None:
    """A sum of money that is not in US dollars stands by its currency."""
    expressions = [metrics(dataset_of(part))[name] for name in question.metrics(part["params"])]
    in_own_money = [expression for expression in expressions if MONEY.search(expression)]
    if in_own_money:
        assert "currency" in columns_of(part), in_own_money


@pytest.mark.parametrize(
    ("expression", "own_money"),
    [
        ("sum(net_amount)", True),
        ("sum(amount)", True),
        ("sum(net_amount_7d)", True),
        ("sum(net_amount_usd)", False),
        ("sum(total_amount_usd - refunded_amount_usd)", False),
        ("sum(order_count)", False),
    ],
)
def test_what_counts_as_money_of_a_currency(expression: str, own_money: bool) -> None:
    assert bool(MONEY.search(expression)) is own_money


def test_nothing_secret_and_no_machine_is_in_the_files() -> None:
    for database in DATABASES.values():
        address = re.fullmatch(r"\w+://\$\{\w+\}(:X{10})?@\$\{\w+\}:\$\{\w+\}/\w+", database["sqlalchemy_uri"])
        assert address, database["sqlalchemy_uri"]
        assert not {"password", "encrypted_extra", "ssh_tunnel"} & set(database)
        assert not database["allow_dml"]


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    ensure_secrets(tmp_path)
    return Settings(_env_file=secrets_file(tmp_path), data_dir=tmp_path, clickhouse_url="https://ch.example:9440")


def test_the_archive_has_this_stacks_addresses_and_each_charts_query(settings: Settings) -> None:
    content = bundle.archive(BUNDLE, settings)
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        parts = {name.removeprefix("lakehouse/"): yaml.safe_load(file.read(name)) for name in file.namelist()}
    assert set(parts) == set(BUNDLE)
    clickhouse, trino = parts["databases/clickhouse.yaml"], parts["databases/trino.yaml"]
    assert clickhouse["sqlalchemy_uri"] == "clickhousedb://lakehouse:XXXXXXXXXX@ch.example:9440/marts"
    assert clickhouse["extra"]["engine_params"]["connect_args"]["interface"] == "https"
    assert trino["sqlalchemy_uri"] == f"trino://lakehouse@127.0.0.1:{settings.trino_port}/lakehouse"
    for path, part in parts.items():
        if path.startswith("charts/"):
            assert json.loads(part["query_context"]) == question.query_context(part["params"])
    assert settings.clickhouse_password.get_secret_value().encode() not in content
    assert bundle.passwords(settings) == {bundle.CLICKHOUSE: settings.clickhouse_password.get_secret_value()}


def test_equal_bundles_are_equal_bytes(settings: Settings) -> None:
    assert bundle.archive(bundle.load(), settings) == bundle.archive(bundle.load(), settings)
