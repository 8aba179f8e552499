"""A signed request as it goes over the wire, and what of it the sender signed. Shares no code with the receiver."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from data_generators.deliveries import Delivery
from data_generators.signing import Signer

Header = tuple[bytes, bytes]
SIGNED_BY = {
    "shopify": (b"x-shopify-hmac-sha256",),
    "stripe": (b"stripe-signature",),
    "hubspot": (b"x-hubspot-signature-v3", b"x-hubspot-request-timestamp"),
}
"""The headers, in lower case, that hold a sender's signature and its time."""
_DECODED = re.compile(rb"%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """`target` is path and query as they stand in the request line; `chunks` 0 announces the body's length, any other
    number sends it in so many chunks without one."""

    sender: str
    target: bytes
    headers: tuple[Header, ...]
    body: bytes
    method: bytes = b"POST"
    chunks: int = 0

    def values(self, name: bytes) -> list[bytes]:
        """All values of a header, without the blanks around them: HTTP does not carry those."""
        return [value.strip(b" \t") for known, value in self.headers if known.lower() == name]

    def value(self, name: bytes) -> bytes:
        """The value of a header that stands there once."""
        (found,) = self.values(name)
        return found

    def with_value(self, name: bytes, value: bytes) -> Request:
        """With another value in a header's place."""
        return self.with_headers(lambda known, old: [(known, value if known.lower() == name else old)])

    def with_headers(self, change: Callable[[bytes, bytes], list[Header]]) -> Request:
        """With each header replaced by what `change` makes of it."""
        return replace(self, headers=tuple(made for known, value in self.headers for made in change(known, value)))

    def without(self, name: bytes) -> Request:
        """Without a header."""
        return self.with_headers(lambda known, value: [] if known.lower() == name else [(known, value)])

    def plus(self, *headers: Header) -> Request:
        """With more headers at the end."""
        return replace(self, headers=(*self.headers, *headers))


def signed(delivery: Delivery, signer: Signer, now: float) -> Request:
    """The request of a delivery, rightly signed at `now` (seconds)."""
    given = signer.headers(delivery.sender, delivery.path, delivery.body, "right", now)
    headers = {"Content-Type": "application/json", **delivery.headers, **given}
    raw = tuple((name.encode(), value.encode()) for name, value in headers.items())
    return Request(delivery.sender, delivery.path.encode(), raw, delivery.body)


def _stripe_parts(request: Request) -> tuple[list[bytes], set[bytes]]:
    """The times and the `v1` signatures of a Stripe-Signature header that stands there once."""
    (header,) = request.values(b"stripe-signature")
    pairs = [part.strip().partition(b"=") for part in header.split(b",")]
    return [value for key, _, value in pairs if key == b"t"], {value for key, _, value in pairs if key == b"v1"}


def signed_uri(target: bytes) -> bytes:
    """A request line's target as HubSpot signs it: only the escapes it lists are decoded. An empty query is none."""
    return _DECODED.sub(lambda match: bytes([int(match[1], 16)]), target.removesuffix(b"?"))


def same_content(original: Request, changed: Request) -> bool:
    """Whether what was signed, the signature and its time arrive as they were sent, and where they were sent to.

    Shopify signs the body; Stripe time and body, where one of several signatures has to be right; HubSpot method, URI,
    body and time.
    """
    names = SIGNED_BY[original.sender]
    if changed.body != original.body or any(len(changed.values(name)) != 1 for name in names):
        return False
    if (changed.method, signed_uri(changed.target)) != (original.method, signed_uri(original.target)):
        return False
    if original.sender != "stripe":
        return all(changed.value(name) == original.value(name) for name in names)
    times, signatures = _stripe_parts(changed)
    sent_times, sent = _stripe_parts(original)
    return times == sent_times and sent <= signatures
