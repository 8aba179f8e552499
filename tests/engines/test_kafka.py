"""How clients reach the broker, and who is let in: those with the account, on both of its ports."""

from __future__ import annotations

import contextlib
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from lakehouse.engines import kafka
from lakehouse.settings import Settings, load_settings, secrets_file
from stack.native.secrets import ensure_secrets
from stack.native.services import kafka as service


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    ensure_secrets(tmp_path)
    return Settings(_env_file=secrets_file(tmp_path), data_dir=tmp_path)  # type: ignore[call-arg]


def changed(settings: Settings, **values: Any) -> Settings:
    return settings.model_copy(update=values)


@pytest.mark.parametrize(
    ("protocol", "mechanism", "asks"),
    [
        ("PLAINTEXT", "SCRAM-SHA-512", set()),
        ("SSL", "SCRAM-SHA-512", {"ssl.ca.location"}),
        ("SASL_PLAINTEXT", "SCRAM-SHA-512", {"sasl.mechanism", "sasl.username", "sasl.password"}),
        ("SASL_SSL", "PLAIN", {"sasl.mechanism", "sasl.username", "sasl.password", "ssl.ca.location"}),
    ],
)
def test_a_client_says_what_the_protocol_asks_for_and_no_more(
    settings: Settings, tmp_path: Path, protocol: str, mechanism: str, asks: set[str]
) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----\n", encoding="ascii")
    own = changed(settings, kafka_security_protocol=protocol, kafka_sasl_mechanism=mechanism, ca_file=authority)
    config = kafka.client_config(own)
    assert set(config) == {"bootstrap.servers", "security.protocol"} | asks
    flink = kafka.flink_options(own)
    assert ("properties.sasl.jaas.config" in flink) == ("sasl.username" in asks)
    assert ("properties.ssl.truststore.certificates" in flink) == ("ssl.ca.location" in asks)
    if "sasl.username" in asks:
        assert ("Plain" if mechanism == "PLAIN" else "Scram") in flink["properties.sasl.jaas.config"]


def test_the_systems_authorities_are_used_where_none_is_named(settings: Settings) -> None:
    own = changed(settings, kafka_security_protocol="SASL_SSL")
    assert "ssl.ca.location" not in kafka.client_config(own)
    assert "properties.ssl.truststore.certificates" not in kafka.flink_options(own)


def test_no_statement_of_flink_holds_the_password(settings: Settings) -> None:
    password = settings.kafka_password.get_secret_value()
    assert password not in str(kafka.flink_options(settings))
    assert f"${{env:{kafka.PASSWORD_VARIABLE}}}" in kafka.flink_options(settings)["properties.sasl.jaas.config"]


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\nb"])
def test_what_would_break_out_of_quotes_is_no_password_and_no_user(tmp_path: Path, value: str) -> None:
    ensure_secrets(tmp_path)
    for name in ("kafka_password", "kafka_user"):
        with pytest.raises(ValidationError, match=name):
            Settings(_env_file=secrets_file(tmp_path), data_dir=tmp_path, **{name: value})  # type: ignore[call-arg, arg-type]


def test_no_broker_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    settings = Settings(_env_file=secrets_file(tmp_path), data_dir=tmp_path, kafka_bootstrap="127.0.0.1:9")
    with pytest.raises(kafka.BrokerUnavailable, match="no broker answers at 127") as error:
        kafka.topic_names(settings, timeout=0.5)
    assert "lakehouse stack" in error.value.next_step
    assert isinstance(error.value, ConnectionError)


# -- the live stack ---------------------------------------------------------------------------------------------------


@pytest.fixture
def live(live_stack: None) -> Settings:
    return load_settings()


def wrong(settings: Settings) -> dict[str, Settings]:
    """The live settings, with one thing each that is not as it should be."""
    own_account = {"kafka_user": service.OWN_ACCOUNT, "kafka_sasl_mechanism": "PLAIN"}
    return {
        "no account": changed(settings, kafka_security_protocol="PLAINTEXT"),
        "wrong password": changed(settings, kafka_password=SecretStr("wrong")),
        "wrong user": changed(settings, kafka_user="nobody"),
        "wrong password of the broker": changed(settings, kafka_password=SecretStr("wrong"), **own_account),
        "the clients' user by the broker's mechanism": changed(settings, kafka_sasl_mechanism="PLAIN"),
    }


@pytest.mark.stack
def test_the_broker_refuses_who_has_no_account(live: Settings) -> None:
    for who, settings in wrong(live).items():
        with pytest.raises(ConnectionError) as refused:
            kafka.topic_names(settings, timeout=2)
        # without a word about who it is, a client is just cut off
        expected = settings.kafka_security_protocol != "PLAINTEXT"
        assert isinstance(refused.value, kafka.AccountRefused) == expected, who
    assert set(kafka.TOPICS) <= kafka.topic_names(live)


SASL_HANDSHAKE, SASL_AUTHENTICATE, DESCRIBE_QUORUM = 17, 36, 55
NO_TOPICS = b"\x01\x00"


def asked(connection: socket.socket, key: int, version: int, body: bytes, flexible: bool = False) -> bytes:
    """Kafka's own protocol: a request and the answer after its number; nothing when the other side hangs up."""
    head = struct.pack(">hhih4s", key, version, 7, 4, b"test") + (b"\x00" if flexible else b"")
    connection.sendall(struct.pack(">i", len(head + body)) + head + body)
    size = connection.recv(4, socket.MSG_WAITALL)
    return connection.recv(struct.unpack(">i", size)[0], socket.MSG_WAITALL)[4:] if size else b""


def quorum(settings: Settings, password: str | None) -> bytes:
    """What the controller tells of its quorum; librdkafka has no client for it."""
    address = (settings.host, settings.kafka_controller_port)
    with socket.create_connection(address, timeout=10) as connection:
        if password is not None:
            assert asked(connection, SASL_HANDSHAKE, 1, struct.pack(">h5s", 5, b"PLAIN"))[:2] == b"\x00\x00"
            who = f"\0{service.OWN_ACCOUNT}\0{password}".encode()
            asked(connection, SASL_AUTHENTICATE, 0, struct.pack(">i", len(who)) + who)
        return asked(connection, DESCRIBE_QUORUM, 0, NO_TOPICS, flexible=True)


@pytest.mark.stack
def test_the_controller_tells_nothing_to_who_has_no_account(live: Settings) -> None:
    assert quorum(live, live.kafka_password.get_secret_value())
    assert quorum(live, None) == b""
    with contextlib.suppress(ConnectionError):  # how it hangs up after a wrong password
        assert quorum(live, "wrong") == b""


@pytest.mark.stack
def test_a_producer_without_the_account_stores_nothing(live: Settings) -> None:
    from confluent_kafka import Producer

    before = kafka.end_offsets(live)
    for who, settings in wrong(live).items():
        said: list[Any] = []
        config = {"message.timeout.ms": 1500, "error_cb": kafka._ignore_log, "log_level": 0}
        producer = Producer(kafka.client_config(settings) | config)
        producer.produce("shopify.orders", b"x", on_delivery=lambda error, _, said=said: said.append(error))
        producer.flush(10)
        assert [error is not None for error in said] == [True], who
    assert kafka.end_offsets(live) == before


@pytest.mark.stack
def test_a_changed_password_is_told_to_a_log_that_has_the_old_one(live: Settings) -> None:
    """So is the account itself to a log that is older than accounts."""
    old = changed(live, kafka_password=SecretStr("an older one"))
    client = kafka.admin(service._as_broker(live))
    service._give_account(old, client)
    try:
        assert kafka.topic_names(old)
        with pytest.raises(kafka.AccountRefused):
            kafka.topic_names(live, timeout=2)
    finally:
        service.healthy(live)
    assert kafka.topic_names(live)
    with pytest.raises(kafka.AccountRefused):
        kafka.topic_names(old, timeout=2)
