"""The tables of the analytics layer, upstream first."""

from __future__ import annotations

from lakehouse.analytics import customer_metrics, order_summary, payment_metrics

TABLES = (customer_metrics.TABLE, order_summary.TABLE, payment_metrics.TABLE)
