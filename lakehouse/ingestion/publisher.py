"""Publish to the event log and know it: a message counts only when the broker acknowledged it on all replicas."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from lakehouse.engines.kafka import client_config
from lakehouse.ingestion.messages import Message
from lakehouse.settings import Settings

POLL_SECONDS = 0.05


class NotAcknowledged(Exception):
    """The broker did not acknowledge in time. The message may still have been stored: staging removes the copy."""


def producer_config(settings: Settings) -> dict[str, Any]:
    """Idempotent, all replicas; what the deadline passes is given up and cannot come later."""
    return {
        **client_config(settings),
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 2,
        "message.timeout.ms": int(settings.publish_deadline_seconds * 1000),
        "message.max.bytes": settings.max_body_bytes + 65_536,
        "compression.type": "lz4",
        "log_level": 3,
    }


class Publisher:
    """One producer and one thread that serves its callbacks. `publish` is for an event loop; `close` flushes.

    `topic_prefix` is put before the name of each topic.
    """

    def __init__(self, settings: Settings, topic_prefix: str = "") -> None:
        self._topic_prefix = topic_prefix
        self._deadline = settings.publish_deadline_seconds
        self._producer = Producer(producer_config(settings))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka-callbacks", daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(POLL_SECONDS)

    async def publish(self, messages: list[Message]) -> None:
        """Return when every message is acknowledged. Raises `NotAcknowledged`."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        remaining, lock = len(messages), threading.Lock()

        def finish(error: KafkaError | None) -> None:
            if not done.done():
                done.set_result(error)

        def delivered(error: KafkaError | None, _: object) -> None:
            nonlocal remaining
            with lock:
                remaining -= 1
                last = remaining == 0
            if error is not None or last:
                loop.call_soon_threadsafe(finish, error)

        try:
            for message in messages:
                self._producer.produce(
                    f"{self._topic_prefix}{message.topic}",
                    key=message.key,
                    value=message.value,
                    headers=list(message.headers.items()),
                    on_delivery=delivered,
                )
        except (BufferError, KafkaException) as error:
            raise NotAcknowledged(str(error)) from error
        try:
            failure = await asyncio.wait_for(done, self._deadline + 0.5)
        except TimeoutError as error:
            raise NotAcknowledged(f"no acknowledgement within {self._deadline} s") from error
        if failure is not None:
            raise NotAcknowledged(str(failure))

    async def broker_answers(self, timeout: float = 2.0) -> bool:
        """Whether the broker gives its metadata now."""
        try:
            await asyncio.to_thread(self._producer.list_topics, None, timeout)
        except KafkaException:
            return False
        return True

    def close(self) -> None:
        """Wait for what is under way, at most the deadline, and end the thread."""
        self._producer.flush(self._deadline)
        self._stopping.set()
        self._thread.join(timeout=5)
