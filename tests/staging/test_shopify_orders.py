"""Orders: exact money, the sender's clock decides, deletions stay, what cannot be typed says why."""

from __future__ import annotations

import itertools
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse.staging import stg_shopify_orders as orders

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

BIG = 9_150_000_000_000_001_234


def order(updated_at: str = "2026-01-01T10:00:00Z", **changes: Any) -> dict[str, Any]:
    return {
        "id": BIG,
        "order_number": 1001,
        "email": "ann@example.com",
        "currency": "EUR",
        "total_price": "12.30",
        "subtotal_price": "10.00",
        "total_tax": "2.30",
        "total_discounts": "0.00",
        "total_shipping_price_set": {"shop_money": {"amount": "0.00"}},
        "customer": {"id": 9_100_000_000_000_000_001},
        "line_items": [{"id": 1}, {"id": 2}],
        "financial_status": "paid",
        "fulfillment_status": None,
        "refunds": [],
        "shipping_address": {"city": "Lyon", "province": None, "country_code": "fr"},
        "created_at": "2026-01-01T09:00:00+01:00",
        "updated_at": updated_at,
        **changes,
    }


def triggered(text: str = "2026-01-01T10:00:01") -> datetime:
    return datetime.fromisoformat(text + "+00:00")


def reasons(frame: DataFrame) -> list[str | None]:
    return [row["_reject"] for row in orders.parse(frame).orderBy("_kafka_offset").collect()]


def test_columns_of_an_order(raw_rows: Any) -> None:
    (row,) = orders.transform(raw_rows([("orders/create", "w1", order(), triggered())])).collect()
    assert row["order_id"] == BIG
    assert row["customer_id"] == 9_100_000_000_000_000_001
    assert row["total_amount"] == Decimal("12.30")
    assert row["line_item_count"] == 2
    assert (row["is_paid"], row["is_fulfilled"], row["is_cancelled"], row["is_deleted"]) == (True, False, False, False)
    assert row["shipping_country"] == "FR"
    assert str(row["order_date"]) == "2026-01-01"
    assert row["_raw_id"] == "topic/0/0"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"currency": "JPY", "total_price": "1230", "subtotal_price": "1000", "total_tax": "230"}, None),
        ({"currency": "JPY", "total_price": "12.30"}, "amount_precision: total_price"),
        ({"currency": "KWD", "total_price": "12.340"}, None),
        ({"currency": "KWD", "total_price": "12.345"}, "amount_precision: total_price"),
        ({"total_price": "12.345"}, "amount_precision: total_price"),
        ({"total_price": "ten"}, "bad_amount: total_price"),
        ({"total_price": "1e400"}, "bad_amount: total_price"),
        ({"total_price": "99999999999999999.99"}, "amount_too_large: total_price"),
        ({"currency": "XXZ"}, "unknown_currency: XXZ"),
        ({"currency": None}, "missing_currency"),
        ({"updated_at": "yesterday"}, "bad_time: updated_at"),
        ({"updated_at": None}, "missing_time: updated_at"),
        ({"id": "abc"}, "missing_id"),
    ],
)
def test_what_cannot_be_typed_exactly_is_refused_with_the_reason(
    raw_rows: Any, changes: dict[str, Any], reason: str | None
) -> None:
    assert reasons(raw_rows([("orders/create", "w1", order(**changes), triggered())])) == [reason]


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"id":'])
def test_what_is_no_json_object_is_refused_and_breaks_nothing(raw_rows: Any, payload: bytes) -> None:
    (reason,) = reasons(raw_rows([("orders/create", "w1", payload, triggered())]))
    assert reason in ("unparsable_json", "missing_id")


STORY = [
    ("orders/create", "w1", order("2026-01-01T10:00:00Z"), triggered("2026-01-01T10:00:00")),
    ("orders/paid", "w2", order("2026-01-01T10:00:00Z", financial_status="paid"), triggered("2026-01-01T10:00:01")),
    ("orders/updated", "w3", order("2026-01-01T11:00:00Z", total_price="20.00"), triggered("2026-01-01T11:00:00")),
    ("orders/delete", "w4", {"id": BIG}, triggered("2026-01-01T12:00:00")),
]


@pytest.mark.parametrize("arrival", list(itertools.permutations(range(4)))[::3])
def test_the_state_does_not_depend_on_the_order_of_arrival(raw_rows: Any, arrival: tuple[int, ...]) -> None:
    deliveries = [STORY[number] for number in arrival] + [STORY[arrival[0]]]  # one of them comes twice
    (row,) = orders.transform(raw_rows(deliveries)).collect()
    assert row["total_amount"] == Decimal("20.00")
    assert row["is_deleted"] is True
    assert row["deleted_at"].replace(tzinfo=None) == datetime(2026, 1, 1, 12)
    assert row["updated_at"].replace(tzinfo=None) == datetime(2026, 1, 1, 12)


def test_refunds_that_succeeded_are_summed(raw_rows: Any) -> None:
    refunds = [
        {"transactions": [{"kind": "refund", "status": "success", "amount": "1.10"}]},
        {"transactions": [{"kind": "refund", "status": "failure", "amount": "5.00"},
                          {"kind": "refund", "status": "success", "amount": "2.20"}]},
    ]  # fmt: skip
    (row,) = orders.transform(raw_rows([("orders/updated", "w1", order(refunds=refunds), triggered())])).collect()
    assert row["refunded_amount"] == Decimal("3.30")
