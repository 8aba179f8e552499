"""The publisher where no broker answers: every request is told in time, one that waits stops no other."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from collections.abc import Iterator

import pytest

from lakehouse.ingestion.messages import Message
from lakehouse.ingestion.publisher import NotAcknowledged, Publisher
from lakehouse.settings import Settings
from stack.native.secrets import ensure_secrets

DEADLINE = 0.3
MESSAGE = Message("shopify.orders", "1", b"{}", {"webhook_id": "a"})


@pytest.fixture
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings whose broker takes connections and never answers."""
    folder = tmp_path_factory.mktemp("stack")
    ensure_secrets(folder)
    with socket.socket() as broker:
        broker.bind(("127.0.0.1", 0))
        broker.listen()
        settings = Settings(_env_file=folder / "secrets.env", data_dir=folder)  # type: ignore[call-arg]
        where = f"127.0.0.1:{broker.getsockname()[1]}"
        yield settings.model_copy(update={"kafka_bootstrap": where, "publish_deadline_seconds": DEADLINE})
        # a producer ends with its last reference, which an error's traceback may hold in a cycle; until then it logs
        gc.collect()


def test_what_is_not_acknowledged_is_told_in_time(silent: Settings) -> None:
    async def work() -> list[BaseException | None]:
        publisher = Publisher(silent)
        began = time.monotonic()
        found = await asyncio.gather(*(publisher.publish([MESSAGE] * n) for n in (1, 2, 50)), return_exceptions=True)
        # no request waits for another
        assert time.monotonic() - began < DEADLINE + 1
        publisher.close()
        return found

    assert [type(error) for error in asyncio.run(work())] == [NotAcknowledged] * 3


def test_a_message_that_is_too_large_is_refused_at_once_and_leaves_nothing_behind(silent: Settings) -> None:
    too_large = Message("shopify.orders", "1", b"x" * (silent.max_body_bytes + 100_000))

    async def work() -> None:
        publisher = Publisher(silent)
        began = time.monotonic()
        with pytest.raises(NotAcknowledged, match="too large"):
            await publisher.publish([too_large])
        assert time.monotonic() - began < DEADLINE
        with pytest.raises(NotAcknowledged):
            await publisher.publish([MESSAGE])
        publisher.close()

    asyncio.run(work())


def test_a_request_that_is_cancelled_stops_no_other(silent: Settings) -> None:
    async def work() -> None:
        publisher = Publisher(silent)
        first = asyncio.create_task(publisher.publish([MESSAGE]))
        second = asyncio.create_task(publisher.publish([MESSAGE]))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(NotAcknowledged):
            await second
        assert first.cancelled()
        publisher.close()

    asyncio.run(work())
