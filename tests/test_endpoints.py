"""The profile remote: with endpoints and logins alone every engine is used; who does not answer is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from lakehouse import endpoints
from lakehouse.settings import OF_SERVICES_HERE, PROJECT_ROOT, Settings, get_settings, load_settings, secrets_file
from stack.native.secrets import ensure_secrets

from . import remote

COUNT = """
import json, os, uuid
import pyarrow as pa
from lakehouse.engines import clickhouse, trino
from lakehouse.engines.catalog import iceberg_catalog
from lakehouse.engines.flink import SqlGateway
from lakehouse.engines.spark import spark_session
from lakehouse.settings import get_settings
from lakehouse.streaming.statements import catalog as flink_catalog

settings, catalog = get_settings(), iceberg_catalog()
name = f"scratch.remote_{uuid.uuid4().hex[:8]}"
catalog.create_namespace_if_not_exists("scratch")
table = catalog.create_table(name, schema=pa.schema([("n", pa.int64())]))
try:
    table.append(pa.table({"n": [1, 2, 4]}))
    sql = f"SELECT sum(n) FROM {name}"
    with SqlGateway() as gateway:
        gateway.execute(flink_catalog(settings))
        gateway.execute("SET 'execution.runtime-mode' = 'batch'")
        flink = gateway.execute(f"SELECT sum(n) FROM lakehouse.{name}")[0][0]
    print(json.dumps({
        "python": sum(table.scan().to_arrow()["n"].to_pylist()),
        "spark": spark_session().sql(sql).collect()[0][0],
        "trino": trino.query(sql)[0][0],
        "clickhouse": clickhouse.query(f"SELECT sum(n) FROM {clickhouse.lake_table(name)}")[0][0],
        "flink": flink,
        "known": sorted(set(os.listdir(settings.data_dir)) if settings.data_dir.exists() else []),
    }))
finally:
    catalog.purge_table(name)
"""


SECONDS = 240
"""No process may take longer: a client that waits for ever for a silent endpoint is a defect."""


def _python(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, env=environment,
                          cwd=PROJECT_ROOT, timeout=SECONDS)  # fmt: skip


def _check(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return _python(["-m", "lakehouse.cli", "settings", "--check"], environment)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    ensure_secrets(tmp_path)
    return Settings(_env_file=secrets_file(tmp_path), data_dir=tmp_path)


def test_a_remote_process_needs_no_secret_of_services_that_run_here(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = remote.remote_environment(settings, tmp_path / "none", catalog_uri="https://catalog.example.com/api")
    for name in ("PORT_OFFSET", "STACK_NAME", "PIPELINE_SCHEDULE"):
        monkeypatch.delenv(f"LAKEHOUSE_{name}", raising=False)
    for name, value in environment.items():
        if name.startswith("LAKEHOUSE_"):
            monkeypatch.setenv(name, value)
    found = load_settings()
    assert found.profile == "remote"
    assert found.catalog_uri == "https://catalog.example.com/api"
    for name in OF_SERVICES_HERE:
        assert getattr(found, name) not in (None, getattr(settings, name)), name
    monkeypatch.delenv("LAKEHOUSE_S3_SECRET_KEY")
    with pytest.raises(Exception, match="s3_secret_key"):
        load_settings()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kafka_user": ""}, "kafka_user"),
        ({"trino_password": "x"}, "https"),
        ({"trino_password": "x", "trino_url": "https://t", "trino_user": ""}, "LAKEHOUSE_TRINO_USER"),
        ({"ca_file": "/nowhere/ca.pem"}, "LAKEHOUSE_CA_FILE"),
        ({"kafka_security_protocol": "TLS"}, "kafka_security_protocol"),
    ],
)
def test_a_login_that_cannot_work_is_refused_at_once(
    changes: dict[str, str], complaint: str, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=complaint):
        Settings(_env_file=secrets_file(tmp_path), data_dir=tmp_path, **changes)  # type: ignore[arg-type]


def test_an_optional_login_is_not_generated(tmp_path: Path, settings: Settings) -> None:
    text = secrets_file(tmp_path).read_text(encoding="utf-8")
    assert "FLINK_PASSWORD" not in text
    assert "SPARK_TOKEN" not in text
    assert settings.trino_password is None


def test_each_endpoint_names_settings_that_there_are() -> None:
    for endpoint in endpoints.ENDPOINTS:
        assert {endpoint.address, *endpoint.logins} <= set(Settings.model_fields)


def test_a_service_that_is_away_is_named_with_what_to_do(settings: Settings) -> None:
    dead = settings.model_copy(update={"clickhouse_url": "http://127.0.0.1:9", "ingestion_url": "http://127.0.0.1:9"})
    by_name = {one.name: one for one in endpoints.ENDPOINTS}
    here = endpoints.ask(by_name["webhook API"], dead)
    assert "refused" in here.problem
    assert here.next_step == "start it: lakehouse stack up ingestion"
    there = endpoints.ask(by_name["ClickHouse"], dead.model_copy(update={"profile": "remote"}))
    assert there.problem
    assert not there.said
    assert "LAKEHOUSE_CLICKHOUSE_URL, LAKEHOUSE_CLICKHOUSE_USER, LAKEHOUSE_CLICKHOUSE_PASSWORD" in there.next_step


@pytest.mark.stack
def test_with_endpoints_and_logins_alone_every_engine_gives_the_same_sum(tmp_path: Path) -> None:
    environment = remote.remote_environment(get_settings(), tmp_path / "none")
    done = _python(["-c", COUNT], environment)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {"python": 7, "spark": 7, "trino": 7, "clickhouse": 7, "flink": 7, "known": []}


@pytest.mark.stack
def test_the_check_says_what_answers_and_what_does_not(tmp_path: Path) -> None:
    settings = get_settings()
    done = _check(remote.remote_environment(settings, tmp_path))
    assert (done.returncode, done.stdout.count("✓"), done.stdout.count("✗")) == (0, len(endpoints.ENDPOINTS), 0)

    wrong = remote.remote_environment(
        settings, tmp_path, trino_url="http://127.0.0.1:9", clickhouse_password="wrong", s3_secret_key="wrong"
    )
    done = _check(wrong)
    assert (done.returncode, done.stdout.count("✗")) == (1, 3), done.stdout + done.stderr
    assert "LAKEHOUSE_TRINO_URL, LAKEHOUSE_TRINO_USER" in done.stdout
    assert "LAKEHOUSE_CLICKHOUSE_PASSWORD" in done.stdout
    assert "LAKEHOUSE_S3_SECRET_KEY" in done.stdout
    for secret in (settings.airflow_password, settings.catalog_client_secret):
        assert secret.get_secret_value() not in done.stdout + done.stderr


@pytest.mark.stack
def test_over_tls_clients_trust_the_named_authority_and_nobody_else(tmp_path: Path) -> None:
    settings = get_settings()
    authority = trustme.CA()
    ca_file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(ca_file)
    with remote.tls_before(authority, settings.host) as relay:
        changes = {
            name: f"https://{settings.host}:{relay.before(getattr(settings, name), forwarded=name == 'trino_url')}"
            for name in ("catalog_uri", "s3_endpoint", "flink_rest_url", "flink_gateway_url", "trino_url",
                         "clickhouse_url", "airflow_url", "ingestion_url")
        }  # fmt: skip
        changes["catalog_oauth2_uri"] = f"{changes['catalog_uri']}/v1/oauth/tokens"
        changes["spark_remote"] = f"sc://localhost:{relay.before(settings.spark_remote)}/;use_ssl=true"
        trusted = _check(remote.remote_environment(settings, tmp_path, ca_file=str(ca_file), **changes))
        strangers = _check(remote.remote_environment(settings, tmp_path, **changes))
    assert (trusted.returncode, trusted.stdout.count("✓")) == (0, len(endpoints.ENDPOINTS)), trusted.stdout
    assert trusted.stdout.count("https://") == 8
    # only the broker, which has no TLS here
    assert (strangers.returncode, strangers.stdout.count("✓")) == (1, 1), strangers.stdout
    assert "event log" in next(line for line in strangers.stdout.splitlines() if "✓" in line)
