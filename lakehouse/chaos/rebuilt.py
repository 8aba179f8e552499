"""Every table below raw a second time, from raw alone, in a catalog of its own; and the comparison, row by row.

The second catalog is another server over another database, so that table names are the same and the pipeline's own
steps run as they are: in a process whose settings name that catalog, in a Spark session whose default it is. Raw is
registered there at the snapshot that it has; what people decided is registered too, for no webhook says it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg2

from lakehouse.engines.catalog import iceberg_catalog
from lakehouse.errors import LakehouseError
from lakehouse.settings import ENV_PREFIX, PROJECT_ROOT, Settings, get_settings
from lakehouse.streaming.tables import TABLES as RAW_TABLES
from lakehouse.waiting import wait_until
from stack.native.service import NotHealthy, stack_environment
from stack.native.services import catalog as catalog_service

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

DATABASE = "rebuilt_catalog"
SPARK_CATALOG = "rebuilt"
FOLDER = "_rebuilt"
"""Below the warehouse: files of the second catalog are in nobody's way."""
DECIDED = ("semantic.entity_overrides",)
START_SECONDS = 120
REBUILD_SECONDS = 1800


class NotRebuilt(LakehouseError):
    """The pipeline did not run through in the second catalog; the message is the end of what it said."""


@contextmanager
def _postgres(settings: Settings) -> Iterator[psycopg2.extensions.cursor]:
    connection = psycopg2.connect(
        host=settings.host, port=settings.postgres_port, user=settings.postgres_user,
        password=settings.postgres_password.get_secret_value(), dbname="postgres",
    )  # fmt: skip
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _free_port(settings: Settings) -> int:
    with socket.socket() as probe:
        probe.bind((settings.host, 0))
        return int(probe.getsockname()[1])


@contextmanager
def second_catalog(settings: Settings) -> Iterator[Settings]:
    """An empty catalog beside the stack's own, within the `with`; gives settings that name it."""
    port = _free_port(settings)
    mine = settings.model_copy(
        update={
            "catalog_port": port,
            "catalog_uri": f"http://{settings.host}:{port}",
            "warehouse": f"{settings.warehouse.rstrip('/')}/{FOLDER}",
        }
    )
    with _postgres(settings) as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {DATABASE}")
    variables = catalog_service.environment(mine)
    variables["CATALOG_URI"] = f"jdbc:postgresql://{settings.host}:{settings.postgres_port}/{DATABASE}"
    log = (settings.log_dir / "rebuilt-catalog.log").open("wb")
    server = subprocess.Popen(
        catalog_service.command(mine), env={**os.environ, **variables}, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        wait_until(lambda: _answers(mine), timeout=START_SECONDS, what="the second catalog to answer")
        yield mine
        _drop_all(iceberg_catalog(mine))
    finally:
        server.terminate()
        server.wait()
        log.close()
        with _postgres(settings) as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def _answers(settings: Settings) -> bool:
    try:
        catalog_service.healthy(settings)
    except NotHealthy:
        return False
    return True


def _drop_all(catalog: Catalog) -> None:
    """Take away the rebuilt tables with their files; what is registered there belongs to the stack's own catalog."""
    from pyiceberg.exceptions import NoSuchTableError

    registered = {table.name for table in RAW_TABLES} | set(DECIDED)
    for namespace in catalog.list_namespaces():
        for table in catalog.list_tables(namespace):
            with suppress(NoSuchTableError):
                if ".".join(table) in registered:
                    catalog.drop_table(table)
                else:
                    catalog.purge_table(table)


def _register(source: Catalog, target: Catalog) -> None:
    for name in (*(table.name for table in RAW_TABLES), *DECIDED):
        if source.table_exists(name):
            target.create_namespace_if_not_exists(name.split(".")[0])
            target.register_table(name, source.load_table(name).metadata_location)


def rebuild(settings: Settings, rebuilt: Settings, say: Callable[[str], None] = lambda _: None) -> None:
    """Run every step from raw in the second catalog; nothing is published. Raises `NotRebuilt`."""
    _register(iceberg_catalog(settings), iceberg_catalog(rebuilt))
    environment = {
        **os.environ,
        **stack_environment(settings),
        f"{ENV_PREFIX}CATALOG_URI": rebuilt.catalog_uri,
        f"{ENV_PREFIX}WAREHOUSE": rebuilt.warehouse,
    }
    run = subprocess.Popen(
        [sys.executable, "-m", "lakehouse.chaos.rebuilt"], cwd=PROJECT_ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said: list[str] = []
    assert run.stdout is not None
    for line in run.stdout:
        said.append(line.rstrip())
        say(f"rebuild: {said[-1]}")
    if run.wait(timeout=REBUILD_SECONDS):
        raise NotRebuilt("the rebuild from raw failed:\n" + "\n".join(said[-10:]), "read what its step says")


def _run_here() -> None:
    """What the process of `rebuild` does: its settings name the second catalog, Spark is told of it."""
    from lakehouse.engines.spark import spark_session
    from lakehouse.pipeline import STEPS, run_step

    settings = get_settings()
    spark = spark_session(settings)
    secret = settings.catalog_client_secret.get_secret_value()
    prefix = f"spark.sql.catalog.{SPARK_CATALOG}"
    for name, value in {
        "": "org.apache.iceberg.spark.SparkCatalog",
        ".type": "rest",
        ".uri": settings.catalog_uri,
        ".rest.auth.type": "oauth2",
        ".credential": f"{settings.catalog_client_id}:{secret}",
        ".oauth2-server-uri": f"{settings.catalog_uri}/v1/oauth/tokens",
        ".warehouse": settings.warehouse,
        ".io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        ".s3.endpoint": settings.s3_endpoint,
        ".s3.path-style-access": "true",
        ".s3.access-key-id": settings.s3_access_key.get_secret_value(),
        ".s3.secret-access-key": settings.s3_secret_key.get_secret_value(),
        ".client.region": settings.s3_region,
        ".cache-enabled": "false",
    }.items():
        spark.conf.set(prefix + name, value)
    spark.catalog.setCurrentCatalog(SPARK_CATALOG)
    for step in STEPS:
        if step.name != "marts.publish":
            result = run_step(step.name, "rebuild", spark)
            sys.stdout.write(f"{result.table}: {result.inserted:,} rows\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _run_here()
