"""Requests that nobody signed, by the hundred thousand: none is accepted, none is an error of ours.

Most of them go straight into the application, which runs in this process with its real producer on the live broker;
a smaller share goes over a socket to the live server, so that its HTTP parser has its say, too. Between them are
requests whose change touches nothing that was signed: these are accepted and stored, or the test would prove nothing.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

import pytest
from confluent_kafka.admin import NewTopic

from data_generators.config import WorldConfig
from data_generators.deliveries import Delivery
from data_generators.flaws import FlawRates
from data_generators.forgeries.forged import FORGERIES
from data_generators.forgeries.forger import Forger
from data_generators.forgeries.harmless import HARMLESS
from data_generators.forgeries.requests import Request
from data_generators.forgeries.trials import Trial, trials
from data_generators.generate import make_day
from data_generators.signing import Signer
from lakehouse.engines import kafka
from lakehouse.ingestion.app import create_app
from lakehouse.settings import Settings, load_settings

SEED = 20260101
IN_PROCESS = int(os.environ.get("FUZZ_REQUESTS", "101000"))
OVER_A_SOCKET = 3_000
HARMLESS_SHARE = 0.004
ROUND = 1_000
"""Requests that are signed with one time: they are sent before it is old."""
REFUSALS = frozenset({400, 401, 404, 405, 413, 431})


@dataclass
class Tally:
    """What came back, by change."""

    forged: Counter[tuple[str, int]] = field(default_factory=Counter)
    genuine: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[tuple[Trial, int]] = field(default_factory=list)
    allowed: frozenset[int] = REFUSALS

    def add(self, trial: Trial, status: int) -> None:
        """Count one answer; what should not have come is kept."""
        forged = trial.forged
        (self.forged if forged else self.genuine)[trial.mutation, status] += 1
        if status not in (self.allowed if forged else {200}):
            self.wrong.append((trial, status))

    def report(self) -> str:
        """A line for each change: how many were forgeries, and what was answered."""
        lines = []
        for title, counts in (("forged", self.forged), ("as signed", self.genuine)):
            for name in sorted({name for name, _ in counts}):
                answers = {status: count for (known, status), count in sorted(counts.items()) if known == name}
                lines.append(f"{title:<10} {name:<40} {sum(answers.values()):>7,}  {answers}")
        return "\n".join(lines)


@pytest.fixture(scope="module")
def by_sender() -> dict[str, list[Delivery]]:
    """A day of a small world without flaws, by sender."""
    none = FlawRates(**dict.fromkeys(FlawRates.__dataclass_fields__, 0))
    found: dict[str, list[Delivery]] = {}
    for delivery in make_day(WorldConfig(people=60), 1, none).deliveries:
        found.setdefault(delivery.sender, []).append(delivery)
    assert set(found) == {"shopify", "stripe", "hubspot"}
    return found


@pytest.fixture(scope="module")
def settings(live_stack: None) -> Settings:
    return load_settings()


@pytest.fixture
def prefix(settings: Settings) -> Iterator[str]:
    """Topics beside the pipeline's, which nobody reads: what is accepted here is no part of any ledger."""
    before = f"scratch.fuzz.{random.randbytes(4).hex()}."
    client, names = kafka.admin(settings), [f"{before}{topic}" for topic in kafka.TOPICS]
    for future in client.create_topics([NewTopic(name, 1, 1) for name in names]).values():
        future.result(timeout=30)
    yield before
    for future in client.delete_topics(names).values():
        future.result(timeout=30)


def rounds(settings: Settings, by_sender: dict[str, list[Delivery]], seed: int, count: int) -> Iterator[Trial]:
    """The changes of a seed, signed as they are needed."""
    rng, signer = random.Random(seed), Signer.of(settings)
    for start in range(0, count, ROUND):
        yield from trials(Forger(rng, signer, by_sender, time.time()), min(ROUND, count - start), HARMLESS_SHARE)


# -- in this process ------------------------------------------------------------------------------------------------


def scope_of(request: Request) -> dict[str, Any]:
    """What a server gives the application for a request."""
    path, _, query = request.target.partition(b"?")
    headers = [(name.lower(), value.strip(b" \t")) for name, value in request.headers]
    if not request.chunks:
        headers.append((b"content-length", str(len(request.body)).encode()))
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "scheme": "http",
        "method": request.method.decode(), "path": unquote(path.decode("latin-1")), "raw_path": path,
        "query_string": query, "root_path": "", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip


def parts(request: Request) -> list[bytes]:
    """The body as it comes in."""
    size = -(-len(request.body) // max(1, request.chunks)) or 1
    return [request.body[at : at + size] for at in range(0, max(1, len(request.body)), size)]


async def status_of(app: Any, request: Request) -> int:
    """The status that the application answers with. Raises what it raises."""
    waiting = parts(request)[::-1]
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        if not waiting:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": waiting.pop(), "more_body": bool(waiting)}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope_of(request), receive, send)
    return statuses[0]


async def attack(app: Any, attempts: Iterator[Trial], tally: Tally) -> None:
    """Send all, one after the other, to the application that has started."""
    async with app.router.lifespan_context(app):
        for trial in attempts:
            tally.add(trial, await status_of(app, trial.changed))


def stored(settings: Settings, prefix: str) -> int:
    """Messages in the topics of a prefix."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(kafka.client_config(settings) | {"group.id": f"{prefix}count"})
    try:
        return sum(
            consumer.get_watermark_offsets(TopicPartition(f"{prefix}{topic}", 0), timeout=15)[1]
            for topic in kafka.TOPICS
        )
    finally:
        consumer.close()


@pytest.mark.stack
def test_a_hundred_thousand_changed_requests(
    settings: Settings, by_sender: dict[str, list[Delivery]], prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app, tally, began = create_app(settings, prefix), Tally(), time.process_time()
    asyncio.run(attack(app, rounds(settings, by_sender, SEED, IN_PROCESS), tally))
    with capsys.disabled():
        print(f"\n{tally.report()}\n{time.process_time() - began:.0f} CPU seconds")  # noqa: T201
    assert tally.wrong == []
    assert {name for name, _ in tally.forged} == {mutation.name for mutation in FORGERIES}
    assert {name for name, _ in tally.genuine} >= {mutation.name for mutation in HARMLESS}
    assert tally.forged.total() >= IN_PROCESS * (1 - 2 * HARMLESS_SHARE)
    # what was signed, and nothing else, is in the log: of HubSpot's arrays each event is a message
    assert stored(settings, prefix) >= tally.genuine.total() > 0
    (counted,) = (
        sum(s.value for s in metric.samples if s.name.endswith("_total"))
        for metric in app.state.endpoint._metrics.messages.collect()
    )
    assert stored(settings, prefix) == counted


# -- over a socket --------------------------------------------------------------------------------------------------

CLOSED = 0
"""The server hung up without an answer, as on a request that is no HTTP."""


def on_the_wire(request: Request, host: bytes) -> bytes:
    """The request's bytes."""
    lines = [b"%s %s HTTP/1.1" % (request.method, request.target), b"Host: " + host, b"Connection: close"]
    lines += [name + b": " + value for name, value in request.headers]
    if not request.chunks:
        lines.append(b"Content-Length: %d" % len(request.body))
        return b"\r\n".join([*lines, b"", request.body])
    lines.append(b"Transfer-Encoding: chunked")
    chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in parts(request) if part]
    return b"\r\n".join([*lines, b"", b"".join(chunks) + b"0\r\n\r\n"])


def said(settings: Settings, data: bytes) -> int:
    """The status that the live server answers these bytes with."""
    answer = b""
    with socket.create_connection((settings.host, settings.ingestion_port), timeout=60) as connection:
        try:
            connection.sendall(data)
            while part := connection.recv(65_536):
                answer += part
        except ConnectionError:
            return CLOSED if not answer else int(answer.split(b" ", 2)[1])
    return int(answer.split(b" ", 2)[1]) if answer else CLOSED


def nobody_knows(delivery: Delivery) -> Delivery:
    """The same with a topic that goes to quarantine: what is accepted on the pipeline's own topics disturbs no table.
    Its addresses are nobody's in any other world."""
    body = delivery.body.replace(b"@", b"@fuzz-").replace(b'"type":"c', b'"type":"k')
    body = body.replace(b'"subscriptionType":"', b'"subscriptionType":"un')
    if delivery.sender != "shopify":
        return replace(delivery, body=body)
    headers = {**delivery.headers, "X-Shopify-Topic": "carts/update"}
    return replace(delivery, body=body, headers=headers, path="/webhooks/shopify/carts/update")


@pytest.mark.stack
def test_over_a_socket_the_live_server_refuses_them_too(
    settings: Settings, by_sender: dict[str, list[Delivery]], capsys: pytest.CaptureFixture[str]
) -> None:
    before = kafka.end_offsets(settings)
    unknown = {sender: [nobody_knows(delivery) for delivery in some] for sender, some in by_sender.items()}
    tally = Tally(allowed=REFUSALS | {CLOSED})
    for trial in rounds(settings, unknown, SEED + 1, OVER_A_SOCKET):
        tally.add(trial, said(settings, on_the_wire(trial.changed, b"elsewhere.example")))
    with capsys.disabled():
        print(f"\n{tally.report()}")  # noqa: T201
    assert tally.wrong == []
    assert tally.genuine.total() > 0
    after = kafka.end_offsets(settings)
    grown = {topic for (topic, partition), end in after.items() if end > before[topic, partition]}
    assert grown == {kafka.QUARANTINE_TOPIC}


@pytest.mark.stack
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Content-Length: ", b"Content-Length: 1\r\nContent-Length: "),
        (b"Content-Length: ", b"Transfer-Encoding: chunked\r\nContent-Length: "),
        (b"Content-Length: ", b"Transfer-Encoding: chunked, identity\r\nX: "),
        (b"Content-Length: ", b"Content-Length: +"),
        (b"Content-Length: ", b"Content-Length: 0x"),
        (b"Stripe-Signature: ", b"Stripe-Signature : "),
        (b"Stripe-Signature: ", b"Stripe-Signature:\r\n "),
        (b"Stripe-Signature: ", b"Stripe-Signature: \x00"),
        (b"HTTP/1.1", b"HTTP/9.9"),
        (b"POST ", b"POST\x00"),
        (b"/webhooks/stripe", b"/webhooks/stripe\xff"),
        (b"/webhooks/stripe", b"/webhooks/\xc3\xa9"),
        (b"/webhooks/stripe", b"webhooks/stripe"),
    ],
)
def test_what_two_readers_would_read_differently_is_not_taken(
    settings: Settings, by_sender: dict[str, list[Delivery]], old: bytes, new: bytes
) -> None:
    """A rightly signed request that a proxy before us might have understood in another way."""
    forger = Forger(random.Random(SEED), Signer.of(settings), {"stripe": by_sender["stripe"]}, time.time())
    good = on_the_wire(forger.genuine(("stripe",)), b"localhost")
    assert good.count(old) == 1
    assert said(settings, good.replace(old, new)) in REFUSALS | {CLOSED}
