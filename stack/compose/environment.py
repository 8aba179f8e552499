"""The `.env` of Docker Compose, made from the settings and the generated secrets of the native profile.

A container gets the same `LAKEHOUSE_*` names as any other process of the project. What only Compose's own services
know (Grafana's password, the key that signs the catalog's tokens) is derived from a secret that is there already, so
there is one file of secrets to keep.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from lakehouse.errors import LakehouseError
from lakehouse.ports import SEED_PORTS
from lakehouse.settings import ENV_PREFIX, PROJECT_ROOT, Settings
from stack.compose.topology import EXTRA_PORTS

DERIVED = ("CATALOG_TOKEN_KEY", "TRINO_SHARED_SECRET", "GRAFANA_PASSWORD")
PASSED_ON = ("stack_name", "shopify_shops", "pipeline_schedule", "postgres_user", "catalog_client_id",
             "kafka_user",
             "clickhouse_user", "airflow_user", "superset_user", "s3_region", "warehouse")  # fmt: skip
"""Settings that are no secret and that a container must have as this machine has them."""


def folder(settings: Settings) -> Path:
    """Where the `.env` and the rendered configuration are."""
    return settings.data_dir / "compose"


def derived(settings: Settings, name: str) -> str:
    """A secret of a service that only Compose has: the same as long as the stack's own secrets are."""
    key = settings.airflow_secret_key.get_secret_value().encode()
    return hmac.new(key, f"compose/{name}".encode(), hashlib.sha256).hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return json.dumps([_plain(one) for one in value])
    return str(value)


def _secret_names(settings: Settings) -> list[str]:
    def secret(value: object) -> bool:
        return any(isinstance(one, SecretStr) for one in (value if isinstance(value, tuple) else (value,)))

    return [name for name, value in settings if secret(value)]


def variables(settings: Settings) -> dict[str, str]:
    """Everything that compose.yaml names with `${…}`."""
    names = [*_secret_names(settings), *PASSED_ON, *SEED_PORTS]
    found = {f"{ENV_PREFIX}{name.upper()}": _plain(getattr(settings, name)) for name in names}
    found |= {name: derived(settings, name) for name in DERIVED}
    found |= {name: str(port + settings.port_offset) for name, port in EXTRA_PORTS.items()}
    found["LAKEHOUSE_PUBLIC_BASE_URL"] = settings.public_base_url
    found["CONF_DIR"] = str(folder(settings) / "conf")
    found["PROJECT_DIR"] = str(PROJECT_ROOT)
    found["AIRFLOW_START_DATE"] = _first_start(settings)
    found["HOST_UID"], found["HOST_GID"] = str(os.getuid()), str(os.getgid())
    return found


def _first_start(settings: Settings) -> str:
    """When this was written first, ISO 8601 UTC: Airflow has no run due for a time before it."""
    stamp = folder(settings) / "first-start"
    if not stamp.exists():
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(datetime.now(UTC).isoformat(timespec="seconds"))
    return stamp.read_text()


def quoted(name: str, value: str) -> str:
    """A line of the file. Single quotes are the only ones in which Compose changes nothing; raises for a value that
    they cannot hold."""
    if "'" in value or "\n" in value:
        raise LakehouseError(
            f"{name} holds a quote or a line break, which an .env file cannot carry", "give it another value"
        )
    return f"{name}='{value}'"


def write(settings: Settings) -> Path:
    """Write the file, readable by its owner alone; returns its path."""
    target = folder(settings) / ".env"
    target.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(quoted(name, value) for name, value in variables(settings).items())
    target.touch(mode=0o600)
    target.write_text(text + "\n", encoding="utf-8")
    return target
