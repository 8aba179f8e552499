"""The event log: one Kafka broker in KRaft mode, broker and controller in one process."""

from __future__ import annotations

import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from lakehouse.engines.kafka import ensure_topics, topic_names
from lakehouse.settings import PROJECT_ROOT, Settings
from stack.native import artifacts
from stack.native.service import CannotPrepare, NotHealthy, Service

TEMPLATE = PROJECT_ROOT / "stack" / "conf" / "kafka" / "server.properties"
LOGGING = PROJECT_ROOT / "stack" / "conf" / "kafka" / "log4j2.yaml"
METADATA_TIMEOUT_SECONDS = 5


def _conf(settings: Settings) -> Path:
    return settings.conf_dir / "kafka"


def _java(settings: Settings, main: str, *arguments: str) -> list[str]:
    options = ["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={LOGGING}"]
    return ["java", *options, "-cp", artifacts.class_path("kafka"), main, *arguments]


def prepare(settings: Settings) -> None:
    """Write the configuration and format the log once; the cluster id is kept."""
    conf, data = _conf(settings), settings.var_dir / "kafka"
    conf.mkdir(parents=True, exist_ok=True)
    data.mkdir(parents=True, exist_ok=True)
    text = TEMPLATE.read_text(encoding="utf-8").format(
        host=settings.host,
        port=settings.kafka_port,
        controller_port=settings.kafka_controller_port,
        log_dir=data,
        max_message_bytes=settings.max_body_bytes + 65_536,
    )
    properties = conf / "server.properties"
    properties.write_text(text, encoding="utf-8")
    identity = conf / "cluster.id"
    if not identity.exists():
        identity.write_text(urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="), encoding="utf-8")
    if (data / "meta.properties").exists():
        return
    arguments = ("format", "-t", identity.read_text(encoding="utf-8"), "-c", str(properties), "--ignore-formatted")
    command = _java(settings, "kafka.tools.StorageTool", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotPrepare(f"Kafka's storage could not be formatted: {(done.stderr or done.stdout).strip()[-800:]}")


def healthy(settings: Settings) -> None:
    """The broker lists its topics."""
    try:
        topic_names(settings, timeout=METADATA_TIMEOUT_SECONDS)
    except ConnectionError as error:
        raise NotHealthy(str(error)) from error


def _create_topics(settings: Settings) -> None:
    ensure_topics(settings)


SERVICES = (
    Service(
        name="kafka",
        title="Kafka (KRaft), the event log",
        ports={"broker": "kafka_port", "controller": "kafka_controller_port"},
        prepare=prepare,
        command=lambda s: _java(s, "kafka.Kafka", str(_conf(s) / "server.properties")),
        healthy=healthy,
        after_start=_create_topics,
        start_timeout_seconds=90,
        stop_timeout_seconds=30,
    ),
)
