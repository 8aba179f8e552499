"""What a change of some records touches: whose pairs have to be made and scored again, and nobody else's.

A pair's score follows from the two records, from whether their values are generic, and from whether a block holds
both. So touched are the changed records, those beside them with a value that has become (or ceased to be) generic,
and those in a block that has come over the cap or back under it. All other pairs are as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lakehouse.semantic import blocking, matching
from lakehouse.semantic.correspondence import Correspondence, compare
from lakehouse.semantic.records import COMPARABLE, KEY

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    Numbers = np.ndarray[Any, np.dtype[Any]]

_COMPARED = (*COMPARABLE, "merged_into")
EVIDENCE = ("email", "phone")
"""Fields whose values can be generic."""


class Delta:
    """The change from `before` to `people`, in DuckDB. Both tables are normalised; `origin` says who is who in them.

    Its table `people` holds, of all people, only those who have been asked for: what a change costs follows from the
    change, but for one look at everybody's keys.
    """

    def __init__(self, con: DuckDBPyConnection, people: pa.Table, before: pa.Table, origin: Correspondence) -> None:
        self._con, self._people = con, people
        now, was = _changed(people, before, origin)
        con.execute("CREATE OR REPLACE TABLE changed (idx BIGINT)")
        con.register("changed_arrow", pa.table({"idx": pa.array(now, pa.int64())}))
        con.execute("INSERT INTO changed FROM changed_arrow")
        blocking.register(con, before, "changed_before", was)
        blocking.register(con, people, "people", now)
        blocking.hash_keys(con, people)

    def find_touched(self, max_block: int, max_names: int) -> None:
        """Make the tables `changed(idx)`, `touched(idx)`, and `blocks`: all blocks that touched ones are in."""
        con = self._con
        blocking.index(con, "changed_before", "blocks_before")
        con.execute("CREATE OR REPLACE TABLE touched AS FROM changed")
        for field in EVIDENCE:
            self._touch_generic(f"{field}_n", max_names)
        self._fetch_blocks("SELECT pass, key FROM blocks_before")
        blocking.measure(con, max_block)
        _touch_blocks(con, max_block)
        con.execute("CREATE OR REPLACE TABLE touched AS SELECT DISTINCT idx FROM touched")
        self._fetch_blocks()

    def fetch_sharers(self) -> None:
        """In `people`, all who share a value that can be evidence with somebody in `pairs`: they tell if it is one."""
        for field in EVIDENCE:
            values = f"SELECT DISTINCT {field}_n FROM people WHERE {field}_n IS NOT NULL AND {matching.PAIRED}"
            self._fetch(blocking.maybe_with(self._con, f"{field}_n", values))

    def _fetch(self, idx: Numbers) -> None:
        known = self._con.execute("SELECT idx FROM people").fetchnumpy()["idx"]
        blocking.add(self._con, self._people, np.setdiff1d(idx, known))

    def _fetch_blocks(self, more: str | None = None) -> None:
        """`blocks`: those that hold a touched record, and `more`; without that, those it has not yet are added."""
        con = self._con
        con.execute("CREATE OR REPLACE TABLE touched_people AS FROM people WHERE idx IN (FROM touched)")
        blocking.index(con, "touched_people", "blocks_touched")
        # a block that is there is there whole
        others = f"UNION {more}" if more else "EXCEPT SELECT pass, key FROM blocks"
        con.execute(f"CREATE OR REPLACE TABLE wanted AS SELECT DISTINCT pass, key FROM blocks_touched {others}")
        self._fetch(blocking.maybe_in(con, "wanted"))
        blocking.index(con, wanted="wanted", more=more is None)

    def _touch_generic(self, column: str, max_names: int) -> None:
        """Records with a value that is generic now and was not, or the other way round."""
        con = self._con
        con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE moved AS
            SELECT {column} AS value FROM changed_before WHERE {column} IS NOT NULL
            UNION SELECT {column} FROM people SEMI JOIN changed USING (idx) WHERE {column} IS NOT NULL
            """
        )
        self._fetch(blocking.maybe_with(con, column, "FROM moved"))
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


def _changed(people: pa.Table, before: pa.Table, origin: Correspondence) -> tuple[Numbers, Numbers]:
    """Positions, now and before, of records that differ in what is compared, or have come or gone."""
    other = np.flatnonzero(~origin.same & (origin.place >= 0))
    columns = [*KEY, *_COMPARED]
    mine, was = people.select(columns).take(other), before.select(columns).take(origin.place[other])
    differ = other[~compare(mine, was).same]
    come = np.flatnonzero(origin.place < 0)
    return np.sort(np.concatenate([differ, come])), np.sort(np.concatenate([origin.place[differ], origin.gone()]))


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
