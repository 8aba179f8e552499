"""The generator of webhooks: answers cut out of a stream, percentiles, and a schedule that waiting counts in."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load import Load, Template, answer_length, percentile, template
from lakehouse.settings import Settings

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}"


@given(st.integers(0, len(ANSWER) - 1))
def test_a_part_of_an_answer_is_no_answer(cut: int) -> None:
    assert answer_length(ANSWER[:cut]) is None


@given(st.binary(max_size=40))
def test_an_answer_ends_where_its_length_says(after: bytes) -> None:
    assert answer_length(ANSWER + after) == len(ANSWER)


def test_an_answer_without_a_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="without a length"):
        answer_length(b"HTTP/1.1 200 OK\r\n\r\n")


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.floats(0.001, 1))
def test_a_percentile_is_the_smallest_value_that_is_enough(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_a_request_is_signed_over_its_body_and_has_its_own_id(settings: Settings) -> None:
    body = b'{"id": 1}'
    request = template(settings, body).request(b"mine")
    head, _, sent = request.partition(b"\r\n\r\n")
    headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    secret = settings.shopify_webhook_secrets[0].get_secret_value().encode()
    assert sent == body
    assert headers[b"X-Shopify-Webhook-Id"] == b"mine"
    assert int(headers[b"Content-Length"]) == len(body)
    assert base64.b64decode(headers[b"X-Shopify-Hmac-Sha256"]) == hmac.digest(secret, body, hashlib.sha256)


class Stalling(asyncio.Protocol):
    """A server that answers all, but nothing before `opens` (of its loop's clock)."""

    opens = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        loop.call_at(max(self.opens, loop.time()), self._transport.write, ANSWER)


def _against_a_server_that_stalls(settings: Settings, seconds: float, rate: float, connections: int) -> Load:
    async def work() -> Load:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Stalling, settings.host, 0)
        port = server.sockets[0].getsockname()[1]
        some = [Template(b"POST / HTTP/1.1\r\nX: ", b"\r\n\r\n")]
        load = Load(settings.model_copy(update={"ingestion_port": port}), some, secrets.token_hex(4))
        await load.connect(connections)
        Stalling.opens = loop.time() + seconds
        await load.open(rate, seconds)
        load.close()
        server.close()
        await server.wait_closed()
        return load

    return asyncio.run(work())


def test_what_waits_for_a_connection_is_waiting(settings: Settings) -> None:
    """One connection, a server that stands still for half a second, a request due each 50 ms: all but the last have
    waited for most of it, although only one was sent meanwhile."""
    load = _against_a_server_that_stalls(settings, seconds=0.5, rate=20, connections=1)
    assert len(load.book.accepted) == load.book.sent == 10
    assert percentile(load.book.latencies, 1.0) >= 0.49
    assert percentile(load.book.latencies, 0.5) >= 0.2


def test_a_closed_run_ends_with_every_answer(settings: Settings) -> None:
    async def work() -> Load:
        server = await asyncio.get_running_loop().create_server(Stalling, settings.host, 0)
        port = server.sockets[0].getsockname()[1]
        some = [Template(b"POST / HTTP/1.1\r\nX: ", b"\r\n\r\n")]
        load = Load(settings.model_copy(update={"ingestion_port": port}), some, "closed")
        Stalling.opens = 0.0
        await load.connect(4)
        await load.closed(0.2)
        load.close()
        server.close()
        await server.wait_closed()
        return load

    load = asyncio.run(work())
    assert load.book.sent == len(load.book.accepted) == len(load.book.latencies) > 4
    assert load.book.statuses == {200: load.book.sent}
