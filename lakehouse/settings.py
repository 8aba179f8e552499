"""One frozen `Settings` for everything: ports, endpoints, credentials, folders.

A value comes from, in this order: the environment (`LAKEHOUSE_<NAME>`), the stack's generated
`secrets.env` (git-ignored, mode 0600), the default here. Importing this module opens no connection
and reads no file; `load_settings()` does.
"""

from __future__ import annotations

import os
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lakehouse.errors import LakehouseError
from lakehouse.ports import SEED_PORTS

PROJECT_ROOT = Path(__file__).resolve().parent.parent
HOME = PROJECT_ROOT / ".lakehouse"
ENV_PREFIX = "LAKEHOUSE_"
SECRET_BYTES = 24
OF_SERVICES_HERE = (
    "postgres_password",
    "s3_signing_key",
    "airflow_secret_key",
    "airflow_jwt_secret",
    "supervisor_password",
    "jupyter_token",
    "superset_password",
    "superset_secret_key",
)
"""Secrets that only services started here have; a process of the remote profile need not be given them."""


class ScoringSettings(BaseSettings):
    """What entity resolution needs to know; it has no secret, so tables of people can be resolved without a stack."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="where native services listen; never beyond loopback")
    er_backend: Literal["duckdb", "spark"] = Field("duckdb", description="where pairs are scored")
    er_spark_master: str = Field("local[2]", description="Spark that scores pairs, when it does")
    er_spark_memory: str = Field("2g", description="of the process that scores pairs on Spark")


class Settings(ScoringSettings):
    """Everything a process of this project may need to know, checked once and never changed after.

    Raises `pydantic.ValidationError` on an unknown name in `secrets.env`, a wrong type, a missing secret.
    """

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    # -- where things are ---------------------------------------------------------------------------
    home: Path = Field(HOME, description="installed tools: environments, jars, Trino, its Java")
    data_dir: Path = Field(HOME / "stack", description="one stack's state: data, conf, logs, runs, secrets")
    stack_name: str = Field("default", description="shown in status and process titles")
    profile: Literal["native", "compose", "remote"] = Field(
        "native", description="what starts the services: supervisord here, Docker Compose, or somebody else"
    )

    # -- ports (each a setting; the offset moves all that are not set) --------------------------------
    port_offset: int = Field(0, ge=0, le=20_000)
    ingestion_port: int
    catalog_port: int
    flink_port: int
    flink_gateway_port: int
    flink_rpc_port: int
    flink_blob_port: int
    flink_taskmanager_rpc_port: int
    flink_taskmanager_data_port: int
    zookeeper_port: int
    spark_ui_port: int
    spark_master_port: int
    spark_worker_port: int
    spark_worker_ui_port: int
    spark_connect_port: int
    spark_connect_ui_port: int
    trino_port: int
    airflow_port: int
    airflow_log_port: int
    s3_port: int
    s3_console_port: int
    s3_master_port: int
    s3_volume_port: int
    s3_filer_port: int
    kafka_port: int
    kafka_controller_port: int
    clickhouse_port: int
    postgres_port: int
    jupyter_port: int
    s3_metrics_port: int
    metrics_port: int
    metrics_alerts_port: int
    metrics_exporter_port: int
    superset_port: int

    # -- endpoints (default: the native services above; set them to reach managed ones) ----------------
    catalog_uri: str
    catalog_oauth2_uri: str = Field(description="where a token is had for the client id and secret")
    catalog_scope: str = Field("catalog", description="OAuth2 scope of that token")
    catalog_warehouse: str = Field(description="what this catalog calls the warehouse: its location, or a name")
    s3_endpoint: str
    s3_region: str = "us-east-1"
    s3_path_style: bool = Field(True, description="bucket in the path, not in the host name")
    warehouse: str = Field("s3://warehouse/", description="where the tables' files are")
    kafka_bootstrap: str
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "SASL_PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_replication_factor: int = Field(1, ge=1, description="of the topics that are made here")
    flink_rest_url: str
    flink_gateway_url: str
    spark_remote: str
    spark_connect_ui_url: str
    trino_url: str
    clickhouse_url: str
    airflow_url: str
    superset_url: str
    postgres_host: str
    ingestion_url: str
    metrics_url: str = Field(description="where metrics are asked for with PromQL")
    public_base_url: str = Field(description="what senders see as this server's origin; part of HubSpot's signature")
    ca_file: Path | None = Field(
        None, description="PEM file of the authorities that clients trust for TLS, instead of the system's"
    )

    # -- credentials ------------------------------------------------------------------------------------
    postgres_user: str = "lakehouse"
    postgres_password: SecretStr
    s3_access_key: SecretStr
    s3_secret_key: SecretStr
    s3_signing_key: SecretStr = Field(description="closes the object store's filer and master to clients without it")
    catalog_client_id: str = "lakehouse"
    catalog_client_secret: SecretStr
    flink_user: str = Field("", description="of HTTP basic authentication before Flink's REST APIs")
    flink_password: SecretStr | None = None
    spark_token: SecretStr | None = Field(None, description="bearer token of Spark Connect")
    trino_user: str = "lakehouse"
    trino_password: SecretStr | None = Field(None, description="Trino takes one over https only")
    clickhouse_user: str = "lakehouse"
    clickhouse_password: SecretStr
    # both stand between quotes in what Java clients are configured by
    kafka_user: str = Field("lakehouse", pattern=r'^[^"\\\s]+$')
    kafka_password: SecretStr
    airflow_user: str = "admin"
    airflow_password: SecretStr
    airflow_secret_key: SecretStr
    airflow_jwt_secret: SecretStr
    superset_user: str = "admin"
    superset_password: SecretStr
    superset_secret_key: SecretStr = Field(description="signs sessions, and encrypts the passwords that Superset keeps")
    supervisor_password: SecretStr
    jupyter_token: SecretStr
    shopify_webhook_secrets: tuple[SecretStr, ...] = Field(min_length=1)
    stripe_webhook_secrets: tuple[SecretStr, ...] = Field(min_length=1)
    hubspot_webhook_secrets: tuple[SecretStr, ...] = Field(min_length=1)

    # -- ingestion ----------------------------------------------------------------------------------------
    shopify_shops: tuple[str, ...] = ("workbook-demo.myshopify.com",)
    max_body_bytes: int = Field(1_048_576, gt=0, description="larger bodies are refused with 413")
    max_in_flight: int = Field(256, gt=0, description="more requests at once are refused with 503")
    publish_deadline_seconds: float = Field(3.0, gt=0, description="broker must acknowledge within, else 503")

    # -- streaming ----------------------------------------------------------------------------------------
    checkpoint_interval_seconds: float = Field(5.0, gt=0)

    # -- orchestration --------------------------------------------------------------------------------------
    pipeline_schedule: str = Field("@hourly", description="when Airflow runs the pipeline: cron, or none")

    # -- watching -------------------------------------------------------------------------------------------
    metrics_interval_seconds: float = Field(10.0, gt=0, description="between two questions to a part of the stack")
    metrics_retention_days: int = Field(30, gt=0, description="how long metrics are kept")
    alert_window_seconds: int = Field(300, ge=2, description="how far back an alert looks; half of it before it fires")
    alert_stale_seconds: int = Field(7200, ge=2, description="marts that lack something older than this are stale")

    @model_validator(mode="before")
    @classmethod
    def _fill_ports_and_endpoints(cls, values: dict[str, Any]) -> dict[str, Any]:
        filled = dict(values)
        offset = int(filled.get("port_offset") or 0)
        for name, port in SEED_PORTS.items():
            filled.setdefault(name, port + offset)
        host = filled.get("host") or "127.0.0.1"
        if filled.get("profile") == "remote":
            for name in OF_SERVICES_HERE:
                # nobody knows them, and nothing here asks for them
                filled.setdefault(name, secrets.token_urlsafe(SECRET_BYTES))
            if not str(filled.get("kafka_security_protocol", "SASL")).startswith("SASL"):
                filled.setdefault("kafka_password", secrets.token_urlsafe(SECRET_BYTES))
        filled.setdefault("catalog_uri", f"http://{host}:{filled['catalog_port']}")
        for name, value in {
            "catalog_oauth2_uri": f"{str(filled['catalog_uri']).rstrip('/')}/v1/oauth/tokens",
            "catalog_warehouse": filled.get("warehouse") or "s3://warehouse/",
            "s3_endpoint": f"http://{host}:{filled['s3_port']}",
            "kafka_bootstrap": f"{host}:{filled['kafka_port']}",
            "flink_rest_url": f"http://{host}:{filled['flink_port']}",
            "flink_gateway_url": f"http://{host}:{filled['flink_gateway_port']}",
            "spark_remote": f"sc://{host}:{filled['spark_connect_port']}",
            "spark_connect_ui_url": f"http://{host}:{filled['spark_connect_ui_port']}",
            "trino_url": f"http://{host}:{filled['trino_port']}",
            "clickhouse_url": f"http://{host}:{filled['clickhouse_port']}",
            "airflow_url": f"http://{host}:{filled['airflow_port']}",
            "postgres_host": host,
            "superset_url": f"http://{host}:{filled['superset_port']}",
            "ingestion_url": f"http://{host}:{filled['ingestion_port']}",
            "metrics_url": f"http://{host}:{filled['metrics_port']}",
            "public_base_url": f"http://{host}:{filled['ingestion_port']}",
        }.items():
            filled.setdefault(name, value)
        return filled

    @model_validator(mode="after")
    def _no_empty_secret(self) -> Settings:
        for name, value in self:
            held = value if isinstance(value, tuple) else (value,)
            if any(isinstance(one, SecretStr) and not one.get_secret_value() for one in held):
                raise ValueError(f"{ENV_PREFIX}{name.upper()} holds an empty secret; give it a value or remove it")
        return self

    @field_validator("kafka_password")
    @classmethod
    def _fits_between_quotes(cls, value: SecretStr) -> SecretStr:
        if any(character in '"\\' or not character.isprintable() for character in value.get_secret_value()):
            raise ValueError("the password may hold no quote, no backslash and no control character")
        return value

    @model_validator(mode="after")
    def _whole_logins(self) -> Settings:
        """A login that would only fail at its first use is refused now."""
        for name in ("trino", "flink"):
            if getattr(self, f"{name}_password") and not getattr(self, f"{name}_user"):
                raise ValueError(f"{ENV_PREFIX}{name.upper()}_PASSWORD is set, {ENV_PREFIX}{name.upper()}_USER is not")
        if self.trino_password and not self.trino_url.startswith("https:"):
            raise ValueError(f"{ENV_PREFIX}TRINO_PASSWORD goes over https only; {ENV_PREFIX}TRINO_URL is not")
        if self.ca_file is not None and not self.ca_file.is_file():
            raise ValueError(f"{ENV_PREFIX}CA_FILE: there is no file {self.ca_file}")
        return self

    # -- folders of one stack -------------------------------------------------------------------------------
    @property
    def conf_dir(self) -> Path:
        return self.data_dir / "conf"

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def run_dir(self) -> Path:
        """Pid files and sockets."""
        return self.data_dir / "run"

    @property
    def var_dir(self) -> Path:
        """What services store, one folder a service."""
        return self.data_dir / "var"

    @property
    def runs_dir(self) -> Path:
        """Executed notebooks: <dag>/<run_id>/<task>/try-N.ipynb and .html."""
        return self.data_dir / "runs"

    @property
    def world_dir(self) -> Path:
        """What the generator made: truth, deliveries, the sender's ledger."""
        return self.data_dir / "world"


class SettingsError(LakehouseError):
    """The settings cannot be used; the message says which and what to do."""


def secrets_file(data_dir: Path) -> Path:
    """Where a stack's generated secrets are kept."""
    return data_dir / "secrets.env"


def _unknown_names() -> list[str]:
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.startswith(ENV_PREFIX) and name not in known)


def load_settings() -> Settings:
    """Read the settings of the stack that `LAKEHOUSE_DATA_DIR` names (default: `.lakehouse/stack`).

    Raises `SettingsError` for an unknown `LAKEHOUSE_*` name, a wrong value, or missing secrets.
    """
    unknown = _unknown_names()
    if unknown:
        raise SettingsError(
            f"unknown setting in the environment: {', '.join(unknown)}. "
            "Unset it or correct its name; `lakehouse settings` lists all."
        )
    data_dir = Path(os.environ.get(f"{ENV_PREFIX}DATA_DIR", HOME / "stack"))
    secrets = secrets_file(data_dir)
    try:
        return Settings(_env_file=secrets if secrets.exists() else None)  # type: ignore[call-arg]
    except ValueError as error:
        hint = (
            "" if secrets.exists() else " No secrets were generated yet: run `lakehouse stack init` (or `make setup`)."
        )
        raise SettingsError(f"the settings do not fit: {error}.{hint}") from error


def scoring_settings() -> ScoringSettings:
    """What entity resolution needs, from the environment alone."""
    return ScoringSettings()  # type: ignore[call-arg]


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """`load_settings()`, read once a process."""
    return load_settings()
