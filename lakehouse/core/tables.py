"""The tables of the core layer, upstream first."""

from __future__ import annotations

from lakehouse.core import customers, orders

TABLES = (customers.TABLE, orders.TABLE)
