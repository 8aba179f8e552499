"""Posts a day's deliveries as the three senders would: signed at sending, many at once, again when it did not work.

No sender promises an order, and neither does this: deliveries start in the order in which they are due, and those that
are under way together may arrive in any order. What is sent again has the same body and ids; Stripe and HubSpot sign
it anew with the time of the attempt.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import httpcore
import orjson

from data_generators.deliveries import body_of
from data_generators.signing import Signer

MAX_OPEN = 2_000
"""Deliveries under way or waiting for their next attempt; beyond it no new one starts."""
CATCH_UP_SECONDS = 5.0
"""Of a steady load: merchants do not sell less because this process had to wait for a processor."""
RETRY_4XX = 1
"""Real senders try a 4xx as often as a 5xx; here once more has to do, for the answer is the same."""
TRY_LATER = (408, 429)
KEEP_SECONDS = 30.0
"""An idle connection is closed by its sender, before the receiver does: a request that meets that would fail."""
TIMEOUT = "timeout"


@dataclass(frozen=True)
class Manners:
    """How a sender behaves: seconds to wait for an answer, further attempts and over how many seconds."""

    connect: float
    total: float
    retries: int
    over: float

    def wait(self, attempt: int, scale: float) -> float:
        """Seconds until the next attempt after number `attempt`: each wait is twice the one before."""
        return self.over * 2 ** (attempt - 1) / (2**self.retries - 1) * scale


HOUR = 3600.0
MANNERS = {
    "shopify": Manners(connect=1, total=5, retries=8, over=4 * HOUR),
    "hubspot": Manners(connect=1, total=5, retries=10, over=24 * HOUR),
    "stripe": Manners(connect=5, total=20, retries=12, over=72 * HOUR),
}


class TokenBucket:
    """Lets `rate` a second through, after a first burst of at most a tenth of a second's worth.

    A caller who comes later than that has lost the turns between; with `catch_up` those of so many seconds are kept.
    """

    def __init__(self, rate: float, *, catch_up: float = 0.0) -> None:
        burst = max(1.0, rate / 10) / rate
        self._rate, self._next = rate, time.monotonic() - burst
        self._burst = max(burst, catch_up)

    async def take(self) -> None:
        """Return when it is one's turn."""
        now = time.monotonic()
        self._next = max(self._next, now - self._burst) + 1 / self._rate
        if self._next > now:
            # the pace of an open load: the clock starts a delivery, and nothing that happens meanwhile may
            await asyncio.sleep(self._next - now)


@dataclass(frozen=True)
class Answer:
    """What came back; `status` is None when nothing did."""

    status: int | None
    outcome: str
    reason: str
    messages: int = 0
    quarantined: int = 0

    @property
    def retryable_often(self) -> bool:
        return self.status is None or self.status >= 500 or self.status in TRY_LATER


def read_answer(status: int, content: bytes) -> Answer:
    """2xx is accepted, 4xx is refused, all else failed."""
    try:
        said = orjson.loads(content)
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    if 200 <= status < 300:
        return Answer(status, "accepted", "", int(said.get("messages", 0)), int(said.get("quarantined", 0)))
    refused = 400 <= status < 500 and status not in TRY_LATER
    return Answer(status, "refused" if refused else "failed", str(said.get("reason", f"http_{status}")))


class Book(Protocol):
    """Where attempts are written, each before the next one of its delivery: a `Ledger`, or several."""

    def write(self, attempt: dict[str, Any]) -> None: ...


class Sender:
    """Sends deliveries to one receiver and writes each attempt into the ledger.

    `rate` is requests a second, `retry_scale` what a second of the real waits lasts here, `done` is called with the
    outcome of each delivery that is final. At most `most_open` deliveries are under way or wait for their next attempt.

    With `steady`, `rate` is that of new deliveries, and what is sent again comes on top, at the same rate at most: a
    receiver that is away stops no new one, as it stops no merchant from selling.
    """

    def __init__(
        self,
        url: str,
        signer: Signer,
        ledger: Book,
        *,
        rate: float = 400,
        concurrency: int = 32,
        retry_scale: float = 0.001,
        done: Callable[[str], None] = lambda outcome: None,
        most_open: int = MAX_OPEN,
        steady: bool = False,
    ) -> None:
        self._url, self._signer, self._ledger = url.rstrip("/"), signer, ledger
        self._concurrency, self._scale, self._done = concurrency, retry_scale, done
        self._bucket = TokenBucket(rate, catch_up=CATCH_UP_SECONDS if steady else 0.0)
        self._again, self._steady = TokenBucket(rate), steady
        self._context = ssl.create_default_context()
        self._lanes: asyncio.LifoQueue[httpcore.AsyncConnectionPool] = asyncio.LifoQueue()
        self._open = asyncio.Semaphore(most_open)

    async def run(self, deliveries: Iterable[dict[str, Any]]) -> None:
        """Send all and return when each is final."""
        for _ in range(self._concurrency):
            self._lanes.put_nowait(self._lane())
        try:
            async with asyncio.TaskGroup() as group:
                for delivery in deliveries:
                    await self._open.acquire()
                    if self._steady:
                        await self._bucket.take()
                    group.create_task(self._deliver(delivery))
        finally:
            while not self._lanes.empty():
                await self._lanes.get_nowait().aclose()

    def _lane(self) -> httpcore.AsyncConnectionPool:
        """A pool for each connection: a larger one looks through all its connections at each request.

        The transport below httpx: redirects, cookies and logins, which no sender has, cost more than the request. The
        receiver is the one that the settings name: no proxy of the environment is asked.
        """
        return httpcore.AsyncConnectionPool(ssl_context=self._context, max_connections=1, keepalive_expiry=KEEP_SECONDS)

    async def _deliver(self, delivery: dict[str, Any]) -> None:
        manners = MANNERS[delivery["sender"]]
        body = body_of(delivery)
        digest = hashlib.sha256(body).hexdigest()
        attempt = 0
        try:
            while True:
                attempt += 1
                if self._steady and attempt > 1:
                    await self._again.take()
                client = await self._lanes.get()
                try:
                    if not self._steady:
                        await self._bucket.take()
                    sent_at = time.time()
                    answer = await self._post(client, delivery, body, sent_at, manners)
                    if answer.reason == TIMEOUT:
                        # a request that was cut off may leave its connection taken, and the lane closed, for ever
                        await client.aclose()
                        client = self._lane()
                finally:
                    self._lanes.put_nowait(client)
                retries = manners.retries if answer.retryable_often else RETRY_4XX
                final = answer.outcome == "accepted" or attempt > retries
                self._ledger.write(_line(delivery, digest, attempt, sent_at, answer, final))
                if final:
                    return self._done(answer.outcome)
                await asyncio.sleep(manners.wait(attempt, self._scale))
        finally:
            self._open.release()

    async def _post(
        self, client: httpcore.AsyncConnectionPool, delivery: dict[str, Any], body: bytes, now: float, manners: Manners
    ) -> Answer:
        path = delivery["path"]
        signed = self._signer.headers(delivery["sender"], path, body, delivery["sign"], now)
        headers = [(name.encode(), value.encode()) for name, value in {**delivery["headers"], **signed}.items()]
        patience = {**dict.fromkeys(("read", "write", "pool"), manners.total), "connect": manners.connect}
        try:
            async with asyncio.timeout(manners.total):
                response = await client.request(
                    "POST", self._url + path, content=body, headers=headers, extensions={"timeout": patience}
                )
        except (TimeoutError, httpcore.TimeoutException):
            return Answer(None, "failed", TIMEOUT)
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            return Answer(None, "failed", type(error).__name__)
        return read_answer(response.status, response.content)


def _line(
    delivery: dict[str, Any], digest: str, attempt: int, sent_at: float, answer: Answer, final: bool
) -> dict[str, Any]:
    return {
        "delivery_id": delivery["delivery_id"], "day": delivery["day"], "sender": delivery["sender"],
        "path": delivery["path"], "webhook_topic": delivery["webhook_topic"], "webhook_ids": delivery["webhook_ids"],
        "attempt": attempt, "sent_at": datetime.fromtimestamp(sent_at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "status": answer.status, "outcome": answer.outcome, "reason": answer.reason, "messages": answer.messages,
        "quarantined": answer.quarantined, "body_sha256": digest, "final": final,
    }  # fmt: skip
