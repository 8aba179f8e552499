"""Copies of orders: each an order of its own that the API's code takes for one, and otherwise the original."""

from __future__ import annotations

import orjson
import pytest

from bench import orders, python_consumer
from lakehouse.settings import Settings
from lakehouse.streaming.tables import SHOPIFY_ORDERS
from lakehouse.tables import iceberg_schema

OWN = ("id", "admin_graphql_api_id", "order_number", "name", "token", "checkout_token", "order_status_url")


@pytest.fixture(scope="module")
def originals(settings: Settings) -> list[orders.Original]:
    return orders.originals(orders.world(settings, 50))


def test_copies_are_different_orders_with_the_same_customers(originals: list[orders.Original]) -> None:
    for original in originals[:20]:
        before = orjson.loads(original.body)
        copies = [orjson.loads(original.copy(at)) for at in (1, 2)]
        for name in OWN:
            assert len({str(order[name]) for order in (before, *copies)}) == 3, name
        for order in copies:
            same = {name: value for name, value in order.items() if name not in OWN}
            assert same == {name: value for name, value in before.items() if name not in OWN}


def test_the_api_makes_one_message_of_each(originals: list[orders.Original], settings: Settings) -> None:
    found = list(orders.copies(originals, range(100), settings))
    assert {message.topic for message in found} == {"shopify.orders"}
    assert len({message.key for message in found}) == len({m.headers["webhook_id"] for m in found}) == len(found) == 100


def test_an_update_is_a_later_state_of_the_same_order(originals: list[orders.Original], settings: Settings) -> None:
    (first,), (then,) = (
        list(orders.copies(originals, [7], settings, topic)) for topic in (orders.CREATE, orders.UPDATE)
    )
    before, after = orjson.loads(first.value), orjson.loads(then.value)
    assert first.key == then.key
    assert first.headers["webhook_id"] != then.headers["webhook_id"]
    assert then.headers["webhook_topic"] == orders.UPDATE
    assert after["updated_at"] > before["updated_at"]
    assert after["financial_status"] == "paid"
    assert after["created_at"] == before["created_at"]


def test_all_of_a_world_goes_where_the_api_would_put_it(settings: Settings) -> None:
    topics: dict[str, int] = {}
    for delivery in orders.world(settings, 50):
        made = orders.of_delivery(delivery, settings)
        assert len(made) == delivery.messages + delivery.quarantined
        for message in made:
            topics[message.topic] = topics.get(message.topic, 0) + 1
    assert topics.keys() >= {"shopify.orders", "shopify.customers", "stripe.charges", "hubspot.contacts"}


def test_the_python_consumer_fills_every_column_of_raw(originals: list[orders.Original], settings: Settings) -> None:
    import pyarrow as pa

    (message,) = orders.copies(originals, [3], settings)
    now = python_consumer.moment("2026-01-02T03:04:05.123456789Z")
    assert now is not None
    row = python_consumer.row(message.value, message.headers, 1, 42, now)
    assert set(row) == set(SHOPIFY_ORDERS.column_names)
    table = pa.Table.from_pylist([row], schema=iceberg_schema(SHOPIFY_ORDERS).as_arrow())
    stored = table.to_pylist()[0]
    assert stored["_payload"] == message.value
    assert str(stored["id"]) == message.key
    assert orjson.loads(stored["customer"]) == orjson.loads(message.value)["customer"]
    assert stored["created_at"] == python_consumer.moment(orjson.loads(message.value)["created_at"])


def test_what_is_no_order_is_still_a_row() -> None:
    now = python_consumer.moment("2026-01-01T00:00:00Z")
    assert now is not None
    for value in (b"{cut", b"[1]", b""):
        row = python_consumer.row(value, {}, 0, 0, now)
        assert row["_payload"] == value
        assert row["id"] is None
    assert python_consumer.moment("yesterday") is None
