"""ClickHouse from its own system tables, under the names of its own Prometheus page."""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse.engines import clickhouse
from lakehouse.observability.samples import Sample
from lakehouse.settings import Settings

_METRICS = ("Query", "MemoryTracking", "Merge")
_EVENTS = (
    "Query",
    "FailedQuery",
    "SelectQuery",
    "InsertQuery",
    "SelectedRows",
    "InsertedRows",
    "QueryTimeMicroseconds",
)
HELP: Mapping[str, str] = {
    "ClickHouseMetrics_Query": "queries that run now",
    "ClickHouseMetrics_MemoryTracking": "bytes that the engine holds",
    "ClickHouseMetrics_Merge": "merges that run now",
    "ClickHouseProfileEvents_Query_total": "queries since the start",
    "ClickHouseProfileEvents_FailedQuery_total": "queries that failed",
    "ClickHouseProfileEvents_SelectQuery_total": "SELECT queries",
    "ClickHouseProfileEvents_InsertQuery_total": "INSERT queries",
    "ClickHouseProfileEvents_SelectedRows_total": "rows that queries read",
    "ClickHouseProfileEvents_InsertedRows_total": "rows that were written",
    "ClickHouseProfileEvents_QueryTimeMicroseconds_total": "time of all queries, in microseconds",
}


def collect(settings: Settings) -> list[Sample]:
    """Gauges and counters; an event that never happened is 0 here, so that an alert over it has a series."""
    metrics = dict(clickhouse.query("SELECT metric, value FROM system.metrics", settings=settings))
    events = dict(clickhouse.query("SELECT event, value FROM system.events", settings=settings))
    return [
        *(Sample(f"ClickHouseMetrics_{name}", {}, metrics.get(name, 0)) for name in _METRICS),
        *(Sample(f"ClickHouseProfileEvents_{name}_total", {}, events.get(name, 0)) for name in _EVENTS),
    ]
