"""The event log's client: topics, how much they hold, what a producer needs. Connects only when called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.errors import LakehouseError
from lakehouse.settings import ENV_PREFIX, Settings, get_settings

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

PARTITIONS = 2
QUARANTINE_TOPIC = "ingestion.quarantine"
ENTITY_TOPICS = (
    "shopify.orders",
    "shopify.customers",
    "stripe.charges",
    "stripe.customers",
    "hubspot.contacts",
    "hubspot.companies",
    "privacy.requests",
)
TOPICS = (*ENTITY_TOPICS, QUARANTINE_TOPIC)
ADMIN_TIMEOUT_SECONDS = 15
FLINK_KAFKA = "org.apache.flink.kafka.shaded.org.apache.kafka"
"""Where Flink's connector has its own copy of Kafka's client."""
PASSWORD_VARIABLE = f"{ENV_PREFIX}KAFKA_PASSWORD"


class AccountRefused(ConnectionError):
    """A broker answers, but takes neither this user nor this password."""


class BrokerUnavailable(LakehouseError, ConnectionError):
    """No broker answers."""


def _ignore_log(_: object) -> None:
    """librdkafka reports connection errors to its callback too; the caller raises them itself."""


QUIET = {"error_cb": _ignore_log, "log_level": 2}
"""For clients whose errors their callers raise. One that is closed while it still logs in would say so, too."""


def client_config(settings: Settings | None = None) -> dict[str, Any]:
    """How every client of librdkafka reaches the broker and says who it is."""
    s = settings or get_settings()
    config: dict[str, Any] = {"bootstrap.servers": s.kafka_bootstrap, "security.protocol": s.kafka_security_protocol}
    if s.kafka_security_protocol.startswith("SASL_"):
        config |= {
            "sasl.mechanism": s.kafka_sasl_mechanism,
            "sasl.username": s.kafka_user,
            "sasl.password": s.kafka_password.get_secret_value(),
        }
    if s.kafka_security_protocol.endswith("SSL") and s.ca_file:
        config["ssl.ca.location"] = str(s.ca_file)
    return config


def flink_options(settings: Settings | None = None) -> dict[str, str]:
    """The same for Flink's connector. It names the variable of Flink's processes that has the password, so that no
    statement, plan, log or stored job holds it."""
    s = settings or get_settings()
    options = {"bootstrap.servers": s.kafka_bootstrap, "security.protocol": s.kafka_security_protocol}
    if s.kafka_security_protocol.startswith("SASL_"):
        module = "plain.PlainLoginModule" if s.kafka_sasl_mechanism == "PLAIN" else "scram.ScramLoginModule"
        options |= {
            "sasl.mechanism": s.kafka_sasl_mechanism,
            "sasl.jaas.config": f"{FLINK_KAFKA}.common.security.{module} required "
            f'username="{s.kafka_user}" password="${{env:{PASSWORD_VARIABLE}}}";',
            "config.providers": "env",
            "config.providers.env.class": f"{FLINK_KAFKA}.common.config.provider.EnvVarConfigProvider",
        }
    if s.kafka_security_protocol.endswith("SSL") and s.ca_file:
        # inline: the TaskManager that uses them may be on another machine
        certificates = s.ca_file.read_text(encoding="ascii").strip()
        options |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": certificates}
    return {f"properties.{name}": value for name, value in options.items()}


def admin(settings: Settings | None = None, **more: Any) -> AdminClient:
    """An admin client of the broker; it connects on first use. `more` is librdkafka's, with `_` for the points."""
    from confluent_kafka.admin import AdminClient

    given = {name if name == "error_cb" else name.replace("_", "."): value for name, value in more.items()}
    return AdminClient(client_config(settings) | QUIET | given)


def topic_names(settings: Settings | None = None, timeout: float = ADMIN_TIMEOUT_SECONDS) -> set[str]:
    """The topics there are.

    Raises `BrokerUnavailable` when none answers in `timeout` seconds, `AccountRefused` when it does not let us in.
    """
    from confluent_kafka import KafkaError, KafkaException

    s = settings or get_settings()
    said: list[KafkaError] = []
    client = admin(s, error_cb=said.append)
    try:
        return set(client.list_topics(timeout=timeout).topics)
    except KafkaException as error:
        client.poll(0)  # only now it calls back
        refusal = next((each for each in said if each.code() == KafkaError._AUTHENTICATION), None)
        if refusal is not None:
            raise AccountRefused(
                f"the broker at {s.kafka_bootstrap} refuses {s.kafka_user}: {refusal.str()}"
            ) from error
        raise BrokerUnavailable(
            f"no broker answers at {s.kafka_bootstrap}: {error.args[0].str()}",
            "look at `lakehouse stack status`, then at its log",
        ) from error


def consumer_groups(settings: Settings | None = None) -> set[str]:
    """The ids of the groups that the broker knows. Raises the broker's error."""
    from confluent_kafka import KafkaException

    client = admin(settings)  # it has to live until the answer is there
    found = client.list_consumer_groups().result(timeout=ADMIN_TIMEOUT_SECONDS)
    for error in found.errors:
        raise KafkaException(error)
    return {group.group_id for group in found.valid}


def ensure_topics(settings: Settings | None = None) -> list[str]:
    """Create the topics that are missing; returns those it created. Repeatable."""
    from confluent_kafka.admin import NewTopic

    missing = [name for name in TOPICS if name not in topic_names(settings)]
    if missing:
        client = admin(settings)
        copies = (settings or get_settings()).kafka_replication_factor
        futures = client.create_topics(
            [NewTopic(name, num_partitions=PARTITIONS, replication_factor=copies) for name in missing]
        )
        for future in futures.values():
            future.result(timeout=ADMIN_TIMEOUT_SECONDS)
    return missing


def offsets(settings: Settings | None = None) -> dict[tuple[str, int], tuple[int, int]]:
    """(topic, partition) → the offset of the oldest message that is kept, and that of the next one to come."""
    from confluent_kafka import Consumer, TopicPartition

    s = settings or get_settings()
    own = {"group.id": "lakehouse-offsets", "enable.auto.commit": False, **QUIET}
    consumer = Consumer(client_config(s) | own)
    try:
        present = topic_names(s)
        return {
            (topic, partition): consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=ADMIN_TIMEOUT_SECONDS
            )
            for topic in TOPICS
            if topic in present
            for partition in range(PARTITIONS)
        }
    finally:
        consumer.close()


def end_offsets(settings: Settings | None = None) -> dict[tuple[str, int], int]:
    """How many messages each (topic, partition) has ever held."""
    return {place: end for place, (_, end) in offsets(settings).items()}
