"""What is started instead of `python -m MODULE`: it asks the server for a forked process, and stands for it.

Run as `python -I -S client.py -m MODULE ARGUMENTS`: nothing but a little of the standard library, since its start is
waited for. Where no server is named or answers, it becomes the ordinary process: one always starts.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from types import FrameType
from typing import NoReturn

VARIABLE = "WORKBOOK_WARM_SOCKET"
ANSWER_SECONDS = 10.0
PARENT_POLL_SECONDS = 1.0
NOTHING = 0
"""No process's id."""


def ask(path: str, module: str, arguments: list[str]) -> tuple[socket.socket, int]:
    """Hand a module to run, and this process's environment, folder, niceness and standard streams to the server.

    Returns the connection, which is to be held as long as the process should live, and the process's id, which is
    `NOTHING` where the server leaves it to an ordinary start. Raises `OSError` when nobody answers.
    """
    request = {
        "module": module,
        "arguments": arguments,
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "niceness": os.nice(0),
    }
    message = json.dumps(request).encode() + b"\n"
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(ANSWER_SECONDS)
    connection.connect(path)
    sent = socket.send_fds(connection, [message], [0, 1, 2])
    connection.sendall(message[sent:])
    answer = b""
    while not answer.endswith(b"\n"):
        part = connection.recv(1)  # no more: what follows is the process's last byte
        if not part:
            return connection, NOTHING
        answer += part
    return connection, int(answer) if answer.strip().isdigit() else NOTHING


def stand_for(process: int, connection: socket.socket, parent: int) -> int:
    """Wait until the process has ended; its exit status, 1 if it broke off. It gets the signals that this one gets.

    When `parent` has gone the process is killed, as nobody is left who would end it.
    """

    def forward(number: int, _frame: FrameType | None = None) -> None:
        try:
            os.killpg(process, number)
        except ProcessLookupError:
            return  # it has just ended; the connection says so next

    signal.signal(signal.SIGINT, forward)
    signal.signal(signal.SIGTERM, forward)
    connection.settimeout(PARENT_POLL_SECONDS)
    status = 1
    while True:
        try:
            part = connection.recv(1)
        except TimeoutError:
            if os.getppid() != parent:
                forward(signal.SIGKILL)
        except ConnectionResetError:
            return 1
        else:
            if not part:
                return status
            status = part[0]


def become_ordinary(module: str, arguments: list[str]) -> NoReturn:
    """Become the process that would be started without us."""
    # a kernel's debugger would warn of frozen modules in each task's log
    os.execv(sys.executable, [sys.executable, "-Xfrozen_modules=off", "-m", module, *arguments])


def main(module: str, arguments: list[str]) -> int:
    """Get a forked process and stand for it, or become an ordinary one."""
    parent = os.getppid()
    path = os.environ.get(VARIABLE)
    if not path:
        become_ordinary(module, arguments)
    try:
        connection, process = ask(path, module, arguments)
    except OSError:
        become_ordinary(module, arguments)
    if process == NOTHING:
        become_ordinary(module, arguments)
    return stand_for(process, connection, parent)


if __name__ == "__main__":
    if sys.argv[1:2] != ["-m"] or len(sys.argv) < 3:
        sys.exit("usage: client.py -m MODULE [ARGUMENT ...]")
    code = main(sys.argv[2], sys.argv[3:])
    # nothing here needs an orderly end, and somebody waits for it
    os._exit(code)
