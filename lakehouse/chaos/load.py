"""A steady load of new webhooks, whatever the services do meanwhile; and what became of it, from the senders' book."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any

from data_generators import ledger
from data_generators.deliveries import WorldError, read_deliveries
from data_generators.generate import read_manifest, write_days
from data_generators.sender import Sender
from data_generators.signing import Signer
from lakehouse.commands.world import config_for, next_day
from lakehouse.lesson.load import Load, sent_at
from lakehouse.settings import PROJECT_ROOT, Settings, get_settings
from stack.native.service import stack_environment

CONNECTIONS = 320
"""More than the API takes at once, so that a hanging broker is met by its limit and not by ours."""
MOST_OPEN = 50_000
RETRY_SCALE = 0.02
"""A second of the senders' real waits: Shopify tries for 4.8 minutes, and first after 1.1 seconds."""
DAYS_AT_ONCE = 40
STOCK_SECONDS = 60
"""Of load, made at a time; when less than half of it is left, more is made beside the load."""
MARGIN = 1.2
"""Times the rate that is asked for: what is refused on purpose (about 1 in 100), and room for a busy machine."""


def unsent_days(settings: Settings) -> dict[int, int]:
    """Days that were generated and of which nothing was sent, and how many deliveries each has."""
    manifest = read_manifest(settings.world_dir) or {"days": {}}
    planned = {int(day): int(summary["deliveries"]) for day, summary in manifest["days"].items()}
    return {
        day: count for day, count in sorted(planned.items()) if not ledger.ledger_path(settings.world_dir, day).exists()
    }


def stock_up(settings: Settings, deliveries: int) -> int:
    """Generate whole days until so many deliveries wait to be sent; returns how many do."""
    while (there := sum(unsent_days(settings).values())) < deliveries:
        first = next_day(settings.world_dir)
        write_days(settings.world_dir, config_for(settings, None, None), first, first + DAYS_AT_ONCE - 1)
    return there


class Maker:
    """Makes days in a process of its own: in this one the load would stand still meanwhile, and a day takes memory
    that Python does not give back."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, deliveries: int) -> None:
        """Make so many deliveries, unless some are being made."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                ["nice", sys.executable, "-m", "lakehouse.chaos.load", str(deliveries)], cwd=PROJECT_ROOT,
                env={**os.environ, **stack_environment(self._settings)},
            )  # fmt: skip

    def wait(self) -> None:
        """Return when what was begun is made. Raises `WorldError` if it was not."""
        if self._process is not None and self._process.wait():
            raise WorldError("no more days could be made", "read what the process has said above")


class _Books:
    """The book of each delivery's own day, opened when it is first written in."""

    def __init__(self, settings: Settings, opened: ExitStack) -> None:
        self._world, self._opened = settings.world_dir, opened
        self._books: dict[int, ledger.Ledger] = {}

    def write(self, attempt: dict[str, Any]) -> None:
        day = attempt["day"]
        if day not in self._books:
            self._books[day] = self._opened.enter_context(ledger.Ledger(self._world, day))
        self._books[day].write(attempt)


class SteadyLoad(Load):
    """Within its `with`, `rate` new deliveries begin each second; leaving it ends them and finishes what was begun.

    Days that wait to be sent come first (see `stock_up`); then new ones are made.
    """

    def __init__(self, settings: Settings, *, rate: int, retry_scale: float = RETRY_SCALE) -> None:
        super().__init__(settings, rate=rate, retry_scale=retry_scale)
        self._maker = Maker(settings)
        self._last_day = threading.Event()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._maker.wait()

    def _next_day(self) -> int | None:
        """The first day that waits, if one does; more are made when few are left."""
        stock = int(self.rate * STOCK_SECONDS)
        waiting = {day: count for day, count in unsent_days(self.settings).items() if day not in self.days}
        if sum(waiting.values()) < stock / 2:
            self._maker.begin(stock)
        return min(waiting, default=None)

    def _deliveries(self) -> Iterator[dict[str, Any]]:
        while not self._stop.is_set() and not self._last_day.is_set():
            day = self._next_day()
            if day is None:
                self._maker.wait()
                continue
            self.days.append(day)
            for delivery in read_deliveries(self.settings.world_dir, day):
                if self._stop.is_set():
                    return
                self.begun += 1
                yield delivery
        self.ended = self.ended or time.time()

    def pause(self) -> None:
        """Begin no more days. What is left of the one under way is sent: the ledger of a run that goes on wants an
        answer to each of its deliveries."""
        self._last_day.set()

    async def _send(self) -> None:
        with ExitStack() as opened:
            sender = Sender(
                self.settings.ingestion_url, Signer.of(self.settings), _Books(self.settings, opened),
                rate=self.rate * MARGIN, concurrency=CONNECTIONS, retry_scale=self._scale, most_open=MOST_OPEN,
                steady=True,
            )  # fmt: skip
            await sender.run(self._deliveries())


@dataclass(frozen=True)
class Figures:
    """What a load was: requests by what became of them, from the first to the last new one, in `seconds`.

    `taken` are those of the `new` that were acknowledged in the end, however late.
    """

    seconds: float
    new: int
    taken: int
    attempts: int
    acknowledged: int
    refused: dict[str, int]
    failed: dict[str, int]
    sent_again: int

    @property
    def rate(self) -> float:
        """New webhooks a second."""
        return self.new / self.seconds if self.seconds else 0.0

    @property
    def taken_rate(self) -> float:
        """New webhooks a second that were acknowledged in the end."""
        return self.taken / self.seconds if self.seconds else 0.0


def figures(attempts: list[dict[str, Any]], began: float, ended: float) -> Figures:
    """Of the attempts in a span of time (seconds since 1970). What was refused or failed is counted by its reason."""
    first, last = sent_at(began), sent_at(ended)
    mine = [attempt for attempt in attempts if first <= attempt["sent_at"] <= last]
    new = {attempt["delivery_id"] for attempt in mine if attempt["attempt"] == 1}

    def reasons(outcome: str) -> dict[str, int]:
        return dict(Counter(attempt["reason"] for attempt in mine if attempt["outcome"] == outcome).most_common())

    return Figures(
        seconds=ended - began,
        new=len(new),
        taken=len(new & {attempt["delivery_id"] for attempt in attempts if attempt["outcome"] == "accepted"}),
        attempts=len(mine),
        acknowledged=sum(attempt["outcome"] == "accepted" for attempt in mine),
        refused=reasons("refused"),
        failed=reasons("failed"),
        sent_again=sum(attempt["attempt"] > 1 for attempt in mine),
    )


def total(parts: list[Figures]) -> Figures:
    """Several loads as one."""

    def summed(name: str) -> dict[str, int]:
        counted: Counter[str] = Counter()
        for part in parts:
            counted.update(getattr(part, name))
        return dict(counted.most_common())

    return Figures(
        seconds=sum(part.seconds for part in parts),
        new=sum(part.new for part in parts),
        taken=sum(part.taken for part in parts),
        attempts=sum(part.attempts for part in parts),
        acknowledged=sum(part.acknowledged for part in parts),
        refused=summed("refused"),
        failed=summed("failed"),
        sent_again=sum(part.sent_again for part in parts),
    )


def per_second(attempts: list[dict[str, Any]], began: float, ended: float) -> list[tuple[int, dict[str, int]]]:
    """(second since 1970, requests by outcome) of each second of a span, also of those in which nothing was sent."""
    first, last = sent_at(began), sent_at(ended)
    counted: dict[int, Counter[str]] = {second: Counter() for second in range(int(began), int(ended) + 1)}
    for attempt in attempts:
        if first <= attempt["sent_at"] <= last:
            counted[int(datetime.fromisoformat(attempt["sent_at"]).timestamp())][attempt["outcome"]] += 1
    return [(second, dict(outcomes)) for second, outcomes in counted.items()]


if __name__ == "__main__":
    stock_up(get_settings(), int(sys.argv[1]))
