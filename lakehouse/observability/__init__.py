"""What the running stack says of itself, as samples: a module for each part, and an exporter that serves them all.

The parts that have a page for Prometheus (webhook API, catalog, object store, Trino) are scraped as they are; the
others are asked through the API that people use, too. `exporter` is the service; what it asks is in `SOURCES` there.
"""

from lakehouse.observability.flink import checkpoint_samples, flink_samples
from lakehouse.observability.ingestion import ingestion_samples
from lakehouse.observability.log import RAW_GROUP, Backlog, backlogs, log_samples
from lakehouse.observability.samples import FIRING, NO_SERIES, QUIET, MetricsUnavailable, Rule, Sample, parse
from lakehouse.observability.tables import table_samples

__all__ = [
    "FIRING",
    "NO_SERIES",
    "QUIET",
    "RAW_GROUP",
    "Backlog",
    "MetricsUnavailable",
    "Rule",
    "Sample",
    "backlogs",
    "checkpoint_samples",
    "flink_samples",
    "ingestion_samples",
    "log_samples",
    "parse",
    "table_samples",
]
