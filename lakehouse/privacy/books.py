"""What the books say of an erasure without saying whom it was about."""

from __future__ import annotations

import hashlib
import hmac


def subject_hash(receipt: str, subject: str) -> str:
    """What stands for a person: without the receipt nobody can tell who it is, nor try emails on it."""
    return hmac.new(receipt.encode(), subject.strip().lower().encode(), hashlib.sha256).hexdigest()


def body_hash(erasure_id: str, body_sha256: str) -> str:
    """What stands for a request's body: who has its hash, as the sender's own book has, finds it again."""
    return hashlib.sha256(f"{erasure_id}{body_sha256}".encode()).hexdigest()


def topic_of(raw_table: str) -> str:
    """The topic of a raw table: `raw.shopify_orders` is of `shopify.orders`."""
    return raw_table.removeprefix("raw.").replace("_", ".", 1)
