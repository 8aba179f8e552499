"""Flink: JobManager, TaskManager, SQL Gateway, and a small ZooKeeper by which jobs survive the JobManager.

The Python package's own distribution is used and left untouched: configuration, jars and plugins are overlays.
"""

from __future__ import annotations

import os
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

from lakehouse.engines.flink import FlinkError, SqlGateway
from lakehouse.engines.kafka import PASSWORD_VARIABLE
from lakehouse.settings import PROJECT_ROOT, Settings
from stack.native import artifacts, supervisor
from stack.native.service import CannotPrepare, NotHealthy, Service

CONF = PROJECT_ROOT / "stack" / "conf" / "flink"


def _distribution() -> Path:
    spec = find_spec("pyflink")
    if spec is None or spec.origin is None:
        raise CannotPrepare("Flink's Python package is not installed", "run `make setup`")
    return Path(spec.origin).parent


def _conf(settings: Settings) -> Path:
    return settings.conf_dir / "flink"


def state_dir(settings: Settings) -> Path:
    """Checkpoints, savepoints, high-availability data."""
    return settings.var_dir / "flink"


def java_modules() -> list[str]:
    """The doors in the JDK's modules that Flink names in its own configuration; a set option replaces that list."""
    text = (_distribution() / "conf" / "config.yaml").read_text(encoding="utf-8")
    found = re.findall(r"--add-(?:exports|opens)=\S+", text)
    if not found:
        raise CannotPrepare(
            "Flink's own list of opened Java modules was not found", "report this, with Flink's version"
        )
    return found


def _link_jars(target: Path, sources: list[Path]) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for source in sources:
        (target / source.name).symlink_to(source)


def prepare(settings: Settings) -> None:
    """Write the configuration and the overlay of jars."""
    state, conf = state_dir(settings), _conf(settings)
    for folder in (conf, state / "tmp", state / "checkpoints", state / "savepoints", state / "ha", state / "zookeeper"):
        folder.mkdir(parents=True, exist_ok=True)
    text = (CONF / "config.yaml").read_text(encoding="utf-8")
    values = {
        **dict.fromkeys(("bind_host", "jobmanager", "taskmanager", "zookeeper"), settings.host),
        "rpc_port": settings.flink_rpc_port,
        "blob_port": settings.flink_blob_port,
        "tm_rpc_port": settings.flink_taskmanager_rpc_port,
        "tm_data_port": settings.flink_taskmanager_data_port,
        "rest_port": settings.flink_port,
        "checkpoint_ms": int(settings.checkpoint_interval_seconds * 1000),
        "state_dir": state,
        "cluster": settings.stack_name,
        "zookeeper_port": settings.zookeeper_port,
        "java_modules": " ".join(java_modules()),
    }
    (conf / "config.yaml").write_text(text.format(**values), encoding="utf-8")
    zoo = (CONF / "zoo.cfg").read_text(encoding="utf-8")
    text = zoo.format(state_dir=state, port=settings.zookeeper_port, host=settings.host)
    (conf / "zoo.cfg").write_text(text, encoding="utf-8")
    for name in ("log4j-console.properties",):
        shutil.copy(CONF / name, conf / name)
    dist = _distribution()
    _link_jars(state / "lib", [*sorted((dist / "lib").glob("*.jar")), *artifacts.jars("flink")])
    _link_jars(state / "opt", sorted((dist / "opt").glob("*.jar")))
    (state / "plugins").mkdir(exist_ok=True)


def environment(settings: Settings) -> dict[str, str]:
    state = state_dir(settings)
    return {
        "FLINK_CONF_DIR": str(_conf(settings)),
        "FLINK_LIB_DIR": str(state / "lib"),
        "FLINK_OPT_DIR": str(state / "opt"),
        "FLINK_PLUGINS_DIR": str(state / "plugins"),
        "FLINK_LOG_DIR": str(settings.log_dir),
        "FLINK_PID_DIR": str(settings.run_dir),
        "PATH": os.environ.get("PATH", ""),
        # what `flink_options` of a source table refers to
        PASSWORD_VARIABLE: settings.kafka_password.get_secret_value(),
    }


def _class_path(settings: Settings, *more: Path) -> str:
    return ":".join([f"{state_dir(settings)}/lib/*", *map(str, more)])


def _java(settings: Settings, heap: str, main: str, *arguments: str, more: tuple[Path, ...] = ()) -> list[str]:
    logging = f"-Dlog4j.configurationFile=file:{_conf(settings) / 'log4j-console.properties'}"
    options = [
        *java_modules(),
        f"-Xmx{heap}",
        "-XX:+UseSerialGC",
        "-XX:MaxMetaspaceSize=256m",
        "-Duser.timezone=UTC",
        logging,
    ]
    return ["java", *options, "-cp", _class_path(settings, *more), main, *arguments]


def _zookeeper(settings: Settings) -> list[str]:
    main = "org.apache.flink.runtime.zookeeper.FlinkZooKeeperQuorumPeer"
    return _java(settings, "64m", main, "--zkConfigFile", str(_conf(settings) / "zoo.cfg"), "--peerId", "1")


def _gateway(settings: Settings) -> list[str]:
    endpoint = "-Dsql-gateway.endpoint.rest"
    arguments = (
        f"{endpoint}.address={settings.host}",
        f"{endpoint}.bind-address={settings.host}",
        f"{endpoint}.port={settings.flink_gateway_port}",
        f"{endpoint}.bind-port={settings.flink_gateway_port}",
        "-Dexecution.target=remote",
    )
    jars = tuple(artifacts.jars("flink-gateway"))
    return _java(settings, "320m", "org.apache.flink.table.gateway.SqlGateway", *arguments, more=jars)


def _script(name: str, *arguments: str) -> list[str]:
    return ["bash", str(_distribution() / "bin" / name), "start-foreground", *arguments]


def _zookeeper_healthy(settings: Settings) -> None:
    import socket

    try:
        with socket.create_connection((settings.host, settings.zookeeper_port), timeout=2) as connection:
            connection.sendall(b"ruok")
            answer = connection.recv(16)
    except OSError as error:
        raise NotHealthy(f"ruok: {error}") from error
    if answer != b"imok":
        raise NotHealthy(f"ruok: {answer!r}")


def _ask(settings: Settings, path: str) -> dict[str, Any]:
    url = f"{settings.flink_rest_url}/{path}"
    try:
        answer = httpx.get(url, timeout=5)
        answer.raise_for_status()
        return answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise NotHealthy(f"{url}: {error!r}") from error


def _jobmanager_healthy(settings: Settings) -> None:
    _ask(settings, "overview")


def _taskmanager_healthy(settings: Settings) -> None:
    """The JobManager has heard of this TaskManager: one that was killed stays registered until its heartbeats miss."""
    since = supervisor.running_since(settings, "flink-taskmanager")
    beats = [one["timeSinceLastHeartbeat"] / 1000 for one in _ask(settings, "taskmanagers")["taskmanagers"]]
    if not any(beat > since for beat in beats):
        raise NotHealthy("no heartbeat of this TaskManager has come to the JobManager")


def _gateway_healthy(settings: Settings) -> None:
    try:
        with SqlGateway(settings) as gateway:
            gateway.execute("SHOW CATALOGS")
    except FlinkError as error:
        raise NotHealthy(str(error)) from error


def _start_jobs(settings: Settings) -> None:
    """The raw tables exist and the job that fills them runs, from where it stopped."""
    from lakehouse.streaming import jobs

    jobs.ensure_running(settings)


def _job_runs(settings: Settings) -> bool:
    from lakehouse.streaming import jobs

    return jobs.find(settings) is not None


SERVICES = (
    Service(
        name="zookeeper",
        title="ZooKeeper, for Flink's jobs to survive",
        ports={"client": "zookeeper_port"},
        prepare=prepare,
        command=_zookeeper,
        healthy=_zookeeper_healthy,
        start_timeout_seconds=60,
    ),
    Service(
        name="flink-jobmanager",
        title="Flink JobManager",
        requires=("zookeeper",),
        ports={"http": "flink_port", "rpc": "flink_rpc_port", "blob": "flink_blob_port"},
        prepare=prepare,
        command=lambda s: _script("jobmanager.sh"),
        environment=environment,
        healthy=_jobmanager_healthy,
        start_timeout_seconds=120,
        url=lambda s: s.flink_rest_url,
    ),
    Service(
        name="flink-taskmanager",
        title="Flink TaskManager",
        requires=("flink-jobmanager", "kafka", "object-store"),
        ports={"rpc": "flink_taskmanager_rpc_port", "data": "flink_taskmanager_data_port"},
        command=lambda s: _script("taskmanager.sh"),
        environment=environment,
        healthy=_taskmanager_healthy,
        start_timeout_seconds=120,
    ),
    Service(
        name="flink-gateway",
        title="Flink SQL Gateway",
        requires=("flink-taskmanager", "catalog"),
        ports={"http": "flink_gateway_port"},
        command=_gateway,
        environment=environment,
        healthy=_gateway_healthy,
        after_start=_start_jobs,
        complete=_job_runs,
        start_timeout_seconds=120,
    ),
)
