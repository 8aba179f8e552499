"""How services look in a terminal: their progress while they start, and the table of `status`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from stack.native.inspection import Row

MEMORY_BUDGET_GB = 9.0
WIDE = 140
"""Characters of a line where the output is no terminal."""
WITH_PAGES = 118
"""Narrower terminals get the table of services without their pages."""
STATE_STYLE = {"healthy": "green", "starting": "yellow", "unhealthy": "red", "failed": "bold red", "stopped": "dim"}
DONE = ("healthy", "stopped")

Report = Callable[[str, str, float], None]


def wide_console() -> Console:
    """A console that does not cut tables at 80 columns when the output is a file or a pipe."""
    console = Console()
    if not console.is_terminal:
        console.width = max(WIDE, console.width)
    return console


@dataclass
class _Line:
    what: str
    began: float = field(default_factory=time.monotonic)
    seconds: float | None = None


class _Board:
    """One line a service: what happens to it, and for how long already."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._lock = threading.Lock()
        self._spinner = Spinner("dots")

    def report(self, name: str, what: str, seconds: float) -> None:
        with self._lock:
            line = self._lines.setdefault(name, _Line(what))
            line.what = what
            line.seconds = seconds if what in DONE else None

    def __rich__(self) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        with self._lock:
            for name, line in self._lines.items():
                finished = line.seconds is not None
                seconds = line.seconds if line.seconds is not None else time.monotonic() - line.began
                mark: RenderableType = Text("✓", style="green") if finished else self._spinner
                grid.add_row(mark, name, Text(line.what, style=_style(line.what)), f"{seconds:6.1f} s")
        return Group(grid)


def _style(what: str) -> str:
    return {"healthy": "green", "stopped": "dim"}.get(what, "yellow")


@contextmanager
def progress(console: Console) -> Iterator[Report]:
    """What to report services to: a live board on a terminal, a line an event elsewhere."""
    if console.is_terminal:
        board = _Board()
        with Live(board, console=console, refresh_per_second=8):
            yield board.report
        return

    def line(name: str, what: str, seconds: float) -> None:
        console.print(f"  {name:<24} {what:<10} {seconds:6.1f} s", markup=False, highlight=False)

    yield line


def total_gb(rows: list[Row]) -> float:
    """Memory of all services together, in GB."""
    return sum(row.memory_mb for row in rows) / 1024


def _since(started: datetime) -> str:
    today = started.date() == datetime.now(started.tzinfo).date()
    return started.strftime("%H:%M:%S" if today else "%d %b %H:%M")


def print_status(console: Console, stack_name: str, rows: list[Row]) -> None:
    """The table of services, below it what is wrong with those that are not healthy, and the memory of all."""
    table = Table(title=f"stack “{stack_name}”", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("service", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("ports", overflow="fold")
    table.add_column("pid", justify="right", no_wrap=True)
    table.add_column("memory", justify="right", no_wrap=True)
    table.add_column("since", no_wrap=True)
    wide = console.width >= WITH_PAGES
    if wide:
        table.add_column("page", no_wrap=True)
    for row in rows:
        since = _since(row.started_at) if row.started_at else ""
        memory = f"{row.memory_mb:.0f} MB" if row.pid else ""
        ports = " ".join(str(port) for port in row.ports.values())
        state = Text(row.state, STATE_STYLE[row.state])
        table.add_row(row.name, state, ports, str(row.pid or ""), memory, since, *([row.url] if wide else []))
    console.print(table)
    for row in rows:
        if row.reason:
            console.print(Text(f"  {row.name}: {row.reason}", STATE_STYLE[row.state]))
    total = total_gb(rows)
    style = "green" if total <= MEMORY_BUDGET_GB else "red"
    console.print(f"memory of everything together: [{style}]{total:.2f} GB[/] of {MEMORY_BUDGET_GB:.0f} GB")
