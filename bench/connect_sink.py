"""Iceberg's own sink for Kafka Connect on the same backlog: a worker in standalone mode, on the loopback address.

Its JSON converter gives it the body alone: it fills the columns that come from the body, and neither the exact bytes
nor what the headers say. So it has less to do than the Flink job.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from bench.context import Bench, PartFailed, expect
from bench.own_stack import cpu_seconds
from lakehouse.engines.kafka import PASSWORD_VARIABLE
from lakehouse.settings import Settings
from lakehouse.tables import Table
from lakehouse.waiting import TookTooLong, wait_until

JARS = str(Path(__file__).with_name("connect"))
"""The list of jars, as `stack.native.artifacts` takes it; the worker's logging is that of slf4j-simple."""
CONTROL_TOPIC = "bench.control-iceberg"
COMMIT_MS = 5_000
TASKS = 2
START_SECONDS, LAND_SECONDS = 90, 600


def table(namespace: str) -> Table:
    """raw.shopify_orders without what only the pipeline's own job can fill."""
    from lakehouse.streaming.tables import SHOPIFY_ORDERS

    columns = tuple(column for column in SHOPIFY_ORDERS.columns if not column.name.startswith("_"))
    return replace(SHOPIFY_ORDERS, name=f"{namespace}.connect_orders", key=("id",), columns=columns)


def login(settings: Settings) -> dict[str, str]:
    """How a Java client reaches the broker; the password is named, and stands in the worker's environment."""
    found: dict[str, str] = {"security.protocol": settings.kafka_security_protocol}
    if settings.kafka_security_protocol.startswith("SASL_"):
        plain = settings.kafka_sasl_mechanism == "PLAIN"
        module = "plain.PlainLoginModule" if plain else "scram.ScramLoginModule"
        found |= {
            "sasl.mechanism": settings.kafka_sasl_mechanism,
            "sasl.jaas.config": f"org.apache.kafka.common.security.{module} required "
            f'username="{settings.kafka_user}" password="${{env:{PASSWORD_VARIABLE}}}";',
        }
    return found


def worker_properties(settings: Settings, folder: Path, port: int) -> str:
    """The worker's file; no secret is in it."""
    access = login(settings)
    return "\n".join((
        *(f"{prefix}{name}={value}" for prefix in ("", "consumer.", "producer.") for name, value in access.items()),
        "config.providers=env",
        "config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider",
        f"bootstrap.servers={settings.kafka_bootstrap}",
        "key.converter=org.apache.kafka.connect.storage.StringConverter",
        "value.converter=org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable=false",
        f"offset.storage.file.filename={folder / 'offsets'}",
        f"listeners=http://{settings.host}:{port}",
        "consumer.auto.offset.reset=earliest",
        "",
    ))  # fmt: skip


def connector(settings: Settings, contract: Table, topic: str) -> dict[str, str]:
    """The sink's configuration, as it is posted to the worker."""
    catalog = {
        "type": "rest", "uri": settings.catalog_uri, "scope": "catalog", "warehouse": settings.warehouse,
        "credential": f"{settings.catalog_client_id}:{settings.catalog_client_secret.get_secret_value()}",
        "oauth2-server-uri": f"{settings.catalog_uri}/v1/oauth/tokens",
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO", "s3.endpoint": settings.s3_endpoint,
        "s3.path-style-access": "true", "s3.access-key-id": settings.s3_access_key.get_secret_value(),
        "s3.secret-access-key": settings.s3_secret_key.get_secret_value(), "client.region": settings.s3_region,
    }  # fmt: skip
    return {
        "connector.class": "org.apache.iceberg.connect.IcebergSinkConnector",
        "tasks.max": str(TASKS),
        "topics": topic,
        "iceberg.tables": contract.name,
        "iceberg.control.topic": CONTROL_TOPIC,
        "iceberg.control.commit.interval-ms": str(COMMIT_MS),
        "iceberg.kafka.bootstrap.servers": settings.kafka_bootstrap,
        **{f"iceberg.kafka.{name}": value for name, value in login(settings).items()},
        **{f"iceberg.catalog.{name}": value for name, value in catalog.items()},
    }


def _free_port(host: str) -> int:
    with socket.socket() as found:
        found.bind((host, 0))
        return int(found.getsockname()[1])


@contextmanager
def worker(settings: Settings) -> Iterator[tuple[str, int]]:
    """A running worker: its address and its process. Ended at the end. Raises `PartFailed`."""
    from stack.native import artifacts
    from stack.native.service import CannotPrepare
    from stack.native.supervisor import clean_environment

    try:
        artifacts.fetch(JARS)
    except CannotPrepare as error:
        raise PartFailed(f"its jars cannot be had: {error}") from error
    folder = settings.var_dir / "connect"
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port(settings.host)
    properties = folder / "worker.properties"
    properties.write_text(worker_properties(settings, folder, port), encoding="utf-8")
    options = ["-Xmx1g", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    command = ["java", *options, "-cp", artifacts.class_path(JARS), "org.apache.kafka.connect.cli.ConnectStandalone"]
    address = f"http://{settings.host}:{port}"
    with (folder / "worker.log").open("wb") as log:
        environment = clean_environment() | {PASSWORD_VARIABLE: settings.kafka_password.get_secret_value()}
        process = subprocess.Popen([*command, str(properties)], stdout=log, stderr=log, env=environment)
        try:
            wait_until(lambda: _answers(address, process), timeout=START_SECONDS, what="Kafka Connect to answer")
            yield address, process.pid
        except TookTooLong as error:
            raise PartFailed(f"{error.message}; its log ends: {_end_of(folder / 'worker.log')}") from error
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip()[-600:]


def _answers(address: str, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise TookTooLong("Kafka Connect ended at its start")
    try:
        return httpx.get(f"{address}/connectors", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _failure(address: str) -> str:
    """The first line of why a task of the sink has failed; nothing while all go on."""
    tasks: list[dict[str, Any]] = (
        httpx.get(f"{address}/connectors/bench/status", trust_env=False).json().get("tasks", [])
    )
    return next((str(task["trace"])[:500] for task in tasks if task["state"] == "FAILED"), "")


def land(bench: Bench, namespace: str, rows: int) -> dict[str, float]:
    """Land the backlog; timed from when the sink is posted to the running worker. Raises `PartFailed`."""
    from confluent_kafka.admin import NewTopic

    from bench.parts.landing import SEEN_EVERY_SECONDS, rows_of
    from bench.parts.webhooks import TOPIC
    from lakehouse import metadata
    from lakehouse.engines import kafka
    from lakehouse.tables import create_all

    settings, contract = bench.settings, table(namespace)
    create_all(metadata.catalog(), (contract,))
    client = kafka.admin(settings)
    for made in client.create_topics([NewTopic(CONTROL_TOPIC, num_partitions=1, replication_factor=1)]).values():
        made.result(timeout=20)
    with worker(settings) as (address, pid):
        used, began = cpu_seconds(pid), time.perf_counter()
        body = {"name": "bench", "config": connector(settings, contract, TOPIC)}
        answer = httpx.post(f"{address}/connectors", json=body, timeout=60, trust_env=False)
        if answer.status_code >= 400:
            raise PartFailed(f"Kafka Connect refused the sink: {answer.text[:500]}")

        def landed() -> bool:
            if reason := _failure(address):
                raise PartFailed(f"the sink failed: {reason}")
            return rows_of(contract.name) >= rows

        wait_until(landed, timeout=LAND_SECONDS, what="Kafka Connect to land the backlog", every=SEEN_EVERY_SECONDS)
        seconds, cpu = time.perf_counter() - began, cpu_seconds(pid) - used
    found = metadata.catalog().load_table(contract.name).scan(selected_fields=("id",)).to_arrow()
    expect("rows and orders of Kafka Connect", (found.num_rows, len(found["id"].unique())), (rows, rows))
    return {"rows": rows, "seconds": round(seconds, 3), "cpu_seconds": round(cpu, 2)}
