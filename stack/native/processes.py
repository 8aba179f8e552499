"""Processes of this machine as /proc shows them: who is whose child, who belongs to a stack, how much memory."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Stat:
    """The part of /proc/PID/stat that says where a process belongs."""

    pid: int
    parent: int
    session: int
    zombie: bool


def all_processes() -> list[Stat]:
    """Every process that can be seen; one that ends while we look is left out."""
    found = []
    for path in PROC.glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        found.append(Stat(int(path.parent.name), int(fields[1]), int(fields[3]), fields[0] == "Z"))
    return found


def descendants(roots: set[int], processes: list[Stat]) -> set[int]:
    """These processes and all below them."""
    children: dict[int, list[int]] = {}
    for process in processes:
        children.setdefault(process.parent, []).append(process.pid)
    tree: set[int] = set()
    queue = list(roots)
    while queue:
        current = queue.pop()
        if current not in tree:
            tree.add(current)
            queue.extend(children.get(current, []))
    return tree


def ancestors(pid: int, processes: list[Stat]) -> set[int]:
    """A process and all above it."""
    parents = {process.pid: process.parent for process in processes}
    line = set()
    while pid and pid not in line:
        line.add(pid)
        pid = parents.get(pid, 0)
    return line


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and waits for its parent does not count."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def has_environment(pid: int, name: str, value: str) -> bool:
    """Whether a process was started with this variable. False for a process of another user."""
    try:
        block = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"{name}={value}".encode() in block.split(b"\0")


def title(pid: int, length: int = 80) -> str:
    """The beginning of a process's command line, for people; empty for one that has ended."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()[:length]
    except OSError:
        return ""


def _pss_mb(pid: int) -> float:
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    match = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) / 1024 if match else 0.0


def memory_mb(pid: int, seen: list[Stat] | None = None) -> float:
    """Memory of a process and all below it, in MB: proportional set size, so shared pages count once.

    Who asks for many processes gives `all_processes()`.
    """
    return sum(_pss_mb(each) for each in descendants({pid}, all_processes() if seen is None else seen))


def booted_at() -> int:
    """When this machine started, in seconds since 1970."""
    match = re.search(r"^btime (\d+)", (PROC / "stat").read_text(encoding="ascii"), re.MULTILINE)
    return int(match[1]) if match else 0


def _socket_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("tcp", "tcp6"):
        path = PROC / "net" / table
        if not path.exists():
            continue
        for line in path.read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            listening, local_port = fields[3] == "0A", int(fields[1].rpartition(":")[2], 16)
            if listening and local_port == port:
                inodes.add(fields[9])
    return inodes


def listener(port: int) -> str:
    """Who listens on a port, as `java (pid 12)`; empty when it cannot be seen (another user's process)."""
    wanted = {f"socket:[{inode}]" for inode in _socket_inodes(port)}
    if not wanted:
        return ""
    for folder in PROC.glob("[0-9]*/fd"):
        if wanted & _open_names(folder):
            pid = int(folder.parent.name)
            return f"{Path(title(pid).split(' ')[0]).name} (pid {pid})"
    return ""


def _open_names(folder: Path) -> set[str]:
    names = set()
    try:
        for entry in folder.iterdir():
            with suppress(FileNotFoundError):  # closed while we looked
                names.add(os.readlink(entry))
    except OSError:
        return set()  # another user's process, or gone
    return names
