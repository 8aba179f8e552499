"""The webhook API on the live broker: what is acknowledged is in its topic to the byte, what is refused is nowhere."""

from __future__ import annotations

import base64
import json
import random
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import httpx
import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from lakehouse.engines import kafka
from lakehouse.ingestion import signatures
from lakehouse.settings import Settings, get_settings
from lakehouse.waiting import wait_until
from stack.native import faults

pytestmark = pytest.mark.stack
SHOPIFY, STRIPE, HUBSPOT = "shopify", "stripe", "hubspot"
SENDERS = (SHOPIFY, STRIPE, HUBSPOT)
MUTATIONS_PER_SENDER = 500
HANGING = 8
IN_FLIGHT = "webhook_in_flight "
SIGNING = ("Signature", "Signature-v3", "Hmac-Sha256", "Request-Timestamp")


@dataclass(frozen=True)
class Signed:
    """A request as it goes out; `path` with its query."""

    path: str
    body: bytes
    headers: dict[str, str]
    method: str = "POST"


@pytest.fixture(scope="module")
def settings(live_stack: None) -> Settings:
    return get_settings()


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=settings.ingestion_url, timeout=30) as opened:
        yield opened


def secret(settings: Settings, sender: str) -> str:
    return str(getattr(settings, f"{sender}_webhook_secrets")[0].get_secret_value())


def shopify(settings: Settings, body: bytes, topic: str = "orders/create", **changes: str) -> Signed:
    headers = {
        "X-Shopify-Topic": topic,
        "X-Shopify-Shop-Domain": settings.shopify_shops[0],
        "X-Shopify-Webhook-Id": str(uuid.uuid4()),
        "X-Shopify-API-Version": "2025-01",
        "X-Shopify-Triggered-At": "2026-01-02T03:04:05.678901234Z",
        "X-Shopify-Hmac-Sha256": signatures.sign_shopify(secret(settings, SHOPIFY), body),
        **changes,
    }
    return Signed(f"/webhooks/shopify/{topic}", body, headers)


def stripe(settings: Settings, body: bytes, at: float | None = None) -> Signed:
    moment = int(time.time() if at is None else at)
    given = signatures.sign_stripe(secret(settings, STRIPE), body, moment)
    return Signed("/webhooks/stripe", body, {"Stripe-Signature": given})


def hubspot(settings: Settings, body: bytes, at: float | None = None, query: str = "") -> Signed:
    moment = int((time.time() if at is None else at) * 1000)
    path = f"/webhooks/hubspot{query}"
    uri = f"{settings.public_base_url.rstrip('/')}{path}"
    given = signatures.sign_hubspot(secret(settings, HUBSPOT), "POST", uri, body, moment)
    return Signed(path, body, {"X-HubSpot-Signature-v3": given, "X-HubSpot-Request-Timestamp": str(moment)})


def post(client: httpx.Client, request: Signed) -> httpx.Response:
    headers = {"Content-Type": "application/json", **request.headers}
    raw = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers.items()]
    return client.request(request.method, request.path, content=request.body, headers=raw)


def body_of(sender: str, mark: str) -> bytes:
    """A body with an id above 2^53, spaces and an escape that a re-serialisation would not give back."""
    number = (1 << 53) + random.Random(mark).randrange(1 << 40)
    if sender == SHOPIFY:
        return f'{{ "id":{number} , "total_price":"10.00", "note":"caf\\u00e9 {mark}" }}'.encode()
    if sender == STRIPE:
        charge = f'{{"id":"ch_{mark}","object":"charge","amount": 1000}}'
        return f'{{"id":"evt_{mark}","object":"event","type":"charge.succeeded","data":{{"object":{charge}}}}}'.encode()
    event = {"portalId": 7, "subscriptionId": 8, "eventId": number, "occurredAt": 1767225600000, "objectId": number}
    return json.dumps([{**event, "subscriptionType": "contact.creation", "note": mark}], indent=1).encode()


def request_of(settings: Settings, sender: str, body: bytes) -> Signed:
    return {SHOPIFY: shopify, STRIPE: stripe, HUBSPOT: hubspot}[sender](settings, body)  # type: ignore[operator]


def since(settings: Settings, before: dict[tuple[str, int], int]) -> list[Message]:
    """Every message that came to any topic after `before`."""
    own = {"group.id": f"test-{uuid.uuid4()}", "enable.auto.commit": False}
    consumer = Consumer(kafka.client_config(settings) | own)
    try:
        after = kafka.end_offsets(settings)
        wanted = {place: end for place, end in after.items() if end > before[place]}
        consumer.assign([TopicPartition(topic, number, before[topic, number]) for topic, number in wanted])
        missing = sum(end - before[place] for place, end in wanted.items())
        found: list[Message] = []
        while len(found) < missing:
            message = consumer.poll(10)
            assert message is not None, f"{missing - len(found)} messages did not come"
            assert message.error() is None
            found.append(message)
        return found
    finally:
        consumer.close()


def headers_of(message: Message) -> dict[str, str]:
    return {name: value.decode() for name, value in message.headers()}


def test_what_is_accepted_is_in_its_topic_to_the_byte(client: httpx.Client, settings: Settings) -> None:
    mark = uuid.uuid4().hex
    before = kafka.end_offsets(settings)
    bodies = {sender: body_of(sender, mark) for sender in SENDERS}
    for sender, body in bodies.items():
        answer = post(client, request_of(settings, sender, body))
        assert (answer.status_code, answer.json()) == (200, {"status": "accepted", "messages": 1, "quarantined": 0})
    found = {message.topic(): message for message in since(settings, before)}
    assert set(found) == {"shopify.orders", "stripe.charges", "hubspot.contacts"}
    assert found["shopify.orders"].value() == bodies[SHOPIFY]
    assert found["stripe.charges"].value() == bodies[STRIPE]
    assert found["stripe.charges"].key() == f"ch_{mark}".encode()
    # of an array each event travels alone, its own bytes between the brackets
    assert b"[" + found["hubspot.contacts"].value() + b"]" == bodies[HUBSPOT].replace(b"[\n ", b"[").replace(
        b"\n]", b"]"
    )
    headers = headers_of(found["shopify.orders"])
    assert headers["webhook_topic"] == "orders/create"
    assert headers["shop_domain"] == settings.shopify_shops[0]
    assert headers["triggered_at"] == "2026-01-02T03:04:05.678901234Z"


def test_the_same_entity_keeps_its_order_in_one_partition(client: httpx.Client, settings: Settings) -> None:
    before = kafka.end_offsets(settings)
    for number in range(20):
        body = f'{{"id": 9007199254740993, "step": {number}}}'.encode()
        assert post(client, shopify(settings, body, "orders/updated")).status_code == 200
    found = since(settings, before)
    assert {(message.topic(), message.partition()) for message in found} == {("shopify.orders", found[0].partition())}
    assert [json.loads(message.value())["step"] for message in found] == list(range(20))


@pytest.mark.parametrize(
    ("topic", "body", "change", "reason"),
    [
        ("orders/create", b'{"id": 1, "cut', {}, "malformed_json"),
        ("orders/create", b"[1, 2]", {}, "wrong_shape"),
        ("orders/create", b"", {}, "malformed_json"),
        ("carts/update", b'{"id": 1}', {}, "unknown_topic"),
        ("orders/create", b'{"id": 1}', {"X-Shopify-Topic": "customers/redact"}, "topic_mismatch"),
        ("orders/create", b'{"id": 1}', {"X-Shopify-Shop-Domain": "other.myshopify.com"}, "unknown_shop"),
    ],
)
def test_what_is_signed_but_not_understood_is_put_aside_whole(
    client: httpx.Client, settings: Settings, topic: str, body: bytes, change: dict[str, str], reason: str
) -> None:
    before = kafka.end_offsets(settings)
    answer = post(client, shopify(settings, body, topic, **change))
    assert (answer.status_code, answer.json()["quarantined"]) == (200, 1)
    (message,) = since(settings, before)
    assert message.topic() == kafka.QUARANTINE_TOPIC
    assert (message.value() or b"") == body
    assert headers_of(message)["reason"] == reason


@pytest.mark.parametrize("sender", SENDERS)
def test_what_is_not_signed_is_refused_and_nowhere(client: httpx.Client, settings: Settings, sender: str) -> None:
    before = kafka.end_offsets(settings)
    good = request_of(settings, sender, body_of(sender, "unsigned"))
    answers = {
        "missing_signature": post(client, replace(good, headers={})),
        "bad_signature": post(client, replace(good, body=good.body + b" ")),
    }
    for reason, answer in answers.items():
        assert (answer.status_code, answer.json()) == (401, {"status": "refused", "reason": reason})
    assert since(settings, before) == []


@pytest.mark.parametrize("sender", [STRIPE, HUBSPOT])
@pytest.mark.parametrize("seconds", [-301, 302])
def test_a_request_of_another_time_is_refused(
    client: httpx.Client, settings: Settings, sender: str, seconds: int
) -> None:
    sign = stripe if sender == STRIPE else hubspot
    answer = post(client, sign(settings, body_of(sender, "old"), at=time.time() + seconds))
    assert (answer.status_code, answer.json()["reason"]) == (401, "stale_timestamp")


def test_a_body_over_the_limit_is_refused_before_it_is_read_whole(client: httpx.Client, settings: Settings) -> None:
    body = b'{"id": 1, "note": "' + b"x" * settings.max_body_bytes + b'"}'
    answer = post(client, shopify(settings, body))
    assert (answer.status_code, answer.json()["reason"]) == (413, "body_too_large")

    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 20 * settings.max_body_bytes:
            sent += 65_536
            yield b"x" * 65_536

    try:
        # no length is announced: only counting finds that it is too much
        answer = client.post("/webhooks/stripe", content=endless(), headers={"Stripe-Signature": "t=1,v1=00"})
        assert answer.status_code == 413
    except httpx.WriteError:
        assert sent < 20 * settings.max_body_bytes, "the whole body was taken"


def test_a_body_just_under_the_limit_is_taken_whole(client: httpx.Client, settings: Settings) -> None:
    start, end = b'{"id": 4, "note": "', b'"}'
    body = start + b"x" * (settings.max_body_bytes - len(start) - len(end)) + end
    before = kafka.end_offsets(settings)
    assert post(client, shopify(settings, body)).status_code == 200
    assert [message.value() == body for message in since(settings, before)] == [True]


def test_a_client_that_hangs_up_in_the_middle_leaves_nothing(client: httpx.Client, settings: Settings) -> None:
    before = kafka.end_offsets(settings)
    head = f"POST /webhooks/stripe HTTP/1.1\r\nHost: {settings.host}\r\nContent-Length: 1000\r\n\r\n{{"
    with socket.create_connection((settings.host, settings.ingestion_port)) as line:
        line.sendall(head.encode())
    assert client.get("/health").json() == {"status": "ok"}
    assert since(settings, before) == []


def test_a_batch_is_cut_into_its_events_and_the_odd_one_put_aside(client: httpx.Client, settings: Settings) -> None:
    event = {"portalId": 7, "subscriptionId": 8, "occurredAt": 1, "objectId": 5, "subscriptionType": "contact.creation"}
    events = [{**event, "eventId": number} for number in range(4)]
    events[2]["subscriptionType"] = "ticket.creation"
    before = kafka.end_offsets(settings)
    answer = post(client, hubspot(settings, json.dumps(events).encode(), query="?region=eu%2F1"))
    assert answer.json() == {"status": "accepted", "messages": 3, "quarantined": 1}
    found = since(settings, before)
    assert sorted(headers_of(message)["batch_index"] for message in found) == ["0", "1", "2", "3"]
    assert [json.loads(m.value())["eventId"] for m in found if m.topic() == kafka.QUARANTINE_TOPIC] == [2]


def test_state_metrics_and_docs(client: httpx.Client, settings: Settings) -> None:
    assert client.get("/ready").json() == {"status": "ready"}

    def counted() -> float:
        name = 'webhook_requests_total{outcome="refused",reason="missing_signature",source="stripe"}'
        lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(name)]
        return float(lines[0].rpartition(" ")[2]) if lines else 0.0

    before = counted()
    client.post("/webhooks/stripe", content=b"{}")
    assert counted() == before + 1
    page = client.get("/docs").text
    assert "/docs-assets/swagger-ui-bundle.js" in page
    assert "https://" not in page
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/webhooks/shopify/{resource}/{event}", "/webhooks/stripe", "/webhooks/hubspot"} <= set(paths)
    assert set(paths["/webhooks/stripe"]["post"]["responses"]) >= {"200", "401", "413", "503"}


def test_while_the_broker_hangs_state_and_metrics_answer_and_senders_are_told_in_time(settings: Settings) -> None:
    """Nothing that waits for the broker stands in the way of what does not: not for its first second, not later."""
    deadline = settings.publish_deadline_seconds
    base, body = settings.ingestion_url, body_of(SHOPIFY, uuid.uuid4().hex)

    def send(_: int) -> tuple[int, str, float]:
        with httpx.Client(base_url=base, timeout=30) as own:
            began = time.monotonic()
            answer = post(own, request_of(settings, SHOPIFY, body))
            return answer.status_code, answer.json().get("reason", ""), time.monotonic() - began

    with httpx.Client(base_url=base, timeout=deadline) as looks, ThreadPoolExecutor(HANGING) as senders:
        with faults.held(settings, "kafka"):
            for _ in range(2):
                under_way = [senders.submit(send, number) for number in range(HANGING)]
                seen = 0.0
                while not all(one.done() for one in under_way):
                    assert looks.get("/health").json() == {"status": "ok"}
                    gauge = next(line for line in looks.get("/metrics").text.splitlines() if line.startswith(IN_FLIGHT))
                    seen = max(seen, float(gauge.removeprefix(IN_FLIGHT)))
                assert seen >= HANGING
                answers = [one.result() for one in under_way]
                assert {(status, reason) for status, reason, _ in answers} == {(503, "broker_unavailable")}
                assert max(seconds for *_, seconds in answers) < deadline + 2

        wait_until(lambda: send(0)[0] == 200, timeout=60, what="webhooks to be taken again", every=0.5)


def _other(rng: random.Random, text: str) -> str:
    """A text with one place changed, cut, turned round or made strange; never at its ends, where HTTP drops blanks."""
    kind, at = rng.randrange(5), rng.randrange(1, len(text) - 1)
    if kind == 0:
        swapped = "A" if text[at] != "A" else "B"
        return text[:at] + swapped + text[at + 1 :]
    if kind == 1:
        return text[:at]
    if kind == 2:
        strange = rng.choice([sign for sign in ("é", "\udcff", " ", ",", "=", "\t") if sign != text[at]])
        return text[:at] + strange + text[at + 1 :]
    if kind == 3:
        return base64.b64encode(rng.randbytes(32)).decode()
    return text[::-1]


def mutated(rng: random.Random, good: Signed) -> Signed:
    """A signed request with one thing changed, in the body or in what signs it."""
    signing = [name for name in good.headers if name.endswith(SIGNING)]
    if rng.random() < 0.5:
        at = rng.randrange(len(good.body))
        changed = bytes([good.body[at] ^ (1 << rng.randrange(8))])
        body = rng.choice([
            good.body[:at] + changed + good.body[at + 1 :],
            good.body[:at],
            good.body + rng.randbytes(rng.randint(1, 9)),
            rng.randbytes(rng.randrange(200)),
        ])  # fmt: skip
        return replace(good, body=body)
    name = rng.choice(signing)
    if rng.random() < 0.2:
        return replace(good, headers={key: value for key, value in good.headers.items() if key != name})
    return replace(good, headers={**good.headers, name: _other(rng, good.headers[name])})


@pytest.mark.parametrize("sender", SENDERS)
def test_no_changed_request_is_accepted_and_none_is_an_error_of_ours(
    client: httpx.Client, settings: Settings, sender: str
) -> None:
    rng = random.Random(20260101)
    before = kafka.end_offsets(settings)
    statuses: dict[int, int] = {}
    for number in range(MUTATIONS_PER_SENDER):
        good = request_of(settings, sender, body_of(sender, f"fuzz{number}"))
        changed = mutated(rng, good)
        assert changed != good
        status = post(client, changed).status_code
        statuses[status] = statuses.get(status, 0) + 1
    assert set(statuses) <= {400, 401}, statuses
    assert since(settings, before) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_a_post_is_taken(client: httpx.Client, settings: Settings, method: str) -> None:
    good = request_of(settings, STRIPE, body_of(STRIPE, "method"))
    assert post(client, replace(good, method=method)).status_code == 405
