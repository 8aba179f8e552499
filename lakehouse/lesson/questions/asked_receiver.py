"""What a receiver makes of requests that a sheet asks about: a real one is asked, once a process."""

from __future__ import annotations

import time
from functools import cache

from lakehouse.lesson.receiver import Receiver, open_receiver
from lakehouse.settings import get_settings

SHOP_PATH = "/webhooks/shopify/orders/create"
PATHS = {"shopify": SHOP_PATH, "stripe": "/webhooks/stripe", "hubspot": "/webhooks/hubspot"}
ORDER = b'{"id": 9007199254740993, "total_price": "10.00"}'
BODIES = {
    "shopify": ORDER,
    "stripe": b'{"id":"evt_1","object":"event","type":"charge.succeeded","data":{"object":{"id":"ch_1"}}}',
    "hubspot": b'[{"portalId":1,"subscriptionId":2,"eventId":3,"occurredAt":4,"objectId":5,'
    b'"subscriptionType":"contact.creation"}]',
}


def _headers(webhook_id: str, topic: str = "orders/create") -> dict[str, str]:
    return {
        "X-Shopify-Topic": topic,
        "X-Shopify-Shop-Domain": get_settings().shopify_shops[0],
        "X-Shopify-Webhook-Id": webhook_id,
    }


def _post(receiver: Receiver, path: str, body: bytes, headers: dict[str, str]) -> int:
    return receiver.client.post(path, content=body, headers=headers).status_code


def _signed(receiver: Receiver, sender: str, body: bytes, how: str = "right", path: str = "") -> dict[str, str]:
    return receiver.signer.headers(sender, path or PATHS[sender], body, how, time.time())


@cache
def replays() -> dict[str, str]:
    """What becomes of a request that comes again an hour after it was signed, asked of a receiver."""
    ids = {"shopify": "w-1", "stripe": "w-1", "hubspot": "w-1", "shopify with another id": "w-2"}
    found = {}
    with open_receiver("sheet01") as receiver:
        for sender, body in BODIES.items():
            _post(receiver, PATHS[sender], body, {**_headers("w-1"), **_signed(receiver, sender, body)})
        known = {message.headers["webhook_id"] for message in receiver.messages()}
        for case, webhook_id in ids.items():
            sender = case.split()[0]
            body = BODIES[sender]
            # to the byte what was signed an hour ago; Shopify's signature holds no time
            headers = {**_headers(webhook_id), **_signed(receiver, sender, body, "past")}
            before = len(receiver.messages())
            status = _post(receiver, PATHS[sender], body, headers)
            stored = receiver.messages()
            if status != 200 or len(stored) == before:
                found[case] = "refused"
            else:
                now = {message.headers["webhook_id"] for message in stored}
                found[case] = "new event" if now - known else "duplicate"
                known = now
    return found


UNKNOWN_SECRET = "signed with an unknown secret"
CUT_OFF = "signed, but its JSON is cut off"
UNASKED = "signed, of a topic that nobody asked for"
TOO_LARGE = "over the size limit"
NO_BROKER = "good, but the broker does not acknowledge"
AGAIN = "good, and it has come before"


@cache
def statuses() -> dict[str, int]:
    """What the receiver answers in each case, asked of one."""
    large = b" " * (get_settings().max_body_bytes + 1)
    unasked = "/webhooks/shopify/products/update"
    with open_receiver("sheet01") as receiver:

        def ask(body: bytes, how: str = "right", path: str = SHOP_PATH) -> int:
            topic = path.removeprefix("/webhooks/shopify/")
            return _post(receiver, path, body, {**_headers("w-1", topic), **_signed(receiver, "shopify", body, how)})

        found = {
            UNKNOWN_SECRET: ask(ORDER, "wrong"),
            CUT_OFF: ask(ORDER[:-5]),
            UNASKED: ask(ORDER, path=unasked),
            TOO_LARGE: ask(large),
        }
        with receiver.silent_broker():
            found[NO_BROKER] = ask(ORDER)
        ask(ORDER)
        return {**found, AGAIN: ask(ORDER)}
