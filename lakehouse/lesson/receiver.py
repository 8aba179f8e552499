"""The webhook API once more, for a lesson: in this process, on a free port of the loopback address, with secrets and
topics of its own.

It is the application that the stack runs, on the stack's broker; only what it takes does not go the way of the data,
for nobody reads its topics. They are deleted at the end, and those that an interrupted run left at the next start.
"""

from __future__ import annotations

import secrets
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import SecretStr

from data_generators.signing import Signer
from lakehouse.engines import kafka, kafka_reader
from lakehouse.engines.kafka_reader import Logged
from lakehouse.lesson.learners import learner
from lakehouse.settings import Settings, get_settings
from lakehouse.waiting import wait_until

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

SENDERS = ("shopify", "stripe", "hubspot")
PUBLIC_URL = "https://hooks.example.com"
"""As senders know the receiver. It listens elsewhere, as behind a proxy that ends TLS."""
START_SECONDS, STOP_SECONDS, SILENCE_SECONDS = 20, 15, 0.5
DEADLINE_SECONDS = 15.0
"""For the broker's acknowledgement: longer than the stack's own, for nothing here is about how fast a machine is."""


def new_secret(sender: str) -> str:
    """A secret as the sender's settings page would show it."""
    return f"{'whsec_' if sender == 'stripe' else ''}{secrets.token_hex(16)}"


class Receiver:
    """A running receiver. `client` posts to it, `secrets` are what it takes, by sender; `restart` changes settings.

    Made by `open_receiver`; leaving it as a context manager closes it.
    """

    def __init__(self, name: str, settings: Settings, prefix: str) -> None:
        self._name, self._settings, self._prefix = name, settings, prefix
        self._app: FastAPI
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.client = httpx.Client(timeout=30, trust_env=False)

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def topics(self) -> dict[str, str]:
        """The pipeline's topic → this receiver's."""
        return {topic: f"{self._prefix}{topic}" for topic in kafka.TOPICS}

    @property
    def secrets(self) -> dict[str, tuple[str, ...]]:
        """The secrets that are valid now, by sender."""
        taken = {sender: getattr(self._settings, f"{sender}_webhook_secrets") for sender in SENDERS}
        return {sender: tuple(secret.get_secret_value() for secret in some) for sender, some in taken.items()}

    @property
    def signer(self) -> Signer:
        """The senders' side: it signs with the first secret of each."""
        return Signer({sender: some[0] for sender, some in self.secrets.items()}, PUBLIC_URL)

    def messages(self) -> list[Logged]:
        """All that it has stored, with the pipeline's names of the topics."""
        names = {mine: topic for topic, mine in self.topics.items()}
        found = kafka_reader.read_all(list(names), get_settings())
        return [Logged(names[m.topic], m.partition, m.offset, m.key, m.value, m.headers) for m in found]

    def restart(self, **changes: Any) -> None:
        """End it and start it anew with other settings; `secrets={sender: (…, …)}` sets those of some senders."""
        given: dict[str, tuple[str, ...]] = changes.pop("secrets", {})
        for sender, some in given.items():
            changes[f"{sender}_webhook_secrets"] = tuple(SecretStr(secret) for secret in some)
        self.stop()
        self._settings = self._settings.model_copy(update=changes)
        self.start()

    @contextmanager
    def silent_broker(self) -> Iterator[None]:
        """For this block the broker is one that takes connections and never answers; the deadline is half a second."""
        before = {name: getattr(self._settings, name) for name in ("kafka_bootstrap", "publish_deadline_seconds")}
        with socket.socket() as silent:
            silent.bind((self._settings.host, 0))
            silent.listen()
            where = f"{self._settings.host}:{silent.getsockname()[1]}"
            self.restart(kafka_bootstrap=where, publish_deadline_seconds=SILENCE_SECONDS)
            try:
                yield
            finally:
                self.restart(**before)

    def start(self) -> None:
        """Listen on a port that is free, and point `client` there. Raises `TookTooLong`."""
        import uvicorn

        from lakehouse.ingestion.app import create_app

        self._app = create_app(self._settings, self._prefix)
        config = uvicorn.Config(self._app, host=self._settings.host, port=0, log_level="warning", access_log=False)
        server = self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=server.run, name="lesson-receiver", daemon=True)
        self._thread.start()
        wait_until(lambda: server.started, timeout=START_SECONDS, what="the lesson's receiver to listen",
                   next_step="restart the kernel and run the notebook again", every=0.02)  # fmt: skip
        port = server.servers[0].sockets[0].getsockname()[1]
        self.client.base_url = httpx.URL(f"http://{self._settings.host}:{port}")

    def stop(self) -> None:
        """Finish what is under way and end."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(STOP_SECONDS)
            # a producer ends with its last reference, and the framework's caches keep the application that holds it:
            # it would look for its broker from then on, and say so in the notebook where there is none
            del self._app.state.publisher._producer
        self._server = self._thread = None

    def close(self) -> None:
        """End it for good and delete its topics. Repeatable."""
        self.stop()
        self.client.close()
        if _open.pop(self._name, None) is not None:
            _delete(list(self.topics.values()), get_settings())


def _delete(topics: list[str], settings: Settings) -> None:
    if topics:
        client = kafka.admin(settings)
        for future in client.delete_topics(topics, operation_timeout=START_SECONDS).values():
            future.result(timeout=START_SECONDS)


def _create(topics: list[str], settings: Settings) -> None:
    from confluent_kafka.admin import NewTopic

    wanted = [NewTopic(name, num_partitions=kafka.PARTITIONS, replication_factor=1) for name in topics]
    client = kafka.admin(settings)
    for future in client.create_topics(wanted).values():
        future.result(timeout=START_SECONDS)


_open: dict[str, Receiver] = {}
"""Of this process, by name: a cell that opens one may be run twice."""


def open_receiver(name: str) -> Receiver:
    """A running receiver with fresh secrets and empty topics; `close` ends it. `name` keeps two lessons apart.

    One of that name that is still open in this process is closed first.
    """
    if name in _open:
        _open[name].close()
    settings = get_settings()
    mine = f"scratch.{learner()}.{name}."
    _delete([topic for topic in kafka.topic_names(settings) if topic.startswith(mine)], settings)
    fresh = {f"{sender}_webhook_secrets": (SecretStr(new_secret(sender)),) for sender in SENDERS}
    own = settings.model_copy(
        update={**fresh, "public_base_url": PUBLIC_URL, "publish_deadline_seconds": DEADLINE_SECONDS}
    )
    running = _open[name] = Receiver(name, own, f"{mine}{uuid.uuid4().hex[:8]}.")
    _create(list(running.topics.values()), settings)
    running.start()
    return running
