"""supervisord as the parent of every service: its configuration, its start and end, its XML-RPC API."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.settings import PROJECT_ROOT, Settings
from lakehouse.waiting import wait_until
from stack.native import processes as os_processes
from stack.native.service import CannotPrepare, NotHealthy, Service, stack_environment, write_private

LAUNCHER = Path(__file__).with_name("launch.py")
ALIVE = ("RUNNING", "STARTING", "BACKOFF", "STOPPING")
FOREIGN_PREFIXES = ("AIRFLOW", "AWS_", "FLASK_", "FLINK_", "GUNICORN_", "HADOOP_", "JAVA_TOOL", "JDK_JAVA", "KAFKA_",
                    "PG", "PYTHON", "SPARK_", "SUPERSET")  # fmt: skip
"""Variables of the person's shell that would change how an engine starts: services do not inherit them."""
OPEN_FILES = 4096
SHUTDOWN_SECONDS = 90
LOG_BYTES, LOG_BACKUPS = "20MB", 2
SOCKET_PATH_LIMIT = 100
"""A Unix socket's path has room for 107 bytes; supervisord adds its pid while it binds."""


@dataclass(frozen=True)
class Process:
    """What supervisord knows of one service. `state` is its own word: RUNNING, STOPPED, FATAL, …"""

    name: str
    state: str
    pid: int
    started_at: int
    message: str


def conf_file(settings: Settings) -> Path:
    return settings.conf_dir / "supervisord.conf"


def socket_path(settings: Settings) -> Path:
    """In the stack's run folder; in a short folder of this user alone where that path is too long."""
    wanted = settings.run_dir / "supervisor.sock"
    if len(str(wanted)) < SOCKET_PATH_LIMIT:
        return wanted
    place = hashlib.sha256(str(settings.data_dir).encode()).hexdigest()[:12]
    return Path(f"/tmp/lakehouse-{os.getuid()}-{place}") / "supervisor.sock"


def _own_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_uid != os.getuid():
        raise CannotPrepare(
            f"{folder} belongs to another user", "set LAKEHOUSE_DATA_DIR to a folder with a shorter path"
        )


def _escape(text: str) -> str:
    """supervisord expands %(name)s everywhere."""
    return text.replace("%", "%%")


def _definition_file(service: Service, settings: Settings) -> Path:
    return settings.conf_dir / "launch" / f"{service.name}.json"


def _write_definition(service: Service, settings: Settings) -> None:
    environment = {**stack_environment(settings), **service.environment(settings)}
    definition = {"command": service.command(settings), "environment": environment}
    write_private(_definition_file(service, settings), json.dumps(definition, indent=1))


def _program(service: Service, settings: Settings) -> str:
    log = _escape(str(settings.log_dir / f"{service.name}.log"))
    launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(_definition_file(service, settings))]
    return "\n".join(
        (
            f"[program:{service.name}]",
            f"command={_escape(shlex.join(launch))}",
            f"directory={_escape(str(PROJECT_ROOT))}",
            "autostart=false",
            "autorestart=true",
            "startsecs=1",
            "startretries=5",
            f"stopsignal={service.stop_signal}",
            f"stopwaitsecs={service.stop_timeout_seconds}",
            "stopasgroup=true",
            "killasgroup=true",
            "redirect_stderr=true",
            f"stdout_logfile={log}",
            f"stdout_logfile_maxbytes={LOG_BYTES}",
            f"stdout_logfile_backups={LOG_BACKUPS}",
            "",
        )
    )


def render(services: Iterable[Service], settings: Settings) -> str:
    """The whole configuration. It holds the password of supervisord's API: written with mode 0600."""
    password = settings.supervisor_password.get_secret_value()
    head = f"""[supervisord]
logfile={_escape(str(settings.log_dir / "supervisord.log"))}
logfile_maxbytes={LOG_BYTES}
pidfile={_escape(str(settings.run_dir / "supervisord.pid"))}
childlogdir={_escape(str(settings.log_dir))}
identifier=lakehouse-{settings.stack_name}
umask=077
minfds={OPEN_FILES}
{"user=root" if os.getuid() == 0 else ""}

[unix_http_server]
file={_escape(str(socket_path(settings)))}
chmod=0700
username=lakehouse
password={_escape(password)}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

"""
    return head + "\n".join(_program(service, settings) for service in services)


def _rpc(settings: Settings) -> Any:
    from supervisor.xmlrpc import SupervisorTransport

    transport = SupervisorTransport(
        "lakehouse", settings.supervisor_password.get_secret_value(), f"unix://{socket_path(settings)}"
    )
    return xmlrpc.client.ServerProxy("http://localhost", transport=transport).supervisor


def is_running(settings: Settings) -> bool:
    """Whether this stack's supervisord answers."""
    if not socket_path(settings).exists():
        return False
    try:
        return bool(_rpc(settings).getState()["statename"] == "RUNNING")
    except (OSError, xmlrpc.client.Error):
        return False


def write_conf(services: Iterable[Service], settings: Settings) -> None:
    """Write supervisord's configuration, each service's command and environment, and the folders they need."""
    services = list(services)
    for folder in (settings.conf_dir / "launch", settings.log_dir, settings.run_dir, settings.var_dir):
        folder.mkdir(parents=True, exist_ok=True)
    _own_folder(socket_path(settings).parent)
    for service in services:
        _write_definition(service, settings)
    write_private(conf_file(settings), render(services, settings))


@contextmanager
def lock(settings: Settings, name: str) -> Iterator[None]:
    """One command at a time does `name`; a second one waits for it."""
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    with (settings.run_dir / f"{name}.lock").open("w", encoding="ascii") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def clean_environment() -> dict[str, str]:
    """What services inherit: the shell's environment without what would reconfigure an engine behind our back."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_PREFIXES)}
    local = ",".join(filter(None, (kept.get("NO_PROXY") or kept.get("no_proxy"), "127.0.0.1,localhost")))
    return {**kept, "NO_PROXY": local, "no_proxy": local, "PYTHONUNBUFFERED": "1"}


def ensure_running(services: Iterable[Service], settings: Settings) -> None:
    """Start supervisord, or give a running one the new configuration. Raises `CannotPrepare`."""
    with lock(settings, "supervisord"):
        write_conf(services, settings)
        if is_running(settings):
            _reload(settings)
            return
        done = subprocess.run(
            [str(settings.home / "env" / "bin" / "supervisord"), "-c", str(conf_file(settings))],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise CannotPrepare(f"supervisord did not start: {(done.stderr or done.stdout).strip()[-800:]}")
        wait_until(lambda: is_running(settings), timeout=20, what="supervisord to answer", every=0.1)


def _reload(settings: Settings) -> None:
    """Take over added and changed programs; a live program keeps its old definition until it is stopped."""
    rpc = _rpc(settings)
    added, changed, _ = rpc.reloadConfig()[0]
    states = {process.name: process.state for process in processes(settings)}
    for name in changed:
        if states[name] not in ALIVE:
            rpc.removeProcessGroup(name)
            rpc.addProcessGroup(name)
    for name in added:
        rpc.addProcessGroup(name)


def processes(settings: Settings) -> list[Process]:
    """All services that supervisord knows; none when it is not running."""
    if not is_running(settings):
        return []
    return [
        Process(i["name"], i["statename"], i["pid"], i["start"], i["spawnerr"] or i["description"])
        for i in _rpc(settings).getAllProcessInfo()
    ]


@contextmanager
def _explained(action: str, name: str) -> Any:
    try:
        yield
    except xmlrpc.client.Fault as fault:
        raise CannotPrepare(f"supervisord could not {action} {name}: {fault.faultString}") from fault


def start(settings: Settings, name: str) -> None:
    """Start one service without waiting for its health; one that runs is left alone."""
    if state_of(settings, name) in ("RUNNING", "STARTING"):
        return
    with _explained("start", name):
        _rpc(settings).startProcess(name, False)


def stop(settings: Settings, name: str) -> None:
    """Stop one service and wait until its process is gone."""
    if state_of(settings, name) in ALIVE:
        with _explained("stop", name):
            _rpc(settings).stopProcess(name, True)


def find(settings: Settings, name: str) -> Process | None:
    """What supervisord knows of one service; None when it does not run or does not know it."""
    return next((process for process in processes(settings) if process.name == name), None)


def running_since(settings: Settings, name: str) -> int:
    """When the process of a service that runs was started, in seconds since 1970. Raises `NotHealthy`.

    What an engine remembers of a process may be of the one before it: health questions ask for what is later.
    """
    process = find(settings, name)
    if process is None or process.state not in ("STARTING", "RUNNING"):
        raise NotHealthy(f"{name} does not run (supervisord says: {process.state if process else 'unknown'})")
    return process.started_at


def state_of(settings: Settings, name: str) -> str:
    """supervisord's word for the state of a service; STOPPED when it is not running."""
    process = find(settings, name)
    return process.state if process else "STOPPED"


def shutdown(settings: Settings) -> None:
    """End supervisord with all its children and wait until it is gone."""
    if not is_running(settings):
        return
    pid = int(_rpc(settings).getPID())
    _rpc(settings).shutdown()
    wait_until(lambda: not os_processes.is_alive(pid), timeout=SHUTDOWN_SECONDS, what="supervisord to end", every=0.1)
