"""Webhook signatures of the three senders: verify, and sign (for senders, tests and lessons).

Shopify and HubSpot v3 give base64, Stripe hex, all HMAC-SHA256. A header that is missing, malformed or not
ASCII is a reason to refuse, never an exception. Every secret is a list: during a rotation several are valid.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable

BAD_SIGNATURE = "bad_signature"
MISSING_SIGNATURE = "missing_signature"
STALE_TIMESTAMP = "stale_timestamp"
TOLERANCE_SECONDS = 300

# the only escapes that HubSpot decodes in the URI before it signs
_HUBSPOT_ESCAPES = {
    f"%{ord(character):02X}": character for character in (":", "/", "?", "@", "!", "$", "'", "(", ")", "*", ",", ";")
}
_ESCAPE = re.compile("|".join(_HUBSPOT_ESCAPES), re.IGNORECASE)
_DIGITS = re.compile(r"[0-9]{1,15}")


def _hmac(secret: str, message: bytes) -> bytes:
    if not secret:
        raise ValueError("an empty webhook secret signs nothing; give the sender's own")
    return hmac.digest(secret.encode(), message, "sha256")


def _same(expected: str, given: str) -> bool:
    # on bytes: compare_digest refuses non-ASCII text with an exception
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))


def _integer(text: str) -> int | None:
    return int(text) if _DIGITS.fullmatch(text) else None


def sign_shopify(secret: str, body: bytes) -> str:
    """`X-Shopify-Hmac-Sha256` of a body."""
    return base64.b64encode(_hmac(secret, body)).decode()


def verify_shopify(secrets: Iterable[str], body: bytes, signature: str | None) -> str | None:
    """None when a secret signed this body, else the reason. Nothing Shopify signs carries a time."""
    if not signature:
        return MISSING_SIGNATURE
    matches = [_same(sign_shopify(secret, body), signature) for secret in secrets]
    return None if any(matches) else BAD_SIGNATURE


def sign_stripe(secret: str, body: bytes, timestamp: int) -> str:
    """`Stripe-Signature` of a body at a time in seconds."""
    digest = _hmac(secret, str(timestamp).encode() + b"." + body).hex()
    return f"t={timestamp},v1={digest}"


def verify_stripe(secrets: Iterable[str], body: bytes, header: str | None, now: float) -> str | None:
    """None when one `v1` fits one secret and `t` is within 300 s of `now`, in both directions."""
    if not header:
        return MISSING_SIGNATURE
    pairs = [item.strip().partition("=") for item in header.split(",")]
    times = [value for key, _, value in pairs if key == "t"]
    timestamp = _integer(times[0]) if len(times) == 1 else None
    if timestamp is None:
        return BAD_SIGNATURE
    message = times[0].encode() + b"." + body
    given = [value for key, _, value in pairs if key == "v1"]
    matches = [_same(_hmac(secret, message).hex(), value) for secret in secrets for value in given]
    if not any(matches):
        return BAD_SIGNATURE
    return None if abs(now - timestamp) <= TOLERANCE_SECONDS else STALE_TIMESTAMP


def hubspot_uri(uri: str) -> str:
    """The URI as HubSpot signs it: only the listed escapes are decoded."""
    return _ESCAPE.sub(lambda match: _HUBSPOT_ESCAPES[match[0].upper()], uri)


def sign_hubspot(secret: str, method: str, uri: str, body: bytes, timestamp_ms: int) -> str:
    """`X-HubSpot-Signature-v3` of a request at a time in milliseconds; `uri` is the public one, with its query."""
    message = method.encode() + hubspot_uri(uri).encode() + body + str(timestamp_ms).encode()
    return base64.b64encode(_hmac(secret, message)).decode()


def verify_hubspot(
    secrets: Iterable[str],
    method: str,
    uri: str,
    body: bytes,
    signature: str | None,
    timestamp: str | None,
    now: float,
) -> str | None:
    """None when a secret signed this request within 5 minutes of `now` (seconds), in both directions.

    Only v3 is accepted: v1 and v2 carry no time, so whoever has seen one request could send it for ever.
    """
    if not signature or not timestamp:
        return MISSING_SIGNATURE
    milliseconds = _integer(timestamp)
    if milliseconds is None:
        return BAD_SIGNATURE
    message = method.encode() + hubspot_uri(uri).encode("utf-8", "surrogateescape") + body + timestamp.encode()
    matches = [_same(base64.b64encode(_hmac(secret, message)).decode(), signature) for secret in secrets]
    if not any(matches):
        return BAD_SIGNATURE
    return None if abs(now - milliseconds / 1000) <= TOLERANCE_SECONDS else STALE_TIMESTAMP
