"""A second Spark worker and an application of one's own on it: the stack's master gets both, and loses both again.

The stack's Connect server holds all cores that it asked for, so its application does not grow when a worker comes.
What is started here ends with `stop`, or with the process that started it, whatever happens to that.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from lakehouse.engines.spark import connect_url
from lakehouse.settings import Settings, get_settings
from lakehouse.waiting import wait_until

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

PREFIX = "second-worker-"
EXECUTORS = 2
EXECUTOR_MB, DRIVER_MB = 512, 512  # Spark starts with no less
START_SECONDS, STOP_SECONDS = 300, 20
LOG_LINES = 15
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Run in the child before it becomes Java: when the notebook's kernel is killed, it goes as well."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _remove_leftovers(settings: Settings) -> None:
    """Folders of processes that were killed before they could remove them."""
    from stack.native.processes import is_alive

    for folder in settings.run_dir.glob(f"{PREFIX}*-*"):
        if not is_alive(int(folder.name.removeprefix(PREFIX).split("-")[0])):
            shutil.rmtree(folder, ignore_errors=True)


def free_port(host: str) -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def with_settings(conf: str, changes: dict[str, str]) -> str:
    """The text of a Spark properties file with some properties set otherwise."""
    kept = [line for line in conf.splitlines() if line.split(None, 1)[:1] and line.split()[0] not in changes]
    return "\n".join([*kept, *(f"{name} {value}" for name, value in changes.items())]) + "\n"


class SecondWorker:
    """A worker of two cores beside the stack's, and an application with two executors of one core each on it."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or get_settings()
        _remove_leftovers(self.settings)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=self.settings.run_dir))
        self.ui = ""
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._sessions: list[SparkSession] = []

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        log = (self.folder / f"{name}.log").open("wb")
        self._processes[name] = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=log, stderr=log, cwd=self.folder,
            preexec_fn=_die_with_parent,
        )  # fmt: skip

    def _wait(self, name: str, ready: Any, what: str) -> None:
        def there() -> bool:
            if self._processes[name].poll() is not None:
                raise RuntimeError(f"{name} ended:\n{self.log(name)}")
            return bool(ready())

        wait_until(there, timeout=START_SECONDS, what=what, next_step=f"its log: {self.folder / name}.log")

    def log(self, name: str) -> str:
        """The end of a process's log, without the frames of Java's stack traces."""
        text = (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join([line for line in text.splitlines() if not line.startswith("\tat ")][-LOG_LINES:])

    def add_worker(self) -> None:
        """Start the worker and wait until the master knows it."""
        from stack.native.services import spark

        s, before = self.settings, len(self.workers())
        self._start(
            "worker",
            spark.spark_class(
                "org.apache.spark.deploy.worker.Worker",
                *("--host", s.host, "--port", "0", "--webui-port", "0"),
                *("--cores", str(EXECUTORS), "--memory", f"{EXECUTORS * EXECUTOR_MB}m"),
                *("--work-dir", str(self.folder / "work"), spark.master_url(s)),
            ),
            {**spark.daemon_environment(s), "SPARK_LOCAL_DIRS": str(self.folder / "local")},
        )
        self._wait("worker", lambda: len(self.workers()) > before, "the second worker at the master")

    def connect(self) -> SparkSession:
        """Start an application on the free cores, through a Connect server of its own, and open a session."""
        from pyspark.sql.connect.session import SparkSession as ConnectSession

        from stack.native.services import spark

        s = self.settings
        port, ui_port = free_port(s.host), free_port(s.host)
        self.ui = f"http://{s.host}:{ui_port}"
        conf = self.folder / "connect.conf"
        conf.touch(mode=0o600)
        conf.write_text(with_settings((spark.conf_folder(s) / "connect.conf").read_text(encoding="utf-8"), {
            "spark.app.name": "second-worker", "spark.cores.max": str(EXECUTORS), "spark.executor.cores": "1",
            "spark.executor.memory": f"{EXECUTOR_MB}m", "spark.driver.memory": f"{DRIVER_MB}m",
            "spark.connect.grpc.binding.port": str(port), "spark.ui.port": str(ui_port),
            "spark.local.dir": str(self.folder / "local"), "spark.scheduler.minRegisteredResourcesRatio": "1.0",
        }), encoding="utf-8")  # fmt: skip
        self._start(
            "connect",
            spark.connect_command(conf),
            {**spark.environment(s), "SPARK_LOCAL_DIRS": str(self.folder / "local")},
        )  # fmt: skip
        self._wait("connect", lambda: self._answers(port) and len(self.executors()) == EXECUTORS, "two executors")
        conf.unlink()
        # pyspark.sql.functions looks here to know which kind of session it builds expressions for
        os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
        remote = connect_url(s.model_copy(update={"spark_remote": f"sc://{s.host}:{port}"}))
        session = ConnectSession.builder.remote(remote).create()
        atexit.unregister(session.client._cleanup_ml_cache)  # it would wait for a server that has gone by then
        self._sessions.append(session)
        return session

    def _answers(self, port: int) -> bool:
        with suppress(OSError), socket.create_connection((self.settings.host, port), timeout=2):
            return True
        return False

    def master(self) -> dict[str, Any]:
        """What the stack's master says of its workers and applications."""
        from stack.native.services import spark

        return spark.master_state(self.settings)

    def workers(self) -> list[dict[str, Any]]:
        """The workers that are alive, as the master sees them."""
        return [worker for worker in self.master()["workers"] if worker["state"] == "ALIVE"]

    def ask(self, path: str, **query: Any) -> Any:
        """What the application's own REST API says; nothing yet while it starts."""
        try:
            applications = httpx.get(f"{self.ui}/api/v1/applications", timeout=10).json()
            where = f"{self.ui}/api/v1/applications/{applications[0]['id']}/{path}"
            return httpx.get(where, params=query, timeout=30).json()
        except (httpx.HTTPError, ValueError, LookupError):
            return []

    def executors(self) -> list[str]:
        """Ids of the executors that take tasks."""
        return sorted(one["id"] for one in self.ask("executors") if one["id"] != "driver")

    def tasks(self, stage_tasks: int) -> list[dict[str, Any]]:
        """The tasks of the latest stage that has so many: executor, start, seconds and rows read by each."""
        stages = [one for one in self.ask("stages", status="complete") if one["numTasks"] == stage_tasks]
        latest = max(stages, key=lambda one: one["stageId"])
        path = f"stages/{latest['stageId']}/{latest['attemptId']}/taskList"
        return [
            {
                "partition": one["index"],
                "executor": one["executorId"],
                "started": datetime.fromisoformat(one["launchTime"].replace("GMT", "+00:00")),
                "seconds": one["duration"] / 1000,
                "rows": one["taskMetrics"]["shuffleReadMetrics"]["recordsRead"],
            }
            for one in sorted(self.ask(path, length=10_000), key=lambda one: one["index"])
        ]

    def memory_mb(self) -> dict[str, float]:
        """Memory of what was started here: the worker with its executors, and the driver."""
        from stack.native import processes

        return {name: processes.memory_mb(process.pid) for name, process in self._processes.items()}

    def stop(self) -> None:
        """End the application, then the worker; the master forgets both. Repeatable."""
        for session in self._sessions:
            session.client.close()
        self._sessions.clear()
        for name in reversed(list(self._processes)):
            process = self._processes.pop(name)
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)
