"""Processes that outlived their stack's supervisord (it was killed, the machine was short of memory): found and ended.

They would hold the ports and the data that the next start needs.
"""

from __future__ import annotations

import os
import signal

from lakehouse.settings import Settings
from lakehouse.waiting import TookTooLong, wait_until
from stack.native import processes, supervisor

GRACE_SECONDS = 10


def _orphaned_session(settings: Settings) -> int:
    """The session of a supervisord that is dead; 0 if there is none that we may touch.

    Some services overwrite their environment with a title, so the session is the second way to know them. It is
    only trusted for a pid file of this boot whose process is gone: then no stranger can own that session.
    """
    pid_file = settings.run_dir / "supervisord.pid"
    if not pid_file.exists() or pid_file.stat().st_mtime < processes.booted_at():
        return 0
    text = pid_file.read_text(encoding="ascii").strip()
    if not text.isdigit() or processes.is_alive(int(text)):
        return 0
    return int(text)


def find(settings: Settings) -> list[int]:
    """All live processes that this stack's supervisord started, however deep; never this one or one above it."""
    everyone = processes.all_processes()
    url = f"unix://{supervisor.socket_path(settings)}"
    session = _orphaned_session(settings)
    roots = {
        each.pid
        for each in everyone
        if (session and each.session == session) or processes.has_environment(each.pid, "SUPERVISOR_SERVER_URL", url)
    }
    mine = processes.ancestors(os.getpid(), everyone)
    zombies = {each.pid for each in everyone if each.zombie}
    return sorted(processes.descendants(roots, everyone) - mine - zombies)


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        if processes.is_alive(pid):
            os.kill(pid, number)


def end(settings: Settings) -> list[str]:
    """End what is left, gently first; returns what it was, as `pid title`."""
    pids = find(settings)
    names = [f"{pid} {processes.title(pid)}" for pid in pids]
    if not pids:
        return []
    _send(pids, signal.SIGTERM)
    try:
        wait_until(lambda: not find(settings), timeout=GRACE_SECONDS, what="processes to end", every=0.2)
    except TookTooLong:
        _send(find(settings), signal.SIGKILL)
        wait_until(lambda: not find(settings), timeout=GRACE_SECONDS, what="killed processes to be gone", every=0.2)
    return names
