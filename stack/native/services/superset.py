"""Superset: dashboards over ClickHouse and Trino. An add-on: `lakehouse stack up dashboards`.

It has an environment of its own; its metadata is in PostgreSQL. What it shows is imported by `lakehouse dashboards`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import httpx

from lakehouse.settings import PROJECT_ROOT, Settings
from stack.native.service import CannotPrepare, NotHealthy, Service
from stack.native.services import postgres

CONF = PROJECT_ROOT / "stack" / "conf" / "superset"
LOCK = PROJECT_ROOT / "requirements" / "superset.txt"
DATABASE = "superset"
PROFILE = "dashboards"
THREADS = 8


def _bin(settings: Settings) -> Path:
    return settings.home / "superset-env" / "bin"


def superset_home(settings: Settings) -> Path:
    return settings.var_dir / "superset"


def environment(settings: Settings) -> dict[str, str]:
    """What the server and its preparation get; the secrets are here and nowhere on disk."""
    return {
        "PATH": f"{_bin(settings)}{os.pathsep}{os.environ.get('PATH', '')}",
        "SUPERSET_HOME": str(superset_home(settings)),
        "SUPERSET_CONFIG_PATH": str(CONF / "superset_config.py"),
        "SUPERSET_SECRET_KEY": settings.superset_secret_key.get_secret_value(),
        "SUPERSET__SQLALCHEMY_DATABASE_URI": (
            f"postgresql+psycopg2://{settings.postgres_user}:{settings.postgres_password.get_secret_value()}"
            f"@{settings.postgres_host}:{settings.postgres_port}/{DATABASE}"
        ),
    }


def _admin(settings: Settings) -> dict[str, str]:
    return {
        "SUPERSET_ADMIN_USER": settings.superset_user,
        "SUPERSET_ADMIN_PASSWORD": settings.superset_password.get_secret_value(),
    }


def _fingerprint(settings: Settings) -> str:
    """What the metadata database was made ready with; a change of it asks for another time."""
    digest = hashlib.sha256(LOCK.read_bytes() + (CONF / "initialise.py").read_bytes())
    digest.update(repr(sorted({**environment(settings), **_admin(settings)}.items())).encode())
    return digest.hexdigest()


def prepare(settings: Settings) -> None:
    """Its database, with schema, roles and the user; that takes most of a minute, and is done once per version."""
    if not (_bin(settings) / "superset").exists():
        raise CannotPrepare("Superset is not installed", "run `make dashboards`, which installs and starts it")
    home = superset_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    postgres.create_databases(settings, [DATABASE])
    stamp, wanted = home / "initialised", _fingerprint(settings)
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return
    done = subprocess.run(
        [str(_bin(settings) / "python"), str(CONF / "initialise.py")],
        env={**os.environ, **environment(settings), **_admin(settings)},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CannotPrepare(f"Superset's database could not be made ready: {done.stderr.strip()[-1500:]}")
    stamp.touch(mode=0o600)
    stamp.write_text(wanted, encoding="ascii")


def command(settings: Settings) -> list[str]:
    """One process with threads: a dashboard asks for a dozen charts at once, and each waits for an engine."""
    return [
        str(_bin(settings) / "gunicorn"),
        f"--bind={settings.host}:{settings.superset_port}",
        "--workers=1",
        "--worker-class=gthread",
        f"--threads={THREADS}",
        "--timeout=120",
        "--graceful-timeout=10",
        f"--worker-tmp-dir={superset_home(settings)}",
        "--no-control-socket",
        "superset.app:create_app()",
    ]


def healthy(settings: Settings) -> None:
    """The page to sign in is there, the user can, and a query of the metadata database is answered."""
    try:
        with httpx.Client(base_url=settings.superset_url, timeout=20) as client:
            client.get("/login/").raise_for_status()
            who = {"username": settings.superset_user, "password": settings.superset_password.get_secret_value()}
            token = client.post("/api/v1/security/login", json={**who, "provider": "db"}).raise_for_status().json()
            headers = {"Authorization": f"Bearer {token['access_token']}"}
            client.get("/api/v1/dashboard/", headers=headers).raise_for_status().json()["count"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise NotHealthy(f"{settings.superset_url}: {error!r}") from error


SERVICES = (
    Service(
        name="superset",
        title="Superset (dashboards)",
        requires=("postgres", "trino", "clickhouse"),
        ports={"http": "superset_port"},
        prepare=prepare,
        command=command,
        environment=environment,
        healthy=healthy,
        start_timeout_seconds=240,
        profile=PROFILE,
        url=lambda s: s.superset_url,
    ),
)
