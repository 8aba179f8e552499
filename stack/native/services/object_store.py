"""The object store: SeaweedFS with its S3 gateway and its console, in one process.

Beside S3 it has ports of its own (master, volume, filer) that would read, write and delete with no key. They are
closed three times: the HTTP interfaces of master and filer are off, the volume's asks for a token signed with this
stack's key, and gRPC, over which the parts talk to each other, wants this stack's certificate.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import trustme
from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.engines.object_store import bucket, s3_client
from lakehouse.settings import Settings
from stack.native.service import NotHealthy, Service

if TYPE_CHECKING:
    from botocore.client import BaseClient

CACHE_MB = 256
"""Of chunks that were read. A column of a Parquet file is a small range; the gateway fetches the whole chunk for it."""
HEALTH_KEY = "_health/probe"
TOKENS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
AUTHORITY, CERTIFICATE = "authority.pem", "certificate.pem"
PARTS = ("master", "volume", "filer", "s3", "admin", "worker", "client")


def _conf(settings: Settings) -> Path:
    return settings.conf_dir / "object-store"


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def prepare(settings: Settings) -> None:
    """Its folders and its configuration."""
    (settings.var_dir / "object-store" / "admin").mkdir(parents=True, exist_ok=True)
    write_conf(settings, _conf(settings), seen_as=_conf(settings), host=settings.host)


def write_conf(settings: Settings, conf: Path, *, seen_as: Path, host: str) -> None:
    """Write the S3 identities and the keys that close the other ports.

    `seen_as` is where the process finds the folder `conf`, `host` the name by which its parts call each other.
    """
    conf.mkdir(parents=True, exist_ok=True)
    identity = {
        "name": "lakehouse",
        "credentials": [
            {
                "accessKey": settings.s3_access_key.get_secret_value(),
                "secretKey": settings.s3_secret_key.get_secret_value(),
            }
        ],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    _write_secret(conf / "s3.json", json.dumps({"identities": [identity]}))
    _certify(conf, host)
    key = settings.s3_signing_key.get_secret_value()
    sections = [f'[{name}]\nkey = "{key}"\nexpires_after_seconds = 60\n' for name in TOKENS]
    sections += [f'[grpc]\nca = "{seen_as / AUTHORITY}"\n']
    sections += [
        f'[grpc.{part}]\ncert = "{seen_as / CERTIFICATE}"\nkey = "{seen_as / CERTIFICATE}"\n' for part in PARTS
    ]
    _write_secret(conf / "security.toml", "\n".join(sections))


def _certify(conf: Path, host: str) -> None:
    """An authority and one certificate for all parts, made once; the authority's own key is not kept."""
    if (conf / CERTIFICATE).exists():
        return
    authority = trustme.CA()
    authority.cert_pem.write_to_path(conf / AUTHORITY)
    _write_secret(conf / CERTIFICATE, authority.issue_cert(host).private_key_and_cert_chain_pem.bytes().decode())


def command(settings: Settings) -> list[str]:
    data = settings.var_dir / "object-store"
    return [
        str(settings.home / "env" / "bin" / "weed"),
        "-logtostderr=true",
        f"-config_dir={_conf(settings)}",
        "mini",
        f"-dir={data}",
        f"-ip={settings.host}",
        f"-ip.bind={settings.host}",
        f"-master.port={settings.s3_master_port}",
        f"-volume.port={settings.s3_volume_port}",
        f"-filer.port={settings.s3_filer_port}",
        f"-s3.port={settings.s3_port}",
        f"-admin.port={settings.s3_console_port}",
        f"-s3.config={_conf(settings) / 's3.json'}",
        f"-bucket={bucket(settings)}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
        "-master.telemetry=false",
        "-disableHttp",
        f"-s3.cacheCapacityMB={CACHE_MB}",
        f"-admin.dataDir={data / 'admin'}",
        f"-metricsPort={settings.s3_metrics_port}",
        f"-metricsIp={settings.host}",
    ]


def healthy(settings: Settings) -> None:
    """An object is written and read back."""
    client = s3_client(settings)
    try:
        client.put_object(Bucket=bucket(settings), Key=HEALTH_KEY, Body=b"ok")
        client.get_object(Bucket=bucket(settings), Key=HEALTH_KEY)["Body"].read()
    except (BotoCoreError, ClientError) as error:
        if _reads(client, settings):
            raise NotHealthy(f"it reads, but writes nothing: disk full, or a quota reached? {error}") from error
        raise NotHealthy(f"put and get of an object: {error}") from error


def _reads(client: BaseClient, settings: Settings) -> bool:
    """Whether an object that was written before can be read."""
    try:
        client.get_object(Bucket=bucket(settings), Key=HEALTH_KEY)["Body"].read()
    except (BotoCoreError, ClientError):
        return False
    return True


SERVICES = (
    Service(
        name="object-store",
        title="Object store (S3) and its console",
        ports={
            "s3": "s3_port",
            "console": "s3_console_port",
            "master": "s3_master_port",
            "volume": "s3_volume_port",
            "filer": "s3_filer_port",
            "metrics": "s3_metrics_port",
        },
        prepare=prepare,
        command=command,
        environment=lambda s: {
            "WEED_ADMIN_USER": "admin",
            "WEED_ADMIN_PASSWORD": s.s3_secret_key.get_secret_value(),
            # Go collects harder from here on; without it the heap keeps what the busiest minute took. Below the cache
            # and as much again it would collect all the time
            "GOMEMLIMIT": "600MiB",
        },
        healthy=healthy,
        start_timeout_seconds=60,
        url=lambda s: f"http://{s.host}:{s.s3_console_port}",
    ),
)
