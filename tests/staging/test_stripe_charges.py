"""Charges: minor units by the currency's exponent, events in the order of Stripe's clock."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from lakehouse.staging import stg_stripe_charges as charges


def event(kind: str, created: int, event_id: str, **charge: Any) -> dict[str, Any]:
    found = {
        "id": "ch_1",
        "amount": 1230,
        "amount_refunded": 0,
        "currency": "eur",
        "customer": "cus_1",
        "status": "succeeded",
        "paid": True,
        "refunded": False,
        "captured": True,
        "metadata": {"order_id": "77"},
        "created": 1_767_261_600,
        "billing_details": {"name": "Ann", "email": None, "address": {"country": "fr"}},
        **charge,
    }
    return {"id": event_id, "object": "event", "type": kind, "created": created, "data": {"object": found}}


@pytest.mark.parametrize(
    ("currency", "minor", "major"),
    [
        ("eur", 1230, "12.30"),
        ("jpy", 1230, "1230.00"),
        ("kwd", 12_340, "12.34"),
        ("usd", 1, "0.01"),
        ("isk", 500, "5.00"),
        ("eur", 9_223_372_036_854_775, "92233720368547.75"),
    ],
)
def test_minor_units(raw_rows: Any, currency: str, minor: int, major: str) -> None:
    payload = event("charge.succeeded", 1_767_261_601, "evt_1", amount=minor, currency=currency)
    (row,) = charges.transform(raw_rows([("charge.succeeded", "evt_1", payload, None)])).collect()
    assert row["amount"] == Decimal(major)
    assert row["currency"] == currency.upper()
    assert row["order_reference"] == "77"


def test_a_third_digit_that_is_not_zero_is_refused(raw_rows: Any) -> None:
    payload = event("charge.succeeded", 1_767_261_601, "evt_1", amount=12_345, currency="kwd")
    (row,) = charges.parse(raw_rows([("charge.succeeded", "evt_1", payload, None)])).collect()
    assert row["_reject"] == "amount_precision: amount"


@pytest.mark.parametrize("late_first", [True, False])
def test_at_the_same_second_a_refund_comes_after_the_success(raw_rows: Any, late_first: bool) -> None:
    story = [
        ("charge.succeeded", "evt_2", event("charge.succeeded", 1_767_261_601, "evt_2"), None),
        (
            "charge.refunded",
            "evt_1",
            event("charge.refunded", 1_767_261_601, "evt_1", refunded=True, amount_refunded=1230),
            None,
        ),
    ]
    (row,) = charges.transform(raw_rows(story[::-1] if late_first else story)).collect()
    assert row["is_refunded"] is True
    assert row["amount_refunded"] == Decimal("12.30")


def test_an_expanded_customer_is_read_by_its_id(raw_rows: Any) -> None:
    payload = event("charge.succeeded", 1_767_261_601, "evt_1", customer={"id": "cus_9", "object": "customer"})
    (row,) = charges.transform(raw_rows([("charge.succeeded", "evt_1", payload, None)])).collect()
    assert row["customer_id"] == "cus_9"
