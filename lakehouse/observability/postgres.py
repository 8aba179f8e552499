"""PostgreSQL, which the catalog and Airflow live on: its own statistics, under the names of postgres_exporter."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg2

from lakehouse.observability.samples import MetricsUnavailable, Sample
from lakehouse.settings import Settings

HELP: Mapping[str, str] = {
    "pg_stat_database_numbackends": "connections to a database",
    "pg_stat_database_xact_commit_total": "transactions that were committed",
    "pg_stat_database_xact_rollback_total": "transactions that were rolled back",
    "pg_stat_database_blks_hit_total": "blocks found in memory",
    "pg_stat_database_blks_read_total": "blocks read from disk",
    "pg_stat_database_deadlocks_total": "deadlocks",
    "pg_database_size_bytes": "size of a database on disk",
    "pg_settings_max_connections": "connections that there can be",
}
_COLUMNS = {
    "numbackends": "pg_stat_database_numbackends",
    "xact_commit": "pg_stat_database_xact_commit_total",
    "xact_rollback": "pg_stat_database_xact_rollback_total",
    "blks_hit": "pg_stat_database_blks_hit_total",
    "blks_read": "pg_stat_database_blks_read_total",
    "deadlocks": "pg_stat_database_deadlocks_total",
    "pg_database_size(datname)": "pg_database_size_bytes",
}
_STATISTICS = f"SELECT datname, {', '.join(_COLUMNS)} FROM pg_stat_database WHERE datname !~ '^template'"


def collect(settings: Settings) -> list[Sample]:
    """One line a database, and how many connections are allowed. Raises `MetricsUnavailable`."""
    try:
        connection = psycopg2.connect(
            host=settings.postgres_host, port=settings.postgres_port, user=settings.postgres_user, dbname="postgres",
            password=settings.postgres_password.get_secret_value(), connect_timeout=5,
        )  # fmt: skip
        try:
            with connection.cursor() as cursor:
                cursor.execute(_STATISTICS)
                rows = cursor.fetchall()
                cursor.execute("SELECT current_setting('max_connections')::int")
                (most,) = cursor.fetchone() or (0,)
        finally:
            connection.close()
    except psycopg2.Error as error:
        raise MetricsUnavailable(f"PostgreSQL: {str(error).strip()}", "run `lakehouse stack up postgres`") from error
    samples = [Sample("pg_settings_max_connections", {}, most)]
    for name, *values in rows:
        samples += [
            Sample(metric, {"datname": name}, value) for metric, value in zip(_COLUMNS.values(), values, strict=True)
        ]
    return samples
