"""The event log: one Kafka broker in KRaft mode, broker and controller in one process."""

from __future__ import annotations

import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from lakehouse.engines.kafka import TOPICS, AccountRefused, admin, ensure_topics, topic_names
from lakehouse.settings import PROJECT_ROOT, Settings
from stack.native import artifacts
from stack.native.service import CannotPrepare, NotHealthy, Service, write_private

TEMPLATE = PROJECT_ROOT / "stack" / "conf" / "kafka" / "server.properties"
LOGGING = PROJECT_ROOT / "stack" / "conf" / "kafka" / "log4j2.yaml"
METADATA_TIMEOUT_SECONDS = 5
LOGIN_TIMEOUT_SECONDS = 2
"""A client that is refused goes on trying until its time is up."""
OWN_ACCOUNT = "broker"
SCRAM_ITERATIONS = 4096
"""The least that brokers take, and enough: the password is random and long."""


def _conf(settings: Settings) -> Path:
    return settings.conf_dir / "kafka"


def _java(settings: Settings, main: str, *arguments: str) -> list[str]:
    options = ["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={LOGGING}"]
    return ["java", *options, "-cp", artifacts.class_path("kafka"), main, *arguments]


def _listener(settings: Settings) -> dict[str, str]:
    """Who may come in. Raises `CannotPrepare` for settings that are meant for a broker elsewhere."""
    if settings.kafka_security_protocol != "SASL_PLAINTEXT":
        raise CannotPrepare(
            f"the native broker speaks SASL_PLAINTEXT, and the settings say {settings.kafka_security_protocol}",
            "unset LAKEHOUSE_KAFKA_SECURITY_PROTOCOL, or do not start this broker and use the one elsewhere",
        )
    mechanism, password = settings.kafka_sasl_mechanism, settings.kafka_password.get_secret_value()
    accounts = [OWN_ACCOUNT, *([settings.kafka_user] if mechanism == "PLAIN" else [])]
    users = " ".join(f'user_{name}="{password}"' for name in accounts)
    own = f'username="{OWN_ACCOUNT}" password="{password}"'
    package = "org.apache.kafka.common.security"
    scram = f"listener.name.broker.{mechanism.lower()}.sasl.jaas.config={package}.scram.ScramLoginModule required;"
    return {
        "mechanisms": ",".join(dict.fromkeys((mechanism, "PLAIN"))),
        "own_account": f"{package}.plain.PlainLoginModule required {own} {users};",
        "scram": scram if mechanism != "PLAIN" else "",
    }


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
        **_listener(settings),
    )
    properties = conf / "server.properties"
    write_private(properties, text)
    identity = conf / "cluster.id"
    if not identity.exists():
        identity.write_text(urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="), encoding="utf-8")
    if (data / "meta.properties").exists():
        return
    # with "=": one id in 64 begins with "-", and would be read as an option
    cluster = f"--cluster-id={identity.read_text(encoding='utf-8')}"
    arguments = ("format", cluster, "-c", str(properties), "--ignore-formatted")
    command = _java(settings, "kafka.tools.StorageTool", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotPrepare(f"Kafka's storage could not be formatted: {(done.stderr or done.stdout).strip()[-800:]}")


def _as_broker(settings: Settings) -> Settings:
    return settings.model_copy(update={"kafka_user": OWN_ACCOUNT, "kafka_sasl_mechanism": "PLAIN"})


def _give_account(settings: Settings, client: AdminClient) -> None:
    """Write the clients' account, or its new password, into the log's metadata; only a running broker can."""
    mechanism = ScramMechanism[settings.kafka_sasl_mechanism.replace("-", "_")]
    password = settings.kafka_password.get_secret_value().encode()
    info = ScramCredentialInfo(mechanism, SCRAM_ITERATIONS)
    wanted = UserScramCredentialUpsertion(settings.kafka_user, info, password)
    for future in client.alter_user_scram_credentials([wanted]).values():
        future.result(timeout=METADATA_TIMEOUT_SECONDS)


def healthy(settings: Settings) -> None:
    """The broker lists its topics to clients. One that does not know their account yet, or has an old password of
    it, is told: a fresh log, one from before there were accounts, a changed secret."""
    try:
        topic_names(_as_broker(settings), timeout=METADATA_TIMEOUT_SECONDS)
        try:
            topic_names(settings, timeout=LOGIN_TIMEOUT_SECONDS)
        except AccountRefused:
            _give_account(settings, admin(_as_broker(settings)))
            topic_names(settings, timeout=METADATA_TIMEOUT_SECONDS)
    except (ConnectionError, KafkaException) as error:
        raise NotHealthy(str(error)) from error


def _create_topics(settings: Settings) -> None:
    ensure_topics(settings)


def _has_topics(settings: Settings) -> bool:
    return topic_names(settings) >= set(TOPICS)


SERVICES = (
    Service(
        name="kafka",
        title="Kafka (KRaft), the event log",
        ports={"broker": "kafka_port", "controller": "kafka_controller_port"},
        prepare=prepare,
        command=lambda s: _java(s, "kafka.Kafka", str(_conf(s) / "server.properties")),
        healthy=healthy,
        after_start=_create_topics,
        complete=_has_topics,
        start_timeout_seconds=90,
        stop_timeout_seconds=30,
    ),
)
