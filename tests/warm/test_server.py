"""Kernels that the server forks: what they have, what they do not share, when they start cold instead."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from lakehouse.warm import client
from lakehouse.warm.server import COLD, acts_at_import
from tests.warm.conftest import PROJECT, WAIT_SECONDS, Server, running_kernel, running_server, starter, wait_gone


def test_a_kernel_has_what_was_preloaded(server: Server, specs: KernelSpecManager, tmp_path: Path) -> None:
    with running_kernel(specs, server.environment, tmp_path / "a") as kernel:
        assert kernel.run("import sys; print('colorsys' in sys.modules, 'sched' in sys.modules)") == "True False"
        assert kernel.forked()
        assert kernel.run("print(__name__, sys.argv[1])") == "__main__ -f"
        assert server.log.read_text().count("\n") == 1  # ipykernel greets nobody in the log


def test_environment_and_folder_are_the_clients_own(server: Server, specs: KernelSpecManager, tmp_path: Path) -> None:
    environment = {**server.environment, "ONLY_CLIENT": "ä=1\n2"}
    with running_kernel(specs, environment, tmp_path / "a") as kernel:
        assert kernel.run("import os; print(os.getcwd())") == str(tmp_path / "a")
        shown = "repr(os.environ.get('ONLY_CLIENT')), os.environ.get('ONLY_SERVER'), os.environ.get('JPY_PARENT_PID')"
        assert kernel.run(f"print({shown})") == "'ä=1\\n2' None None"
        # for C code and for other processes, too
        assert (
            kernel.run("import subprocess; print(subprocess.getoutput('printenv ONLY_SERVER ONLY_CLIENT'))") == "ä=1\n2"
        )


def test_two_kernels_share_nothing(server: Server, specs: KernelSpecManager, tmp_path: Path) -> None:
    draw = "import random, numpy; print(random.random(), numpy.random.random())"
    with (
        running_kernel(specs, server.environment, tmp_path / "a") as one,
        running_kernel(specs, server.environment, tmp_path / "b") as other,
    ):
        assert one.forked()
        assert other.forked()
        one.run("import colorsys; colorsys.mine = here = 1")
        assert other.run("import colorsys; print(hasattr(colorsys, 'mine'))") == "False"
        assert other.run("here") == "NameError"
        drawn = [kernel.run(draw).split() for kernel in (one, other)]
        assert drawn[0][0] != drawn[1][0]
        assert drawn[0][1] != drawn[1][1]


def test_a_changed_module_is_seen(root: Path, specs: KernelSpecManager, tmp_path: Path) -> None:
    module = root / "lessons_code.py"
    module.write_text("value = 1\n")
    os.utime(module, ns=(1, 1))  # long before the server; it takes a file that changes while it starts as changed
    show = "import lessons_code; print(lessons_code.value)"
    with running_server(tmp_path / "socket", root, "lessons_code") as server:
        with running_kernel(specs, server.environment, tmp_path / "a") as kernel:
            assert (kernel.forked(), kernel.run(show)) == (True, "1")
        module.write_text("value = 22\n")
        with running_kernel(specs, server.environment, tmp_path / "b") as kernel:
            assert (kernel.forked(), kernel.run(show)) == (False, "22")
        server.wait_ready(2)
        with running_kernel(specs, server.environment, tmp_path / "c") as kernel:
            assert (kernel.forked(), kernel.run(show)) == (True, "22")


def test_a_module_that_cannot_be_imported_makes_cold_kernels_until_it_can(
    root: Path, specs: KernelSpecManager, tmp_path: Path
) -> None:
    module = root / "lessons_code.py"
    module.write_text("value = \n")
    with running_server(tmp_path / "socket", root, "lessons_code") as server:
        assert "SyntaxError" in server.log.read_text()
        assert answer_to(server, server.environment) == COLD
        server.wait_ready(2)
        module.write_text("value = 3\n")
        os.utime(module, ns=(1, 1))
        assert answer_to(server, server.environment) == COLD
        server.wait_ready(3)
        with running_kernel(specs, server.environment, tmp_path / "a") as kernel:
            assert (kernel.forked(), kernel.run("import lessons_code; print(lessons_code.value)")) == (True, "3")


def answer_to(server: Server, environment: dict[str, str]) -> bytes:
    """What the server says to a client that does not wait for a kernel."""
    request = {"module": "colorsys", "arguments": [], "environment": environment, "folder": "/"}
    with socket.socket(socket.AF_UNIX) as connection, open(os.devnull, "r+b") as nothing:
        connection.settimeout(WAIT_SECONDS)
        connection.connect(str(server.socket))
        socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], [nothing.fileno()] * 3)
        return connection.recv(64)


def test_a_variable_that_acts_at_import_makes_a_cold_kernel(server: Server) -> None:
    assert answer_to(server, {**server.environment, "PYICEBERG_HOME": "/"}) == COLD
    assert "PYICEBERG_HOME" in server.log.read_text()
    assert acts_at_import({"PYTHONPATH": "a", "LAKEHOUSE_HOST": "b"}) == {"PYTHONPATH": "a"}


def test_who_is_not_understood_does_not_stop_it(server: Server) -> None:
    for words in (b"", b"\n", b"{}\n", b"no end"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(server.socket))
            connection.sendall(words)
    assert answer_to(server, {**server.environment, "PYTHONPATH": ""}) == COLD


def test_kernels_outlive_it_and_the_next_one_starts_cold(
    server: Server, specs: KernelSpecManager, tmp_path: Path
) -> None:
    with running_kernel(specs, server.environment, tmp_path / "a") as kernel:
        assert kernel.forked()
        server.process.kill()
        server.process.wait(WAIT_SECONDS)
        assert kernel.run("print(1 + 1)") == "2"
        with running_kernel(specs, server.environment, tmp_path / "b") as other:
            assert not other.forked()


def test_it_ends_with_its_parent_even_one_that_went_at_once_and_takes_its_folder_away(
    tmp_path: Path, root: Path
) -> None:
    folder = tmp_path / "socket"
    folder.mkdir(mode=0o700)
    start = (
        "import os, subprocess, sys\n"
        "command = ['-m', 'lakehouse.warm.server', '--parent', str(os.getpid()), '--preload', 'colorsys']\n"
        "server = subprocess.Popen([sys.executable, *command])\n"
        "print(server.pid, flush=True)\n"
        "input()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), client.VARIABLE: str(folder / "socket")}
    with starter(start, environment=environment) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_gone(pid)
    assert not folder.exists()


def test_it_has_one_thread_and_no_connection(tmp_path: Path) -> None:
    """With all that it preloads in earnest; a fork would leave other threads behind, with what they hold."""
    look = (
        "import os, socket, sys, threading\n"
        "made = []\n"
        "seen = ('socket.connect', '_thread.start_new_thread')\n"
        "sys.addaudithook(lambda event, _: made.append(event) if event in seen else None)\n"
        "import lakehouse.warm.preloaded\n"
        "names = [open(f'/proc/self/task/{task}/comm').read().strip() for task in os.listdir('/proc/self/task')]\n"
        "print(threading.active_count(), made, os.path.dirname(lakehouse.warm.preloaded.__file__), names)\n"
    )
    # settings are read by nobody at import: this one would be refused
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "LAKEHOUSE_NO_SUCH_SETTING": "x"}
    done = subprocess.run(
        [sys.executable, "-c", look], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"1 [] {PROJECT / 'lakehouse' / 'warm'}")


@pytest.mark.parametrize("now", [True, False], ids=["killed", "asked"])
def test_a_kernel_that_ends_leaves_no_process(
    server: Server, specs: KernelSpecManager, tmp_path: Path, now: bool
) -> None:
    with running_kernel(specs, server.environment, tmp_path / "a") as kernel:
        pid = kernel.pid()
        kernel.manager.shutdown_kernel(now=now)
        wait_gone(pid)
        wait_gone(kernel.client_pid)
    assert server.process.poll() is None
