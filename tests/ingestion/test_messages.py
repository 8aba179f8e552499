"""A verified request to messages: topic, key, exact bytes, and nothing lost that is strange."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.ingestion import messages

SHOP = "workbook-demo.myshopify.com"
AT = "2026-01-01T00:00:00.000000Z"
BIG = 9_500_000_000_000_001_234
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def request(topic: str, **changes: str) -> dict[str, str]:
    headers = {
        "x-shopify-topic": topic,
        "x-shopify-webhook-id": "w-1",
        "x-shopify-shop-domain": SHOP,
        "x-shopify-api-version": "2025-10",
    }
    return {**headers, **changes}


def shopify(topic: str, body: bytes, **changes: str) -> messages.Message:
    (message,) = messages.shopify(topic, body, request(topic, **changes), [SHOP], AT)
    return message


def test_an_order_goes_to_its_topic_with_its_id_as_key_and_the_bytes_as_they_came() -> None:
    body = b'{ "id": %d ,"total_price":"1.10", "note":"\\u00e9" }' % BIG
    message = shopify("orders/create", body)
    assert (message.topic, message.key, message.value) == ("shopify.orders", str(BIG), body)
    assert message.headers["webhook_id"] == "w-1"
    assert message.headers["api_version"] == "2025-10"


@pytest.mark.parametrize(
    ("topic", "changes", "body", "reason"),
    [
        ("orders/teleported", {}, b'{"id":1}', "unknown_topic"),
        ("orders/create", {"x-shopify-topic": "orders/delete"}, b'{"id":1}', "topic_mismatch"),
        ("orders/create", {"x-shopify-shop-domain": "other.example"}, b'{"id":1}', "unknown_shop"),
        ("orders/create", {"x-shopify-webhook-id": ""}, b'{"id":1}', "missing_webhook_id"),
        ("orders/create", {}, b'{"id":1', "malformed_json"),
        ("orders/create", {}, b"\xff\xfe", "malformed_json"),
        ("orders/create", {}, b"[1]", "wrong_shape"),
        ("orders/create", {}, b'{"id":1.5}', "wrong_shape"),
        ("orders/create", {}, b'{"id":true}', "wrong_shape"),
    ],
)
def test_what_is_verified_but_strange_is_put_aside_whole(
    topic: str, changes: dict[str, str], body: bytes, reason: str
) -> None:
    message = shopify(topic, body, **changes)
    assert message.quarantined
    assert (message.headers["reason"], message.value) == (reason, body)


@pytest.mark.parametrize(
    ("kind", "topic"), [("charge.refunded", "stripe.charges"), ("customer.deleted", "stripe.customers")]
)
def test_a_stripe_event_goes_by_the_type_inside_its_body(kind: str, topic: str) -> None:
    event = {
        "object": "event",
        "id": "evt_1",
        "type": kind,
        "api_version": "2025-09-30",
        "data": {"object": {"id": "x_1"}},
    }
    (message,) = messages.stripe(json.dumps(event).encode(), AT)
    assert (message.topic, message.key, message.headers["webhook_id"]) == (topic, "x_1", "evt_1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"object":"event"}',
        b'{"object":"event","id":"e","type":"charge.failed"}',
        b'{"object":"event","id":"e","type":"invoice.paid","data":{"object":{"id":"i"}}}',
    ],
)
def test_a_stripe_body_of_another_shape_is_put_aside(body: bytes) -> None:
    (message,) = messages.stripe(body, AT)
    assert message.quarantined
    assert message.value == body


def event(object_id: int, kind: str = "contact.propertyChange", **fields: object) -> dict[str, object]:
    return {"portalId": 1, "subscriptionId": 2, "eventId": object_id, "occurredAt": 4, "objectId": object_id,
            "subscriptionType": kind, **fields}  # fmt: skip


def test_each_hubspot_event_is_a_message_with_its_own_bytes() -> None:
    body = b' [ {"objectId": 9007199254740993, "portalId":1,"subscriptionId":2,"eventId":3,"occurredAt":4,' + (
        b'"subscriptionType":"contact.creation"} ,\n' + json.dumps(event(8, "company.deletion")).encode() + b"]\n"
    )
    first, second = messages.hubspot(body, AT)
    assert (first.topic, first.key, first.headers["webhook_id"]) == ("hubspot.contacts", "9007199254740993", "1:2:3:4")
    assert first.value.startswith(b'{"objectId": 9007199254740993,')
    assert (second.topic, second.key) == ("hubspot.companies", "8")


@pytest.mark.parametrize(("kind", "fields", "topic"), [
    ("contact.privacyDeletion", {}, "privacy.requests"),
    ("object.creation", {"objectTypeId": "0-1"}, "hubspot.contacts"),
    ("object.propertyChange", {"objectTypeId": "0-2"}, "hubspot.companies"),
    ("object.creation", {"objectTypeId": "0-3"}, "ingestion.quarantine"),
    ("deal.creation", {}, "ingestion.quarantine"),
])  # fmt: skip
def test_hubspot_topics(kind: str, fields: dict[str, object], topic: str) -> None:
    (message,) = messages.hubspot(json.dumps([event(7, kind, **fields)]).encode(), AT)
    assert message.topic == topic


def test_one_strange_event_does_not_take_the_others_with_it() -> None:
    body = json.dumps([event(1), {"objectId": 2}, 17, event(3)]).encode()
    found = messages.hubspot(body, AT)
    assert [message.quarantined for message in found] == [False, True, True, False]
    assert len({message.headers["webhook_id"] for message in found}) == 4


@given(st.lists(values, min_size=1, max_size=30))
def test_slicing_gives_back_the_elements_of_any_array(items: list[object]) -> None:
    text = json.dumps(items)
    assert [json.loads(part) for part in messages.slice_array(text.encode())] == items
    assert b",".join(messages.slice_array(text.replace(", ", ",").encode())) == text.replace(", ", ",")[1:-1].encode()


@given(st.binary(max_size=300))
def test_whatever_the_body_all_of_it_becomes_messages_and_nothing_raises(body: bytes) -> None:
    assert shopify("orders/create", body).value == body
    assert messages.stripe(body, AT)[0].value == body
    assert messages.hubspot(body, AT)
