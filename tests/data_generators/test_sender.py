"""The sender against a real HTTP server: signatures that the senders' own SDKs accept, retries, ledger, resuming."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import shopify_app
import stripe
from hubspot.utils.signature import Signature

from data_generators.ledger import Ledger, final_outcomes, ledger_path, read_attempts, summary
from data_generators.sender import MANNERS, Sender, TokenBucket
from data_generators.signing import Signer
from lakehouse.ingestion import signatures
from tests import webhook_receiver

SECRETS = {"shopify": "hush", "stripe": "whsec_hush", "hubspot": "hush-hush"}
Request = tuple[str, dict[str, str], bytes]


class Receiver:
    """A server that answers each body with the next of its statuses, and remembers what came."""

    def __init__(self) -> None:
        self.answers: dict[bytes, list[int]] = defaultdict(list)
        self.requests: list[Request] = []
        self._lock = threading.Lock()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> int:
        with self._lock:
            self.requests.append((path, headers, body))
            planned = self.answers[body]
            return planned.pop(0) if planned else 200


@contextmanager
def serving(receiver: Receiver) -> Iterator[str]:
    with webhook_receiver.serving(receiver.answer, reason="planned") as url:
        yield url


def delivery(number: int, sender: str = "shopify", sign: str = "right") -> dict[str, Any]:
    path = "/webhooks/shopify/orders/create" if sender == "shopify" else f"/webhooks/{sender}"
    return {
        "delivery_id": f"d001-{number:06d}", "day": 1, "sender": sender, "method": "POST", "path": path,
        "webhook_topic": "t", "webhook_ids": [f"w{number}"], "headers": {"X-Kept": str(number)}, "due_at": number,
        "sign": sign, "body": f'{{"id": {2**53 + number}, "name": "Zoë"}}',
    }  # fmt: skip


def body(number: int) -> bytes:
    return str(delivery(number)["body"]).encode()


def send(folder: Path, url: str, deliveries: list[dict[str, Any]], **options: Any) -> list[dict[str, Any]]:
    options = {"rate": 10_000, "retry_scale": 0.0, **options}
    with Ledger(folder, 1) as book:
        asyncio.run(Sender(url, Signer(SECRETS, url), book, **options).run(deliveries))
    return read_attempts(folder, 1)


def test_the_senders_own_sdks_accept_the_signatures(tmp_path: Path) -> None:
    receiver = Receiver()
    with serving(receiver) as url:
        send(tmp_path, url, [delivery(n, sender) for n, sender in enumerate(("shopify", "stripe", "hubspot"))])
    found = {path.split("/")[2]: (path, headers, raw) for path, headers, raw in receiver.requests}

    path, headers, raw = found["shopify"]
    shop = {**headers, "x-shopify-shop-domain": "workbook-demo.myshopify.com"}
    request = {"method": "POST", "headers": shop, "url": url + path, "body": raw.decode()}
    config = {"client_id": "app", "client_secret": SECRETS["shopify"]}
    assert shopify_app.verify_webhook_req(request, config).ok  # type: ignore[arg-type]

    _, headers, raw = found["stripe"]
    assert stripe.WebhookSignature.verify_header(
        raw.decode(), headers["stripe-signature"], SECRETS["stripe"], tolerance=300
    )

    path, headers, raw = found["hubspot"]
    assert Signature.is_valid(
        headers["x-hubspot-signature-v3"], SECRETS["hubspot"], raw.decode(), url + path, "POST", "v3",
        headers["x-hubspot-request-timestamp"],
    )  # fmt: skip


def verified(sender: str, how: str) -> str | None:
    signer, now = Signer(SECRETS, "http://here"), time.time()
    headers = signer.headers(sender, "/webhooks/x", b"{}", how, now)
    secrets = [SECRETS[sender]]
    if sender == "shopify":
        return signatures.verify_shopify(secrets, b"{}", headers["X-Shopify-Hmac-Sha256"])
    if sender == "stripe":
        return signatures.verify_stripe(secrets, b"{}", headers["Stripe-Signature"], now)
    return signatures.verify_hubspot(
        secrets, "POST", "http://here/webhooks/x", b"{}", headers["X-HubSpot-Signature-v3"],
        headers["X-HubSpot-Request-Timestamp"], now,
    )  # fmt: skip


@pytest.mark.parametrize("sender", ["shopify", "stripe", "hubspot"])
def test_a_forgery_is_seen(sender: str) -> None:
    assert verified(sender, "right") is None
    assert verified(sender, "wrong") == "bad_signature"


@pytest.mark.parametrize("sender", ["stripe", "hubspot"])
@pytest.mark.parametrize("how", ["past", "future"])
def test_an_old_time_is_seen(sender: str, how: str) -> None:
    assert verified(sender, how) == "stale_timestamp"


def test_what_failed_is_sent_again_with_the_same_body_and_headers(tmp_path: Path) -> None:
    receiver = Receiver()
    receiver.answers[body(1)] = [503, 500, 429]
    with serving(receiver) as url:
        attempts = send(tmp_path, url, [delivery(1)])
    assert [(a["attempt"], a["status"], a["outcome"], a["final"]) for a in attempts] == [
        (1, 503, "failed", False), (2, 500, "failed", False), (3, 429, "failed", False), (4, 200, "accepted", True),
    ]  # fmt: skip
    assert {raw for _, _, raw in receiver.requests} == {body(1)}
    assert {headers["x-kept"] for _, headers, _ in receiver.requests} == {"1"}


def test_a_refusal_is_tried_once_more_and_is_final(tmp_path: Path) -> None:
    receiver = Receiver()
    receiver.answers[body(1)] = [401, 401, 200]
    with serving(receiver) as url:
        attempts = send(tmp_path, url, [delivery(1, sign="wrong")])
    assert [(a["outcome"], a["reason"], a["final"]) for a in attempts] == [
        ("refused", "planned", False), ("refused", "planned", True),
    ]  # fmt: skip


@pytest.mark.parametrize("sender", ["shopify", "stripe", "hubspot"])
def test_a_sender_gives_up_after_its_own_number_of_attempts(tmp_path: Path, sender: str) -> None:
    with serving(Receiver()) as url:
        gone = url
    attempts = send(tmp_path, gone, [delivery(1, sender)])
    assert len(attempts) == MANNERS[sender].retries + 1
    assert attempts[-1]["outcome"] == "failed"
    assert attempts[-1]["status"] is None
    assert final_outcomes(attempts) == {"d001-000001": "failed"}
    assert final_outcomes(attempts, gave_up=False) == {}


def test_waits_double_and_sum_to_what_the_sender_allows() -> None:
    for manners in MANNERS.values():
        waits = [manners.wait(attempt, 1.0) for attempt in range(1, manners.retries + 1)]
        assert sum(waits) == pytest.approx(manners.over)
        assert all(after == pytest.approx(2 * before) for before, after in pairwise(waits))


def test_all_are_sent_once_and_the_ledger_counts_them(tmp_path: Path) -> None:
    receiver = Receiver()
    with serving(receiver) as url:
        attempts = send(tmp_path, url, [delivery(n) for n in range(200)], concurrency=16)
    assert len(receiver.requests) == 200
    assert summary(attempts)["outcomes"] == {"accepted": 200}
    assert summary(attempts)["messages"] == 200


def test_a_line_that_a_crash_cut_off_is_no_attempt(tmp_path: Path) -> None:
    with serving(Receiver()) as url:
        whole = send(tmp_path, url, [delivery(1)])
        with ledger_path(tmp_path, 1).open("ab") as file:
            file.write(b'{"delivery_id": "d001-00')
        assert read_attempts(tmp_path, 1) == whole
        attempts = send(tmp_path, url, [delivery(2)])
    assert [a["delivery_id"] for a in attempts] == ["d001-000001", "d001-000002"]


def test_the_rate_is_kept() -> None:
    async def take(count: int) -> float:
        bucket = TokenBucket(500)
        began = time.monotonic()
        for _ in range(count):
            await bucket.take()
        return time.monotonic() - began

    # a lower bound only: a slow machine may take longer, none may be faster
    assert asyncio.run(take(250)) >= 0.35


def takes_after_standing_still(seconds: float, bucket: Callable[[], TokenBucket], count: int) -> float:
    """Seconds of so many turns, after the first one and a time in which the process did nothing."""

    async def take() -> float:
        made = bucket()
        await made.take()
        threading.Event().wait(seconds)
        began = time.monotonic()
        for _ in range(count):
            await made.take()
        return time.monotonic() - began

    return asyncio.run(take())


def test_a_load_by_the_clock_catches_up_with_what_a_busy_machine_kept_from_it() -> None:
    # the second was worth 200 turns; who does not catch up has 20 of them still and waits 0.9 s for the others
    assert takes_after_standing_still(1, lambda: TokenBucket(200, catch_up=5.0), 200) < 0.8
    assert takes_after_standing_still(1, lambda: TokenBucket(200), 200) >= 0.8


def test_what_it_catches_up_with_has_a_bound() -> None:
    assert takes_after_standing_still(1, lambda: TokenBucket(200, catch_up=0.5), 200) >= 0.4


def test_a_steady_load_goes_on_beside_what_waits_for_its_next_attempt(tmp_path: Path) -> None:
    receiver = Receiver()
    for number in range(20):
        receiver.answers[body(number)] = [503] * 7
    with serving(receiver) as url:
        lines = send(tmp_path, url, [delivery(n) for n in range(40)], rate=40, steady=True, retry_scale=1e-5)
    assert final_outcomes(lines) == {f"d001-{n:06d}": "accepted" for n in range(40)}
    assert sum(line["reason"] == "planned" for line in lines) == 140
    firsts = sorted(datetime.fromisoformat(line["sent_at"]) for line in lines if line["attempt"] == 1)
    # a second's worth; all attempts together would take 4.5 s at that rate
    assert firsts[-1] - firsts[0] < timedelta(seconds=3)
    # 140 further attempts at the same rate: an outage's end is no flood
    agains = sorted(datetime.fromisoformat(line["sent_at"]) for line in lines if line["attempt"] > 1)
    assert agains[-1] - agains[0] > timedelta(seconds=3)


def test_connections_that_were_cut_off_carry_the_next_attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hasty = replace(MANNERS["shopify"], total=1, retries=7)
    monkeypatch.setitem(MANNERS, "shopify", hasty)
    receiver, goes_on = Receiver(), threading.Event()
    answer = receiver.answer

    def hangs(path: str, headers: dict[str, str], raw: bytes) -> int:
        goes_on.wait(20)
        return answer(path, headers, raw)

    receiver.answer = hangs  # type: ignore[method-assign]
    timer = threading.Timer(1.5, goes_on.set)
    timer.start()
    with serving(receiver) as url:
        lines = send(tmp_path, url, [delivery(n) for n in range(20)], concurrency=20, retry_scale=2e-5)
    timer.join()
    assert {line["reason"] for line in lines if line["outcome"] == "failed"} == {"timeout"}
    assert set(final_outcomes(lines).values()) == {"accepted"}
    # a lane that stays closed takes a delivery's attempts to their end
    assert max(line["attempt"] for line in lines) < 8
