"""Secrets stand in a few files that only their owner can read, and nowhere else, in no form."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.settings import PROJECT_ROOT, Settings, get_settings
from stack.native import secret_scan

MAY_HOLD_THEM = {
    "secrets.env": "what all the others are made from",
    "conf/supervisord.conf": "the password of its own interface",
    "conf/launch/*.json": "the environment of each service",
    "conf/kafka/server.properties": "the broker's own account",
    "conf/object-store/s3.json": "who may use S3",
    "conf/object-store/security.toml": "the key that closes the other ports",
    "conf/airflow/*": "the passwords of its users",
    "var/flink/ha/*": "the running job, for a JobManager that comes back: the catalog and the object store",
    "var/flink/ha/**/*": "the same",
    "var/flink/tmp/**/*": "the same job, while it is handed on",
}
"""Files of the data folder, each for this user alone."""
STORES = ("postgres", "object-store", "kafka", "clickhouse")
"""Hold data, of tables and topics, in formats of their own; what is in there is another test's question."""


# -- the scan itself ------------------------------------------------------------------------------------------------


@given(st.binary(max_size=40), st.text("abcXYZ019-_", min_size=16, max_size=40), st.binary(max_size=40))
def test_a_secret_is_found_in_whatever_form_and_company(before: bytes, secret: str, after: bytes) -> None:
    wanted = secret_scan.patterns({"it": secret})
    text = before + secret.encode() + after
    for data in (text, base64.b64encode(text), base64.urlsafe_b64encode(text), text.hex().encode(),
                 quote(text, safe="").encode()):  # fmt: skip
        assert secret_scan.in_bytes(data, wanted) == {"it"}


def test_what_is_no_secret_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("nothing")
    (tmp_path / "b").write_text("the password is kept-elsewhere-and-not-here")
    assert secret_scan.in_files([tmp_path], {"it": "kept-elsewhere-and-not-here"}) == {tmp_path / "b": {"it"}}
    assert secret_scan.like_secrets(tmp_path) == {}


@pytest.mark.parametrize(
    ("what", "parts"),
    [
        ("a private key", ("-----BEGIN RSA", " PRIVATE KEY-----")),
        ("a key of AWS", ("AKIA", "A1B2C3D4E5F6G7H8")),
        ("a token of GitHub or GitLab", ("ghp_", "a1B2" * 9)),
        ("a token of Slack", ("xoxb-", "1234567890-abc")),
        ("a key of Stripe", ("whsec_", "a1B2" * 8)),
        ("a JSON web token", ("eyJ" + "a1B2" * 4, ".eyJ" + "a1B2" * 4 + "." + "a1B2" * 4)),
        ("a password", ('password = "', "a1B2" * 6 + '"')),
        ("a password in an address", ("postgresql://me:", "a1B2c3D4@db")),
    ],
)
def test_what_looks_like_a_secret_is_named(tmp_path: Path, what: str, parts: tuple[str, str]) -> None:
    # in two parts here, or this file would be found itself
    (tmp_path / "notes").write_text("".join(parts))
    assert secret_scan.like_secrets(tmp_path) == {tmp_path / "notes": {what}}


def test_nothing_in_the_project_looks_like_a_secret() -> None:
    assert secret_scan.like_secrets(PROJECT_ROOT) == {}
    assert PROJECT_ROOT / "README.md" in set(secret_scan.files([PROJECT_ROOT]))


# -- the live stack -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def settings(live_stack: None) -> Settings:
    return get_settings()


def _allowed(path: Path, data_dir: Path) -> bool:
    name = path.relative_to(data_dir)
    return any(name.match(pattern) for pattern in MAY_HOLD_THEM)


@pytest.mark.stack
@pytest.mark.usefixtures("first_day")
def test_no_file_holds_a_secret_but_those_that_have_to(settings: Settings) -> None:
    secrets = secret_scan.secrets_of(settings)
    assert len(secrets) > 10
    kept = [path for path in settings.data_dir.iterdir() if path.name != "var"]
    kept += [path for path in settings.var_dir.iterdir() if path.name not in STORES]
    own = secret_scan.in_files([PROJECT_ROOT, *(path for path in kept if path.is_dir())], secrets)
    told = {str(path): names for path, names in own.items()
            if not (path.is_relative_to(settings.data_dir) and _allowed(path, settings.data_dir))}  # fmt: skip
    assert told == {}
    open_to_others = {str(path) for path in [*own, settings.data_dir / "secrets.env"] if path.stat().st_mode & 0o077}
    assert open_to_others == set()


@pytest.mark.stack
def test_no_command_line_shows_a_secret(settings: Settings) -> None:
    supervisord = psutil.Process(int((settings.run_dir / "supervisord.pid").read_text(encoding="ascii")))
    wanted = secret_scan.patterns(secret_scan.secrets_of(settings))
    lines = {pid: Path(f"/proc/{pid}/cmdline") for pid in [supervisord.pid, *(
        child.pid for child in supervisord.children(recursive=True))]}  # fmt: skip
    shown = {
        pid: names for pid, path in lines.items() if (names := secret_scan.in_bytes(secret_scan.read(path), wanted))
    }
    assert shown == {}
    assert len(lines) > 3


def _pages(settings: Settings) -> list[str]:
    """What services show to whoever asks: plans and configurations."""
    flink = settings.flink_rest_url
    jobs = [job["id"] for job in httpx.get(f"{flink}/jobs", timeout=30).json()["jobs"]]
    of_jobs = [f"{flink}/jobs/{job}{what}" for job in jobs for what in ("", "/plan", "/config", "/exceptions")]
    managers = httpx.get(f"{flink}/taskmanagers", timeout=30).json()["taskmanagers"]
    spark = f"http://{settings.host}:{settings.spark_connect_ui_port}/api/v1/applications"
    applications = [each["id"] for each in httpx.get(spark, timeout=30).json()]
    return [
        *of_jobs, f"{flink}/jobmanager/config", f"{flink}/jobmanager/environment", f"{flink}/jobmanager/log",
        *(f"{flink}/taskmanagers/{each['id']}{what}" for each in managers for what in ("", "/log", "/stdout")),
        *(f"{spark}/{each}/{what}" for each in applications for what in ("environment", "sql", "jobs")),
        f"http://{settings.host}:{settings.spark_ui_port}/json/", f"{settings.trino_url}/v1/info",
        f"{settings.ingestion_url}/openapi.json", f"{settings.ingestion_url}/metrics",
    ]  # fmt: skip


@pytest.mark.stack
def test_no_page_that_is_open_shows_a_secret(settings: Settings) -> None:
    wanted = secret_scan.patterns(secret_scan.secrets_of(settings))
    answers = {page: httpx.get(page, timeout=60) for page in _pages(settings)}
    assert {
        page: found for page, answer in answers.items() if (found := secret_scan.in_bytes(answer.content, wanted))
    } == {}
    assert sum(answer.status_code == 200 for answer in answers.values()) > 10
