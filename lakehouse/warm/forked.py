"""How a copy of the server becomes the process that a client asked for, and how it ends."""

from __future__ import annotations

import atexit
import os
import runpy
import signal
import socket
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import NoReturn

KERNEL = "ipykernel_launcher"


@dataclass(frozen=True)
class Request:
    """The module to run, as `python -m` would, and what the process takes over from its client."""

    module: str
    arguments: list[str]
    environment: dict[str, str]
    folder: str
    niceness: int = 0


def run(request: Request, streams: list[int], connection: socket.socket, held: set[signal.Signals]) -> NoReturn:
    """Be the client's process; then end without the interpreter's teardown, which would free what goes anyway.

    `held` are the signals that are blocked until this process handles them in its own way.
    """
    status = 1
    try:
        os.setsid()  # before the client knows us: it signals our whole group, as Jupyter does with a kernel's
        _take_over(request, streams)
        _own_signals(held)
        _own_chance()
        connection.sendall(f"{os.getpid()}\n".encode())
        os.register_at_fork(after_in_child=connection.close)  # its end means that the process itself has ended
        threading.Thread(target=_end_with, args=(connection,), name="warm client", daemon=True).start()
        status = _module(request)
        _finish()
        connection.sendall(bytes([status]))
    except BaseException:  # noqa: BLE001 - whatever it is must not run on in the server's frames above
        status = 1
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(status)


def _take_over(request: Request, streams: list[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request.folder)
    os.nice(max(0, request.niceness - os.nice(0)))
    os.environ.clear()
    os.environ.update(request.environment)
    # ipykernel would watch that process as its parent; ours is the server, and the connection tells of the client
    os.environ.pop("JPY_PARENT_PID", None)
    time.tzset()


def _own_signals(held: set[signal.Signals]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, held)


def _own_chance() -> None:
    """Two processes must not draw the same numbers. Python's `random` sees to that itself."""
    if "numpy" in sys.modules:
        import numpy

        numpy.random.seed()


def _end_with(connection: socket.socket) -> None:
    """End with the client, and take along what the process has started, as Jupyter does when it kills a kernel."""
    try:
        while connection.recv(1):
            continue
    finally:  # also when the system says that it went before it had read all
        os.killpg(0, signal.SIGKILL)


def _module(request: Request) -> int:
    """Run it as `python -m` would; its exit status."""
    # 1: there is a parent, and it needs no watching; with none, ipykernel greets whoever typed its command
    more = ["--IPKernelApp.parent_handle=1"] if request.module == KERNEL else []
    sys.argv = [request.module, *request.arguments, *more]
    try:
        runpy.run_module(request.module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
            return 1
        return (end.code or 0) & 0xFF
    except Exception:  # noqa: BLE001 - as Python itself does with what nobody caught
        traceback.print_exc()
        return 1
    return 0


def _finish() -> None:
    """What Python does at its end, and what others count on: Spark's session is released here."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
