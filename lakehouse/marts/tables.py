"""The tables of the marts, upstream first."""

from __future__ import annotations

from lakehouse.marts import customer_360, sales_dashboard_daily

TABLES = (customer_360.TABLE, sales_dashboard_daily.TABLE)
