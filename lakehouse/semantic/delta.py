"""What a change of some records touches: whose pairs have to be made and scored again, and nobody else's.

A pair's score follows from the two records, from whether their values are generic, and from whether a block holds
both. So touched are the changed records, those beside them with a value that has become (or ceased to be) generic,
and those in a block that has come over the cap or back under it. All other pairs are as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.semantic import blocking, matching
from lakehouse.semantic.records import COMPARABLE

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

_COMPARED = (*COMPARABLE, "merged_into")
EVIDENCE = ("email", "phone")
"""Fields whose values can be generic."""


def find_touched(con: DuckDBPyConnection, before: pa.Table, max_block: int, max_names: int) -> None:
    """Make the tables `changed(idx, idx_before)`, `touched(idx)`, and `blocks`: all blocks that touched ones are in.

    `people` holds the records as they are, `before` is the table as it was; both are normalised. Of `before` only the
    records that have changed are looked at twice: what it costs follows from the change.
    """
    _find_changed(con, before)
    blocking.index(con, "changed_before", "blocks_before")
    con.execute("CREATE OR REPLACE TABLE touched AS SELECT idx FROM changed WHERE idx IS NOT NULL")
    _fetch_blocks(con, "SELECT pass, key FROM blocks_before")
    blocking.measure(con, max_block)
    _touch_blocks(con, max_block)
    for field in EVIDENCE:
        _touch_generic(con, f"{field}_n", max_names)
    con.execute("CREATE OR REPLACE TABLE touched AS SELECT DISTINCT idx FROM touched")
    _fetch_blocks(con)


def _find_changed(con: DuckDBPyConnection, before: pa.Table) -> None:
    """Pairs of positions, now and before, of records that differ, have come (no `idx_before`) or gone (no `idx`)."""
    import numpy as np
    import pyarrow as pa

    needed = before.select(["source", "source_id", *_COMPARED])
    con.register("before", needed.append_column("idx", pa.array(np.arange(before.num_rows))))
    same = " AND ".join(f"n.{name} IS NOT DISTINCT FROM o.{name}" for name in _COMPARED)
    con.execute(
        f"""
        CREATE OR REPLACE TABLE changed AS
        SELECT n.idx, o.idx AS idx_before
        FROM people n FULL JOIN before o ON n.source = o.source AND n.source_id = o.source_id
        WHERE n.idx IS NULL OR o.idx IS NULL OR NOT ({same})
        """
    )
    changed = con.execute("SELECT idx_before FROM changed WHERE idx_before IS NOT NULL ORDER BY 1").fetchnumpy()
    rows = np.asarray(changed["idx_before"], dtype=np.int64)
    blocking.register(con, before.take(rows), "changed_before")
    # positions in the whole table, not in the part
    con.register("rows", pa.table({"taken": pa.array(np.arange(len(rows))), "whole": pa.array(rows)}))
    con.execute("UPDATE changed_before SET idx = whole FROM rows WHERE idx = taken")


def _fetch_blocks(con: DuckDBPyConnection, more: str | None = None) -> None:
    """`blocks`: those that hold a touched record, and `more`; without that, those it has not yet are added to it."""
    con.execute("CREATE OR REPLACE TABLE touched_people AS FROM people WHERE idx IN (FROM touched)")
    blocking.index(con, "touched_people", "blocks_touched")
    # a block that is there is there whole
    others = f"UNION {more}" if more else "EXCEPT SELECT pass, key FROM blocks"
    con.execute(f"CREATE OR REPLACE TABLE wanted AS SELECT DISTINCT pass, key FROM blocks_touched {others}")
    blocking.index(con, wanted="wanted", more=more is None)


def _touch_blocks(con: DuckDBPyConnection, max_block: int) -> None:
    """Members of blocks in which another set of pairs is made now: whole, in parts, or none.

    How large a block was follows from how large it is, without who came and with who went.
    """
    con.execute(
        f"""
        INSERT INTO touched
        WITH went AS (
            SELECT pass, key, part FROM blocks_before JOIN changed_before USING (idx)
        ), came AS (
            SELECT pass, key, part FROM blocks JOIN people USING (idx) SEMI JOIN changed USING (idx)
        ), moves AS (
            SELECT pass, key, part, 1 AS went, 0 AS came FROM went UNION ALL SELECT pass, key, part, 0, 1 FROM came
        ), block AS (
            SELECT pass, key, sum(went) - sum(came) AS more FROM moves GROUP BY ALL
        ), piece AS (
            SELECT pass, key, part, sum(went) - sum(came) AS more FROM moves GROUP BY ALL
        ), member AS (
            SELECT idx, pass, key, part, more FROM blocks JOIN block USING (pass, key) JOIN people USING (idx)
            -- small before and after: nothing has changed for who stayed
            JOIN sizes USING (pass, key) WHERE greatest(sizes.n, sizes.n + more) > {max_block}
        ), counted AS (
            SELECT idx, part, member.more AS more, count(*) OVER (PARTITION BY pass, key) AS n,
                   count(*) OVER (PARTITION BY pass, key, part) AS in_part, coalesce(piece.more, 0) AS more_in_part
            FROM member LEFT JOIN piece USING (pass, key, part)
        )
        SELECT DISTINCT idx FROM counted
        WHERE {_mode("n", "in_part", max_block)} <> {_mode("n + more", "in_part + more_in_part", max_block)}
        """
    )


def _mode(records: str, in_part: str, max_block: int) -> str:
    """SQL: how a block of so many records makes pairs for a record whose part holds so many of them."""
    return (
        f"CASE WHEN {records} <= {max_block} THEN 'whole'"
        f" WHEN part <> '' AND {in_part} <= {max_block} THEN 'part' ELSE 'none' END"
    )


def _touch_generic(con: DuckDBPyConnection, column: str, max_names: int) -> None:
    """Records with a value that is generic now and was not, or the other way round."""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE moved AS
        SELECT {column} AS value FROM changed_before WHERE {column} IS NOT NULL
        UNION SELECT {column} FROM people SEMI JOIN changed USING (idx) WHERE {column} IS NOT NULL
        """
    )
    kept = "SELECT given_key, family_n, email_n, phone_n FROM"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE beside AS {kept} people SEMI JOIN moved ON {column} = value;
        CREATE OR REPLACE TEMP TABLE beside_before AS
        {kept} people ANTI JOIN changed USING (idx) SEMI JOIN moved ON {column} = value
        UNION ALL {kept} changed_before SEMI JOIN moved ON {column} = value;
        """
    )
    now, was = (matching.shared_by_many(table, column, max_names) for table in ("beside", "beside_before"))
    con.execute(
        f"""
        INSERT INTO touched
        SELECT idx FROM people SEMI JOIN ((({now}) EXCEPT ({was})) UNION (({was}) EXCEPT ({now}))) flips
        ON {column} = flips.value
        """
    )
