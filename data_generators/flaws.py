"""What goes wrong on purpose. Each flaw has a rate; the truth says of each request what has to become of it.

Late, overtaken and repeated deliveries are real ones with another time. All other flaws are extra requests beside the
real ones, as an attacker, a broken proxy or a subscription that nobody asked for would send them: no true
state is lost.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import orjson

from data_generators.deliveries import Delivery
from data_generators.hubspot import MAX_EVENTS

OVERSIZED_BYTES = 1_100_000
"""More than the receiver's limit of 1 MiB."""


@dataclass(frozen=True)
class FlawRates:
    """Shares of a day's requests (of HubSpot: of its events, where a flaw is of an event). Zero turns a flaw off."""

    duplicate: float = 0.03
    late: float = 0.02
    out_of_order: float = 0.03
    malformed: float = 0.004
    bad_signature: float = 0.005
    stale_timestamp: float = 0.003
    unknown_topic: float = 0.005
    unknown_shop: float = 0.001
    topic_mismatch: float = 0.001
    wrong_shape: float = 0.002
    non_event: float = 0.02
    oversized: float = 0.00005

    @classmethod
    def none(cls) -> FlawRates:
        """Nothing goes wrong."""
        return cls(**dict.fromkeys(cls.__dataclass_fields__, 0.0))


def _quarantined(delivery: Delivery, flaw: str, **changes: object) -> Delivery:
    return delivery.flawed(flaw, expected="quarantined", messages=0, quarantined=1, **changes)


def _refused(delivery: Delivery, flaw: str, reason: str, **changes: object) -> Delivery:
    return delivery.flawed(flaw, expected=f"refused:{reason}", messages=0, quarantined=0, **changes)


def _new_id(delivery: Delivery, rng: Random) -> Delivery:
    """As a delivery of its own, so that it is no duplicate of the one it is made from."""
    if delivery.sender != "shopify":
        return delivery
    webhook_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    headers = {**delivery.headers, "X-Shopify-Webhook-Id": webhook_id}
    return replace(delivery, headers=headers, webhook_ids=(webhook_id,))


def _malformed(delivery: Delivery, rng: Random) -> Delivery:
    """Signed, but cut off, or HTML, or not UTF-8. Stripe and HubSpot have their ids inside: these are lost."""
    cut = delivery.body[: rng.randrange(len(delivery.body) // 3, len(delivery.body) - 1)]
    body = rng.choice((cut, cut, cut, b"<html><body>502 Bad Gateway</body></html>", b'{"id": "\xff\xfe", ' + cut[1:]))
    ids = delivery.webhook_ids if delivery.sender == "shopify" else ()
    return _quarantined(delivery, "malformed", body=body, webhook_ids=ids)


def _bad_signature(delivery: Delivery, rng: Random) -> Delivery:
    """A forgery: somebody who does not have the secret changes the body."""
    body = delivery.body.replace(b'"paid"', b'"void"', 1) if rng.random() < 0.5 else delivery.body
    return _refused(delivery, "bad_signature", "bad_signature", body=body, sign="wrong")


def _stale(delivery: Delivery, rng: Random) -> Delivery:
    """A replay of a request that was captured an hour ago."""
    return _refused(delivery, "stale_timestamp", "stale_timestamp", sign=rng.choice(("past", "past", "future")))


def _retopic(delivery: Delivery, topic: str, path: str | None = None) -> Delivery:
    headers = {**delivery.headers, "X-Shopify-Topic": topic}
    return replace(delivery, headers=headers, topic=topic, path=path or delivery.path)


def _unknown_topic(delivery: Delivery, rng: Random) -> Delivery:
    """A subscription that nobody asked for."""
    if delivery.sender == "shopify":
        topic = rng.choice(("products/update", "refunds/create", "checkouts/create", "app/uninstalled"))
        return _quarantined(_retopic(delivery, topic, f"/webhooks/shopify/{topic}"), "unknown_topic")
    if delivery.sender == "stripe":
        event = orjson.loads(delivery.body)
        kind = rng.choice(("invoice.paid", "payout.created", "charge.dispute.created", "customer.subscription.created"))
        event |= {"type": kind, "id": f"evt_{rng.getrandbits(96):024x}"}
        event["data"].pop("previous_attributes", None)
        return _quarantined(delivery, "unknown_topic", body=orjson.dumps(event), topic=kind, webhook_ids=(event["id"],))
    event = orjson.loads(delivery.body)[0]
    kind = rng.choice(("deal.creation", "ticket.creation", "contact.enrichment"))
    event |= {"subscriptionType": kind, "eventId": rng.randrange(300_000, 2**31), "subscriptionId": 8_799_999}
    event.pop("objectTypeId", None)
    ids = (":".join(str(event[key]) for key in ("portalId", "subscriptionId", "eventId", "occurredAt")),)
    return _quarantined(delivery, "unknown_topic", body=orjson.dumps([event]), topic=kind, webhook_ids=ids)


def _unknown_shop(delivery: Delivery, _: Random) -> Delivery:
    headers = {**delivery.headers, "X-Shopify-Shop-Domain": "somebody-else.myshopify.com"}
    return _quarantined(delivery, "unknown_shop", headers=headers)


def _topic_mismatch(delivery: Delivery, rng: Random) -> Delivery:
    """Only the body is signed: somebody sends a real one under another topic's header."""
    other = rng.choice([t for t in ("orders/create", "orders/delete", "customers/redact") if t != delivery.topic])
    return _quarantined(_retopic(delivery, other), "topic_mismatch")


def _wrong_shape(delivery: Delivery, rng: Random) -> Delivery:
    """JSON, but not what this sender sends."""
    body = rng.choice((b"{}", b"null", b'"ok"', b'{"data": {"object": {}}}', b"42"))
    ids = delivery.webhook_ids if delivery.sender == "shopify" else ()
    return _quarantined(delivery, "wrong_shape", body=body, webhook_ids=ids)


def _oversized(delivery: Delivery, _: Random) -> Delivery:
    payload = {"id": 1, "note": "x" * OVERSIZED_BYTES}
    return _refused(delivery, "oversized", "body_too_large", body=orjson.dumps(payload))


EXTRA: dict[str, tuple[Callable[[Delivery, Random], Delivery], tuple[str, ...]]] = {
    "malformed": (_malformed, ("shopify", "stripe", "hubspot")),
    "bad_signature": (_bad_signature, ("shopify", "stripe", "hubspot")),
    "stale_timestamp": (_stale, ("stripe", "hubspot")),
    "unknown_topic": (_unknown_topic, ("shopify", "stripe", "hubspot")),
    "unknown_shop": (_unknown_shop, ("shopify",)),
    "topic_mismatch": (_topic_mismatch, ("shopify",)),
    "wrong_shape": (_wrong_shape, ("shopify", "stripe", "hubspot")),
    "oversized": (_oversized, ("shopify",)),
}
"""Flaw → how a real request becomes the flawed one, and whose requests it is made from."""
ALL_FLAWS = ("duplicate", "duplicate_event", "late", "out_of_order", "non_event", *EXTRA)


def _with_non_event(delivery: Delivery, rng: Random) -> Delivery:
    """One element of the array that is no event; the others stay what they are."""
    events = orjson.loads(delivery.body)
    if len(events) >= MAX_EVENTS:
        return delivery
    events.insert(rng.randrange(len(events) + 1), rng.choice((None, 42, "event", [], {"eventId": 1})))
    body = orjson.dumps(events)
    return delivery.flawed("non_event", body=body, quarantined=delivery.quarantined + 1)


def _times(rate: float, count: int) -> int:
    """How often in a day: by the rate, and at least once unless the flaw is off."""
    return max(1, round(rate * count)) if rate and count else 0


def add_flaws(deliveries: list[Delivery], rates: FlawRates, rng: Random) -> list[Delivery]:
    """A day's deliveries and its flawed ones."""
    found = list(deliveries)
    batches = [at for at, d in enumerate(found) if d.sender == "hubspot" and d.messages < MAX_EVENTS]
    for at in rng.sample(batches, min(len(batches), _times(rates.non_event, len(batches)))):
        found[at] = _with_non_event(found[at], rng)
    real = [d for d in deliveries if not d.flaws]
    for flaw, (make, senders) in EXTRA.items():
        models = {sender: [d for d in real if d.sender == sender] for sender in senders}
        models = {sender: some for sender, some in models.items() if some}
        weights = [len(some) for some in models.values()]
        for number in range(_times(getattr(rates, flaw), len(deliveries)) if models else 0):
            # the first ones: one of each sender, then as they come
            sender = list(models)[number] if number < len(models) else rng.choices(list(models), weights)[0]
            model = _new_id(rng.choice(models[sender]), rng)
            found.append(make(replace(model, due_ms=model.due_ms + rng.randrange(60_000)), rng))
    return found
