"""Names and ports within the network of containers. A service has the name and the port of its native twin."""

from __future__ import annotations

from typing import Any

from lakehouse.ports import SEED_PORTS
from lakehouse.settings import Settings

EXTRA_PORTS = {"CONSOLE_PORT": 8080, "GRAFANA_PORT": 3000}
"""Default host ports of the services that only Compose has."""
CATALOG_NAME = "lakehouse"
CATALOG_SCOPE = "PRINCIPAL_ROLE:ALL"
REALM = "POLARIS"


def inside(settings: Settings) -> Settings:
    """The settings as a process within the network sees them: the same secrets, other addresses, standard ports."""
    ports = dict(SEED_PORTS)
    where: dict[str, Any] = {
        "profile": "compose",
        "port_offset": 0,
        **ports,
        "kafka_bootstrap": f"kafka:{ports['kafka_port']}",
        "catalog_uri": f"http://catalog:{ports['catalog_port']}/api/catalog",
        "catalog_oauth2_uri": f"http://catalog:{ports['catalog_port']}/api/catalog/v1/oauth/tokens",
        "catalog_scope": CATALOG_SCOPE,
        "catalog_warehouse": CATALOG_NAME,
        "s3_endpoint": f"http://object-store:{ports['s3_port']}",
        "flink_rest_url": f"http://flink-jobmanager:{ports['flink_port']}",
        "flink_gateway_url": f"http://flink-gateway:{ports['flink_gateway_port']}",
        "spark_remote": f"sc://spark-connect:{ports['spark_connect_port']}",
        "trino_url": f"http://trino:{ports['trino_port']}",
        "clickhouse_url": f"http://clickhouse:{ports['clickhouse_port']}",
        "airflow_url": f"http://airflow-api-server:{ports['airflow_port']}",
        "spark_connect_ui_url": f"http://spark-connect:{ports['spark_connect_ui_port']}",
        "metrics_url": f"http://prometheus:{ports['metrics_port']}",
        "postgres_host": "postgres",
        "superset_url": f"http://superset:{ports['superset_port']}",
        "ingestion_url": f"http://ingestion:{ports['ingestion_port']}",
    }
    return settings.model_copy(update=where)
