"""The Iceberg REST catalog: a small Java server over Iceberg's own handlers, its state in PostgreSQL."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import httpx

from lakehouse.settings import Settings
from stack.native import artifacts
from stack.native.service import CannotPrepare, NotHealthy, Service

SOURCES = Path(__file__).parent.parent / "catalog"


def _classes(home: Path) -> Path:
    return home / "catalog"


def build(home: Path) -> bool:
    """Compile the server once per version of its sources; returns whether it compiled."""
    sources = sorted(SOURCES.glob("*.java"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    target, stamp = _classes(home), _classes(home) / "built"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return False
    if shutil.which("javac") is None:
        raise CannotPrepare("`javac` was not found: install a JDK 17 (a JRE is not enough), then `make setup`.")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    command = ["javac", "--release", "17", "-cp", artifacts.class_path("catalog"), "-d", str(target)]
    done = subprocess.run([*command, *map(str, sources)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotPrepare(f"the catalog server does not compile: {done.stderr.strip()[-1500:]}")
    stamp.write_text(digest, encoding="utf-8")
    return True


def _prepare(settings: Settings) -> None:
    build(settings.home)


def command(settings: Settings) -> list[str]:
    class_path = f"{_classes(settings.home)}:{artifacts.class_path('catalog')}"
    options = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:MaxMetaspaceSize=128m"]
    return ["java", *options, "-cp", class_path, "CatalogServer"]


def environment(settings: Settings) -> dict[str, str]:
    return {
        "REST_HOST": settings.host,
        "REST_PORT": str(settings.catalog_port),
        "REST_CLIENT_ID": settings.catalog_client_id,
        "REST_CLIENT_SECRET": settings.catalog_client_secret.get_secret_value(),
        "CATALOG_URI": f"jdbc:postgresql://{settings.postgres_host}:{settings.postgres_port}/iceberg_catalog",
        "CATALOG_JDBC_USER": settings.postgres_user,
        "CATALOG_JDBC_PASSWORD": settings.postgres_password.get_secret_value(),
        # this schema version is the one that can hold views
        "CATALOG_JDBC_SCHEMA__VERSION": "V1",
        "CATALOG_WAREHOUSE": settings.warehouse,
        "CATALOG_IO__IMPL": "org.apache.iceberg.aws.s3.S3FileIO",
        "CATALOG_S3_ENDPOINT": settings.s3_endpoint,
        "CATALOG_S3_PATH__STYLE__ACCESS": "true",
        "CATALOG_S3_ACCESS__KEY__ID": settings.s3_access_key.get_secret_value(),
        "CATALOG_S3_SECRET__ACCESS__KEY": settings.s3_secret_key.get_secret_value(),
        "CATALOG_CLIENT_REGION": settings.s3_region,
        "AWS_REGION": settings.s3_region,
    }


def healthy(settings: Settings) -> None:
    """It lists its namespaces, from PostgreSQL."""
    try:
        answer = httpx.get(f"{settings.catalog_uri}/healthz", timeout=5)
    except httpx.HTTPError as error:
        raise NotHealthy(f"{settings.catalog_uri}/healthz: {error!r}") from error
    if answer.status_code != 200:
        raise NotHealthy(f"{settings.catalog_uri}/healthz: {answer.status_code} {answer.text[:200]}")


SERVICES = (
    Service(
        name="catalog",
        title="Iceberg REST catalog",
        requires=("postgres", "object-store"),
        ports={"rest": "catalog_port"},
        prepare=_prepare,
        command=command,
        environment=environment,
        healthy=healthy,
        start_timeout_seconds=60,
    ),
)
