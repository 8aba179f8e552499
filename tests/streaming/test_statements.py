"""The job's SQL: every topic and every column of its table, and no secret where a person reads it."""

from __future__ import annotations

import re

import pytest

from lakehouse.engines.kafka import PASSWORD_VARIABLE, TOPICS
from lakehouse.settings import Settings
from lakehouse.streaming import statements
from lakehouse.streaming.tables import TABLES
from lakehouse.tables import Table


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_topics_file_fills_the_columns_of_its_table_in_order(table: Table) -> None:
    topic = next(topic for topic in TOPICS if f"raw.{topic.replace('.', '_')}" == table.name)
    text = statements.insert(topic)
    selected = text[text.index("SELECT") + len("SELECT") : text.index("\nFROM")]
    names = [re.split(r"\s+AS\s+", part.strip())[-1] for part in _split_top_level(selected)]
    assert tuple(names) == table.column_names


def _split_top_level(text: str) -> list[str]:
    """Parts between commas that are in no bracket and no quotes."""
    parts, depth, quoted, part = [], 0, False, ""
    for character in text:
        quoted ^= character == "'"
        depth += 0 if quoted else (character == "(") - (character == ")")
        if character == "," and depth == 0 and not quoted:
            parts.append(part)
            part = ""
        else:
            part += character
    return [*parts, part]


def test_what_is_shown_holds_no_secret(settings: Settings) -> None:
    shown = "\n".join(statements.script(settings, masked=True))
    assert statements.MASK in shown
    for secret in (settings.catalog_client_secret, settings.s3_secret_key, settings.s3_access_key):
        assert secret.get_secret_value() not in shown
    # all is filled in but what Kafka's client reads from its process's environment
    assert set(re.findall(r"\$\{[^}]*\}", shown)) == {f"${{env:{PASSWORD_VARIABLE}}}"}


def test_not_even_what_is_submitted_holds_the_brokers_password(settings: Settings) -> None:
    assert settings.kafka_password.get_secret_value() not in "\n".join(statements.script(settings))


def test_a_job_without_a_state_begins_where_it_is_told(settings: Settings) -> None:
    views = "\n".join(statements.script(settings, begin={("shopify.orders", 1): 7, ("shopify.orders", 0): 5}))
    assert views.count("'scan.startup.specific-offsets' = 'partition:0,offset:5;partition:1,offset:7'") == 1
    assert views.count("'scan.startup.mode' = 'earliest-offset'") == len(TOPICS) - 1


def test_another_sql_and_other_readers_are_another_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = statements.fingerprint(2)
    assert plan == statements.fingerprint(2) != statements.fingerprint(1)
    monkeypatch.setattr(statements, "statement_set", lambda: "EXECUTE STATEMENT SET BEGIN END")
    assert statements.fingerprint(2) != plan


def test_all_topics_are_one_job() -> None:
    job = statements.statement_set()
    assert job.count("INSERT INTO") == len(TOPICS)
    assert job.count("OPTIONS('write-parallelism' = '1')") == len(TOPICS), "one file a table and checkpoint"
    assert job.startswith("EXECUTE STATEMENT SET")
