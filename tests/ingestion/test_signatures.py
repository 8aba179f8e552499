"""Our signatures against the senders' own SDKs, both ways: what theirs accepts ours accepts, and the other way round.

Where they differ on purpose: the SDKs accept a time far in the future, and crash on a header that is not ASCII;
Shopify's and HubSpot's accept an empty secret. Ours refuse all of these.
"""

from __future__ import annotations

import time

import pytest
import shopify_app
import stripe
from hubspot.utils.signature import Signature
from hypothesis import given
from hypothesis import strategies as st
from shopify_app.types import AppConfig

from lakehouse.ingestion import signatures

SECRET, OLD_SECRET, OTHER = "hush-hush", "hush-before", "not-hush"
URI = "https://hooks.example/webhooks/hubspot"
bodies = st.text(max_size=400).map(lambda text: text.encode("utf-8", "replace"))
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60).filter(str.strip)


def shopify_says(secret: str, body: bytes, signature: str) -> bool:
    headers = {"x-shopify-hmac-sha256": signature, "x-shopify-shop-domain": "workbook-demo.myshopify.com"}
    request = {"method": "POST", "url": "https://hooks.example/webhooks/shopify/orders/create", "headers": headers,
               "body": body.decode()}  # fmt: skip
    config = AppConfig(client_id="workbook", client_secret=secret)
    return bool(shopify_app.verify_webhook_req(request, config).ok)  # type: ignore[arg-type]


def stripe_says(secret: str, body: bytes, header: str) -> bool:
    try:
        return bool(stripe.WebhookSignature.verify_header(body.decode(), header, secret, tolerance=300))
    except stripe.SignatureVerificationError:
        return False


def hubspot_says(secret: str, body: bytes, signature: str, timestamp: str) -> bool:
    return Signature.is_valid(signature, secret, body.decode(), URI, "POST", "v3", timestamp)


@given(secrets, bodies)
def test_what_we_sign_their_sdks_accept(secret: str, body: bytes) -> None:
    now = time.time()
    assert shopify_says(secret, body, signatures.sign_shopify(secret, body))
    assert stripe_says(secret, body, signatures.sign_stripe(secret, body, int(now)))
    milliseconds = int(now * 1000)
    signature = signatures.sign_hubspot(secret, "POST", URI, body, milliseconds)
    assert hubspot_says(secret, body, signature, str(milliseconds))


@given(secrets, bodies)
def test_what_their_sdks_sign_we_accept(secret: str, body: bytes) -> None:
    now = time.time()
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, int(now))
    assert signatures.verify_stripe([secret], body, header, now) is None
    timestamp = str(int(now * 1000))
    signature = Signature.get_signature(secret, body.decode(), "v3", URI, "POST", timestamp)
    assert signatures.verify_hubspot([secret], "POST", URI, body, signature, timestamp, now) is None


@given(bodies, st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_refused_by_us_and_by_them(body: bytes, at: int, change: int) -> None:
    now = time.time()
    milliseconds = str(int(now * 1000))
    shop, bill = signatures.sign_shopify(SECRET, body), signatures.sign_stripe(SECRET, body, int(now))
    crm = signatures.sign_hubspot(SECRET, "POST", URI, body, int(milliseconds))
    tampered = bytearray(body or b"x")
    tampered[at % len(tampered)] ^= change
    changed = bytes(tampered)
    assert signatures.verify_shopify([SECRET], changed, shop) == signatures.BAD_SIGNATURE
    assert signatures.verify_stripe([SECRET], changed, bill, now) == signatures.BAD_SIGNATURE
    found = signatures.verify_hubspot([SECRET], "POST", URI, changed, crm, milliseconds, now)
    assert found == signatures.BAD_SIGNATURE
    try:
        changed.decode()
    except UnicodeDecodeError:
        return  # the SDKs take text only
    assert not shopify_says(SECRET, changed, shop)
    assert not stripe_says(SECRET, changed, bill)
    assert not hubspot_says(SECRET, changed, crm, milliseconds)


@given(st.binary(max_size=80).map(lambda raw: raw.decode("latin-1")))
def test_no_header_whatever_it_holds_is_an_exception_or_accepted(header: str) -> None:
    assert signatures.verify_shopify([SECRET], b"{}", header) is not None
    assert signatures.verify_stripe([SECRET], b"{}", header, 1e9) is not None
    assert signatures.verify_hubspot([SECRET], "POST", URI, b"{}", header, "1000000000000", 1e9) is not None
    assert signatures.verify_hubspot([SECRET], "POST", URI, b"{}", "eA==", header, 1e9) is not None


@pytest.mark.parametrize(("age", "expected"), [(0, None), (299, None), (301, "stale_timestamp"), (-299, None),
                                               (-301, "stale_timestamp"), (86_400, "stale_timestamp")])  # fmt: skip
def test_a_time_is_accepted_for_five_minutes_in_both_directions(age: int, expected: str | None) -> None:
    now = 1_780_000_000.0
    header = signatures.sign_stripe(SECRET, b"{}", int(now - age))
    assert signatures.verify_stripe([SECRET], b"{}", header, now) == expected
    milliseconds = int((now - age) * 1000)
    signature = signatures.sign_hubspot(SECRET, "POST", URI, b"{}", milliseconds)
    found = signatures.verify_hubspot([SECRET], "POST", URI, b"{}", signature, str(milliseconds), now)
    assert found == expected


def test_during_a_rotation_both_secrets_are_valid_and_others_are_not() -> None:
    now = time.time()
    rotation = [SECRET, OLD_SECRET]
    for secret, expected in ((SECRET, None), (OLD_SECRET, None), (OTHER, signatures.BAD_SIGNATURE)):
        assert signatures.verify_shopify(rotation, b"{}", signatures.sign_shopify(secret, b"{}")) == expected
        assert (
            signatures.verify_stripe(rotation, b"{}", signatures.sign_stripe(secret, b"{}", int(now)), now) == expected
        )
        signature = signatures.sign_hubspot(secret, "POST", URI, b"{}", int(now * 1000))
        stamp = str(int(now * 1000))
        assert signatures.verify_hubspot(rotation, "POST", URI, b"{}", signature, stamp, now) == expected


def test_stripe_sends_one_v1_for_each_secret_and_only_v1_counts() -> None:
    now = time.time()
    good = signatures.sign_stripe(SECRET, b"{}", int(now))
    wrong = signatures.sign_stripe(OTHER, b"{}", int(now)).partition(",")[2]
    assert signatures.verify_stripe([SECRET], b"{}", f"{good},{wrong}", now) is None
    assert (
        signatures.verify_stripe([SECRET], b"{}", f"{good.partition(',')[0]},{wrong},{good.partition(',')[2]}", now)
        is None
    )
    only_v0 = good.replace("v1=", "v0=")
    assert signatures.verify_stripe([SECRET], b"{}", only_v0, now) == signatures.BAD_SIGNATURE
    two_times = f"t=1,{good}"
    assert signatures.verify_stripe([SECRET], b"{}", two_times, now) == signatures.BAD_SIGNATURE


def test_hubspot_signs_the_uri_with_the_listed_escapes_decoded_and_no_other() -> None:
    assert signatures.hubspot_uri("https://x.example/a%3Fb%2Fc%20d%41?e=%40") == "https://x.example/a?b/c%20d%41?e=@"


def test_hubspot_signs_method_and_uri() -> None:
    now = time.time()
    stamp = str(int(now * 1000))
    signature = signatures.sign_hubspot(SECRET, "POST", URI, b"[]", int(stamp))
    assert signatures.verify_hubspot([SECRET], "PUT", URI, b"[]", signature, stamp, now) == signatures.BAD_SIGNATURE
    assert (
        signatures.verify_hubspot([SECRET], "POST", URI + "/x", b"[]", signature, stamp, now)
        == signatures.BAD_SIGNATURE
    )


def test_missing_headers_are_named_as_missing() -> None:
    assert signatures.verify_shopify([SECRET], b"{}", None) == signatures.MISSING_SIGNATURE
    assert signatures.verify_stripe([SECRET], b"{}", "", 0) == signatures.MISSING_SIGNATURE
    assert signatures.verify_hubspot([SECRET], "POST", URI, b"{}", "x", None, 0) == signatures.MISSING_SIGNATURE


def test_an_empty_secret_signs_nothing() -> None:
    with pytest.raises(ValueError, match="empty webhook secret"):
        signatures.sign_shopify("", b"{}")
    with pytest.raises(ValueError, match="empty webhook secret"):
        signatures.verify_shopify([""], b"{}", "eA==")
