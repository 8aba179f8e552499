"""Spark: standalone master, one worker, and one long-lived Connect server which all tasks and notebooks share."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
from pathlib import Path

import httpx

from lakehouse.engines.spark import connect_url
from lakehouse.settings import PROJECT_ROOT, Settings
from stack.native.artifacts import class_path
from stack.native.service import CannotPrepare, NotHealthy, Service

TEMPLATES = PROJECT_ROOT / "stack" / "conf" / "spark"
CONNECT_PROGRAM = PROJECT_ROOT / "stack" / "spark_connect.py"
WORKER_CORES, WORKER_MEMORY = 2, "2g"


def _spark_home() -> Path:
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise CannotPrepare("pyspark is not installed.", "run `make setup`")
    return Path(found.origin).parent


def conf_folder(settings: Settings) -> Path:
    return settings.conf_dir / "spark"


def _var(settings: Settings) -> Path:
    return settings.var_dir / "spark"


def master_url(settings: Settings) -> str:
    return f"spark://{settings.host}:{settings.spark_master_port}"


def _values(settings: Settings) -> dict[str, str]:
    """What the templates name."""
    return {
        "bind_host": settings.host,
        "driver_host": settings.host,
        "master": master_url(settings),
        "recovery_dir": str(_var(settings) / "recovery"),
        "local_dir": str(_var(settings) / "local"),
        "class_path": class_path("spark"),
        "python": sys.executable,
        "connect_port": str(settings.spark_connect_port),
        "connect_ui_port": str(settings.spark_connect_ui_port),
        "catalog_uri": settings.catalog_uri,
        "catalog_oauth2_uri": settings.catalog_oauth2_uri,
        "catalog_scope": settings.catalog_scope,
        "catalog_warehouse": settings.catalog_warehouse,
        "s3_endpoint": settings.s3_endpoint,
        "s3_region": settings.s3_region,
        "s3_path_style": str(settings.s3_path_style).lower(),
    }


def _write_conf(settings: Settings, name: str) -> None:
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    for key, value in _values(settings).items():
        text = text.replace(f"{{{key}}}", value)
    target = conf_folder(settings) / name
    target.touch(mode=0o600)
    target.write_text(text, encoding="utf-8")


def _folders(settings: Settings) -> None:
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        raise CannotPrepare(
            "Spark needs Java 17 and none was found.", "install a JDK 17, then `lakehouse stack doctor`"
        )
    var = _var(settings)
    for folder in (conf_folder(settings), var / "local", var / "work", var / "recovery"):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(TEMPLATES / "log4j2.properties", conf_folder(settings) / "log4j2.properties")


def _prepare_master(settings: Settings) -> None:
    """A start on request begins with no memory of old applications; only supervisord's restart keeps it."""
    _folders(settings)
    shutil.rmtree(_var(settings) / "recovery")
    _folders(settings)
    _write_conf(settings, "master.conf")


def _prepare_worker(settings: Settings) -> None:
    _folders(settings)
    shutil.rmtree(_var(settings) / "work", ignore_errors=True)
    _folders(settings)
    _write_conf(settings, "worker.conf")


def _prepare_connect(settings: Settings) -> None:
    _folders(settings)
    _write_conf(settings, "connect.conf")


def credentials(settings: Settings) -> dict[str, str]:
    """The secrets that connect.conf names: they stand in no file and on no command line."""
    secret = settings.catalog_client_secret.get_secret_value()
    found = {
        "CATALOG_CREDENTIAL": f"{settings.catalog_client_id}:{secret}",
        "S3_ACCESS_KEY": settings.s3_access_key.get_secret_value(),
        "S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
    }
    if settings.spark_token is not None:
        # the Connect server then refuses who does not show it
        found["SPARK_CONNECT_AUTHENTICATE_TOKEN"] = settings.spark_token.get_secret_value()
    return found


def environment(settings: Settings) -> dict[str, str]:
    return {
        "SPARK_HOME": str(_spark_home()),
        "SPARK_CONF_DIR": str(conf_folder(settings)),
        # Every listener of Spark, the web pages too, binds to this address.
        "SPARK_LOCAL_IP": settings.host,
        "SPARK_LOCAL_DIRS": str(_var(settings) / "local"),
        "PYSPARK_PYTHON": sys.executable,
        **credentials(settings),
    }


def daemon_environment(settings: Settings) -> dict[str, str]:
    """Master and worker only keep the books; the Connect server takes its memory from its own file."""
    return {
        **environment(settings),
        "SPARK_DAEMON_MEMORY": "192m",
        "SPARK_DAEMON_JAVA_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:MaxMetaspaceSize=128m",
    }


def spark_class(*arguments: str) -> list[str]:
    return [str(_spark_home() / "bin" / "spark-class"), *arguments]


def _master_command(settings: Settings) -> list[str]:
    return spark_class(
        "org.apache.spark.deploy.master.Master",
        *("--host", settings.host, "--port", str(settings.spark_master_port)),
        *("--webui-port", str(settings.spark_ui_port)),
        *("--properties-file", str(conf_folder(settings) / "master.conf")),
    )


def _worker_command(settings: Settings) -> list[str]:
    return spark_class(
        "org.apache.spark.deploy.worker.Worker",
        *("--host", settings.host, "--port", str(settings.spark_worker_port)),
        *("--webui-port", str(settings.spark_worker_ui_port)),
        *("--cores", str(WORKER_CORES), "--memory", WORKER_MEMORY),
        *("--work-dir", str(_var(settings) / "work")),
        *("--properties-file", str(conf_folder(settings) / "worker.conf")),
        master_url(settings),
    )


def connect_command(conf: Path) -> list[str]:
    """A Connect server. All configuration is in the file: the command line of a process can be read by anyone."""
    return spark_class("org.apache.spark.deploy.SparkSubmit", "--properties-file", str(conf), str(CONNECT_PROGRAM))


def _connect_command(settings: Settings) -> list[str]:
    return connect_command(conf_folder(settings) / "connect.conf")


def master_state(settings: Settings) -> dict:
    url = f"http://{settings.host}:{settings.spark_ui_port}/json/"
    try:
        answer = httpx.get(url, timeout=5, follow_redirects=True)
        answer.raise_for_status()
        return answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise NotHealthy(f"{url}: {error!r}") from error


def _master_healthy(settings: Settings) -> None:
    status = master_state(settings).get("status")
    if status != "ALIVE":
        raise NotHealthy(f"the master says it is {status}")


def _worker_healthy(settings: Settings) -> None:
    workers = master_state(settings).get("workers", [])
    mine = [w for w in workers if w.get("port") == settings.spark_worker_port and w.get("state") == "ALIVE"]
    if not mine:
        raise NotHealthy(f"the master knows no living worker on port {settings.spark_worker_port}")


def _connect_healthy(settings: Settings) -> None:
    """A session runs a query on an executor and reads the catalog."""
    try:
        socket.create_connection((settings.host, settings.spark_connect_port), timeout=2).close()
    except OSError as error:
        raise NotHealthy(f"port {settings.spark_connect_port}: {error}") from error
    if not any(app.get("state") == "RUNNING" for app in master_state(settings).get("activeapps", [])):
        raise NotHealthy("the master has given the Connect server no executor yet")
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.session import SparkSession

    try:
        session = SparkSession.builder.remote(connect_url(settings)).create()
        try:
            counted = session.range(0, 2, numPartitions=1).selectExpr("sum(id) as total").collect()[0]["total"]
            session.sql("SHOW NAMESPACES").collect()
        finally:
            session.stop()
    except PySparkException as error:
        raise NotHealthy(f"a session's first query: {str(error)[:300]}") from error
    if counted != 1:
        raise NotHealthy(f"sum of 0 and 1 came back as {counted}")


def _warm(settings: Settings) -> None:
    """Pay once for what the first client would pay: code generation, joins, JSON, Iceberg's planning and S3 client."""
    from pyspark.sql.connect.session import SparkSession

    session = SparkSession.builder.remote(connect_url(settings)).create()
    try:
        session.sql(
            """WITH events AS (SELECT id % 50 AS key, id AS version, to_json(named_struct('amount', id)) AS body
                               FROM range(2000)),
                    parsed AS (SELECT key, version, from_json(body, 'amount STRING').amount AS amount FROM events),
                    latest AS (SELECT *, row_number() OVER (PARTITION BY key ORDER BY version DESC) AS rank FROM parsed)
               SELECT a.key, try_cast(a.amount AS DECIMAL(18,2)) AS amount, b.version
               FROM latest a LEFT JOIN parsed b ON a.key = b.key AND a.version = b.version WHERE a.rank = 1"""
        ).collect()
        first = session.sql("SHOW NAMESPACES").collect()
        for row in first:
            for table in session.sql(f"SHOW TABLES IN `{row[0]}`").take(1):
                session.table(f"`{row[0]}`.`{table['tableName']}`").limit(1).collect()
    finally:
        session.stop()


SERVICES = (
    Service(
        name="spark-master",
        title="Spark master",
        ports={"rpc": "spark_master_port", "http": "spark_ui_port"},
        prepare=_prepare_master,
        command=_master_command,
        environment=daemon_environment,
        healthy=_master_healthy,
        start_timeout_seconds=90,
        url=lambda s: f"http://{s.host}:{s.spark_ui_port}",
    ),
    Service(
        name="spark-worker",
        title="Spark worker and its executor",
        requires=("spark-master",),
        ports={"rpc": "spark_worker_port", "http": "spark_worker_ui_port"},
        prepare=_prepare_worker,
        command=_worker_command,
        environment=daemon_environment,
        healthy=_worker_healthy,
        start_timeout_seconds=90,
        url=lambda s: f"http://{s.host}:{s.spark_worker_ui_port}",
    ),
    Service(
        name="spark-connect",
        title="Spark Connect server",
        requires=("catalog", "spark-worker"),
        ports={"grpc": "spark_connect_port", "http": "spark_connect_ui_port"},
        prepare=_prepare_connect,
        command=_connect_command,
        environment=environment,
        healthy=_connect_healthy,
        after_start=_warm,
        start_timeout_seconds=180,
        stop_timeout_seconds=30,
        url=lambda s: f"http://{s.host}:{s.spark_connect_ui_port}",
    ),
)
