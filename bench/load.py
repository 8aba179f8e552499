"""A generator of webhooks for measurements: signed requests over keep-alive connections, from a process of its own.

`closed`: every connection sends its next request when the last one was answered; it finds the most that goes through.
`open`: requests are due on a schedule, whether earlier ones were answered or not, and latency counts from the moment a
request was due: what waits for a free connection, or because a server stands still, is waiting (no coordinated
omission). Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from data_generators.config import WorldConfig
from data_generators.generate import make_day
from data_generators.signing import Signer
from lakehouse.settings import Settings, load_settings

PEOPLE = 60
"""Of the world whose orders are sent: some hundred different bodies."""
TICK_SECONDS = 0.001
"""The loop's timers are no finer."""
PATIENCE_SECONDS = 20.0
ROUTE = "orders/create"


@dataclass(frozen=True)
class Template:
    """A signed request up to its webhook id, and from there on. Shopify signs the body alone: the id is free."""

    before: bytes
    after: bytes

    def request(self, webhook_id: bytes) -> bytes:
        return self.before + webhook_id + self.after


def template(settings: Settings, body: bytes, api_version: str = "2026-01") -> Template:
    """One order's request, signed once."""
    signed = Signer.of(settings).headers("shopify", f"/webhooks/shopify/{ROUTE}", body, "right", time.time())
    head = (
        f"POST /webhooks/shopify/{ROUTE} HTTP/1.1\r\nHost: {settings.host}:{settings.ingestion_port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nUser-Agent: Shopify-Captain-Hook\r\n"
        f"X-Shopify-Topic: {ROUTE}\r\nX-Shopify-Shop-Domain: {settings.shopify_shops[0]}\r\n"
        f"X-Shopify-API-Version: {api_version}\r\nX-Shopify-Triggered-At: 2026-01-01T00:00:00.000000000Z\r\n"
        f"X-Shopify-Hmac-Sha256: {signed['X-Shopify-Hmac-Sha256']}\r\nX-Shopify-Webhook-Id: "
    )
    return Template(head.encode(), b"\r\n\r\n" + body)


def templates(settings: Settings, people: int = PEOPLE) -> list[Template]:
    """The orders of a small world as requests, each signed."""
    day = make_day(WorldConfig(people=people, shop_domain=settings.shopify_shops[0]), 1)
    bodies = [d.body for d in day.deliveries if d.topic == ROUTE and not d.flaws]
    return [template(settings, body) for body in bodies]


def answer_length(buffer: bytes | bytearray) -> int | None:
    """Bytes of the first whole HTTP answer in a buffer; None while a part of it is missing."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(buffer[:end]).lower()
    at = head.find(b"content-length:")
    if at < 0:
        raise ValueError(f"an answer without a length: {head[:200]!r}")
    length = end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])
    return length if len(buffer) >= length else None


@dataclass
class Book:
    """What came of the requests. `latencies` in seconds, of all answers; `accepted` has the webhook ids that were
    answered 200, and when each request was due, in seconds since 1970."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    accepted: dict[str, float] = field(default_factory=dict)
    sent: int = 0
    broken: int = 0
    """Requests whose connection ended without an answer."""


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way, as senders have them."""

    def __init__(self, load: Load) -> None:
        self._load, self._buffer = load, bytearray()
        self._due, self._id = 0.0, b""
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def send(self, due: float, webhook_id: bytes, request: bytes) -> None:
        self._due, self._id, self.busy = due, webhook_id, True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        length = answer_length(self._buffer)
        if length is None:
            return
        status = int(self._buffer[9:12])
        del self._buffer[:length]
        self.busy = False
        self._load.answered(self, status, time.perf_counter() - self._due, self._id)

    def connection_lost(self, error: Exception | None) -> None:
        if self.busy:
            self._load.broke(self)

    def close(self) -> None:
        self._transport.close()


class Load:
    """Sends until the time is over, then waits for the answers that are due."""

    def __init__(self, settings: Settings, some: Sequence[Template], prefix: str) -> None:
        self._settings, self._templates, self._prefix = settings, some, prefix
        self.book = Book()
        self._free: deque[Connection] = deque()
        self._waiting: deque[float] = deque()
        self._all: list[Connection] = []
        self._under_way = 0
        self._deadline = 0.0
        self._again = False
        self._quiet = asyncio.Event()

    async def connect(self, connections: int) -> None:
        loop = asyncio.get_running_loop()
        where = self._settings.host, self._settings.ingestion_port
        for _ in range(connections):
            _, made = await loop.create_connection(lambda: Connection(self), *where)
            self._all.append(made)
            self._free.append(made)

    def _send(self, connection: Connection, due: float) -> None:
        number = self.book.sent
        self.book.sent += 1
        self._under_way += 1
        webhook_id = f"{self._prefix}-{number}".encode()
        connection.send(due, webhook_id, self._templates[number % len(self._templates)].request(webhook_id))

    def answered(self, connection: Connection, status: int, seconds: float, webhook_id: bytes) -> None:
        self.book.statuses[status] += 1
        self.book.latencies.append(seconds)
        if status == 200:
            self.book.accepted[webhook_id.decode()] = time.time() - seconds
        self._under_way -= 1
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        elif self._again and (now := time.perf_counter()) < self._deadline:
            self._send(connection, now)
        else:
            self._free.append(connection)
            self._maybe_quiet()

    def broke(self, connection: Connection) -> None:
        """The connection is gone; what it carried is not sent again, and counts."""
        self.book.broken += 1
        self._under_way -= 1
        self._maybe_quiet()

    def _maybe_quiet(self) -> None:
        if self._under_way == 0 and not self._waiting:
            self._quiet.set()

    async def closed(self, seconds: float) -> None:
        """As fast as the answers come, for so many seconds."""
        self._again, self._deadline = True, time.perf_counter() + seconds
        while self._free:
            self._send(self._free.popleft(), time.perf_counter())
        await asyncio.wait_for(self._quiet.wait(), seconds + PATIENCE_SECONDS)

    async def open(self, rate: float, seconds: float) -> None:
        """`rate` a second, evenly spaced, for so many seconds, whatever the answers do."""
        began, total, due = time.perf_counter(), int(rate * seconds), 0
        while due < total:
            # An open load is paced by the clock alone: senders do not wait for one another, so no event may start a
            # request. It sleeps until the next one is due; at high rates a tick, then sends all that are due by then.
            await asyncio.sleep(max(TICK_SECONDS, began + due / rate - time.perf_counter()))
            until = min(total, int((time.perf_counter() - began) * rate) + 1)
            for number in range(due, until):
                moment = began + number / rate
                if self._free:
                    self._send(self._free.popleft(), moment)
                else:
                    self._waiting.append(moment)
            due = until
        self._quiet.clear()
        if self._under_way or self._waiting:
            await asyncio.wait_for(self._quiet.wait(), PATIENCE_SECONDS)

    def close(self) -> None:
        for connection in self._all:
            connection.close()


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed (nearest rank). Raises `ValueError`."""
    if not values:
        raise ValueError("there is no percentile of nothing")
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 1)
    return ordered[max(0, int(rank) - 1)]


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def run(
    settings: Settings, mode: str, connections: int, rate: float, seconds: float
) -> tuple[Book, float, float]:
    """One run; what came of it, and its seconds and CPU seconds from the first request to the last answer."""
    load = Load(settings, templates(settings), f"bench-{time.time_ns():x}")
    await load.connect(connections)
    began, used = time.perf_counter(), _cpu_seconds()
    await (load.closed(seconds) if mode == "closed" else load.open(rate, seconds))
    took, cpu = time.perf_counter() - began, _cpu_seconds() - used
    load.close()
    return load.book, took, cpu


def main() -> None:
    """Send, and print what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("mode", choices=("closed", "open"))
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1000.0, help="of an open run, requests a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--ids", type=Path, help="write accepted webhook ids and when they were due here, one a line")
    chosen = parser.parse_args()
    work = run(load_settings(), chosen.mode, chosen.connections, chosen.rate, chosen.seconds)
    book, seconds, cpu = uvloop.run(work)
    if chosen.ids:
        chosen.ids.write_text("".join(f"{name} {due:.6f}\n" for name, due in book.accepted.items()), encoding="utf-8")
    print(json.dumps({
        "sent": book.sent, "accepted": len(book.accepted), "broken": book.broken,
        "statuses": {str(status): count for status, count in sorted(book.statuses.items())},
        "seconds": round(seconds, 3), "per_second": round(len(book.accepted) / seconds, 1),
        **{f"p{share:g}_ms": round(percentile(book.latencies, share / 100) * 1000, 2) for share in (50, 95, 99, 99.9)},
        "max_ms": round(max(book.latencies) * 1000, 2), "cpu_seconds": round(cpu, 2),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
