"""What Jupyter starts as a kernel: it asks the server for a forked one, and stands for it until it ends.

Run as `python -I -S client.py -f FILE`: nothing but a little of the standard library, since its start is waited for.
Where no server is named or answers, it becomes an ordinary kernel: one always starts.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from types import FrameType
from typing import NoReturn

VARIABLE = "WORKBOOK_KERNEL_SOCKET"
ANSWER_SECONDS = 10.0
PARENT_POLL_SECONDS = 1.0
NOTHING = 0
"""No kernel's process id."""


def ask(path: str, arguments: list[str]) -> tuple[socket.socket, int]:
    """Hand this process's arguments, environment, folder and standard streams to the server.

    Returns the connection, which is to be held as long as the kernel should live, and the kernel's process id, which
    is `NOTHING` where the server leaves it to an ordinary start. Raises `OSError` when nobody answers.
    """
    request = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}
    message = json.dumps(request).encode() + b"\n"
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(ANSWER_SECONDS)
    connection.connect(path)
    sent = socket.send_fds(connection, [message], [0, 1, 2])
    connection.sendall(message[sent:])
    answer = b""
    while not answer.endswith(b"\n"):
        part = connection.recv(1)  # no more: what follows is the kernel's last byte
        if not part:
            return connection, NOTHING
        answer += part
    return connection, int(answer) if answer.strip().isdigit() else NOTHING


def stand_for(kernel: int, connection: socket.socket, parent: int) -> int:
    """Wait until the kernel has ended; 0 if it says that it ended well. It gets the signals that this process gets.

    When `parent` has gone the kernel is killed, as nobody is left who would end it.
    """

    def forward(number: int, _frame: FrameType | None = None) -> None:
        try:
            os.killpg(kernel, number)
        except ProcessLookupError:
            return  # it has just ended; the connection says so next

    signal.signal(signal.SIGINT, forward)
    signal.signal(signal.SIGTERM, forward)
    connection.settimeout(PARENT_POLL_SECONDS)
    well = False
    while True:
        try:
            part = connection.recv(16)
        except TimeoutError:
            if os.getppid() != parent:
                forward(signal.SIGKILL)
        except ConnectionResetError:
            return 1
        else:
            if not part:
                return 0 if well else 1
            well = True


def become_ordinary(arguments: list[str]) -> NoReturn:
    """Become the kernel that Jupyter would start without us."""
    command = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", *arguments]
    os.execv(sys.executable, command)


def main(arguments: list[str]) -> int:
    """Get a forked kernel and stand for it, or become an ordinary one."""
    parent = os.getppid()
    path = os.environ.get(VARIABLE)
    if not path:
        become_ordinary(arguments)
    try:
        connection, kernel = ask(path, arguments)
    except OSError:
        become_ordinary(arguments)
    if kernel == NOTHING:
        become_ordinary(arguments)
    return stand_for(kernel, connection, parent)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # nothing here needs an orderly end, and somebody waits for it
    os._exit(code)
