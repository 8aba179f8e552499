"""Who answers? Each endpoint of the settings is asked a real question, with the login and the trust it is given.

The same for services started here and for somebody else's: what differs is the next step when one does not answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from lakehouse.engines import kafka, object_store, tls
from lakehouse.errors import LakehouseError
from lakehouse.settings import ENV_PREFIX, Settings

TIMEOUT_SECONDS = 10


class NoAnswer(LakehouseError):
    """An endpoint does not answer, or not as it should; the message is what came back."""


@dataclass(frozen=True)
class Endpoint:
    """A service as a client sees it: `address` names the setting that holds it, `logins` those that open it.

    `ask` returns what the service said of itself in a few words; whatever it raises means that it does not answer.
    `family` is what `lakehouse stack up` calls it.
    """

    name: str
    address: str
    ask: Callable[[Settings], str]
    family: str
    logins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What came of asking one endpoint. `problem` is empty when it answers; then `said` is what it said."""

    name: str
    address: str
    said: str
    problem: str
    next_step: str
    seconds: float


def _kafka(s: Settings) -> str:
    found = kafka.topic_names(s, timeout=TIMEOUT_SECONDS)
    return f"{len(found & set(kafka.TOPICS))} of our {len(kafka.TOPICS)} topics"


def _object_store(s: Settings) -> str:
    keys = object_store.s3_client(s).list_objects_v2(Bucket=object_store.bucket(s), MaxKeys=1)["KeyCount"]
    return f"bucket {object_store.bucket(s)}, {'with objects' if keys else 'empty'}"


def _catalog(s: Settings) -> str:
    from lakehouse.engines.catalog import iceberg_catalog

    return f"{len(iceberg_catalog(s).list_namespaces())} namespaces"


def _flink(s: Settings) -> str:
    from lakehouse.engines.flink import FlinkRest

    jobs = FlinkRest(s).jobs()
    return f"{sum(job.state == 'RUNNING' for job in jobs)} running jobs"


def _flink_gateway(s: Settings) -> str:
    from lakehouse.engines.flink import SqlGateway

    with SqlGateway(s) as gateway:
        return f"{len(gateway.execute('SHOW CATALOGS'))} catalogs in a new session"


def _spark(s: Settings) -> str:
    from lakehouse.engines.spark import spark_session

    return f"Spark {spark_session(s).version}"


def _trino(s: Settings) -> str:
    from lakehouse.engines.trino import query

    return f"Trino {query('SELECT version()', settings=s)[0][0]}"


def _clickhouse(s: Settings) -> str:
    from lakehouse.engines.clickhouse import query

    return f"ClickHouse {query('SELECT version()', settings=s)[0][0]}"


def _airflow(s: Settings) -> str:
    from lakehouse.engines.airflow import Airflow

    return f"Airflow {Airflow(s).version()}"


def _ingestion(s: Settings) -> str:
    answer = httpx.get(f"{s.ingestion_url}/ready", timeout=TIMEOUT_SECONDS, verify=tls.context(s))
    answer.raise_for_status()
    return "ready, and the broker answers it"


ENDPOINTS = (
    Endpoint("object store", "s3_endpoint", _object_store, "object-store",
             ("s3_access_key", "s3_secret_key", "s3_region", "s3_path_style", "warehouse")),
    Endpoint("catalog", "catalog_uri", _catalog, "catalog",
             ("catalog_client_id", "catalog_client_secret", "catalog_oauth2_uri", "catalog_scope",
              "catalog_warehouse")),
    Endpoint("event log", "kafka_bootstrap", _kafka, "kafka",
             ("kafka_security_protocol", "kafka_sasl_mechanism", "kafka_user", "kafka_password")),
    Endpoint("webhook API", "ingestion_url", _ingestion, "ingestion"),
    Endpoint("Flink", "flink_rest_url", _flink, "flink", ("flink_user", "flink_password")),
    Endpoint("Flink SQL gateway", "flink_gateway_url", _flink_gateway, "flink", ("flink_user", "flink_password")),
    Endpoint("Spark Connect", "spark_remote", _spark, "spark", ("spark_token",)),
    Endpoint("Trino", "trino_url", _trino, "trino", ("trino_user", "trino_password")),
    Endpoint("ClickHouse", "clickhouse_url", _clickhouse, "clickhouse", ("clickhouse_user", "clickhouse_password")),
    Endpoint("Airflow", "airflow_url", _airflow, "airflow", ("airflow_user", "airflow_password")),
)  # fmt: skip


def _is_here(endpoint: Endpoint, settings: Settings) -> bool:
    """Whether the address is that of the service which this project starts itself."""
    if settings.profile != "native":
        return False
    address = str(getattr(settings, endpoint.address))
    return urlsplit(address if "//" in address else f"//{address}").hostname == settings.host


def _next_step(endpoint: Endpoint, settings: Settings) -> str:
    if _is_here(endpoint, settings):
        return f"start it: lakehouse stack up {endpoint.family}"
    names = [endpoint.address, *endpoint.logins, *(["ca_file"] if settings.ca_file else [])]
    return "compare with the service: " + ", ".join(f"{ENV_PREFIX}{name.upper()}" for name in names)


def ask(endpoint: Endpoint, settings: Settings) -> Answer:
    """Ask one endpoint; never raises, for an answer that is none is an answer here."""
    began = time.monotonic()
    said = problem = ""
    try:
        said = endpoint.ask(settings)
    except Exception as error:  # noqa: BLE001 - every client has errors of its own, and all of them are the answer
        problem = error.message if isinstance(error, LakehouseError) else (str(error) or repr(error))
    return Answer(
        endpoint.name,
        str(getattr(settings, endpoint.address)),
        said,
        " ".join(problem.split()),
        _next_step(endpoint, settings) if problem else "",
        time.monotonic() - began,
    )


def ask_all(settings: Settings) -> Iterator[Answer]:
    """Ask every endpoint, all at once; answers in the order they come."""
    with ThreadPoolExecutor(len(ENDPOINTS)) as pool:
        for done in as_completed([pool.submit(ask, endpoint, settings) for endpoint in ENDPOINTS]):
            yield done.result()
