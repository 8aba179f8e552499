"""`lakehouse privacy`: it shows before it does, and says so where nothing is stored."""

from __future__ import annotations

from collections import Counter

import pytest
from typer.testing import CliRunner

from lakehouse.cli import app
from lakehouse.privacy.person import Scope
from lakehouse.settings import load_settings
from lakehouse.streaming import jobs


def test_a_person_is_named_in_one_way() -> None:
    both = CliRunner().invoke(app, ["privacy", "find", "--email", "a@x.org", "--entity", "e"])
    assert both.exit_code == 2
    assert "either --email or --entity" in both.output
    assert CliRunner().invoke(app, ["privacy", "erase"]).exit_code == 2


@pytest.mark.stack
def test_nobody_is_no_error() -> None:
    done = CliRunner().invoke(app, ["privacy", "erase", "--email", "nobody.at.all@nowhere.example", "--yes"])
    assert done.exit_code == 0, done.output
    assert "nothing is stored of this person" in done.output


@pytest.mark.stack
@pytest.mark.usefixtures("first_day")
def test_without_yes_it_is_only_shown() -> None:
    rows = Scope().rows("semantic.entity_index", "entity_id")
    entity = min(rows.column("entity_id").to_pylist())
    shown = CliRunner().invoke(app, ["privacy", "erase", "--entity", entity])
    assert "--yes" in shown.output
    assert entity in Scope().rows("semantic.entity_index", "entity_id").column("entity_id").to_pylist()


@pytest.mark.stack
@pytest.mark.last
@pytest.mark.usefixtures("first_day")
def test_erased_from_the_tables_in_use_from_the_topics_and_from_clickhouse_with_a_line_in_the_books() -> None:
    """On the real way, to the end: nothing is left that can be read, and the ledger still balances."""
    from lakehouse.commands.reconcile import app as reconcile
    from lakehouse.privacy.books import topic_of
    from lakehouse.privacy.person import find_person
    from lakehouse.privacy.stored import search_clickhouse, search_objects
    from lakehouse.privacy.topics import KEPT_AFTER_ERASURE, remaining, retention_ms, search

    jobs.wait_until_caught_up(load_settings())
    entities = Scope().rows("marts.customer_360", "entity_id").column("entity_id").to_pylist()
    # somebody with an order and records of two senders, so that every kind of table has a row
    people = (find_person(entity=each) for each in sorted(entities))
    person = next(one for one in people if one.ids["orders"] and one.ids["stripe"])
    assert search(person.own)
    assert search_objects(person.own).times("data") > 0
    places = {topic_of(name): [(one.partition, one.offset) for one in of] for name, of in person.places.items()}
    # an erasure before this one may have cut the log's head with some of this person's messages
    held = Counter[str]()
    for log in remaining(places):
        held[log.topic] += log.held
    before = set(Scope().rows("metadata.erasures").column("erasure_id").to_pylist())

    (entity,) = sorted(person.entities)[:1]
    done = CliRunner().invoke(app, ["privacy", "erase", "--entity", entity, "--yes", "--reason", "a test"])
    assert done.exit_code == 0, done.output

    assert search_objects(person.own).clean
    assert search_clickhouse(person.own) == {}
    assert search(person.own) == {}
    assert remaining(places) == []
    assert {retention_ms(topic) for topic in held} == {KEPT_AFTER_ERASURE.total_seconds() * 1000}
    lines = [line for line in Scope().rows("metadata.erasures").to_pylist() if line["erasure_id"] not in before]
    topics = {line["table"]: line["rows"] for line in lines if line["gone_by"] is not None}
    assert topics == held
    assert {line["table"] for line in lines if line["gone_by"] is None} >= {"raw.shopify_orders", "marts.customer_360"}

    # what was erased is not awaited: else every later day would end with raw being behind
    assert {lag.topic: lag.behind for lag in jobs.lags(load_settings()) if lag.behind} == {}
    balanced = CliRunner().invoke(reconcile, [])
    assert balanced.exit_code == 0, balanced.output
    again = CliRunner().invoke(app, ["privacy", "erase", "--entity", entity, "--yes"])
    assert "nothing is stored of this person" in again.output
