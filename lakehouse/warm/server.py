"""Has imported what a task needs, and forks a process for each client. Run as `python -m lakehouse.warm.server`.

It listens on the Unix socket that WORKBOOK_WARM_SOCKET names, in a folder that only its user may enter. One thread:
a fork takes no other one along. (NumPy and Arrow start native threads when they are imported and care for forks
themselves.) It ends, and takes the socket and its folder away, when `--parent` has gone; what it has forked goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path

from lakehouse.warm import forked
from lakehouse.warm.client import VARIABLE

PRELOADED = "lakehouse.warm.preloaded"
COLD = b"cold\n"
PARENT_POLL_SECONDS = 1.0
REQUEST_SECONDS = 5.0
READ_AT_IMPORT = ("PYTHON", "PYICEBERG_", "PYSPARK_", "SPARK_", "GRPC_", "PANDAS_", "OPENBLAS_", "OMP_", "LD_")
"""Variables that only act while Python starts or modules are imported, by how their names begin."""


def say(words: str) -> None:
    """A line for the log. No logging: the forked processes would have its handlers, too."""
    sys.stderr.write(f"warm server: {words}\n")
    sys.stderr.flush()


def acts_at_import(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that a forked process would not heed."""
    return {name: value for name, value in environment.items() if name.startswith(READ_AT_IMPORT)}


def preload(names: list[str]) -> bool:
    """Import the modules; False if one cannot be imported: its own notebook tells the learner why, at a cold start."""
    try:
        for name in names:
            importlib.import_module(name)
    except Exception:  # noqa: BLE001 - a module that is being edited can raise anything
        say(f"all start cold, a module cannot be imported:\n{traceback.format_exc()}")
        return False
    return True


class Code:
    """The project's modules as they were when they were imported."""

    def __init__(self, root: Path, began_ns: int) -> None:
        # the environment may be below the root: what it has is as its lock file says
        outside = Path(sys.prefix)
        files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
        paths = {Path(file).absolute() for file in files if file}
        self._began_ns = began_ns
        self._times = {
            path: path.stat().st_mtime_ns
            for path in paths
            if path.is_relative_to(root) and not path.is_relative_to(outside) and path.exists()
        }

    def changed(self) -> Path | None:
        """A file that is not what was imported, also one that was written while the imports ran; None: all are."""
        for path, then in self._times.items():
            try:
                now = path.stat().st_mtime_ns
            except FileNotFoundError:
                return path
            if now != then or now > self._began_ns:
                return path
        return None


def receive(connection: socket.socket) -> tuple[forked.Request, list[int]]:
    """A client's request and its standard streams. Raises `OSError` or `ValueError` when it is not one."""
    connection.settimeout(REQUEST_SECONDS)
    message, streams, _flags, _address = socket.recv_fds(connection, 65536, 3)
    try:
        while not message.endswith(b"\n"):
            part = connection.recv(65536)
            if not part:
                raise ValueError("it broke off")
            message += part
        connection.settimeout(None)
        return forked.Request(**json.loads(message)), streams
    except (OSError, ValueError, TypeError) as error:
        for stream in streams:
            os.close(stream)
        raise ValueError(f"not a request: {error}") from error


def fork(listener: socket.socket, connection: socket.socket, request: forked.Request, streams: list[int]) -> None:
    """Make the process that a client asks for of a copy of this one."""
    # one that came between the fork and the child's own handlers would make the child clean up as if it were us
    held = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        if os.fork() == 0:
            listener.close()
            forked.run(request, streams, connection, held)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)


def serve(listener: socket.socket, code: Code | None, parent: int) -> str:
    """Fork until the parent has gone (returns "") or the code is not what was imported (returns why)."""
    ours = acts_at_import(os.environ)
    listener.settimeout(PARENT_POLL_SECONDS)
    while os.getppid() == parent:
        try:
            connection, _address = listener.accept()
        except TimeoutError:
            continue
        with connection:
            try:
                request, streams = receive(connection)
            except (OSError, ValueError) as error:
                say(f"a client was not understood: {error}")
                continue
            changed = code.changed() if code else Path("a module that cannot be imported")
            others = ours.items() ^ acts_at_import(request.environment).items()
            if others:
                say(f"cold, set otherwise than here: {', '.join(sorted({name for name, _ in others}))}")
            try:
                if changed or others:
                    connection.sendall(COLD)
                else:
                    fork(listener, connection, request, streams)
            except OSError as error:  # no process to be had, or no client any more: either starts cold
                say(f"nothing was forked: {error}")
            for stream in streams:
                os.close(stream)
            if changed:
                return str(changed)
    return ""


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """The socket; its file and its folder go with it."""
    path.unlink(missing_ok=True)  # it is there when this process has begun anew
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def main(arguments: list[str]) -> None:
    """Import, then serve; begin anew when the code has changed."""
    began = time.time_ns()
    parser = argparse.ArgumentParser(prog="python -m lakehouse.warm.server", description=__doc__)
    parser.add_argument("--parent", type=int, default=os.getppid(), help="serve as long as this process is the parent")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2], help="whose code may change")
    parser.add_argument("--preload", nargs="*", default=[PRELOADED], metavar="MODULE")
    options = parser.parse_args(arguments)
    path = Path(os.environ[VARIABLE])
    os.environ.pop("JPY_PARENT_PID", None)  # ipykernel reads it when it is imported, and it is nobody's parent here
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody here waits for them: the system takes them away
    try:
        code = Code(options.root, began) if preload(options.preload) else None
        gc.collect()
        gc.freeze()  # their collectors would write to, and so copy, each page that has an object
        with listening(path) as listener:
            say(f"ready after {(time.time_ns() - began) / 1e9:.1f} s")
            changed = serve(listener, code, options.parent)
        if changed:
            say(f"begins anew for {changed}")
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    except SystemExit:
        say("told to end")
    finally:
        with contextlib.suppress(OSError):  # somebody else's file is in it
            path.parent.rmdir()


if __name__ == "__main__":
    if sys.path[0] == os.getcwd():
        del sys.path[0]  # as for an ordinary kernel, which adds its own folder itself, and later in the line
    main(sys.argv[1:])
    os._exit(0)  # some of what is preloaded complains of a teardown
