"""A stack of the bench's own: made anew, only those services up that a part needs, deleted at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.ports import SEED_PORTS

if TYPE_CHECKING:
    from lakehouse.settings import Settings

PORT_OFFSET = 900
NAME = "bench-stack"
"""Also the folder below `.lakehouse/`."""


def point_at_it(port_offset: int = PORT_OFFSET) -> None:
    """Make this process and all that it starts use the bench's stack. Before anything has read the settings."""
    from lakehouse.settings import HOME

    os.environ["LAKEHOUSE_DATA_DIR"] = str(HOME / NAME)
    os.environ["LAKEHOUSE_PORT_OFFSET"] = str(port_offset)
    os.environ["LAKEHOUSE_STACK_NAME"] = "bench"
    # a run at the full hour would be in the middle of another measurement
    os.environ["LAKEHOUSE_PIPELINE_SCHEDULE"] = "none"


def ports(offset: int) -> set[int]:
    """All ports of a stack, with those 10,000 above the object store's, which it opens too."""
    own = {port + offset for port in SEED_PORTS.values()}
    return own | {port + offset + 10_000 for name, port in SEED_PORTS.items() if name.startswith("s3_")}


@dataclass(frozen=True)
class Usage:
    """CPU seconds that the services' processes have used since they started, by service."""

    seconds: dict[str, float]

    def since(self, before: Usage) -> dict[str, float]:
        """What was used between two readings. A service that was restarted between them would give nonsense."""
        return {name: round(used - before.seconds[name], 3) for name, used in self.seconds.items()}


class OwnStack:
    """The services of the bench. Use it as a context manager: at the end nothing runs and nothing is left."""

    def __init__(self) -> None:
        from lakehouse.settings import HOME, load_settings
        from stack.native.secrets import ensure_secrets

        self._folder = HOME / NAME
        ensure_secrets(self._folder)
        self.settings: Settings = load_settings()

    def __enter__(self) -> OwnStack:
        self.reset()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        shutil.rmtree(self._folder)

    def end(self) -> None:
        """No service runs; data stays."""
        from stack.native import lifecycle

        lifecycle.down(self.settings, lifecycle.select([]), lambda *_: None, everything=True)

    def reset(self) -> None:
        """No service, no data; the secrets are kept, for settings are read once a process."""
        from lakehouse import metadata

        self.end()
        for entry in self._folder.iterdir():
            if entry.name != "secrets.env":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        # its token is one of a catalog that is no more
        metadata.catalog.cache_clear()

    def only(self, *names: str) -> dict[str, float]:
        """Have these services and what they require up, and no other; seconds until each that was down was healthy."""
        from stack.native import lifecycle

        wanted = lifecycle.select(names)
        others = [service for service in lifecycle.select([]) if service not in wanted]
        lifecycle.down(self.settings, others, lambda *_: None, everything=False)
        took: dict[str, float] = {}

        def note(name: str, what: str, seconds: float) -> None:
            if what == "healthy":
                took[name] = round(seconds, 2)

        lifecycle.up(self.settings, wanted, note)
        return took

    def usage(self, names: Iterable[str]) -> Usage:
        """CPU seconds of these services so far, of all their processes that are alive."""
        return Usage({name: cpu_seconds(self.pid(name)) for name in names})

    def pid(self, name: str) -> int:
        from stack.native import supervisor

        found = supervisor.find(self.settings, name)
        if found is None:
            raise LookupError(f"{name} does not run")
        return found.pid

    def memory_mb(self) -> dict[str, float]:
        """Proportional set size of each service that runs, in MB."""
        from stack.native import supervisor
        from stack.native.processes import memory_mb

        alive = [process for process in supervisor.processes(self.settings) if process.pid]
        return {process.name: round(memory_mb(process.pid), 1) for process in alive}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, of all below it that are alive, and of its children that ended."""
    from stack.native.processes import PROC, all_processes, descendants

    ticks = 0
    for each in descendants({pid}, all_processes()):
        fields = (PROC / str(each) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        ticks += sum(int(value) for value in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(limit: float, timeout: float) -> float:
    """Wait until fewer processes want a core than `limit`, at most `timeout` seconds; the load then.

    What has just started (a JVM, a warm session) goes on working for a while after it answers.
    """
    from lakehouse.waiting import TookTooLong, wait_until

    def running() -> int:
        with open("/proc/loadavg", encoding="ascii") as text:
            return int(text.read().split()[3].split("/")[0])

    seen: list[int] = []

    def quiet() -> bool:
        seen.append(running())
        return len(seen) >= 10 and sum(seen[-10:]) / 10 < limit

    try:
        wait_until(quiet, timeout=timeout, what="the machine to be quiet", every=0.2)
    except TookTooLong:
        return os.getloadavg()[0]
    return sum(seen[-10:]) / 10
