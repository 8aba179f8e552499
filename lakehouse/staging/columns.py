"""Columns that every staging table of entities has."""

from __future__ import annotations

from lakehouse.tables import Column

LIFE = (
    Column("is_deleted", "boolean", "whether the sender deleted it; its last known values stay", required=True),
    Column("deleted_at", "timestamptz", "when it was deleted, by the sender's clock"),
)
TIMES = (
    Column("created_at", "timestamptz", "when the sender made it"),
    Column("updated_at", "timestamptz", "the latest event that is known, by the sender's clock"),
)
TRACE = (
    Column("_version", "string", "sortable: which event gave these values; null if only its deletion is known"),
    Column("_raw_id", "string", "topic/partition/offset of the raw row that gave these values"),
    Column("_staged_at", "timestamptz", "when the row was written"),
)
