"""The forgeries, each under its name: of the body, the signature, the time, the address."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable
from dataclasses import replace

import orjson

from data_generators.forgeries.forger import Change, Forger, Mutation, entered, with_body, with_signature
from data_generators.forgeries.requests import SIGNED_BY, Request

STRANGE = (
    b"\xc3\xa9",
    b"\xff",
    b"\x80",
    b"\xe2\x84\xaa",
    b"\xf0\x9f\x92\xa9",
    b" ",
    b",",
    b"=",
    b"\t",
    b"%41",
    b'"',
    b";",
)
METHODS = (b"GET", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"post", b"PROPFIND", b"TRACE")
ROUTES = (
    b"/webhooks/shopify/orders/create", b"/webhooks/shopify/customers/redact", b"/webhooks/shopify/shop/redact",
    b"/webhooks/shopify/nobody/knows", b"/webhooks/stripe", b"/webhooks/hubspot", b"/webhooks/stripe/", b"/webhooks",
    b"/webhooks/shopify/orders", b"/webhooks/shopify//create", b"/", b"//webhooks/stripe",
    b"/webhooks/../webhooks/stripe",    b"/webhooks/hubspot/..", b"/health", b"/metrics", b"/docs", b"/openapi.json",
)  # fmt: skip
OVERSIZE = 1_048_577
STALE = (301, 330, 3_600, 86_400, 31_536_000)
BAD_TIMES = (b"", b"0", b"-1", b"1e12", b"1.5", b"0x1", b"+1", b"NaN", b"9" * 15, b"9" * 400, b"\xd9\xa1", b"null")


FORGERIES: list[Mutation] = []


def forgery(*senders: str) -> Callable[[Change], Change]:
    """Enter a function among the forgeries, of these senders or of all."""
    return entered(FORGERIES, *senders)


def _at(forger: Forger, text: bytes) -> int:
    return forger.rng.randrange(1, len(text) - 1)


# -- the body ---------------------------------------------------------------------------------------------------------


@forgery()
def _body_bit_flipped(forger: Forger, request: Request) -> Request:
    at = forger.rng.randrange(len(request.body))
    flipped = bytes([request.body[at] ^ (1 << forger.rng.randrange(8))])
    return with_body(request, request.body[:at] + flipped + request.body[at + 1 :])


@forgery()
def _body_cut(forger: Forger, request: Request) -> Request:
    return with_body(request, request.body[: forger.rng.randrange(len(request.body))])


@forgery()
def _body_appended(forger: Forger, request: Request) -> Request:
    return with_body(request, request.body + forger.rng.choice([b" ", b"\n", b"\0", forger.rng.randbytes(9)]))


@forgery()
def _body_prefixed(forger: Forger, request: Request) -> Request:
    return with_body(request, forger.rng.choice([b" ", b"\xef\xbb\xbf", b"\0", b"\r\n"]) + request.body)


@forgery()
def _body_of_another_request(forger: Forger, request: Request) -> Request:
    return with_body(request, forger.other(request).body)


@forgery()
def _body_at_random(forger: Forger, request: Request) -> Request:
    return with_body(request, forger.rng.randbytes(forger.rng.randrange(400)))


@forgery()
def _body_with_another_number(forger: Forger, request: Request) -> Request:
    digits = [at for at, byte in enumerate(request.body) if 48 <= byte <= 57]
    at = forger.rng.choice(digits)
    changed = str((request.body[at] - 48 + forger.rng.randrange(1, 10)) % 10).encode()
    return with_body(request, request.body[:at] + changed + request.body[at + 1 :])


@forgery()
def _body_written_anew(forger: Forger, request: Request) -> Request:
    """The same JSON in other bytes: what is signed are bytes."""
    return with_body(request, orjson.dumps(orjson.loads(request.body), option=orjson.OPT_INDENT_2))


@forgery()
def _body_packed(forger: Forger, request: Request) -> Request:
    return with_body(request, gzip.compress(request.body, 1)).plus((b"Content-Encoding", b"gzip"))


@forgery()
def _body_in_another_encoding(forger: Forger, request: Request) -> Request:
    name = forger.rng.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    text = request.body.decode().encode(name)
    return with_body(request, text).with_value(b"content-type", f"application/json; charset={name}".encode())


@forgery()
def _body_as_a_form(forger: Forger, request: Request) -> Request:
    form = b"payload=" + base64.urlsafe_b64encode(request.body)
    return with_body(request, form).with_value(b"content-type", b"application/x-www-form-urlencoded")


@forgery()
def _body_over_the_limit(forger: Forger, request: Request) -> Request:
    return replace(request, body=request.body.ljust(OVERSIZE), chunks=forger.rng.choice([0, 17]))


# -- the signature ----------------------------------------------------------------------------------------------------


@forgery()
def _signature_with_another_character(forger: Forger, request: Request) -> Request:
    def change(old: bytes) -> bytes:
        at = _at(forger, old)
        return old[:at] + (b"A" if old[at : at + 1] != b"A" else b"B") + old[at + 1 :]

    return with_signature(forger, request, change)


@forgery()
def _signature_cut(forger: Forger, request: Request) -> Request:
    return with_signature(forger, request, lambda old: old[: _at(forger, old)])


@forgery()
def _signature_longer(forger: Forger, request: Request) -> Request:
    ends = [b"0", b"=", b"\x00", b"."]  # a comma would begin another item of Stripe's list
    return with_signature(forger, request, lambda old: old + forger.rng.choice(ends))


@forgery()
def _signature_in_the_other_case(forger: Forger, request: Request) -> Request:
    return with_signature(forger, request, bytes.swapcase)


@forgery()
def _signature_in_another_encoding(forger: Forger, request: Request) -> Request:
    """The same digest: hex for base64, base64 for hex, base64 for URLs, without padding, as a percent-encoded text."""

    def change(old: bytes) -> bytes:
        if request.sender == "stripe":
            head, _, digest = old.partition(b"v1=")
            return head + b"v1=" + base64.b64encode(bytes.fromhex(digest.decode()))
        digest = base64.b64decode(old)
        others = [digest.hex().encode(), old.rstrip(b"="), old.replace(b"=", b"%3D"), base64.b85encode(digest)]
        return forger.rng.choice([*others, base64.b32encode(digest), digest.replace(b"\n", b"").replace(b"\r", b"")])

    return with_signature(forger, request, change)


@forgery()
def _signature_at_random(forger: Forger, request: Request) -> Request:
    digest = forger.rng.randbytes(32)
    if request.sender == "stripe":
        return with_signature(forger, request, lambda old: old.partition(b"v1=")[0] + b"v1=" + digest.hex().encode())
    return with_signature(forger, request, lambda old: base64.b64encode(digest))


@forgery()
def _signature_missing(forger: Forger, request: Request) -> Request:
    return request.without(forger.rng.choice(SIGNED_BY[request.sender]))


@forgery()
def _signature_empty(forger: Forger, request: Request) -> Request:
    return request.with_value(forger.rng.choice(SIGNED_BY[request.sender]), forger.rng.choice([b"", b" ", b"="]))


@forgery()
def _signature_strange(forger: Forger, request: Request) -> Request:
    def change(old: bytes) -> bytes:
        at = _at(forger, old)
        strange = forger.rng.choice([sign for sign in STRANGE if sign != old[at : at + 1]])
        return old[:at] + strange + old[at + 1 :]

    return with_signature(forger, request, change)


@forgery()
def _signature_huge(forger: Forger, request: Request) -> Request:
    size = forger.rng.choice([5_000, 60_000])

    def change(old: bytes) -> bytes:
        return forger.rng.choice([(old + b",") * (size // len(old)), b"A" * size])

    return with_signature(forger, request, change)


@forgery()
def _signature_of_another_request(forger: Forger, request: Request) -> Request:
    other = forger.other(request)
    for name in SIGNED_BY[request.sender]:
        request = request.with_value(name, other.value(name))
    return request


@forgery()
def _signature_sent_twice(forger: Forger, request: Request) -> Request:
    """Which of them would be verified? The right one is the first, the last, or both."""
    name = forger.rng.choice(SIGNED_BY[request.sender])
    wrong = forger.other(request).value(name)
    twins = [(wrong, request.value(name)), (request.value(name), wrong), (request.value(name),) * 2]
    both = forger.rng.choice(twins)
    return request.without(name).plus(*((name, value) for value in both))


@forgery()
def _signatures_in_one_header(forger: Forger, request: Request) -> Request:
    """As a proxy joins two. Stripe's own header is such a list: there, it is given two times."""
    name = SIGNED_BY[request.sender][0]
    old, wrong = request.value(name), forger.other(request).value(name)
    return request.with_value(name, forger.rng.choice([old + b", " + wrong, wrong + b"," + old]))


@forgery()
def _signature_under_another_name(forger: Forger, request: Request) -> Request:
    name = SIGNED_BY[request.sender][0]
    older = [
        b"X-HubSpot-Signature",
        b"X-Shopify-Hmac-Sha1",
        b"X-Hub-Signature-256",
        b"Stripe_Signature",
        b"Authorization",
    ]
    return request.without(name).plus((forger.rng.choice(older), request.value(name)))


@forgery()
def _signature_by_another_scheme(forger: Forger, request: Request) -> Request:
    change = {
        "stripe": lambda old: old.replace(b"v1=", forger.rng.choice([b"v0=", b"v2=", b"V1=", b"v1 =", b""])),
        "shopify": lambda old: forger.rng.choice([b"sha256=", b"v1=", b"hmac "]) + old,
        "hubspot": lambda old: forger.rng.choice([b"sha256=", b"v3=", b"v3,"]) + old,
    }[request.sender]
    return with_signature(forger, request, change)


@forgery()
def _signed_with_another_secret(forger: Forger, request: Request) -> Request:
    right = forger.signer.secrets
    wrong = [right[request.sender] + "x", right[request.sender][:-1], right[request.sender].swapcase(), "secret",
             *(value for sender, value in right.items() if sender != request.sender), "\0", "null"]  # fmt: skip
    signer = replace(forger.signer, secrets={**right, request.sender: forger.rng.choice(wrong)})
    return forger.signed_again(request, signer, forger.now)


# -- the time ---------------------------------------------------------------------------------------------------------


def _with_time(request: Request, time: bytes) -> Request:
    if request.sender == "hubspot":
        return request.with_value(b"x-hubspot-request-timestamp", time)
    rest = request.value(b"stripe-signature").partition(b",")[2]
    return request.with_value(b"stripe-signature", b"t=" + time + b"," + rest)


@forgery("stripe", "hubspot")
def _rightly_signed_long_ago_or_ahead(forger: Forger, request: Request) -> Request:
    away = forger.rng.choice(STALE) * forger.rng.choice([-1, 1]) * 1.0
    # the clock goes on while we send: what lies ahead has to lie so after that, too
    away += 60 if away > 0 else 0
    return forger.signed_again(request, forger.signer, forger.now + away)


@forgery("stripe", "hubspot")
def _sent_again_with_another_time(forger: Forger, request: Request) -> Request:
    scale = 1000 if request.sender == "hubspot" else 1
    moved = int(forger.now + forger.rng.choice([-200, -30, -1, 1, 30, 200])) * scale
    return _with_time(request, str(moved).encode())


@forgery("stripe", "hubspot")
def _a_time_that_is_none(forger: Forger, request: Request) -> Request:
    return _with_time(request, forger.rng.choice(BAD_TIMES))


# -- where it goes ----------------------------------------------------------------------------------------------------


@forgery()
def _to_another_sender_s_route(forger: Forger, request: Request) -> Request:
    own = b"/webhooks/" + request.sender.encode()
    return replace(request, target=forger.rng.choice([route for route in ROUTES if not route.startswith(own)]))


@forgery()
def _with_another_method(forger: Forger, request: Request) -> Request:
    return replace(request, method=forger.rng.choice(METHODS))


@forgery("hubspot")
def _a_signed_uri_that_is_another(forger: Forger, request: Request) -> Request:
    more = (b"?a=1", b"?portal=%41", b"/", b"%20", b";x", b"%00", b"?x=" + b"y" * 3_000)
    ways = [
        b"/webhooks/hubspo%74",
        b"/%77ebhooks/hubspot",
        b"/WEBHOOKS/hubspot",
        b"//webhooks/hubspot",
        b"/./webhooks/hubspot",
    ]
    return replace(request, target=forger.rng.choice([*(request.target + end for end in more), *ways]))
