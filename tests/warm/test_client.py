"""The process that stands for a forked one: signals, ends, and the ordinary start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager

from lakehouse.warm import client
from tests.warm.conftest import CLIENT, WAIT_SECONDS, Kernel, Server, running_kernel, starter, wait_gone


def run_and_interrupt(kernel: Kernel) -> str:
    """Interrupt a cell that waits; the error's name."""
    waits = "import threading; print('waits', flush=True); threading.Event().wait(60)"
    seen = threading.Event()

    def interrupt() -> None:
        seen.wait(WAIT_SECONDS)
        kernel.manager.interrupt_kernel()

    thread = threading.Thread(target=interrupt)
    thread.start()

    def look(message: dict[str, Any]) -> None:
        # not at its first message: the kernel says that it is busy before it runs the cell
        if "waits" in message["content"].get("text", ""):
            seen.set()

    answer = kernel.channels.execute_interactive(waits, timeout=WAIT_SECONDS, output_hook=look)
    thread.join()
    return answer["content"]["ename"]


def test_an_interrupt_reaches_the_kernel(server: Server, specs: KernelSpecManager, tmp_path: Path) -> None:
    with running_kernel(specs, server.environment, tmp_path / "a") as kernel:
        assert kernel.forked()
        assert run_and_interrupt(kernel) == "KeyboardInterrupt"
        assert kernel.run("print(1)") == "1"


def test_exit_handlers_run_and_the_client_ends_well(server: Server, specs: KernelSpecManager, tmp_path: Path) -> None:
    with running_kernel(specs, server.environment, tmp_path / "a") as kernel:
        pid = kernel.pid()
        # as late as Spark's session is released, and after threads that are waited for
        kernel.run("import atexit, pathlib, threading; left = pathlib.Path('left').resolve()")
        kernel.run("atexit.register(lambda: left.write_text(left.with_name('thread').read_text()))")
        kernel.run("late = threading.Event()")
        kernel.run(
            "threading.Thread(target=lambda: (late.wait(0.2), left.with_name('thread').write_text('x'))).start()"
        )
        process = kernel.manager.provisioner.process  # type: ignore[union-attr]
        kernel.manager.request_shutdown()
        assert process.wait(WAIT_SECONDS) == 0
        assert (tmp_path / "a" / "left").read_text() == "x"
        wait_gone(pid)


def test_a_kernel_that_breaks_off_is_no_success(server: Server, specs: KernelSpecManager, tmp_path: Path) -> None:
    with running_kernel(specs, server.environment, tmp_path / "a") as kernel:
        process = kernel.manager.provisioner.process  # type: ignore[union-attr]
        # a process that it has forked, and that lives on, holds no end of its connection
        kernel.run(
            "import os, signal, threading; child = os.fork(); child or (threading.Event().wait(60), os._exit(0))"
        )
        child = int(kernel.run("print(child)"))
        kernel.channels.execute("os.kill(os.getpid(), signal.SIGKILL)")
        assert process.wait(WAIT_SECONDS) == 1
        os.kill(child, signal.SIGKILL)


def test_a_killed_client_takes_the_kernel_along(server: Server, specs: KernelSpecManager, tmp_path: Path) -> None:
    with running_kernel(specs, server.environment, tmp_path / "a") as kernel:
        pid = kernel.pid()
        started = int(kernel.run("import subprocess; print(subprocess.Popen(['tail', '-f', '/dev/null']).pid)"))
        os.kill(kernel.client_pid, signal.SIGKILL)
        wait_gone(pid)
        wait_gone(started)


def test_a_terminated_client_terminates_the_kernel(server: Server, specs: KernelSpecManager, tmp_path: Path) -> None:
    with running_kernel(specs, server.environment, tmp_path / "a") as kernel:
        pid = kernel.pid()
        os.kill(kernel.client_pid, signal.SIGTERM)
        wait_gone(pid)
        wait_gone(kernel.client_pid)


def test_both_end_when_who_started_them_is_killed(server: Server, tmp_path: Path) -> None:
    start = (
        "import json, subprocess, sys\n"
        "from jupyter_client import KernelManager\n"
        "from jupyter_client.kernelspec import KernelSpec\n"
        "manager = KernelManager(transport='ipc', ip=sys.argv[1])\n"
        "manager._kernel_spec = KernelSpec(argv=sys.argv[2:])\n"
        "manager.start_kernel()\n"
        "channels = manager.blocking_client()\n"
        "channels.start_channels()\n"
        "channels.wait_for_ready(30)\n"
        "def show(message):\n"
        "    if 'text' in message['content']:\n"
        "        print(json.dumps([manager.provisioner.pid, int(message['content']['text'])]), flush=True)\n"
        "channels.execute_interactive('import os; print(os.getpid())', output_hook=show)\n"
        "input()\n"
    )
    argv = [*CLIENT, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    with starter(start, str(tmp_path / "ipc"), *argv, environment=server.environment) as parent:
        assert parent.stdout
        client_pid, kernel_pid = json.loads(parent.stdout.readline())
        assert client_pid != kernel_pid
        parent.kill()
    wait_gone(client_pid)
    wait_gone(kernel_pid)


def test_without_a_server_the_ordinary_kernel_starts(specs: KernelSpecManager, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != client.VARIABLE}
    with running_kernel(specs, environment, tmp_path / "a") as kernel:
        assert not kernel.forked()
        # the environment's own packages, although the client itself sees none
        assert kernel.run("import IPython, sys; print(sys.flags.isolated, sys.flags.no_site)") == "0 0"
    with running_kernel(specs, {**environment, client.VARIABLE: str(tmp_path / "none")}, tmp_path / "b") as kernel:
        assert not kernel.forked()


def test_the_client_imports_little() -> None:
    """Its start is waited for at each task."""
    show = f"import runpy, sys; runpy.run_path({client.__file__!r}, run_name='client'); print(len(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", show], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 90


def run_module(server: Server, folder: Path, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of these lines by the client, as a task makes a page."""
    (folder / "asked.py").write_text(source)
    command = [*CLIENT, "-m", "asked", *arguments]
    return subprocess.run(command, env=server.environment, cwd=folder, capture_output=True, text=True, check=False)


def test_a_module_runs_as_python_would_run_it(server: Server, root: Path) -> None:
    source = "import os, sys\nprint(__name__, sys.argv[1:], os.nice(0), 'colorsys' in sys.modules)\nsys.exit(7)\n"
    done = run_module(server, root, source, "a b", "c")
    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout == f"__main__ ['a b', 'c'] {os.nice(0)} True\n"
    assert run_module(server, root, "print(1)\n").returncode == 0


def test_a_module_that_fails_says_why(server: Server, root: Path) -> None:
    done = run_module(server, root, "1 / 0\n")
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("ZeroDivisionError: division by zero")
    done = run_module(server, root, "import sys\nsys.exit('no such page')\n")
    assert (done.returncode, done.stderr) == (1, "no such page\n")


def test_a_forked_process_is_as_nice_as_its_client(server: Server, root: Path) -> None:
    (root / "asked.py").write_text("import os\nprint(os.nice(0), flush=True)\n")
    command = ["nice", "-n", "7", *CLIENT, "-m", "asked"]
    done = subprocess.run(command, env=server.environment, cwd=root, capture_output=True, text=True, check=True)
    assert int(done.stdout) == min(19, os.nice(0) + 7)
