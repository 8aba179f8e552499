"""Requests to see or to erase: one row each, 30 days to answer, the first delivery counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from lakehouse.staging import stg_privacy_requests as requests

REDACT = {
    "shop_id": 1,
    "shop_domain": "x.myshopify.com",
    "customer": {"id": 9_100_000_000_000_000_001, "email": "a@b.example"},
    "orders_to_redact": [5, 9_500_000_000_000_001_234],
}


def test_a_request_of_each_sender(raw_rows: Any) -> None:
    frame = raw_rows(
        [
            ("customers/redact", "w1", REDACT, None),
            ("customers/redact", "w1", REDACT, None),
            (
                "contact.privacyDeletion",
                "62515:1:2:3",
                {"portalId": 62_515, "objectId": 7, "occurredAt": 1_767_261_600_000},
                None,
            ),
        ]
    )
    hubspot, shopify = sorted(requests.transform(frame).collect(), key=lambda row: row["request_id"])
    assert (shopify["kind"], shopify["subject_id"], shopify["subject_email"]) == (
        "erase",
        "9100000000000000001",
        "a@b.example",
    )
    assert shopify["order_ids"] == '["5","9500000000000001234"]'
    assert (shopify["_raw_id"], hubspot["subject_id"], hubspot["portal_id"]) == ("topic/0/0", "7", 62_515)
    assert shopify["due_at"] - shopify["requested_at"] == timedelta(days=30)


def test_a_request_without_a_subject_is_refused(raw_rows: Any) -> None:
    (row,) = requests.parse(raw_rows([("customers/redact", "w1", {"shop_domain": "x"}, None)])).collect()
    assert row["_reject"] == "missing_id"
