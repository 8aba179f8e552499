"""The SQL of the job: eight readable files, one a topic, rendered with the settings into one statement set."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from lakehouse.engines.kafka import TOPICS, flink_options
from lakehouse.settings import Settings

FOLDER = Path(__file__).parent
MASK = "********"
# `${iso(column, $.path)}` in a file: a time with an offset, which Flink's own functions would read without it
_ISO = re.compile(r"\$\{iso\((?P<column>\w+), (?P<path>[^)]*)\)\}")


def _iso(text: str) -> str:
    """ISO 8601 text to TIMESTAMP_LTZ, its offset respected; null if it is no time."""
    offset = f"REGEXP({text}, '[+-][0-9]{{2}}:[0-9]{{2}}$')"
    zone = f"CASE WHEN {offset} THEN CONCAT('GMT', RIGHT({text}, 6)) ELSE 'UTC' END"
    return f"TO_TIMESTAMP_LTZ(SUBSTRING({text}, 1, 19), 'yyyy-MM-dd''T''HH:mm:ss', {zone})"


def _micros(text: str) -> str:
    """The ingestion's own UTC times, to the microsecond."""
    return f"CAST(TRY_CAST(REPLACE(SUBSTRING({text}, 1, 26), 'T', ' ') AS TIMESTAMP(6)) AS TIMESTAMP_LTZ(6))"


def _triggered(text: str) -> str:
    """Shopify's header: UTC with a fraction as a rule; two events of one second are told apart by it."""
    return f"CASE WHEN {text} LIKE '%Z' THEN {_micros(text)} ELSE {_iso(text)} END"


def literal(text: str) -> str:
    """A text as it stands between quotes in Flink's SQL."""
    return text.replace("'", "''")


def broker(settings: Settings) -> str:
    """The options by which a source table reaches the event log; there is no secret in them."""
    return ",\n    ".join(f"'{name}' = '{literal(value)}'" for name, value in flink_options(settings).items())


def _begin(offsets: Mapping[int, int]) -> str:
    """Where a job without a state begins to read; one that goes on from a state is not asked."""
    if not offsets:
        return "'scan.startup.mode' = 'earliest-offset'"
    places = ";".join(f"partition:{partition},offset:{offset}" for partition, offset in sorted(offsets.items()))
    return f"'scan.startup.mode' = 'specific-offsets',\n    'scan.startup.specific-offsets' = '{places}'"


def topic_views(topic: str, settings: Settings, begin: Mapping[int, int] | None = None) -> list[str]:
    """The source table and the view of a topic. `begin`: offset by partition; without it, the first there is."""
    text = (FOLDER / "_topic.sql").read_text(encoding="utf-8")
    for name, value in {
        "topic": topic,
        "broker": broker(settings),
        "begin": _begin(begin or {}),
        "received_at": _micros("DECODE(headers['received_at'], 'UTF-8')"),
        "triggered_at": _triggered("DECODE(headers['triggered_at'], 'UTF-8')"),
    }.items():
        text = text.replace(f"${{{name}}}", value)
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]


def insert(topic: str) -> str:
    """The INSERT of a topic's file."""
    text = (FOLDER / f"{topic.replace('.', '_')}.sql").read_text(encoding="utf-8")
    return _ISO.sub(lambda match: _iso(f"JSON_VALUE({match['column']}, '{match['path']}')"), text).strip()


def statement_set() -> str:
    """All inserts as one job: a slot for each reader, one checkpoint for all topics."""
    return "EXECUTE STATEMENT SET\nBEGIN\n" + "\n".join(insert(topic) for topic in TOPICS) + "\nEND"


def catalog(settings: Settings, masked: bool = False) -> str:
    """The statement that makes the catalog known to a session; `masked` for showing it to a person."""

    def secret(value: str) -> str:
        return MASK if masked else value

    client_secret = settings.catalog_client_secret.get_secret_value()
    options = {
        "type": "iceberg",
        "catalog-type": "rest",
        "uri": settings.catalog_uri,
        "credential": secret(f"{settings.catalog_client_id}:{client_secret}"),
        "oauth2-server-uri": settings.catalog_oauth2_uri,
        "scope": settings.catalog_scope,
        "warehouse": settings.catalog_warehouse,
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "s3.endpoint": settings.s3_endpoint,
        "s3.path-style-access": str(settings.s3_path_style).lower(),
        "s3.access-key-id": secret(settings.s3_access_key.get_secret_value()),
        "s3.secret-access-key": secret(settings.s3_secret_key.get_secret_value()),
        "client.region": settings.s3_region,
    }
    body = ",\n".join(f"    '{name}' = '{literal(value)}'" for name, value in options.items())
    return f"CREATE CATALOG lakehouse WITH (\n{body}\n)"


def fingerprint(readers: int) -> str:
    """Of all that Flink derives the job's operators from; a state belongs to the plan that it was made of."""
    said = [statement_set(), (FOLDER / "_topic.sql").read_text(encoding="utf-8"), str(readers), version("apache-flink")]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def script(settings: Settings, masked: bool = False, begin: Mapping[tuple[str, int], int] | None = None) -> list[str]:
    """Everything a session runs, in order; the last statement is the job. `begin`: offset by topic and partition."""
    offsets: dict[str, dict[int, int]] = {topic: {} for topic in TOPICS}
    for (topic, partition), offset in (begin or {}).items():
        offsets[topic][partition] = offset
    views = [statement for topic in TOPICS for statement in topic_views(topic, settings, offsets[topic])]
    return [catalog(settings, masked), *views, statement_set()]
