"""Contacts out of events of one property each: the same for any order, any repetition, any cut into batches."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse.staging import stg_hubspot_contacts as contacts
from lakehouse.staging.hubspot import PROPERTIES, parse, pivot, statements
from lakehouse.staging.state import latest_state

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ANN, ANN_AGAIN, SURVIVOR = 9_100_000_000_000_000_001, 9_100_000_000_000_000_002, 9_100_000_000_000_000_003
T0 = 1_767_261_600_000


def event(
    number: int, kind: str, object_id: int, after_ms: int, **fields: Any
) -> tuple[str, str, dict[str, Any], None]:
    payload = {"eventId": number, "subscriptionId": 1, "portalId": 62_515, "objectId": object_id,
               "subscriptionType": f"contact.{kind}", "occurredAt": T0 + after_ms, **fields}  # fmt: skip
    return f"contact.{kind}", f"62515:1:{number}:{T0 + after_ms}", payload, None


def change(number: int, object_id: int, after_ms: int, name: str, value: str) -> tuple[str, str, dict[str, Any], None]:
    return event(number, "propertyChange", object_id, after_ms, propertyName=name, propertyValue=value)


STORY = [
    event(1, "creation", ANN, 0),
    change(2, ANN, 1, "email", "ann@example.com"),
    change(3, ANN, 2, "firstname", "Ann"),
    change(4, ANN, 5_000, "firstname", "Anne"),
    change(5, ANN, 6_000, "phone", "+33 1"),
    change(6, ANN, 7_000, "phone", ""),
    event(7, "creation", ANN_AGAIN, 10),
    change(8, ANN_AGAIN, 11, "email", "ann@work.example"),
    event(9, "merge", ANN, 9_000, primaryObjectId=ANN, mergedObjectIds=[ANN_AGAIN], newObjectId=SURVIVOR),
    change(10, SURVIVOR, 9_001, "email", "ann@example.com"),
    event(11, "deletion", SURVIVOR, 20_000),
    event(12, "restore", SURVIVOR, 21_000),
]


def state(frame: DataFrame) -> list[dict[str, Any]]:
    hidden = ("_staged_at", "_raw_id")
    rows = [{k: v for k, v in row.asDict().items() if k not in hidden} for row in frame.collect()]
    return sorted(rows, key=lambda row: row["contact_id"])


def test_the_contact_that_the_events_tell_of(raw_rows: Any) -> None:
    ann, again, survivor = state(contacts.transform(raw_rows(STORY)))
    assert (ann["email"], ann["first_name"], ann["phone"]) == ("ann@example.com", "Anne", None)
    assert (ann["merged_into"], again["merged_into"], survivor["merged_into"]) == (SURVIVOR, SURVIVOR, None)
    assert (survivor["is_deleted"], survivor["deleted_at"]) == (False, None)


@pytest.mark.parametrize("seed", range(4))
def test_any_order_repetition_and_cut_gives_the_same_contacts(raw_rows: Any, seed: int) -> None:
    chance = random.Random(seed)
    arrived = STORY + chance.sample(STORY, 4)
    chance.shuffle(arrived)
    at = chance.randrange(1, len(arrived))
    stored: DataFrame | None = None
    for part in (arrived[:at], arrived[at:]):
        said = statements(parse(raw_rows(part)).where("_reject IS NULL"), "contact")
        newest = latest_state(PROPERTIES, said, stored)
        if stored is not None:  # as a merge leaves it: what was not touched stays
            newest = newest.unionByName(stored.join(newest, list(PROPERTIES.key), "left_anti"))
        stored = newest
    assert stored is not None
    found = state(pivot(stored, contacts.TABLE, "contact_id", contacts.NAMES))
    assert found == state(contacts.transform(raw_rows(STORY)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"objectId": None}, "missing_id: objectId"),
        ({"portalId": "x"}, "missing_id: portalId"),
        ({"occurredAt": None}, "missing_time: occurredAt"),
        ({"occurredAt": "soon"}, "bad_time: occurredAt"),
        ({"propertyName": ""}, "missing_property: propertyName"),
        ({"subscriptionType": "contact.danced"}, "unknown_event"),
        ({}, None),
    ],
)
def test_what_cannot_be_typed_is_refused_with_the_reason(
    raw_rows: Any, changes: dict[str, Any], reason: str | None
) -> None:
    topic, webhook_id, payload, _ = change(1, ANN, 0, "email", "a@b.example")
    (row,) = parse(raw_rows([(topic, webhook_id, {**payload, **changes}, None)])).collect()
    assert row["_reject"] == reason


def test_a_merge_that_names_nobody_is_refused(raw_rows: Any) -> None:
    lonely = event(1, "merge", ANN, 0, primaryObjectId=ANN, mergedObjectIds=[], newObjectId=ANN)
    (row,) = parse(raw_rows([lonely])).collect()
    assert row["_reject"] == "missing_id: merged objects"
