"""Orders by the hundred thousand: the orders of a small world, each sent again and again as an order of its own.

A copy has an id, a number and a token of its own and is otherwise the order that it was made from, with its customer.
They are put into the event log as the webhook API would, with its own code, but for HTTP and the signature.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from data_generators.config import WorldConfig
from data_generators.deliveries import Delivery
from data_generators.generate import make_day
from lakehouse.errors import LakehouseError
from lakehouse.ingestion import messages
from lakehouse.ingestion.messages import Message
from lakehouse.settings import Settings

FIRST_ID = 9_800_000_000_000_000
"""Of copies: beyond every id that the world gives."""
FIRST_NUMBER = 5_000_000
CREATE, UPDATE = "orders/create", "orders/updated"
_ROUTE = "/webhooks/shopify/"


@dataclass(frozen=True)
class Original:
    """An order as it was sent, and what in it is the order's own."""

    body: bytes
    id: bytes
    number: bytes
    token: bytes
    headers: dict[str, str]

    @classmethod
    def of(cls, delivery: Delivery) -> Original:
        order = orjson.loads(delivery.body)
        headers = {name.lower(): value for name, value in delivery.headers.items()}
        return cls(delivery.body, str(order["id"]).encode(), str(order["order_number"]).encode(),
                   str(order["token"]).encode(), headers)  # fmt: skip

    def copy(self, at: int) -> bytes:
        """The body as that of order number `at` among the copies."""
        token = hashlib.blake2b(at.to_bytes(8, "big"), digest_size=16).hexdigest().encode()
        number = str(FIRST_NUMBER + at).encode()
        return (
            self.body.replace(self.id, str(FIRST_ID + at).encode())
            .replace(self.token, token)
            .replace(b'"order_number":' + self.number, b'"order_number":' + number)
            .replace(b'"name":"#' + self.number + b'"', b'"name":"#' + number + b'"')
        )


def paid_later(body: bytes) -> bytes:
    """An order's next state: paid, and changed on a later day than all that came before."""
    changed = re.sub(rb'"financial_status":"[a-z_]*"', b'"financial_status":"paid"', body)
    return re.sub(rb'"updated_at":"[^"]*"', b'"updated_at":"2026-02-01T00:00:00-05:00"', changed, count=1)


def originals(deliveries: Iterable[Delivery]) -> list[Original]:
    """The orders among deliveries that were sent without a flaw."""
    return [Original.of(d) for d in deliveries if d.topic == CREATE and not d.flaws]


def world(settings: Settings, people: int) -> list[Delivery]:
    """All deliveries of a small world's first day that the API takes, in the order in which they are due."""
    day = make_day(WorldConfig(people=people, shop_domain=settings.shopify_shops[0]), 1)
    return [d for d in day.deliveries if d.expected == "accepted"]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def of_delivery(delivery: Delivery, settings: Settings) -> list[Message]:
    """The messages that the API makes of a delivery."""
    if delivery.sender == "stripe":
        return messages.stripe(delivery.body, _now())
    if delivery.sender == "hubspot":
        return messages.hubspot(delivery.body, _now())
    headers = {name.lower(): value for name, value in delivery.headers.items()}
    route = delivery.path.removeprefix(_ROUTE)
    return messages.shopify(route, delivery.body, headers, settings.shopify_shops, _now())


def copies(some: list[Original], numbers: Iterable[int], settings: Settings, topic: str = CREATE) -> Iterator[Message]:
    """A message for each number: a new order, or (`orders/updated`) its next state."""
    for at in numbers:
        original = some[at % len(some)]
        body = original.copy(at)
        if topic == UPDATE:
            body = paid_later(body)
        headers = {**original.headers, "x-shopify-topic": topic, "x-shopify-webhook-id": f"copy-{topic}-{at}"}
        yield from messages.shopify(topic, body, headers, settings.shopify_shops, _now())


def publish(some: Iterable[Message], settings: Settings) -> int:
    """Put messages into the event log and wait for all acknowledgements; how many. Raises `LakehouseError`."""
    from confluent_kafka import KafkaError, Producer

    from lakehouse.ingestion.publisher import producer_config

    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: object) -> None:
        if error is not None:
            failed.append(error)

    # a backlog is not a request: nobody waits for the single message
    producer = Producer({**producer_config(settings), "message.timeout.ms": 120_000, "linger.ms": 50,
                         "queue.buffering.max.kbytes": 131_072})  # fmt: skip
    count = 0
    for message in some:
        while True:
            try:
                producer.produce(message.topic, key=message.key, value=message.value,
                                 headers=list(message.headers.items()), on_delivery=delivered)  # fmt: skip
                break
            except BufferError:
                producer.poll(0.5)
        producer.poll(0)
        count += 1
    left = producer.flush(120)
    if left or failed:
        raise LakehouseError(f"{left or len(failed)} messages were not stored: {failed[:1]}",
                             "look at the broker's log")  # fmt: skip
    return count
