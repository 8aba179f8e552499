"""Default ports. Standard library only: the doctor reads this before anything is installed."""

from __future__ import annotations

SEED_PORTS: dict[str, int] = {
    "ingestion_port": 8090,
    "catalog_port": 8181,
    "flink_port": 8083,
    "flink_gateway_port": 8087,
    "flink_rpc_port": 6123,
    "flink_blob_port": 6124,
    "flink_taskmanager_rpc_port": 6125,
    "flink_taskmanager_data_port": 6126,
    "zookeeper_port": 2181,
    "spark_ui_port": 8084,
    "spark_master_port": 7077,
    "spark_worker_port": 7078,
    "spark_worker_ui_port": 8089,
    "spark_connect_port": 15002,
    "spark_connect_ui_port": 4040,
    "trino_port": 8085,
    "airflow_port": 8086,
    "airflow_log_port": 8793,
    "s3_port": 9000,
    "s3_console_port": 9001,
    "s3_master_port": 9333,
    "s3_volume_port": 9340,
    "s3_filer_port": 9350,
    "kafka_port": 9092,
    "kafka_controller_port": 9093,
    "clickhouse_port": 8123,
    "postgres_port": 5432,
    "jupyter_port": 8888,
    "s3_metrics_port": 9327,
    "metrics_port": 9090,
    "metrics_alerts_port": 8880,
    "metrics_exporter_port": 9108,
}
"""Default port of each service; `port_offset` is added to every one that is not set by itself."""
