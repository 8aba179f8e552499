"""Contracts of the semantic layer: who could be the same (blocking), who is (entities), why, since when, and counts."""

from __future__ import annotations

from lakehouse.tables import Column, Table

_SOURCE = "sender of the record: shopify or stripe (a customer), hubspot (a contact)"

_SOURCE_ID = "the sender's id of the record"

NORMALIZED_RECORDS = Table(
    name="semantic.normalized_records",
    grain="one row per record of a sender",
    key=("source", "source_id"),
    columns=(
        Column("source", "string", _SOURCE, required=True),
        Column("source_id", "string", _SOURCE_ID, required=True),
        Column("email", "string", "as sent"),
        Column("phone", "string", "as sent"),
        Column("first_name", "string", "as sent"),
        Column("last_name", "string", "as sent"),
        Column("full_name", "string", "as sent, where the sender has one field for it"),
        Column("house_number", "string", "as sent, where it has a field of its own"),
        Column("street", "string", "first line of the address, as sent"),
        Column("city", "string", "as sent"),
        Column("zip", "string", "postcode, as sent"),
        Column("state", "string", "as sent"),
        Column("country", "string", "as sent"),
        Column("birth_date", "string", "as sent; none of the three senders has it"),
        Column("national_id", "string", "as sent; none of the three senders has it"),
        Column("created_at", "timestamptz", "when the sender made the record"),
        Column("updated_at", "timestamptz", "when the sender last changed it"),
        Column("merged_into", "string", "the sender's id of the record that it merged this one into"),
        Column("is_deleted", "boolean", "whether the sender deleted it"),
        Column("given_n", "string", "given names, plain letters"),
        Column("given_key", "string", "the first given name, its long form: bob is robert"),
        Column("family_n", "string", "family name, plain letters"),
        Column("email_n", "string", "the mailbox that the address reaches"),
        Column("phone_n", "string", "E.164"),
        Column("street_n", "string", "house number and street, usual words shortened"),
        Column("city_n", "string", "plain letters"),
        Column("zip_n", "string", "letters and digits, capitals"),
        Column("state_n", "string", "plain letters"),
        Column("country_n", "string", "ISO 3166 two letters"),
        Column("birth_n", "string", "YYYY-MM-DD"),
        Column("id_n", "string", "letters and digits"),
    ),
)

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

ENTITY_EDGES = Table(
    name="semantic.entity_edges",
    grain="one row per pair of records that match",
    key=("left_source", "left_id", "right_source", "right_id"),
    columns=(
        Column("left_source", "string", _SOURCE, required=True),
        Column("left_id", "string", _SOURCE_ID, required=True),
        Column("right_source", "string", _SOURCE, required=True),
        Column("right_id", "string", _SOURCE_ID, required=True),
        Column("match_weight", "double", "log2 of the odds that they are one person", required=True),
        Column("match_probability", "double", "the same as a probability", required=True),
        Column("mw_name", "double", "what the names add to the weight", required=True),
        Column("mw_email", "double", "what the mailboxes add", required=True),
        Column("mw_phone", "double", "what the numbers add", required=True),
        Column("mw_address", "double", "what the addresses add", required=True),
        Column("mw_birth", "double", "what the dates of birth add", required=True),
        Column("mw_identifier", "double", "what the offices' numbers add", required=True),
        Column("is_certain", "boolean", "whether it outweighs names that differ", required=True),
        Column("is_held", "boolean", "whether both records are of one entity: no guard has cut it", required=True),
        Column("model", "string", "version of the parameters that it was scored with", required=True),
    ),
)

ENTITY_EVENTS = Table(
    name="semantic.entity_events",
    grain="one row per thing that happened to an entity in a run",
    key=("event_id",),
    columns=(
        Column("event_id", "string", "follows from run, entity, event and the other entity", required=True),
        Column("run_id", "string", "run that resolved the entities", required=True),
        Column("event", "string",
               "created: by new records; absorbed: new records came to it; merged: it went into another_id;"
               " split: records of another_id left and are this entity; retired: it has no record that lives", True),
        Column("entity_id", "string", "the entity that it happened to", required=True),
        Column("another_id", "string", "the other entity of a merge or a split"),
        Column("records", "int", "records that came, went or were left", required=True),
        Column("created_at", "timestamptz", "when the run saw it", required=True),
    ),
)  # fmt: skip

ENTITY_ALIAS = Table(
    name="semantic.entity_alias",
    grain="one row per id that an entity had and has no more",
    key=("old_entity_id",),
    columns=(
        Column("old_entity_id", "string", "an id that was given out and is in no record any more", required=True),
        Column("entity_id", "string", "the entity which most of its records are of now", required=True),
        Column("run_id", "string", "run that ended it", required=True),
    ),
)

ENTITY_OVERRIDES = Table(
    name="semantic.entity_overrides",
    grain="one row per pair of records that a person has decided on",
    key=("left_source", "left_id", "right_source", "right_id"),
    columns=(
        Column("left_source", "string", _SOURCE, required=True),
        Column("left_id", "string", _SOURCE_ID, required=True),
        Column("right_source", "string", _SOURCE, required=True),
        Column("right_id", "string", _SOURCE_ID, required=True),
        Column("decision", "string", "must_link, cannot_link, or dropped: left to the model again", required=True),
        Column("reason", "string", "why, in the words of who decided"),
        Column("decided_at", "timestamptz", "when", required=True),
    ),
)

TABLES = (
    NORMALIZED_RECORDS, BLOCKING_INDEX, ENTITY_INDEX, ENTITY_EDGES, ENTITY_EVENTS, ENTITY_ALIAS, ENTITY_OVERRIDES,
    ENTITY_RESOLUTION_STATS,
)  # fmt: skip
