"""Start the server from which what Airflow's tasks start is forked, as a child of the scheduler."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

from lakehouse.runner import KERNEL, PROJECT_ROOT
from lakehouse.warm.client import VARIABLE
from lakehouse.warm.client import __file__ as CLIENT

log = logging.getLogger(__name__)
children: list[subprocess.Popen[bytes]] = []
"""Held, so that Python does not take one that still runs for forgotten."""


def start_warm_server() -> None:
    """Start it and name its socket in this process's environment, which its tasks inherit; do not wait for it.

    The server ends with this process. Where it cannot be started, which a warning says, or where the kernel of this
    environment does not ask it, everything starts the ordinary way.
    """
    try:
        argv = KernelSpecManager().get_kernel_spec(KERNEL).argv
        if CLIENT in argv:
            _start(argv[0])
    except (OSError, NoSuchKernel) as error:
        log.warning("what tasks start is cold, no server was started for them: %r", error)


def _start(python: str) -> None:
    folder = tempfile.mkdtemp(prefix="warm-")  # only this user may enter it
    socket = str(Path(folder) / "socket")
    # as an ordinary kernel: the debugger, which it loads, would warn of frozen modules in each task's log
    command = [python, "-Xfrozen_modules=off", "-m", "lakehouse.warm.server", "--parent", str(os.getpid())]
    # a notebook can read what its server was started with: Airflow keeps its database's password from tasks; so do we
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    try:
        server = subprocess.Popen(
            command, cwd=PROJECT_ROOT, env={**environment, VARIABLE: socket}, stdin=subprocess.DEVNULL
        )
    except OSError:
        shutil.rmtree(folder)
        raise
    children.append(server)
    os.environ[VARIABLE] = socket
