"""Erased from tables of two people who share a phone; the other one stays whole. And again, after a crash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pyiceberg.expressions import And, EqualTo, In, Or

from lakehouse import maintenance, metadata
from lakehouse import merge as merging
from lakehouse.checks.deliveries import named_bodies
from lakehouse.privacy import erasure
from lakehouse.privacy.books import body_hash, subject_hash, topic_of
from lakehouse.privacy.erasure import as_sql, erase, tables_of_people
from lakehouse.privacy.person import Ambiguous, Scope, find_person
from lakehouse.privacy.stored import search_objects
from lakehouse.tables import all_tables, find_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADA, BOB, PHONE = "ada.lovelace@example.org", "bob.babbage@example.org", "+442071234567"


# -- without a service --------------------------------------------------------------------------------------------


def test_every_table_of_the_way_is_in_the_plan_or_holds_no_value() -> None:
    planned = set(tables_of_people())
    free = {"semantic.entity_events", "semantic.entity_alias", "semantic.entity_resolution_stats",
            "staging.stg_hubspot_companies", "raw.hubspot_companies", *erasure.REBUILT}  # fmt: skip
    layers = {table.name for table in all_tables() if table.layer != "metadata"}
    assert layers - planned == free


def test_what_a_person_is_found_by_goes_last() -> None:
    order = tables_of_people()
    assert order[-1] == "semantic.entity_index"
    assert order.index("staging.webhook_events") < order.index("raw.shopify_orders")


def test_a_predicate_as_sql() -> None:
    where = Or(And(EqualTo("source", "o'hara"), In("source_id", {"1", "2"})), In("order_id", {3, 4}))
    assert as_sql(where) == r"((source IN ('o\'hara') AND source_id IN ('1', '2')) OR order_id IN (3, 4))"


@pytest.mark.parametrize("value", ["o'hara", "\\", "\\' OR true OR '", "plain"])
def test_no_text_ends_its_literal(value: str, local_spark: SparkSession) -> None:
    asked = as_sql(EqualTo("name", value))
    people = local_spark.createDataFrame([(value,), ("somebody else",)], "name string")
    assert [row["name"] for row in people.where(asked).collect()] == [value]


def test_the_books_tell_nobody_without_the_receipt() -> None:
    assert subject_hash("key", " Ada@X.org ") == subject_hash("key", "ada@x.org")
    assert subject_hash("key", "ada@x.org") != subject_hash("another", "ada@x.org")
    assert topic_of("raw.shopify_orders") == "shopify.orders"
    assert topic_of("raw.ingestion_quarantine") == "ingestion.quarantine"


def test_the_ledger_finds_an_erased_message_by_the_body_it_owes() -> None:
    erased = [{"erasure_id": "e1", "body": body_hash("e1", "b1")}, {"erasure_id": "e2", "body": body_hash("e2", "b2")},
              {"erasure_id": "e2", "body": body_hash("e2", "of another sender")}]  # fmt: skip
    found = [(row["erasure_id"], body) for row, body in named_bodies(erased, ["b1", "b2", "b3"])]
    assert sorted(found) == [("e1", "b1"), ("e2", "b2")]


# -- on scratch tables of the live catalog ------------------------------------------------------------------------


def add(scope: Scope, name: str, *rows: dict[str, Any]) -> None:
    metadata.append(replace(find_table(name), name=scope.table(name)), rows)


def customer(number: int, email: str, first: str, last: str) -> dict[str, Any]:
    payload = json.dumps({"id": number, "email": email, "phone": PHONE, "first_name": first, "last_name": last})
    return {"id": number, "email": email, "phone": PHONE, "first_name": first, "last_name": last,
            "_payload": payload.encode(), "_webhook_id": f"w{number}", "_body_sha256": f"b{number}",
            "_kafka_partition": number % 2, "_kafka_offset": number}  # fmt: skip


def record(number: int, email: str, first: str, last: str) -> dict[str, Any]:
    return {"source": "shopify", "source_id": str(number), "email": email, "email_n": email, "phone": PHONE,
            "phone_n": PHONE, "first_name": first, "last_name": last}  # fmt: skip


PEOPLE = ((1, ADA, "Ada", "Lovelace"), (2, BOB, "Bob", "Babbage"))


@pytest.fixture
def scope(live_stack: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scope]:
    from lakehouse.lesson import drop_scratch, scratch

    monkeypatch.setenv("WORKBOOK_LEARNER", "test")
    scope = Scope(scratch("privacy"))
    for person in PEOPLE:
        number, email, *_ = person
        # one commit a person: the first file holds Ada alone, and older snapshots hold less
        add(scope, "raw.shopify_customers", customer(*person))
        add(scope, "semantic.normalized_records", record(*person))
        add(scope, "semantic.entity_index", {"entity_id": f"e{number}", "source": "shopify",
            "source_id": str(number), "email": email, "email_normalized": email})  # fmt: skip
        add(scope, "staging.webhook_events", {"raw_table": "raw.shopify_customers", "webhook_id": f"w{number}",
            "duplicates": 0, "status": "applied"})  # fmt: skip
        order = json.dumps({"id": 10 + number, "email": email, "customer": {"id": number}}).encode()
        add(scope, "raw.shopify_orders", {"id": 10 + number, "email": email, "_payload": order, "_kafka_partition": 0,
            "_kafka_offset": number, "_webhook_id": f"o{number}", "_body_sha256": f"bo{number}"})  # fmt: skip
        add(scope, "staging.stg_shopify_orders", {"order_id": 10 + number, "customer_id": number, "email": email,
            "is_deleted": False})  # fmt: skip
    yield scope
    drop_scratch(str(scope.namespace))


def erase_ada(scope: Scope) -> erasure.Erased:
    return erase(find_person(ADA, scope=scope), ADA, requested_by="test", reason="asked", scope=scope,
                 orphan_age=timedelta(0))  # fmt: skip


@pytest.mark.stack
def test_a_person_is_what_nobody_else_has(scope: Scope) -> None:
    ada = find_person(ADA, scope=scope)
    assert (ada.entities, ada.ids["shopify"], ada.ids["orders"]) == ({"e1"}, {"1"}, {"11"})
    assert (set(ada.own), ada.shared) == ({ADA, "Ada Lovelace"}, (PHONE,))
    assert {name: len(places) for name, places in ada.places.items()} == {
        "raw.shopify_orders": 1,
        "raw.shopify_customers": 1,
    }
    assert find_person(entity="e1", scope=scope) == ada
    assert find_person("nobody@example.org", scope=scope).raw_rows == 0


@pytest.mark.stack
def test_an_email_of_two_people_is_not_guessed(scope: Scope) -> None:
    add(scope, "semantic.entity_index", {"entity_id": "e3", "source": "stripe", "source_id": "c", "email": ADA.upper()})
    with pytest.raises(Ambiguous, match="e1, e3"):
        find_person(ADA, scope=scope)


@pytest.mark.stack
def test_nothing_is_stored_of_the_person_and_all_of_the_other(scope: Scope) -> None:
    ada = find_person(ADA, scope=scope)
    before = search_objects(ada.own, scope)
    assert before.times("data") == 5
    assert before.times("manifest") > 0
    done = erase_ada(scope)
    assert done.rows == {"staging.webhook_events": 1, "raw.shopify_orders": 1, "raw.shopify_customers": 1,
                         "staging.stg_shopify_orders": 1, "semantic.normalized_records": 1,
                         "semantic.entity_index": 1}  # fmt: skip
    after = search_objects(ada.own, scope)
    assert after.clean, after.found
    assert search_objects([BOB], scope).times("data") == 5
    for name in ("raw.shopify_customers", "semantic.entity_index", "staging.stg_shopify_orders"):
        assert scope.rows(name).num_rows == 1
        assert maintenance.health(scope.table(name)).snapshots == 1


@pytest.mark.stack
def test_a_row_that_was_marked_as_deleted_is_not_stored_either(
    scope: Scope, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyspark.sql import functions as F

    monkeypatch.setattr(merging, "LARGE_TABLE", 1)
    orders = replace(find_table("core.orders"), name=scope.table("core.orders"))  # partitioned by month

    def write(at: int, emails: dict[int, str]) -> None:
        plain = spark.createDataFrame(list(emails.items()), "order_id long, email string")
        others = [F.lit(None).cast(merging._SPARK_TYPES.get(c.type, c.type)).alias(c.name)
                  for c in orders.columns if c.name not in plain.columns and not c.required]  # fmt: skip
        flags = [F.lit(False).alias(c.name) for c in orders.columns if c.required and c.name != "order_id"]
        frame = plain.select("*", *others, *flags).withColumn("order_date", F.lit("2026-01-01").cast("date"))
        merging.merge(spark, orders, frame, sources={"scratch.any": at}, delete_missing=False, run_id="test")

    write(1, {number: ADA if number == 7 else BOB for number in range(1, 11)})
    write(2, {7: "another"})
    loaded = metadata.load(orders)
    assert any(task.delete_files for task in loaded.scan().plan_files())
    assert search_objects([ADA], scope, "core.orders").times("data") > 0
    erasure.purge(scope, "core.orders", orphan_age=timedelta(0))
    assert search_objects([ADA], scope, "core.orders").clean
    assert metadata.rows_in(metadata.load(orders)) == 10


@pytest.mark.stack
def test_the_books_hold_a_line_a_table_and_each_place_but_no_value(scope: Scope) -> None:
    done = erase_ada(scope)
    lines = scope.rows("metadata.erasures").to_pylist()
    assert {line["table"]: line["rows"] for line in lines} == done.rows
    assert {line["subject_hash"] for line in lines} == {subject_hash(done.receipt, ADA)}
    places = scope.rows("metadata.erased_places").to_pylist()
    assert {(p["source_topic"], p["kafka_offset"], p["body_hash"]) for p in places} == {
        ("shopify.customers", 1, body_hash(done.erasure_id, "b1")),
        ("shopify.orders", 1, body_hash(done.erasure_id, "bo1")),
    }


@pytest.mark.stack
def test_a_second_time_does_nothing(scope: Scope) -> None:
    erase_ada(scope)
    lines = scope.rows("metadata.erasures").num_rows
    again = erase_ada(scope)
    assert (again.changed, again.files) == (False, 0)
    assert scope.rows("metadata.erasures").num_rows == lines


@pytest.mark.stack
def test_a_crash_in_the_middle_is_mended_by_the_same_call(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    own, real = find_person(ADA, scope=scope).own, erasure.erase_rows

    def crash(of: Scope, name: str, *more: Any) -> int:
        if name == "semantic.normalized_records":
            raise RuntimeError("cut off")
        return real(of, name, *more)

    monkeypatch.setattr(erasure, "erase_rows", crash)
    with pytest.raises(RuntimeError, match="cut off"):
        erase_ada(scope)
    monkeypatch.undo()
    monkeypatch.setenv("WORKBOOK_LEARNER", "test")
    assert erase_ada(scope).rows == {"semantic.normalized_records": 1, "semantic.entity_index": 1}
    assert search_objects(own, scope).clean
    assert scope.rows("metadata.erased_places").num_rows == 2


@pytest.mark.stack
def test_readers_that_had_read_all_go_on_and_flink_finds_its_commit(scope: Scope) -> None:
    table = scope.table("raw.shopify_customers")
    loaded = maintenance.load(table)
    marks = {"flink.job-id": "job", "flink.operator-id": "op", "flink.max-committed-checkpoint-id": "7"}
    loaded.append(loaded.scan().to_arrow().slice(0, 0), snapshot_properties=marks)
    current = loaded.current_snapshot()
    assert current is not None
    for reader in ("test.reader", erasure.REBUILT[0]):
        metadata.advance(reader, {table: current.snapshot_id}, "batch")
    try:
        erase_ada(scope)
        now = maintenance.load(table).current_snapshot()
        assert now is not None
        assert metadata.readers(table) == {"test.reader": now.snapshot_id, erasure.REBUILT[0]: current.snapshot_id}
        assert erasure.flink_marks(maintenance.load(table)) == marks
    finally:
        metadata.drop_watermarks("test.reader")
        # only the one that the test has made: the target is a table in use
        metadata.drop_watermarks(erasure.REBUILT[0], table)
