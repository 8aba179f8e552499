"""A broker that wants TLS and a login: by the settings' options our clients and Flink's source get in, others not."""

from __future__ import annotations

import socket
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from lakehouse.engines import kafka
from lakehouse.engines.flink import SqlGateway
from lakehouse.engines.kafka_reader import read_all
from lakehouse.settings import Settings, get_settings
from lakehouse.streaming import statements
from lakehouse.waiting import wait_until
from stack.native import artifacts
from stack.native.services.kafka import LOGGING

pytestmark = pytest.mark.stack
TOPIC = "stripe.customers"
MESSAGES = [b'{"id": "cus_1"}', b'{"id": "cus_2"}', b"{"]


@dataclass(frozen=True)
class Broker:
    """Where it listens, and whose certificates it shows."""

    address: str
    ca_file: Path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _properties(folder: Path, port: int, controller: int) -> str:
    module = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    # the live stack's login: Flink's processes have its password, and no statement holds it
    user, password = get_settings().kafka_user, get_settings().kafka_password.get_secret_value()
    said = f'username="{user}" password="{password}" user_{user}="{password}"'
    return f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SASL_SSL://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=SASL_SSL
listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config={module} {said};
ssl.keystore.type=PEM
ssl.keystore.location={folder / "broker.pem"}
ssl.truststore.type=PEM
ssl.truststore.location={folder / "authority.pem"}
ssl.client.auth=none
log.dirs={folder / "log"}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def _certify(folder: Path) -> None:
    """An authority, and the broker's key and chain in the one form of PEM that Kafka reads."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    issued = authority.issue_cert("127.0.0.1")
    key = load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "broker.pem").write_bytes(plain + b"".join(part.bytes() for part in issued.cert_chain_pems))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("secure-kafka")
    port, controller = _free_port(), _free_port()
    _certify(folder)
    conf = folder / "server.properties"
    conf.write_text(_properties(folder, port, controller), encoding="utf-8")
    java = ["java", "-Xmx256m", "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={LOGGING}"]
    java += ["-cp", artifacts.class_path("kafka")]
    identity = "MkU3OEVBNTcwNTJENDM2Qk"
    subprocess.run([*java, "kafka.tools.StorageTool", "format", "-t", identity, "-c", str(conf)], check=True,
                   capture_output=True)  # fmt: skip
    with (folder / "out").open("wb") as log, subprocess.Popen([*java, "kafka.Kafka", str(conf)], stdout=log,
                                                              stderr=log) as process:  # fmt: skip
        found = Broker(f"127.0.0.1:{port}", folder / "authority.pem")
        try:
            wait_until(lambda: _answers(process, found), timeout=240, what="the broker",
                       next_step=(folder / "out").read_text(errors="replace")[-500:])  # fmt: skip
            yield found
        finally:
            process.terminate()


def _answers(process: subprocess.Popen[bytes], broker: Broker) -> bool:
    assert process.poll() is None, "the broker ended"
    try:
        kafka.topic_names(secured(broker), timeout=5)
    except ConnectionError:
        return False
    return True


def secured(broker: Broker, **changes: object) -> Settings:
    """The live stack's settings with the log elsewhere."""
    return get_settings().model_copy(
        update={
            "kafka_bootstrap": broker.address,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": "PLAIN",
            "ca_file": broker.ca_file,
            **changes,
        }
    )


@pytest.fixture(scope="module")
def filled(broker: Broker) -> Settings:
    """The broker with one topic of three messages in one partition."""
    settings = secured(broker)
    client = kafka.admin(settings)  # it has to live until the answer is there
    client.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])[TOPIC].result(30)
    producer = Producer({**kafka.client_config(settings), "acks": "all"})
    for message in MESSAGES:
        producer.produce(TOPIC, value=message, headers={"source": b"stripe"})
    assert producer.flush(30) == 0
    return settings


def test_clients_write_and_read_with_the_settings_login(filled: Settings) -> None:
    assert [one.value for one in read_all([TOPIC], filled)] == MESSAGES


@pytest.mark.parametrize(
    "changes",
    [
        {"kafka_password": SecretStr("wrong")},
        {"ca_file": None},
        {"kafka_security_protocol": "SASL_PLAINTEXT"},
        {"kafka_security_protocol": "PLAINTEXT"},
    ],
    ids=["a wrong password", "an unknown authority", "no encryption", "no login"],
)
def test_anything_less_is_refused(broker: Broker, filled: Settings, changes: dict[str, object]) -> None:
    with pytest.raises(ConnectionError):
        kafka.topic_names(secured(broker, **changes), timeout=5)


def test_flinks_source_gets_the_same_login_and_authority(filled: Settings) -> None:
    source = statements.topic_views(TOPIC, filled)[0]
    bounded = source.replace("'format' = 'raw'", "'scan.bounded.mode' = 'latest-offset', 'format' = 'raw'")
    bounded = bounded.replace("flink-raw", f"look-{uuid.uuid4()}")
    with SqlGateway() as gateway:
        gateway.execute("SET 'execution.runtime-mode' = 'batch'")
        gateway.execute(bounded)
        assert gateway.execute(f"SELECT count(*) FROM `log.{TOPIC}`") == [[len(MESSAGES)]]


def test_what_is_shown_of_the_source_holds_no_password(filled: Settings) -> None:
    shown = "\n".join(statements.topic_views(TOPIC, filled))
    assert filled.kafka_password.get_secret_value() not in shown
