"""A real server and real kernels, with a short list of modules so that they are up at once."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.kernelspec import KernelSpecManager

from lakehouse.waiting import wait_until
from lakehouse.warm import client
from stack.native import processes

PROJECT = Path(client.__file__).resolve().parents[2]
KERNEL_MODULES = ("ipykernel.ipkernel", "ipykernel.kernelapp", "numpy", "colorsys")
WAIT_SECONDS = 30
CLIENT = (sys.executable, "-I", "-S", client.__file__)


def gone(pid: int) -> bool:
    """The process has ended; one that only waits for its parent to ask has, too."""
    return not any(each.pid == pid and not each.zombie for each in processes.all_processes())


def wait_gone(pid: int) -> None:
    wait_until(lambda: gone(pid), timeout=WAIT_SECONDS, what=f"the end of {pid}", every=0.02)


def starter(code: str, *arguments: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    """A process that runs `code`, which starts something and prints its process id, then waits to be killed."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


class Server:
    """A server of the test's own, and the environment that leads to it."""

    def __init__(self, folder: Path, root: Path, *modules: str) -> None:
        folder.mkdir(mode=0o700)
        self.socket = folder / "socket"
        self.log = root / "server.log"
        self.environment = {
            **os.environ,
            client.VARIABLE: str(self.socket),
            "PYTHONPATH": os.pathsep.join((str(PROJECT), str(root))),
        }
        command = [sys.executable, "-m", "lakehouse.warm.server", "--root", str(root), "--preload"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *KERNEL_MODULES, *modules],
                cwd=root,
                env={**self.environment, "ONLY_SERVER": "1", "JPY_PARENT_PID": "1"},
                stderr=log,
            )
        self.wait_ready(1)

    def wait_ready(self, times: int) -> None:
        """Until it has been ready so many times."""
        wait_until(
            lambda: self.log.read_text().count("ready after") >= times and self.socket.exists(),
            timeout=WAIT_SECONDS,
            what=f"the warm server: {self.log.read_text()}",
            every=0.02,
        )


class Kernel:
    """A running kernel and its client's process."""

    def __init__(self, manager: KernelManager, channels: BlockingKernelClient) -> None:
        self.manager, self.channels = manager, channels
        self.client_pid: int = manager.provisioner.pid  # type: ignore[union-attr]

    def run(self, code: str) -> str:
        """What a cell printed, or the error's name."""
        parts: list[str] = []

        def keep(message: dict[str, Any]) -> None:
            parts.append(message["content"].get("text", ""))

        answer = self.channels.execute_interactive(code, timeout=WAIT_SECONDS, output_hook=keep)
        return answer["content"].get("ename") or "".join(parts).strip()

    def pid(self) -> int:
        return int(self.run("import os; print(os.getpid())"))

    def forked(self) -> bool:
        """The kernel is a process of the server's, not the client itself."""
        return self.pid() != self.client_pid


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose code may change."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@contextlib.contextmanager
def running_server(folder: Path, root: Path, *modules: str) -> Iterator[Server]:
    server = Server(folder, root, *modules)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait(WAIT_SECONDS)


@pytest.fixture
def server(tmp_path: Path, root: Path) -> Iterator[Server]:
    with running_server(tmp_path / "socket", root) as started:
        yield started


@pytest.fixture
def specs(tmp_path: Path) -> KernelSpecManager:
    """Where the kernel `tested` is one of the client's."""
    folder = tmp_path / "kernels" / "tested"
    folder.mkdir(parents=True)
    argv = [*CLIENT, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "tested", "language": "python"}))
    return KernelSpecManager(kernel_dirs=[str(folder.parent)])


@contextlib.contextmanager
def running_kernel(specs: KernelSpecManager, environment: dict[str, str], cwd: Path) -> Iterator[Kernel]:
    manager = KernelManager(kernel_name="tested", kernel_spec_manager=specs, transport="ipc", ip=str(cwd / "ipc"))
    cwd.mkdir(exist_ok=True)
    manager.start_kernel(env=environment, cwd=str(cwd))
    channels = manager.blocking_client()
    channels.start_channels()
    try:
        channels.wait_for_ready(WAIT_SECONDS)
        yield Kernel(manager, channels)
    finally:
        channels.stop_channels()
        manager.shutdown_kernel(now=True)
