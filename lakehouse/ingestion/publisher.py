"""Publish to the event log and know it: a message counts only when the broker acknowledged it on all replicas."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from lakehouse.engines.kafka import client_config
from lakehouse.ingestion.messages import Message
from lakehouse.settings import Settings

POLL_SECONDS = 0.001
"""Between two looks at what the broker has acknowledged."""
LATE_SECONDS = 0.5
"""After the deadline, for the client's own word that it has given a message up."""


class NotAcknowledged(Exception):
    """The broker did not acknowledge in time. The message may still have been stored: staging removes the copy."""


def producer_config(settings: Settings) -> dict[str, Any]:
    """Idempotent, all replicas; what the deadline passes is given up and cannot come later."""
    return {
        **client_config(settings),
        "acks": "all",
        "enable.idempotence": True,
        # a request to the broker carries what came within it; with 2 the broker's time for a webhook is twice as long
        "linger.ms": 5,
        "message.timeout.ms": int(settings.publish_deadline_seconds * 1000),
        "message.max.bytes": settings.max_body_bytes + 65_536,
        "compression.type": "lz4",
        "log_level": 3,
    }


class _Pending:
    """A request's messages until the broker has answered for each; `done` becomes the first error, or None."""

    __slots__ = ("deadline", "done", "remaining")

    def __init__(self, done: asyncio.Future[str | None], remaining: int, deadline: float) -> None:
        self.done, self.remaining, self.deadline = done, remaining, deadline

    def delivered(self, error: KafkaError | None, _: object) -> None:
        self.remaining -= 1
        if error is not None or self.remaining == 0:
            self.finish(None if error is None else str(error))

    def finish(self, error: str | None) -> None:
        if not self.done.done():
            self.done.set_result(error)


class Publisher:
    """One producer for one event loop, which serves its callbacks while something is under way. `close` flushes.

    A thread that served them would have to wait for the interpreter at each single acknowledgement while the loop is
    busy; the loop takes all that have come since it last looked. `topic_prefix` is put before the name of each topic.
    """

    def __init__(self, settings: Settings, topic_prefix: str = "") -> None:
        self._topic_prefix = topic_prefix
        self._deadline = settings.publish_deadline_seconds
        self._producer = Producer(producer_config(settings))
        self._under_way: deque[_Pending] = deque()
        self._serving = False

    async def publish(self, messages: list[Message]) -> None:
        """Return when every message is acknowledged. Raises `NotAcknowledged`."""
        loop = asyncio.get_running_loop()
        patience = self._deadline + LATE_SECONDS
        pending = _Pending(loop.create_future(), len(messages), loop.time() + patience)
        try:
            for message in messages:
                self._producer.produce(
                    f"{self._topic_prefix}{message.topic}",
                    key=message.key,
                    value=message.value,
                    headers=list(message.headers.items()),
                    on_delivery=pending.delivered,
                )
        except (BufferError, KafkaException) as error:
            pending.done.cancel()
            raise NotAcknowledged(str(error)) from error
        finally:
            self._under_way.append(pending)
            if not self._serving:
                self._serving = True
                loop.call_later(POLL_SECONDS, self._serve, loop)
        failure = await pending.done
        if failure is not None:
            raise NotAcknowledged(failure)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the acknowledgements that have come, give up what is overdue, and look again while there is more."""
        self._producer.poll(0)
        now = loop.time()
        # all have the same patience: the first one in is the first one overdue
        while self._under_way and (self._under_way[0].done.done() or self._under_way[0].deadline <= now):
            self._under_way.popleft().finish(f"no acknowledgement within {self._deadline} s")
        self._serving = bool(self._under_way) or len(self._producer) > 0
        if self._serving:
            loop.call_later(POLL_SECONDS, self._serve, loop)

    async def broker_answers(self, timeout: float = 2.0) -> bool:
        """Whether the broker gives its metadata now."""
        try:
            await asyncio.to_thread(self._producer.list_topics, None, timeout)
        except KafkaException:
            return False
        return True

    def close(self) -> None:
        """Wait for what is under way, at most the deadline."""
        self._producer.flush(self._deadline)
