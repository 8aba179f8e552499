"""Contracts of the semantic layer: who could be the same (blocking), who is (entities), and counts."""

from __future__ import annotations

from lakehouse.tables import Column, Table

_SOURCE = "sender of the record: shopify or stripe (a customer), hubspot (a contact)"

BLOCKING_INDEX = Table(
    name="semantic.blocking_index",
    grain="one row per record and key that it can be found by",
    key=("blocking_type", "blocking_key", "source", "source_id"),
    columns=(
        Column("blocking_key", "string", "records with the same key and type are candidates to be one person", True),
        Column("blocking_type", "string", "which rule made the key, see lakehouse.semantic.blocking", required=True),
        Column("source", "string", _SOURCE, required=True),
        Column("source_id", "string", "the sender's id of the record", required=True),
        Column("created_at", "timestamptz", "when the sender made the record"),
    ),
    partitioning=("blocking_type",),
)

ENTITY_INDEX = Table(
    name="semantic.entity_index",
    grain="one row per record of a sender",
    key=("source", "source_id"),
    columns=(
        Column("entity_id", "string", "the person; stays while no merge or split happens", required=True),
        Column("source", "string", _SOURCE, required=True),
        Column("source_id", "string", "the sender's id of the record", required=True),
        Column("email", "string", "as sent"),
        Column("email_normalized", "string", "the mailbox it reaches"),
        Column("phone", "string", "as sent"),
        Column("phone_normalized", "string", "E.164"),
        Column("first_name", "string", "as sent"),
        Column("last_name", "string", "as sent"),
        Column("full_name", "string", "given and family name, as sent"),
        Column("match_confidence", "decimal(5,2)",
               "percent: the probability of the strongest match that holds the record in its entity; 100 if alone"),
        Column("created_at", "timestamptz", "when the sender made the record"),
        Column("updated_at", "timestamptz", "when the sender last changed it"),
    ),
)  # fmt: skip

ENTITY_RESOLUTION_STATS = Table(
    name="semantic.entity_resolution_stats",
    grain="one row per run that changed entities, metric and detail",
    key=("run_id", "metric", "detail"),
    columns=(
        Column("run_id", "string", "run that resolved the entities", required=True),
        Column("metric", "string", "what was counted", required=True),
        Column("value", "double", "its value", required=True),
        Column("detail", "string", "of which part: a blocking type, a size; empty for the whole", required=True),
        Column("created_at", "timestamptz", "when it was counted", required=True),
    ),
)

TABLES = (BLOCKING_INDEX, ENTITY_INDEX, ENTITY_RESOLUTION_STATS)
