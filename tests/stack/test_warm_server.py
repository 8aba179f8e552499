"""The scheduler's part in fast kernels: it starts the server, names its socket, and starts without one, too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from lakehouse.runner import PROJECT_ROOT
from lakehouse.waiting import wait_until
from lakehouse.warm import client
from stack.native import processes

CONF = PROJECT_ROOT / "stack" / "conf" / "airflow"
START = (
    "import os, warm_server\n"
    "warm_server.start_warm_server()\n"
    "pids = [child.pid for child in warm_server.children]\n"
    f"print(os.environ.get('{client.VARIABLE}'), *pids, flush=True)\n"
    "input()\n"
)


def scheduler(folder: Path, argv: list[str] | None) -> subprocess.Popen[str]:
    """A process that starts the server as the scheduler does; `argv` is of the kernel that it finds."""
    if argv is not None:
        spec = folder / "kernels" / "lakehouse"
        spec.mkdir(parents=True)
        (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "x", "language": "python"}))
    environment = {
        **{name: value for name, value in os.environ.items() if name != client.VARIABLE},
        "PYTHONPATH": os.pathsep.join((str(PROJECT_ROOT), str(CONF))),
        "JUPYTER_PATH": str(folder),
        "TMPDIR": str(folder),
        "SUPERVISOR_SERVER_URL": f"unix://{folder}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "secret",
    }
    # this environment has a kernel of that name, so one without it asks for another
    start = START if argv is not None else f"import lakehouse.runner\nlakehouse.runner.KERNEL = 'none'\n{START}"
    command = [sys.executable, "-c", start]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def said(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout
    return process.stdout.readline().split()


def test_the_server_answers_is_found_as_a_leftover_and_ends_with_the_scheduler(tmp_path: Path) -> None:
    with scheduler(tmp_path, [sys.executable, client.__file__]) as process:
        named, pid = said(process)
        socket = Path(named)
        assert socket.parent.stat().st_mode & 0o777 == 0o700
        wait_until(socket.exists, timeout=60, what="the warm server", every=0.05)
        assert processes.has_environment(int(pid), "SUPERVISOR_SERVER_URL", f"unix://{tmp_path}")
        assert not processes.has_environment(int(pid), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "secret")
        process.kill()
    wait_until(lambda: not socket.parent.exists(), timeout=30, what="the server's end", every=0.05)


def test_no_server_where_the_kernel_would_not_ask_it(tmp_path: Path) -> None:
    with scheduler(tmp_path, [sys.executable, "-m", "ipykernel_launcher"]) as process:
        assert said(process) == ["None"]
        assert process.communicate("\n")[1] == ""


def test_the_scheduler_starts_without_one_and_says_why(tmp_path: Path) -> None:
    with scheduler(tmp_path, ["/no/such/python", client.__file__]) as process:
        assert said(process) == ["None"]
        assert "no server was started for them: FileNotFoundError" in process.communicate("\n")[1]
        assert not list(tmp_path.glob("warm-*"))
    with scheduler(tmp_path, None) as process:
        assert said(process) == ["None"]
        assert "NoSuchKernel" in process.communicate("\n")[1]
