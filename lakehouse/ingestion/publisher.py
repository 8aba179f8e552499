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


class NotAcknowledged(Exception):
    """The broker did not acknowledge in time. The message may still have been stored: staging removes the copy."""


def producer_config(settings: Settings) -> dict[str, Any]:
    """Idempotent, all replicas, and no timeout of its own: `Publisher` gives up what is overdue.

    A message that the client itself times out leaves a gap in its numbering. It then goes on under a new producer
    epoch and sends what was under way once more, acknowledged copies of messages that the broker cannot tell from new
    ones (its maintainers say so in librdkafka's issue 4953).
    """
    return {
        **client_config(settings),
        "acks": "all",
        "enable.idempotence": True,
        # a request to the broker carries what came within it; with 2 the broker's time for a webhook is twice as long
        "linger.ms": 5,
        "message.timeout.ms": 0,
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
        pending = _Pending(loop.create_future(), len(messages), loop.time() + self._deadline)
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
        while self._under_way and self._under_way[0].done.done():
            self._under_way.popleft()
        # all have the same patience: the first one in is the first one overdue
        if self._under_way and self._under_way[0].deadline <= loop.time():
            self._give_up()
        self._serving = bool(self._under_way) or len(self._producer) > 0
        if self._serving:
            loop.call_later(POLL_SECONDS, self._serve, loop)

    def _give_up(self) -> None:
        """Everything under way: what is given up must not come later, and one message alone cannot be taken back."""
        for pending in self._under_way:
            pending.finish(f"the broker acknowledged nothing more for {self._deadline} s")
        self._under_way.clear()
        self._producer.purge(blocking=False)

    async def broker_answers(self, timeout: float = 2.0) -> bool:
        """Whether the broker gives its metadata now."""
        try:
            await asyncio.to_thread(self._producer.list_topics, None, timeout)
        except KafkaException:
            return False
        return True

    def close(self) -> None:
        """Wait for what is under way, at most the deadline; the rest is given up."""
        if self._producer.flush(self._deadline):
            self._give_up()
            self._producer.flush(self._deadline)
