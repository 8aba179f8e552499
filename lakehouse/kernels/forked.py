"""How a copy of the server becomes a client's kernel, and how it ends."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import NoReturn

ENDED_WELL = b"."


@dataclass(frozen=True)
class Request:
    """What the kernel takes over from its client."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str


def run(request: Request, streams: list[int], connection: socket.socket, held: set[signal.Signals]) -> NoReturn:
    """Be the client's kernel; then end without the interpreter's teardown, which would free what goes anyway.

    `held` are the signals that are blocked until this process handles them in its own way.
    """
    code = 1
    try:
        os.setsid()  # before the client knows us: it signals our whole group, as Jupyter does with a kernel's
        _take_over(request, streams)
        _own_signals(held)
        _own_chance()
        connection.sendall(f"{os.getpid()}\n".encode())
        os.register_at_fork(after_in_child=connection.close)  # its end means that the kernel itself has ended
        threading.Thread(target=_end_with, args=(connection,), name="kernel client", daemon=True).start()
        _kernel(request.arguments)
        _finish()
        connection.sendall(ENDED_WELL)
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is must not run on in the server's frames above
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(code)


def _take_over(request: Request, streams: list[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request.folder)
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
    """Two kernels must not draw the same numbers. Python's `random` sees to that itself."""
    if "numpy" in sys.modules:
        import numpy

        numpy.random.seed()


def _end_with(connection: socket.socket) -> None:
    """End with the client, and take along what the kernel has started, as Jupyter does when it kills one."""
    try:
        while connection.recv(1):
            continue
    finally:  # also when the system says that it went before it had read all
        os.killpg(0, signal.SIGKILL)


def _kernel(arguments: list[str]) -> None:
    import ipykernel_launcher
    from ipykernel.kernelapp import IPKernelApp

    sys.argv = [ipykernel_launcher.__file__, *arguments]
    # 1: there is a parent, and it needs no watching; with none, ipykernel greets whoever typed its command
    IPKernelApp.launch_instance([*arguments, "--IPKernelApp.parent_handle=1"])


def _finish() -> None:
    """What Python does at its end, and what others count on: Spark's session is released here."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
