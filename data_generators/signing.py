"""How each sender signs a request when it sends it. Shares no code with the receiver: the two check each other."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from lakehouse.settings import Settings

STALE_SECONDS = 3600
OFFSETS = {"right": 0, "wrong": 0, "past": -STALE_SECONDS, "future": STALE_SECONDS}
"""How a delivery's `sign` moves the signed time, in seconds."""


@dataclass(frozen=True)
class Signer:
    """The senders' secrets and the origin under which they know the receiver."""

    secrets: dict[str, str]
    origin: str

    @classmethod
    def of(cls, settings: Settings) -> Signer:
        """With the first secret of each sender; the others are those of a rotation that ended."""
        secrets = {
            "shopify": settings.shopify_webhook_secrets[0].get_secret_value(),
            "stripe": settings.stripe_webhook_secrets[0].get_secret_value(),
            "hubspot": settings.hubspot_webhook_secrets[0].get_secret_value(),
        }
        return cls(secrets, settings.public_base_url.rstrip("/"))

    def headers(self, sender: str, path: str, body: bytes, how: str, now: float) -> dict[str, str]:
        """The signature's headers at `now` (seconds). `how` is right, wrong, past or future."""
        secret = self.secrets[sender] + ("-forged" if how == "wrong" else "")
        time = now + OFFSETS[how]
        if sender == "shopify":
            return {"X-Shopify-Hmac-Sha256": shopify_signature(secret, body)}
        if sender == "stripe":
            return {"Stripe-Signature": stripe_signature(secret, body, int(time))}
        milliseconds = int(time * 1000)
        return {
            "X-HubSpot-Request-Timestamp": str(milliseconds),
            "X-HubSpot-Signature-v3": hubspot_signature(secret, "POST", self.origin + path, body, milliseconds),
        }


def _digest(secret: str, *parts: bytes) -> bytes:
    mac = hmac.new(secret.encode(), digestmod=hashlib.sha256)
    for part in parts:
        mac.update(part)
    return mac.digest()


def shopify_signature(secret: str, body: bytes) -> str:
    """base64 over the body alone."""
    return base64.b64encode(_digest(secret, body)).decode()


def stripe_signature(secret: str, body: bytes, seconds: int) -> str:
    """`t=…,v1=…`, hex over the time and the body."""
    return f"t={seconds},v1={_digest(secret, f'{seconds}.'.encode(), body).hex()}"


def hubspot_signature(secret: str, method: str, uri: str, body: bytes, milliseconds: int) -> str:
    """Version 3: base64 over method, URI, body and time. Our URIs hold none of the escapes that HubSpot decodes."""
    return base64.b64encode(_digest(secret, f"{method}{uri}".encode(), body, str(milliseconds).encode())).decode()
