"""Airflow: API server, scheduler with the local executor, DAG processor. Its state is in PostgreSQL.

It has a lean environment of its own; tasks start the notebooks' kernel in the notebook environment.
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg2

from lakehouse.settings import PROJECT_ROOT, Settings
from stack.native import supervisor
from stack.native.service import CannotPrepare, NotHealthy, Service, stack_environment

CONF = PROJECT_ROOT / "stack" / "conf" / "airflow"
DATABASE = "airflow"
HEARTBEAT_MAX_AGE_SECONDS = 30


def airflow_home(settings: Settings) -> Path:
    return settings.var_dir / "airflow"


def _binary(settings: Settings) -> Path:
    return settings.home / "airflow-env" / "bin" / "airflow"


def _passwords_file(settings: Settings) -> Path:
    return settings.conf_dir / "airflow" / "passwords.json"


def environment(settings: Settings) -> dict[str, str]:
    """What all three processes, and the tasks they fork, get; the secrets are here and nowhere on disk."""
    home = airflow_home(settings)
    database = (
        f"postgresql+psycopg2://{settings.postgres_user}:{settings.postgres_password.get_secret_value()}"
        f"@{settings.postgres_host}:{settings.postgres_port}/{DATABASE}"
    )
    bin_dir = settings.home / "airflow-env" / "bin"
    return {
        **stack_environment(settings),
        "PATH": f"{bin_dir}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": f"{PROJECT_ROOT}{os.pathsep}{CONF}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT_ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(CONF / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # two tasks of a run at a time; one that has ended may still write its page
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "2",
        "AIRFLOW__CORE__PARALLELISM": "3",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{settings.airflow_user}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_passwords_file(settings)),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__API__HOST": settings.host,
        "AIRFLOW__API__PORT": str(settings.airflow_port),
        "AIRFLOW__API__BASE_URL": settings.airflow_url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": settings.airflow_secret_key.get_secret_value(),
        "AIRFLOW__API_AUTH__JWT_SECRET": settings.airflow_jwt_secret.get_secret_value(),
        "AIRFLOW__DAG_PROCESSOR__DISABLE_BUNDLE_VERSIONING": "True",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        # A killed scheduler takes its tasks with it; the next one looks for them this often, not every 5 minutes.
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
        # Between two looks for what is due; a task that follows another waits half of it.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        # How long the process beside a task sleeps at most, and so how long one that has ended may keep its slot.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(home / "logs" / "dag_processor"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        # Where the link of a task finds the executed notebook, and what /notebooks on the API server serves.
        "WORKBOOK_RUNS_DIR": str(settings.runs_dir),
        "WORKBOOK_SCHEDULE": settings.pipeline_schedule,
        "WORKBOOK_START_DATE": _first_start(settings),
    }


def _first_start(settings: Settings) -> str:
    """When this stack's Airflow was started first, ISO 8601 UTC: no run is due for a time before it."""
    stamp = airflow_home(settings) / "first-start"
    if not stamp.exists():
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(datetime.now(UTC).isoformat(timespec="seconds"))
    return stamp.read_text()


def _migrated_stamp(settings: Settings) -> Path:
    return airflow_home(settings) / "migrated"


def _locked_version() -> str:
    """The Airflow version in the lock; a change of it asks for another migration."""
    for line in (PROJECT_ROOT / "requirements" / "airflow.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("apache-airflow=="):
            return line.split("==")[1].split()[0]
    raise CannotPrepare("requirements/airflow.txt does not pin apache-airflow; run `make lock`.")


def prepare(settings: Settings) -> None:
    """Passwords file, folders, and the metadata database migrated once per Airflow version."""
    if not _binary(settings).exists():
        raise CannotPrepare("Airflow is not installed; run `make setup`.")
    for folder in (airflow_home(settings) / "logs", settings.runs_dir, _passwords_file(settings).parent):
        folder.mkdir(parents=True, exist_ok=True)
    passwords = _passwords_file(settings)
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps({settings.airflow_user: settings.airflow_password.get_secret_value()}))
    stamp, version = _migrated_stamp(settings), _locked_version()
    if stamp.exists() and stamp.read_text() == version:
        return
    done = subprocess.run(
        [str(_binary(settings)), "db", "migrate"],
        env={**os.environ, **environment(settings)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CannotPrepare(f"Airflow's database could not be migrated: {done.stderr.strip()[-1500:]}")
    stamp.write_text(version)


def _api_healthy(settings: Settings) -> None:
    try:
        answer = httpx.get(f"{settings.airflow_url}/api/v2/monitor/health", timeout=10)
        status = answer.json()["metadatabase"]["status"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise NotHealthy(f"{settings.airflow_url}/api/v2/monitor/health: {error!r}") from error
    if status != "healthy":
        raise NotHealthy(f"the API server says its database is {status}")


def _heartbeat(settings: Settings, service: str, job_type: str) -> None:
    """A component is healthy when its own heartbeat in the metadata database is fresh, not that of a killed one."""
    since = supervisor.running_since(settings, service)
    try:
        connection = psycopg2.connect(
            host=settings.postgres_host,
            port=settings.postgres_port,
            user=settings.postgres_user,
            password=settings.postgres_password.get_secret_value(),
            dbname=DATABASE,
            connect_timeout=5,
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "select max(latest_heartbeat) > now() - make_interval(secs => %s)"
                    " from job where job_type = %s and state = 'running' and start_date >= to_timestamp(%s)",
                    (HEARTBEAT_MAX_AGE_SECONDS, job_type, since),
                )
                row = cursor.fetchone()
        finally:
            connection.close()
    except psycopg2.Error as error:
        raise NotHealthy(f"the heartbeat of {job_type} cannot be read: {error}") from error
    if not row or not row[0]:
        raise NotHealthy(f"{job_type} has had no heartbeat for {HEARTBEAT_MAX_AGE_SECONDS} s")


def _dag_processor_healthy(settings: Settings) -> None:
    _heartbeat(settings, "airflow-dag-processor", "DagProcessorJob")


def _scheduler_healthy(settings: Settings) -> None:
    _heartbeat(settings, "airflow-scheduler", "SchedulerJob")


SERVICES = (
    Service(
        name="airflow-api-server",
        title="Airflow API server and UI",
        requires=("postgres",),
        ports={"http": "airflow_port"},
        prepare=prepare,
        command=lambda s: [str(_binary(s)), "api-server"],
        environment=environment,
        healthy=_api_healthy,
        start_timeout_seconds=240,
        url=lambda s: s.airflow_url,
    ),
    Service(
        name="airflow-scheduler",
        title="Airflow scheduler (local executor)",
        requires=("airflow-api-server",),
        # Logs are read from disk on this machine; the log server would listen on every address.
        command=lambda s: [str(_binary(s)), "scheduler", "--skip-serve-logs"],
        environment=environment,
        healthy=_scheduler_healthy,
        start_timeout_seconds=240,
        stop_timeout_seconds=30,
    ),
    Service(
        name="airflow-dag-processor",
        title="Airflow DAG processor",
        requires=("airflow-api-server",),
        command=lambda s: [str(_binary(s)), "dag-processor"],
        environment=environment,
        healthy=_dag_processor_healthy,
        start_timeout_seconds=240,
    ),
)
