"""Which records are worth comparing. A rule makes a key of a record; records with equal keys are candidates.

Pairs are made inside blocks only. A block over the cap is split by a second key, and what is still over it makes no
pairs: there are at most cap / 2 pairs per record and rule, so the work grows with the records and not with their
square. All in SQL on DuckDB, over the columns of `records.normalise`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from lakehouse.semantic.normalize import GENERIC_LOCAL_PARTS, GMAIL_DOMAINS, PLACEHOLDER_DOMAINS
from lakehouse.semantic.records import COMPARABLE

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    Numbers = np.ndarray[Any, np.dtype[Any]]

MAX_BLOCK = 40
"""Records. A mailbox or a name+postcode that more records share tells nothing about a single person."""
HASHED = ("email_n", "phone_n")
"""Columns of which `hash_keys` keeps a number, too."""
BATCH = 8_192
"""Rows of an Arrow table that DuckDB is given: a processor takes a batch at a time, so a few must not be all in one."""
REPORTED_BLOCKS = 20
"""Of the blocks that were dropped, so many are named, largest first."""

COMMON_DOMAINS = GMAIL_DOMAINS.union(
    {"yahoo.com", "hotmail.com", "outlook.com", "icloud.com", "live.com", "aol.com", "gmx.de", "gmx.net", "web.de"},
    {"mail.com", "proton.me", "protonmail.com", "example.com", "example.org", "example.net"},
)


class Rule(NamedTuple):
    """One pass. `key` is SQL over a record's columns, null where the rule does not apply."""

    name: str
    key: str


def _joined(*columns: str) -> str:
    # concatenation with a null is null: all parts have to be there
    return " || '|' || ".join(columns)


def _without_contact(key: str) -> str:
    """A wider key, for records that have neither mailbox nor number nor date nor identifier to be found by."""
    return f"CASE WHEN coalesce(email_n, phone_n, birth_n, id_n) IS NULL THEN {key} END"


RULES: tuple[Rule, ...] = (
    Rule("email_exact", "email_n"),
    Rule("phone_exact", "phone_n"),
    Rule("national_id", "id_n"),
    Rule("email_local", "CASE WHEN length(email_letters) >= 5 THEN email_letters END"),
    Rule("name_postcode", _joined("left(family_n, 4)", "zip_n")),
    Rule("name_city", _joined("given_key", "family_n", "city_n")),
    # whichever of the two was taken for the given name
    Rule("name_full", _joined("least(given_key, family_n)", "greatest(given_key, family_n)")),
    # at a company's own domain colleagues are few: an initial and three letters find a person again
    Rule("name_prefix_domain", _joined("left(given_key, 1)", "left(family_n, 3)", "own_domain")),
    Rule("phone_area_name", _joined("left(phone_n, length(phone_n) - 4)", "left(given_key, 1)", "family_n")),
    Rule("street_given", _joined("given_key", "street_n")),
    Rule("street_postcode", _joined("left(street_n, 8)", "zip_n")),
    Rule("birth_name", _joined("birth_n", "least(left(given_key, 2), left(family_n, 2))")),
    Rule("birth_family", _joined("birth_n", "left(family_n, 3)")),
    Rule("birth_postcode", _joined("birth_n", "zip_n")),
    Rule("birth_street", _joined("birth_n", "left(street_n, 6)")),
    Rule("bare_names", _without_contact(_joined("left(given_key, 3)", "left(family_n, 3)"))),
    Rule("bare_initials_postcode", _without_contact(_joined("left(given_key, 1)", "left(family_n, 1)", "zip_n"))),
    Rule("bare_street_city", _without_contact(_joined("left(street_n, 8)", "left(city_n, 5)"))),
    Rule("bare_given_postcode", _without_contact(_joined("given_key", "zip_n"))),
)
"""Editable: a line is a pass. Their order decides which pass a pair counts as new for, and nothing else."""

SPLIT = "coalesce(left(zip_n, 4), left(birth_n, 4), left(city_n, 4), '')"
"""What a block over the cap is split by."""


def _listed(values: frozenset[str]) -> str:
    return ", ".join(f"'{value}'" for value in sorted(values))


def register(con: DuckDBPyConnection, people: pa.Table, name: str = "people", idx: Numbers | None = None) -> None:
    """Make the people known to DuckDB under a name, with `idx` (their positions) and what the rules need.

    `idx`: only those at these positions.
    """
    _view(con, people, idx)
    con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM ({_DERIVED})")
    con.unregister("people_arrow")


def add(con: DuckDBPyConnection, people: pa.Table, idx: Numbers) -> None:
    """The rows of these positions, in DuckDB's table `people` beside those that it has."""
    _view(con, people, idx)
    con.execute(f"INSERT INTO people FROM ({_DERIVED}) ANTI JOIN people USING (idx)")
    con.unregister("people_arrow")


def _view(con: DuckDBPyConnection, people: pa.Table, idx: Numbers | None) -> None:
    """The view `people_said` of all people, or of those at some positions."""
    import numpy as np
    import pyarrow as pa

    rows = people.select(["source", "source_id", "created_at", "merged_into", *COMPARABLE])
    if idx is not None:
        rows = pa.Table.from_batches(rows.take(pa.array(idx)).combine_chunks().to_batches(BATCH), rows.schema)
    numbers = np.arange(people.num_rows) if idx is None else idx
    con.register("people_arrow", rows.append_column("idx", pa.array(numbers, pa.int64())))
    # of a column without any value DuckDB is told so: it leaves out what would be computed from it
    empty = [f"NULL::VARCHAR AS {name}" for name in COMPARABLE if rows[name].null_count == rows.num_rows]
    replaced = f"REPLACE ({', '.join(empty)})" if empty else ""
    con.execute(f"CREATE OR REPLACE TEMP VIEW people_said AS SELECT * {replaced} FROM people_arrow")


def generic_email(column: str) -> str:
    """SQL: whether an address is a desk's or a placeholder's, by its form."""
    return _generic(f"split_part({column}, '@', 1)", f"split_part({column}, '@', 2)")


def _generic(local: str, domain: str) -> str:
    # not by `rtrim` and a list: that takes four times as long
    names = "|".join(re.escape(name) for name in sorted(GENERIC_LOCAL_PARTS))
    return f"(regexp_full_match({local}, '({names})[0-9]*') OR {domain} IN ({_listed(PLACEHOLDER_DOMAINS)}))"


# nested, for DuckDB computes an expression as often as it is written
_DERIVED = f"""
    SELECT * EXCLUDE (local_part, domain),
           CASE WHEN NOT email_is_generic
                THEN regexp_replace(local_part, '[^a-z0-9]', '', 'g') END AS email_letters,
           CASE WHEN NOT email_is_generic AND domain NOT IN ({_listed(frozenset(COMMON_DOMAINS))})
                THEN domain END AS own_domain,
           {SPLIT} AS part
    FROM (
        SELECT *, {_generic("local_part", "domain")} AS email_is_generic
        FROM (
            SELECT *, split_part(email_n, '@', 1) AS local_part, split_part(email_n, '@', 2) AS domain
            FROM people_said
        )
    )
"""
"""SQL: people with what the rules need beside the columns of `records`."""
_LOOSELY_DERIVED = """
    SELECT * EXCLUDE (local_part), regexp_replace(local_part, '[^a-z0-9]', '', 'g') AS email_letters
    FROM (
        SELECT *, split_part(email_n, '@', 1) AS local_part, split_part(email_n, '@', 2) AS own_domain
        FROM people_said
    )
"""
"""SQL: the same, also where the rules have no key: a number of theirs is asked for by nobody."""


def hash_keys(con: DuckDBPyConnection, people: pa.Table) -> None:
    """The table `hashes`: of each person `idx`, and a number for each rule's key (`key0` …) and value (`email_n` …).

    Equal keys have equal numbers, and different ones mostly different ones: who is in a block is found by a look at
    numbers, of all people, and then proved by the keys, of a few.
    """
    keys = ", ".join(f"hash({rule.key}) AS key{number}" for number, rule in enumerate(RULES))
    values = ", ".join(f"hash({column}) AS {column}" for column in HASHED)
    _view(con, people, None)
    con.execute(f"CREATE OR REPLACE TABLE hashes AS SELECT idx, {keys}, {values} FROM ({_LOOSELY_DERIVED})")
    con.unregister("people_arrow")


def maybe_in(con: DuckDBPyConnection, wanted: str) -> Numbers:
    """Positions of all people that can be in the blocks of a table of (pass, key)."""
    parts = [
        f"SELECT idx FROM hashes WHERE key{number} IN (SELECT hash(key) FROM {wanted} WHERE pass = {number})"
        for (number,) in con.execute(f"SELECT DISTINCT pass FROM {wanted} ORDER BY 1").fetchall()
    ]
    return _positions(con, " UNION ".join(parts or ["SELECT idx FROM hashes WHERE false"]))


def maybe_with(con: DuckDBPyConnection, column: str, values: str) -> Numbers:
    """Positions of all people that can have, in a column of `HASHED`, one of the values that SQL selects."""
    return _positions(con, f"SELECT idx FROM hashes WHERE {column} IN (SELECT hash(value) FROM ({values}) v(value))")


def _positions(con: DuckDBPyConnection, sql: str) -> Numbers:
    import numpy as np

    return np.asarray(con.execute(sql).fetchnumpy()["idx"], dtype=np.int64)


def index(con: DuckDBPyConnection, people: str = "people", blocks: str = "blocks", wanted: str | None = None,
          more: bool = False) -> None:  # fmt: skip
    """Every key of every record, as the table `blocks(pass, key, idx)`. Deleted and merged records have theirs too.

    `wanted` names a table of (pass, key): only blocks with those. `more`: beside those that the table has.
    """
    if not more:
        con.execute(f"CREATE OR REPLACE TABLE {blocks} (pass INTEGER, key VARCHAR, idx BIGINT)")
    asked = list(range(len(RULES)))
    if wanted:
        asked = [number for (number,) in con.execute(f"SELECT DISTINCT pass FROM {wanted}").fetchall()]
    # one statement: all processors are at work on it, also where a pass alone is too small to be shared among them
    passes = " UNION ALL ".join(
        f"SELECT {number}, k, idx FROM (SELECT {RULES[number].key} AS k, idx FROM {people}) WHERE "
        + (f"k IN (SELECT key FROM {wanted} WHERE pass = {number})" if wanted else "k IS NOT NULL")
        for number in sorted(asked)
    )
    if passes:
        con.execute(f"INSERT INTO {blocks} {passes}")


def load(con: DuckDBPyConnection, rows: pa.Table) -> None:
    """The table `blocks` from rows of semantic.blocking_index. Rows of records that are no more are left out."""
    con.register("index_arrow", rows)
    con.execute(
        f"""
        CREATE OR REPLACE TABLE blocks AS
        SELECT pass, blocking_key AS key, idx
        FROM index_arrow JOIN people USING (source, source_id) JOIN {_passes()} ON name = blocking_type
        """
    )
    con.unregister("index_arrow")


def _passes() -> str:
    """SQL: the number of each pass beside its name."""
    names = ", ".join(f"({number}, '{rule.name}')" for number, rule in enumerate(RULES))
    return f"(VALUES {names}) AS rules(pass, name)"


def index_rows(con: DuckDBPyConnection) -> pa.Table:
    """The index as rows of semantic.blocking_index, sorted by key."""
    return con.sql(
        f"""
        SELECT key AS blocking_key, name AS blocking_type, source, source_id, created_at
        FROM blocks JOIN people USING (idx) JOIN {_passes()} USING (pass)
        ORDER BY 1, 2, 3, 4
        """
    ).to_arrow_table()


@dataclass
class Candidates:
    """What the passes made. The pairs themselves are DuckDB's table `pairs(l, r, passes)`, l < r, each once.

    `passes` has bit n set when pass n found the pair. `dropped` names the largest blocks that made no pairs:
    (pass, key, records).
    """

    pairs: int = 0
    per_pass: dict[str, int] = field(default_factory=dict)
    new_per_pass: dict[str, int] = field(default_factory=dict)
    largest_block: dict[str, int] = field(default_factory=dict)
    split_blocks: dict[str, int] = field(default_factory=dict)
    dropped_blocks: dict[str, int] = field(default_factory=dict)
    dropped_records: dict[str, int] = field(default_factory=dict)
    dropped: list[tuple[str, str, int]] = field(default_factory=list)


def candidates(
    con: DuckDBPyConnection, max_block: int = MAX_BLOCK, between_sources: bool = False, touched: str | None = None
) -> Candidates:
    """All pairs of all blocks up to the cap.

    `between_sources`: each source knows a person once, so only across. `touched` names a table of `idx`: only pairs
    with an end in it; then `blocks` need hold no others than theirs, but those whole.
    """
    measure(con, max_block)
    across, keyed = "", "FROM usable"
    if between_sources:
        across, keyed = "AND a.source <> b.source", "SELECT u.*, p.source FROM usable u JOIN people p USING (idx)"
    ends, apart = "keyed", "a.idx < b.idx"
    if touched is not None:
        # from the touched end: most pairs of these blocks are of two records that nothing has touched
        ends, apart = f"(FROM keyed SEMI JOIN {touched} USING (idx))", "a.idx <> b.idx"
    con.execute(
        f"""
        CREATE OR REPLACE TABLE pairs AS
        WITH usable AS (
            SELECT pass, key, '' AS part, idx FROM blocks JOIN sizes USING (pass, key)
            WHERE n BETWEEN 2 AND {max_block}
            UNION ALL
            SELECT pass, key, part, idx FROM over JOIN parts USING (pass, key, part)
            WHERE n BETWEEN 2 AND {max_block} AND part <> ''
        ), keyed AS ({keyed})
        SELECT least(a.idx, b.idx) AS l, greatest(a.idx, b.idx) AS r, bit_or(1::BIGINT << a.pass) AS passes
        FROM {ends} a JOIN keyed b ON a.pass = b.pass AND a.key = b.key AND a.part = b.part AND {apart} {across}
        GROUP BY ALL
        """
    )
    return _report(con, max_block)


def measure(con: DuckDBPyConnection, max_block: int) -> None:
    """Records per block, as `sizes(pass, key, n)`; per part of those over the cap, as `parts(pass, key, part, n)`.

    `over(pass, key, part, idx)` are the members of those over the cap.
    """
    con.execute("CREATE OR REPLACE TEMP TABLE sizes AS SELECT pass, key, count(*) AS n FROM blocks GROUP BY ALL")
    # a table of its own: joined to `parts` by block first, as DuckDB would, each record meets all parts of its block
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE over AS
        SELECT pass, key, part, idx FROM blocks JOIN sizes USING (pass, key) JOIN people USING (idx)
        WHERE sizes.n > {max_block};
        CREATE OR REPLACE TEMP TABLE parts AS SELECT pass, key, part, count(*) AS n FROM over GROUP BY ALL;
        """
    )


def _report(con: DuckDBPyConnection, max_block: int) -> Candidates:
    found = Candidates(pairs=con.execute("SELECT count(*) FROM pairs").fetchall()[0][0])
    for number, rule in enumerate(RULES):
        bit, earlier = 1 << number, (1 << number) - 1
        mine, new = con.execute(
            f"SELECT count(*) FILTER (passes & {bit} > 0),"
            f" count(*) FILTER (passes & {bit} > 0 AND passes & {earlier} = 0) FROM pairs"
        ).fetchall()[0]
        if mine:
            found.per_pass[rule.name] = mine
        if new:
            found.new_per_pass[rule.name] = new
    for number, largest in con.execute("SELECT pass, max(n) FROM sizes GROUP BY 1 ORDER BY 1").fetchall():
        found.largest_block[RULES[number].name] = largest
    over = f"n > {max_block} OR part = ''"
    for number, split, dropped, records in con.execute(
        f"""SELECT pass, count(DISTINCT key) FILTER (NOT ({over})), count(*) FILTER ({over}), sum(n) FILTER ({over})
            FROM parts GROUP BY 1 ORDER BY 1"""
    ).fetchall():
        if split:
            found.split_blocks[RULES[number].name] = split
        if dropped:
            found.dropped_blocks[RULES[number].name] = dropped
            found.dropped_records[RULES[number].name] = int(records)
    found.dropped = [
        (RULES[number].name, key, n)
        for number, key, n in con.execute(
            f"SELECT pass, concat_ws('/', key, nullif(part, '')), n FROM parts WHERE {over}"
            f" ORDER BY n DESC, pass, key LIMIT {REPORTED_BLOCKS}"
        ).fetchall()
    ]
    return found
