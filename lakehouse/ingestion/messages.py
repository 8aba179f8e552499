"""A verified request → the messages it becomes: topic, key, exact bytes, headers. Pure; nothing is re-serialised.

What is verified but unknown or unparsable is not lost: it goes to the quarantine topic with the reason.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from lakehouse.engines.kafka import QUARANTINE_TOPIC

PRIVACY_TOPIC = "privacy.requests"
MAX_HUBSPOT_EVENTS = 100
MAX_TEXT = 255
"""Characters of an id or a type: a key and headers without a limit would make messages that no broker takes."""

SHOPIFY_TOPICS = {
    **{
        f"orders/{event}": "shopify.orders"
        for event in ("create", "updated", "paid", "cancelled", "fulfilled", "partially_fulfilled", "edited", "delete")
    },
    **{f"customers/{event}": "shopify.customers" for event in ("create", "update", "delete", "enable", "disable")},
    **dict.fromkeys(("customers/data_request", "customers/redact", "shop/redact"), PRIVACY_TOPIC),
}
STRIPE_TOPICS = {
    **{
        f"charge.{event}": "stripe.charges"
        for event in ("succeeded", "failed", "pending", "captured", "updated", "refunded", "expired")
    },
    **{f"customer.{event}": "stripe.customers" for event in ("created", "updated", "deleted")},
}
HUBSPOT_EVENTS = (
    "creation",
    "deletion",
    "propertyChange",
    "merge",
    "restore",
    "associationChange",
)
HUBSPOT_OBJECTS = {"contact": "hubspot.contacts", "company": "hubspot.companies"}
HUBSPOT_OBJECT_TYPES = {"0-1": "hubspot.contacts", "0-2": "hubspot.companies"}


@dataclass(frozen=True)
class Message:
    """One message for the event log. Header values are text; `value` is what was received, to the byte."""

    topic: str
    key: str
    value: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def quarantined(self) -> bool:
        return self.topic == QUARANTINE_TOPIC


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _parse(body: bytes) -> Any:
    """The body as JSON, only to look at; raises `ValueError`. orjson refuses what is not UTF-8 or not JSON."""
    return orjson.loads(body)


def quarantine(body: bytes, headers: Mapping[str, str], reason: str) -> Message:
    """The whole body, with why it was put aside."""
    key = headers.get("webhook_id") or _sha256(body)
    return Message(QUARANTINE_TOPIC, key, body, {**headers, "webhook_id": key, "reason": reason})


def _identifier(value: Any) -> str | None:
    """An id as text, or None: true, 1.5, "", objects and what is too long are no ids."""
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        return None
    text = str(value)
    return text if len(text) <= MAX_TEXT else None


def _label(value: Any) -> str:
    """A word of the sender's as a header's value: cut where it is longer than any that we know."""
    return str(value)[:MAX_TEXT]


def shopify(
    route: str, body: bytes, request: Mapping[str, str], shops: Iterable[str], received_at: str
) -> list[Message]:
    """One message. `route` is the topic in the path; `request` the HTTP headers, lower case.

    Shopify signs only the body: path, header and shape have to agree, and the shop has to be ours.
    """
    headers = {
        "source": "shopify",
        "webhook_topic": request.get("x-shopify-topic", route),
        "webhook_id": request.get("x-shopify-webhook-id", ""),
        "api_version": request.get("x-shopify-api-version", ""),
        "shop_domain": request.get("x-shopify-shop-domain", ""),
        "triggered_at": request.get("x-shopify-triggered-at", ""),
        "received_at": received_at,
        "body_sha256": _sha256(body),
    }
    topic = SHOPIFY_TOPICS.get(route)
    if topic is None or headers["webhook_topic"] != route:
        return [quarantine(body, headers, "unknown_topic" if topic is None else "topic_mismatch")]
    if headers["shop_domain"] not in set(shops):
        return [quarantine(body, headers, "unknown_shop")]
    if not headers["webhook_id"]:
        return [quarantine(body, headers, "missing_webhook_id")]
    try:
        payload = _parse(body)
    except ValueError:
        return [quarantine(body, headers, "malformed_json")]
    key = _shopify_key(topic, payload)
    if key is None:
        return [quarantine(body, headers, "wrong_shape")]
    return [Message(topic, key, body, headers)]


def _shopify_key(topic: str, payload: Any) -> str | None:
    if not isinstance(payload, dict):
        return None
    if topic == PRIVACY_TOPIC:
        customer = payload.get("customer")
        subject = customer.get("id") if isinstance(customer, dict) else payload.get("shop_id")
        return _identifier(subject)
    return _identifier(payload.get("id"))


def stripe(body: bytes, received_at: str) -> list[Message]:
    """One message; the event's type is inside the signed body."""
    headers = {"source": "stripe", "received_at": received_at, "body_sha256": _sha256(body), "api_version": ""}
    try:
        event = _parse(body)
    except ValueError:
        return [quarantine(body, {**headers, "webhook_topic": ""}, "malformed_json")]
    if not isinstance(event, dict) or event.get("object") != "event" or not _identifier(event.get("id")):
        return [quarantine(body, {**headers, "webhook_topic": ""}, "wrong_shape")]
    headers |= {
        "webhook_topic": _label(event.get("type", "")),
        "webhook_id": str(event["id"]),
        "api_version": _label(event.get("api_version") or ""),
    }
    topic = STRIPE_TOPICS.get(headers["webhook_topic"])
    if topic is None:
        return [quarantine(body, headers, "unknown_topic")]
    data = event.get("data")
    subject = data.get("object") if isinstance(data, dict) else None
    key = _identifier(subject.get("id")) if isinstance(subject, dict) else None
    if key is None:
        return [quarantine(body, headers, "wrong_shape")]
    return [Message(topic, key, body, headers)]


def slice_array(body: bytes) -> list[bytes]:
    """The elements of a JSON array, each exactly as it was received. Raises `ValueError` if it is no array."""
    text = body.decode("utf-8")
    decoder = json.JSONDecoder()
    position = _skip(text, 0)
    if text[position : position + 1] != "[":
        raise ValueError("the body is not a JSON array")
    position = _skip(text, position + 1)
    elements: list[bytes] = []
    if text[position : position + 1] == "]":
        return _nothing_after(text, position + 1, elements)
    while True:
        _, end = decoder.raw_decode(text, position)
        elements.append(text[position:end].encode("utf-8"))
        position = _skip(text, end)
        mark = text[position : position + 1]
        position = _skip(text, position + 1)
        if mark == "]":
            return _nothing_after(text, position, elements)
        if mark != ",":
            raise ValueError(f"expected , or ] at {position}")


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _nothing_after(text: str, position: int, elements: list[bytes]) -> list[bytes]:
    if _skip(text, position) != len(text):
        raise ValueError("text after the array")
    return elements


def hubspot(body: bytes, received_at: str) -> list[Message]:
    """One message an event, each with its own key, so that the events of one object keep their order."""
    headers = {"source": "hubspot", "received_at": received_at, "body_sha256": _sha256(body), "api_version": "v3"}
    try:
        _parse(body)
        elements = slice_array(body)
    except (ValueError, RecursionError) as error:
        reason = "wrong_shape" if "not a JSON array" in str(error) else "malformed_json"
        return [quarantine(body, {**headers, "webhook_topic": ""}, reason)]
    if not elements or len(elements) > MAX_HUBSPOT_EVENTS:
        return [quarantine(body, {**headers, "webhook_topic": ""}, "wrong_shape")]
    size = str(len(elements))
    return [
        _hubspot_event(element, {**headers, "batch_index": str(index), "batch_size": size})
        for index, element in enumerate(elements)
    ]


def _hubspot_event(element: bytes, headers: dict[str, str]) -> Message:
    event = _parse(element)
    if not isinstance(event, dict):
        return quarantine(element, {**headers, "webhook_topic": "", "webhook_id": _element_id(headers)}, "wrong_shape")
    parts = [_identifier(event.get(name)) for name in ("portalId", "subscriptionId", "eventId", "occurredAt")]
    headers = {
        **headers,
        "webhook_topic": _label(event.get("subscriptionType", "")),
        "webhook_id": ":".join(part or "" for part in parts),
    }
    key = _identifier(event.get("objectId")) or _identifier(event.get("primaryObjectId"))
    topic = _hubspot_topic(headers["webhook_topic"], str(event.get("objectTypeId", "")))
    if topic is None:
        return quarantine(element, headers, "unknown_topic")
    if key is None or None in parts:
        return quarantine(element, {**headers, "webhook_id": _element_id(headers)}, "wrong_shape")
    return Message(topic, key, element, headers)


def _element_id(headers: Mapping[str, str]) -> str:
    """An id for an element that has none of its own: the body it came in, and its place."""
    return f"{headers['body_sha256']}:{headers['batch_index']}"


def _hubspot_topic(subscription: str, object_type: str) -> str | None:
    name, _, event = subscription.partition(".")
    if subscription == "contact.privacyDeletion":
        return PRIVACY_TOPIC
    if event not in HUBSPOT_EVENTS:
        return None
    return HUBSPOT_OBJECT_TYPES.get(object_type) if name == "object" else HUBSPOT_OBJECTS.get(name)
