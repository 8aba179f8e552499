"""The application without a broker: what it refuses before it would store anything. `503` means: it would have.

No broker listens where these settings point, so a request that gets that far was found to be genuine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from lakehouse.ingestion import messages, signatures
from lakehouse.ingestion.app import create_app
from lakehouse.settings import Settings, secrets_file
from stack.native.secrets import ensure_secrets

GENUINE = (503, "broker_unavailable")
ORIGIN = "https://hooks.example"
Headers = list[tuple[str, str]]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("stack")
    ensure_secrets(folder)
    nowhere = {"kafka_bootstrap": "127.0.0.1:9", "publish_deadline_seconds": 0.05, "public_base_url": ORIGIN}
    return Settings(_env_file=secrets_file(folder), data_dir=folder, **nowhere)  # type: ignore[call-arg, arg-type]


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), base_url="http://evil.example", follow_redirects=False) as opened:
        yield opened


def signed(settings: Settings, sender: str, body: bytes = b"{}", target: str = "/webhooks/hubspot") -> Headers:
    """The headers of a request that the sender signed now."""
    secret = getattr(settings, f"{sender}_webhook_secrets")[0].get_secret_value()
    now = time.time()
    if sender == "shopify":
        own = {"X-Shopify-Topic": "orders/create", "X-Shopify-Webhook-Id": "1",
               "X-Shopify-Shop-Domain": settings.shopify_shops[0], "X-Shopify-API-Version": "2025-01",
               "X-Shopify-Triggered-At": "2026-01-01T00:00:00Z"}  # fmt: skip
        return [*own.items(), ("X-Shopify-Hmac-Sha256", signatures.sign_shopify(secret, body))]
    if sender == "stripe":
        return [("Stripe-Signature", signatures.sign_stripe(secret, body, int(now)))]
    signature = signatures.sign_hubspot(secret, "POST", ORIGIN + target, body, int(now * 1000))
    return [("X-HubSpot-Signature-v3", signature), ("X-HubSpot-Request-Timestamp", str(int(now * 1000)))]


TARGETS = {
    "shopify": "/webhooks/shopify/orders/create",
    "stripe": "/webhooks/stripe",
    "hubspot": "/webhooks/hubspot",
}


def answered(client: TestClient, target: str, headers: Headers, body: bytes = b"{}") -> tuple[int, str]:
    answer = client.post(target, content=body, headers=headers)
    return answer.status_code, answer.json().get("reason", "")


@pytest.mark.parametrize("sender", TARGETS)
def test_a_header_that_decides_is_taken_once_only(client: TestClient, settings: Settings, sender: str) -> None:
    """Whichever of two one verifies, somebody on the way may have looked at the other."""
    good = signed(settings, sender)
    assert answered(client, TARGETS[sender], good) == GENUINE
    for name, value in good:
        for twice in ([*good, (name, value)], [*good, (name, "other")], [(name, "other"), *good]):
            assert answered(client, TARGETS[sender], twice) == (401, "repeated_header"), name


@pytest.mark.parametrize("sender", TARGETS)
def test_a_header_that_decides_has_a_length_that_a_sender_would_give_it(
    client: TestClient, settings: Settings, sender: str
) -> None:
    """A message with a long one would be refused by the broker, today and at each further attempt."""
    good = signed(settings, sender)
    for name, _ in good:
        longer = [(known, value + ("x" * 5_000 if known == name else "")) for known, value in good]
        assert answered(client, TARGETS[sender], longer) == (431, "header_too_large"), name


@pytest.mark.parametrize(
    "path", ["/webhooks/stripe/", "/webhooks/hubspot/", "/webhooks/shopify/orders/create/", "/health/"]
)
def test_nobody_is_sent_to_where_the_host_header_points(client: TestClient, path: str) -> None:
    for method in ("GET", "POST"):
        answer = client.request(method, path, headers={"Host": "evil.example"})
        assert answer.status_code == 404
        assert "location" not in answer.headers


@pytest.mark.parametrize(
    "target",
    [
        "/webhooks/hubspot?a=b%20c&d=%41",
        "/webhooks/hubspo%74",
        "/webhooks/hubspot?next=%2Fa%3Fb%3D1",
        "/webhooks/hubspot?e=%C3%A9",
        "/webhooks/hubspot?plus=a+b",
    ],
)
def test_hubspot_signs_the_uri_as_it_was_sent(client: TestClient, settings: Settings, target: str) -> None:
    """Only the escapes that HubSpot lists are decoded, in the path as in the query."""
    good = signed(settings, "hubspot", b"[]", target)
    assert answered(client, target, good, b"[]") == GENUINE
    other = target.replace("hubspo%74", "hubspot") if "%74" in target else target.replace("hubspot?", "hubspo%74?")
    assert answered(client, other, good, b"[]") == (401, "bad_signature")


def test_what_hubspot_decodes_before_it_signs_is_the_same_uri(client: TestClient, settings: Settings) -> None:
    good = signed(settings, "hubspot", b"[]", "/webhooks/hubspot?a=%2F")
    assert answered(client, "/webhooks/hubspot?a=/", good, b"[]") == GENUINE
    assert answered(client, "/webhooks%2fhubspot?a=%2f", good, b"[]") == GENUINE


def test_an_id_that_no_message_has_room_for_is_put_aside(client: TestClient, settings: Settings) -> None:
    """Not sent again and again: the broker would never take it."""
    long = b'{"id": "' + b"1" * 1_000 + b'", "object": "event", "type": "charge.succeeded"}'
    (found,) = messages.stripe(long, "2026-01-01T00:00:00Z")
    assert found.quarantined
    assert found.headers["reason"] == "wrong_shape"
    assert sum(len(value) for value in found.headers.values()) < 1_000
