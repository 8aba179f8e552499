"""What happened to entities between two resolutions, and where an id that was given out has gone. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lakehouse.semantic.resolution import Resolution, State

CREATED, ABSORBED, MERGED, SPLIT, RETIRED = "created", "absorbed", "merged", "split", "retired"


def _members(con: DuckDBPyConnection, now: Resolution, previous: State | None) -> None:
    """`member(entity, before, dead)` of each record, `now_` and `was` by entity, and who went where in `moves`.

    A record is dead when its sender has deleted it; an entity when all its records are. Only entities are looked at
    that a record has come to, has left, or changed in.
    """
    rows, rows_before = now.concerned
    member = {
        "entity": pa.array(now.entity[rows], pa.string()),
        "before": pa.array(now.before[rows], pa.string()),
        "dead": now.people.column("is_deleted").take(pa.array(rows)),
    }
    member_before = {
        "entity": pa.array([] if previous is None else previous.entity[rows_before], pa.string()),
        "dead": pa.nulls(0, pa.bool_())
        if previous is None
        else previous.people.column("is_deleted").take(pa.array(rows_before)),
    }
    con.register("member", pa.table(member))
    con.register("member_before", pa.table(member_before))
    con.execute(
        """
        CREATE TABLE now_ AS
        SELECT entity, count(*)::INT AS n, count(before)::INT AS known, bool_and(coalesce(dead, false)) AS dead
        FROM member GROUP BY entity;
        CREATE TABLE was AS
        SELECT entity, count(*)::INT AS n, bool_and(coalesce(dead, false)) AS dead FROM member_before GROUP BY entity;
        CREATE TABLE moves AS
        SELECT before AS origin, entity, count(*)::INT AS n FROM member WHERE before <> entity GROUP BY ALL;
        -- an id that is in no record any more lives on where most of its records went
        CREATE TABLE heirs AS
        SELECT origin, entity, n FROM moves ANTI JOIN now_ ON now_.entity = origin
        QUALIFY row_number() OVER (PARTITION BY origin ORDER BY n DESC, entity) = 1;
        """
    )


def changes(now: Resolution, previous: State | None, aliases: pa.Table, run_id: str, at: datetime
            ) -> tuple[pa.Table, pa.Table]:  # fmt: skip
    """New rows of semantic.entity_events, and all rows of semantic.entity_alias from those there were."""
    import duckdb

    with duckdb.connect() as con:
        _members(con, now, previous)
        con.register("alias", aliases)
        events = con.sql(
            """
            WITH event AS (
                SELECT 'created' AS event, entity AS entity_id, NULL AS another_id, n AS records
                FROM now_ ANTI JOIN was USING (entity) WHERE known = 0
                UNION ALL
                SELECT 'absorbed', entity, NULL, n - known FROM now_ SEMI JOIN was USING (entity) WHERE n > known
                UNION ALL
                SELECT 'merged', origin, entity, n FROM heirs
                UNION ALL
                SELECT 'split', entity, origin, n FROM moves ANTI JOIN heirs USING (origin, entity)
                UNION ALL
                SELECT 'retired', entity, NULL, now_.n FROM now_ LEFT JOIN was USING (entity)
                WHERE now_.dead AND NOT coalesce(was.dead, false)
                UNION ALL
                SELECT 'retired', entity, NULL, 0 FROM was ANTI JOIN now_ USING (entity)
                WHERE entity NOT IN (SELECT origin FROM heirs)
            )
            SELECT md5(concat_ws('|', ?, event, entity_id, another_id)) AS event_id, ? AS run_id, event, entity_id,
                   another_id, records, ?::TIMESTAMPTZ AS created_at
            FROM event ORDER BY event, entity_id, another_id
            """,
            params=[run_id, run_id, at],
        ).to_arrow_table()
        alias = con.sql(
            """
            SELECT old_entity_id, coalesce(heirs.entity, alias.entity_id) AS entity_id, run_id
            FROM alias LEFT JOIN heirs ON heirs.origin = alias.entity_id
            WHERE old_entity_id NOT IN (SELECT entity FROM now_) AND old_entity_id NOT IN (SELECT origin FROM heirs)
            UNION ALL SELECT origin, entity, ? FROM heirs
            ORDER BY old_entity_id
            """,
            params=[run_id],
        ).to_arrow_table()
    return events, alias
