"""The one way to wait: ask until it is true, with a deadline, and say what to do when it is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from lakehouse.errors import LakehouseError


class TookTooLong(LakehouseError):
    """What was waited for did not come in time; the message names it, and the next step."""


def wait_until(
    predicate: Callable[[], object],
    *,
    timeout: float,
    what: str,
    next_step: str = "",
    every: float = 0.5,
) -> None:
    """Ask `predicate` every `every` seconds until it is true. Raises `TookTooLong` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not predicate():
        if time.monotonic() >= deadline:
            raise TookTooLong(f"waited {timeout:.0f} s for {what}, and it did not come", next_step)
        pause.wait(every)
