"""What the compose profile keeps by itself: health, limits, order; nothing beyond loopback, no secret in a file."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.settings import Settings
from stack.compose import ask, conf, environment, prepare, topology, validator
from stack.native.services import trino

COMPOSE = validator.COMPOSE_FILE.read_text(encoding="utf-8")
SECRET = re.compile(r"(?i)password|secret|token|credential|_key$|database_uri|sql_alchemy_conn")


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
