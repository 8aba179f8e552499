"""The pure halves of the suite's parts, and which parts a run has."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import __main__ as suite
from bench import connect_sink
from bench.context import PartFailed, expect
from bench.entity_resolution import GOALS
from bench.parts import freshness, queries, resolution, webhooks
from lakehouse.engines.kafka import PASSWORD_VARIABLE
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.tables import iceberg_schema


def test_the_suite_runs_parts_in_its_own_order() -> None:
    assert suite.chosen_names(None) == list(suite.TITLES)
    assert suite.chosen_names("landing, webhooks") == ["webhooks", "landing"]
    for name in suite.TITLES:
        assert callable(suite.part(name).run)


@pytest.mark.parametrize("only", ["", "nothing", "webhooks,nothing"])
def test_a_part_that_there_is_not_is_named(only: str) -> None:
    with pytest.raises(LakehouseError, match="no part"):
        suite.chosen_names(only)


def test_a_look_never_overwrites_a_measurement() -> None:
    assert suite.results_file(quick=True) != suite.results_file(quick=False)


def test_what_is_not_as_expected_is_no_measurement() -> None:
    expect("rows", 2, 2)
    with pytest.raises(PartFailed, match="rows: 1, and not 2"):
        expect("rows", 1, 2)


def test_the_limit_is_what_all_cores_could_do() -> None:
    each, possible = webhooks.limit({"ingestion": 2.0, "kafka": 1.0, "generator": 1.0}, 10_000, cores=2)
    assert each == {"ingestion": 200.0, "kafka": 100.0, "generator": 100.0}
    assert possible == pytest.approx(5_000)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.floats(0, 100), max_size=20), st.data())
def test_a_webhook_is_visible_from_the_first_snapshot_that_has_it(due: dict[str, float], data: st.DataObject) -> None:
    names = sorted(due)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(names)), max_size=4)))
    snapshots = [(100.0 + at, {*names[:cut], "another"}) for at, cut in enumerate(cuts)]
    found = freshness.waits(due, data.draw(st.permutations(snapshots)))
    first = {name: min((at for at, ids in snapshots if name in ids), default=None) for name in names}
    assert Counter(found) == Counter(at - due[name] for name, at in first.items() if at is not None)


def test_orders_are_the_same_each_time_and_fit_the_contract() -> None:
    made = queries.orders(5_000)
    assert made.equals(queries.orders(5_000))
    assert made.schema.equals(iceberg_schema(queries.TABLE).as_arrow())
    assert made.num_rows == len(made["order_id"].unique()) == 5_000
    for created, day in zip(made["created_at"].to_pylist(), made["order_date"].to_pylist(), strict=True):
        assert created.astimezone(UTC).date() == day
    assert len(made["currency"].unique()) == len(queries.CURRENCIES)
    assert queries.PERSON in set(queries.orders(queries.QUICK_ROWS)["entity_id"].to_pylist())
    amounts = made["total_amount"].to_pylist()
    assert min(amounts) >= 5
    assert max(amounts) < 500


def test_engines_may_differ_in_form_but_not_in_substance() -> None:
    zone = timezone(timedelta(hours=2))
    one: list[tuple[Any, ...]] = [
        (1, Decimal("2.50"), datetime(2026, 1, 1, 10, tzinfo=UTC), date(2026, 1, 1)),
        (0, None),
    ]
    other: list[tuple[Any, ...]] = [
        (0, None),
        (1, Decimal("2.5"), datetime(2026, 1, 1, 12, tzinfo=zone), date(2026, 1, 1)),
    ]
    assert queries.same_form(one) == queries.same_form(other)
    assert queries.same_form(one) != queries.same_form([(0, None), (1, Decimal("2.51"), *one[0][2:])])
    assert queries.same_form([(datetime(2026, 1, 1, 10),)]) == queries.same_form([(one[0][2],)])


RESULTS: dict[str, dict[str, Any]] = {
    "full": {"seconds": 50.0, "memory_gb": 3.0, "records": 1_000_000},
    "delta": {"seconds": 9.0},
    "quality": {"precision": 0.99, "recall": 0.98, "f1": 0.985},
    "plain": {"error": "stopped after 900 s"},
}


def test_entity_resolution_is_told_in_the_suites_words() -> None:
    found = {figure.name: figure for figure in resolution.figures(RESULTS)}
    assert found["1 % changed ÷ all"].value == pytest.approx(18)
    assert found["a million records"].goal is not None
    assert found["a million records"].goal.limit == GOALS["seconds"]
    assert "did not end" in found["a million records"].note


def test_where_plain_splink_did_not_end_its_share_is_told() -> None:
    assert resolution.beside(RESULTS) == "plain Splink did not end"
    share = {"seconds": 50.0, "records": 250_000, "f1": 0.9}
    assert "250,000: 4.0 times" in resolution.beside({**RESULTS, "plain_share": share})
    assert "1,000,000: 2.0 times" in resolution.beside({**RESULTS, "plain": {"seconds": 100.0, "f1": 0.9}})


def test_entity_resolution_that_failed_has_no_figures() -> None:
    with pytest.raises(PartFailed, match="delta: no memory"):
        resolution.figures({**RESULTS, "delta": {"error": "no memory"}})


def test_kafka_connect_listens_on_loopback_and_its_file_has_no_secret(settings: Settings) -> None:
    text = connect_sink.worker_properties(settings, settings.data_dir, 1234)
    assert f"listeners=http://{settings.host}:1234" in text
    assert f"${{env:{PASSWORD_VARIABLE}}}" in text
    for secret in (settings.catalog_client_secret, settings.s3_secret_key, settings.s3_access_key,
                   settings.kafka_password):  # fmt: skip
        assert secret.get_secret_value() not in text
    contract = connect_sink.table("scratch")
    assert not [name for name in contract.column_names if name.startswith("_")]
    assert connect_sink.connector(settings, contract, "topic")["iceberg.tables"] == contract.name
