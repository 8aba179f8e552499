"""A steady load of signed webhooks while a lesson does something else: the next days of the world, as senders send.

What was begun is finished: at the end every delivery has its final answer in the sender's book, so that the ledger
balances whatever happened to the services meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import groupby, islice
from types import TracebackType
from typing import Any, Self

import uvloop

from data_generators import ledger
from data_generators.deliveries import read_deliveries
from data_generators.sender import Sender
from data_generators.signing import Signer
from lakehouse.checks.deliveries import sent_days
from lakehouse.commands.world import generate_day, next_day, send_day
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings

LANES = 8
"""Connections of one second's deliveries."""
FINISH_ROUNDS = 3


class NotFinished(LakehouseError):
    """Deliveries that were given up again and again, although the services are said to be healthy."""


def sent_at(moment: float) -> str:
    """A moment, in seconds since 1970, as the sender's book writes it: texts in the order of time."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def open_deliveries(settings: Settings, day: int) -> list[str]:
    """Deliveries of a day without a final answer; those that were given up have none."""
    final = ledger.final_outcomes(ledger.read_attempts(settings.world_dir, day), gave_up=False)
    return [d["delivery_id"] for d in read_deliveries(settings.world_dir, day) if d["delivery_id"] not in final]


def finish(settings: Settings, days: list[int], **pace: Any) -> None:
    """Send what is open of these days, also what was given up. Raises `NotFinished`."""
    for _ in range(FINISH_ROUNDS):
        unfinished = [day for day in days if open_deliveries(settings, day)]
        for day in unfinished:
            # in a thread: a notebook has an event loop of its own already, and the sender brings one
            with ThreadPoolExecutor(1) as thread:
                thread.submit(send_day, settings, day, gave_up=True, show=False, **pace).result()
        if not unfinished:
            return
    left = {day: len(open_deliveries(settings, day)) for day in days}
    raise NotFinished(
        f"without a final answer, by day: {left}", "look at `lakehouse stack logs ingestion`, then run the lesson again"
    )


class Load:
    """Within its `with`, sends `rate` deliveries a second in a thread; leaving it stops and finishes what was begun.

    `most` deliveries are begun at most. What a run that was interrupted has left open is finished first. `days` are
    those of the world that it has begun; `began` and `ended` are when its sending began and its `with` was left, in
    seconds since 1970.
    """

    def __init__(self, settings: Settings, *, rate: int = 8, most: int = 2000, retry_scale: float = 0.001) -> None:
        self.settings, self.rate, self.most = settings, rate, most
        self.days: list[int] = []
        self.begun = 0
        self.began = self.ended = 0.0
        self._scale = retry_scale
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1, "load")

    def __enter__(self) -> Self:
        finish(self.settings, sent_days(self.settings.world_dir))
        self.began = time.time()
        self._running = self._thread.submit(lambda: uvloop.run(self._send()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended = self.ended or time.time()
        self._stop.set()
        self._thread.shutdown()
        if error is None:
            self._running.result()
            finish(self.settings, self.days)

    def attempts(self) -> list[dict[str, Any]]:
        """All attempts since it began, from the sender's book; of any day, for a body may come again on a later one."""
        world, began = self.settings.world_dir, sent_at(self.began)
        return [a for day in sent_days(world) for a in ledger.read_attempts(world, day) if a["sent_at"] >= began]

    def _deliveries(self) -> Iterator[dict[str, Any]]:
        """One day after the other, each made when it is needed."""
        while True:
            day = next_day(self.settings.world_dir)
            generate_day(self.settings, day)
            self.days.append(day)
            yield from read_deliveries(self.settings.world_dir, day)

    async def _send(self) -> None:
        deliveries, books = self._deliveries(), dict[int, ledger.Ledger]()
        with ExitStack() as opened:
            async with asyncio.TaskGroup() as group:
                while not self._stop.is_set() and self.begun < self.most:
                    second = islice(deliveries, min(self.rate, self.most - self.begun))
                    for day, some in groupby(second, lambda delivery: delivery["day"]):
                        if day not in books:
                            books[day] = opened.enter_context(ledger.Ledger(self.settings.world_dir, day))
                        begun = list(some)
                        self.begun += len(begun)
                        group.create_task(self._sender(books[day]).run(begun))
                    # the pace of the load; whoever ends it does not wait for the second to be over
                    await asyncio.to_thread(self._stop.wait, 1)

    def _sender(self, book: ledger.Ledger) -> Sender:
        """A second's deliveries get connections of their own: those that wait for an answer stop no later ones."""
        return Sender(
            self.settings.ingestion_url, Signer.of(self.settings), book,
            rate=max(self.rate, LANES), concurrency=LANES, retry_scale=self._scale,
        )  # fmt: skip
