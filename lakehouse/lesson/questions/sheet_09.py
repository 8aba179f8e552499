"""Sheet 09, core: the order of survivorship, patchwork, an old mailing list, an account of all orders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lakehouse.errors import LakehouseError
from lakehouse.lesson.question import BLANK, Question, Wrong, WrongAnswer, one_number, require_type
from lakehouse.lesson.steps import query
from lakehouse.lesson.world import tables
from lakehouse.semantic.normalize import GENERIC_LOCAL_PARTS

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

CASES = """
    ('case 1', 'shopify', '1', 'sales@case.example', true, true, TIMESTAMPTZ '2026-01-03 00:00:00+00'),
    ('case 1', 'hubspot', '2', 'anna@case.example', false, false, TIMESTAMPTZ '2026-01-01 00:00:00+00'),
    ('case 2', 'shopify', '3', 'bruno@case.example', false, true, TIMESTAMPTZ '2026-01-01 00:00:00+00'),
    ('case 2', 'hubspot', '4', 'bruno@other.example', false, false, TIMESTAMPTZ '2026-01-03 00:00:00+00'),
    ('case 3', 'stripe', '5', 'clara@case.example', false, false, TIMESTAMPTZ '2026-01-01 00:00:00+00'),
    ('case 3', 'hubspot', '6', 'clara@new.example', false, false, TIMESTAMPTZ '2026-01-02 00:00:00+00')"""
"""Three people beside the live ones, one for each part of the rule, so that every world has such people."""
RIGHT_ORDER = "is_desk, verified DESC, updated_at DESC"


def _mailboxes() -> duckdb.DuckDBPyConnection:
    con = tables(who="semantic.entity_index", shop="staging.stg_shopify_customers", said="semantic.normalized_records")
    desks = ", ".join(f"'{name}'" for name in sorted(GENERIC_LOCAL_PARTS))
    con.execute(
        f"""CREATE TABLE mailboxes AS
            SELECT entity_id, source, source_id, lower(trim(who.email)) AS email,
                   coalesce(split_part(email_normalized, '@', 1) IN ({desks}), true) AS is_desk,
                   source = 'shopify' AND coalesce(verified_email, false) AS verified, who.updated_at
            FROM who JOIN said USING (source, source_id)
            LEFT JOIN shop ON source = 'shopify' AND source_id = CAST(shop.customer_id AS VARCHAR)
            WHERE who.email IS NOT NULL AND NOT coalesce(said.is_deleted, false) AND said.merged_into IS NULL
            UNION ALL VALUES {CASES}"""
    )
    return con


def mailboxes() -> pd.DataFrame:
    """Records that live and have a mailbox: `is_desk`, `verified` by the sender, `updated_at`; three made-up people."""
    with _mailboxes() as con:
        return con.sql("FROM mailboxes ORDER BY entity_id, source, source_id").to_df()


class Survivorship(Question):
    """SQL text: the ORDER BY of a window over the records of one person."""

    id = "09.1"
    hints = (
        "What would be worst: an old mailbox, one that nobody has verified, or the mailbox of a whole department?",
        "The first column of the order decides; a later one is asked only where all before it are equal.",
        "False comes before true: `is_desk` puts desks last. Then `verified DESC`, and then the newest first.",
    )
    why = (
        "Right. The rule says what is worse than what, in one line that everybody can read and argue with. *The newest*"
        " alone is no rule: the newest record is often the one that somebody typed in a hurry."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "a text")
        with _mailboxes() as con:
            mine, right = self._picked(con, answer), self._picked(con, RIGHT_ORDER)
        both = right.join(mine, lsuffix="_right", rsuffix="_mine")
        desk = int((both["is_desk_mine"] & ~both["is_desk_right"]).sum())
        if desk:
            raise Wrong(f"{desk:,} people would be written to at a desk's mailbox, though they have one of their own")
        unsure = int((both["verified_right"] & ~both["verified_mine"]).sum())
        if unsure:
            raise Wrong(f"of {unsure:,} people you take a mailbox that nobody has verified instead of one that is")
        older = int((both["updated_at_mine"] < both["updated_at_right"]).sum())
        if older:
            raise Wrong(f"of {older:,} people you take an older mailbox than you need to")

    @staticmethod
    def _picked(con: duckdb.DuckDBPyConnection, order_by: str) -> pd.DataFrame:
        import duckdb

        try:
            return con.sql(
                f"SELECT * FROM mailboxes QUALIFY row_number() OVER (PARTITION BY entity_id ORDER BY {order_by}) = 1"
            ).to_df().set_index("entity_id")  # fmt: skip
        except duckdb.Error as error:
            raise Wrong(f"this is no ORDER BY: {str(error).splitlines()[0]}") from error

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: "updated_at DESC", "at a desk's mailbox")
        yield WrongAnswer(lambda: "verified DESC, is_desk, updated_at DESC", "at a desk's mailbox")
        yield WrongAnswer(lambda: "is_desk, updated_at DESC", "that nobody has verified")
        yield WrongAnswer(lambda: "is_desk, verified DESC, updated_at", "an older mailbox")
        yield WrongAnswer(lambda: "newest first", "this is no ORDER BY")


class Patchwork(Question):
    """A number of people."""

    id = "09.2"
    hints = (
        "Each value carries the record that it is of, as sender:id. You are asked for senders, not records.",
        "`split_part(name_from, ':', 1)` is the sender of the name.",
    )
    why = (
        "Right. A person is a patchwork of senders, so *where is this from?* has an answer for each value and none for"
        " the row. Without these columns, an erasure or a correction would be guesswork."
    )

    def judge(self, answer: Any) -> None:
        found, counts = one_number(answer), self._counts()
        if found == counts["senders"]:
            return
        # in a small world both mistakes can give one number: then both are named
        reasons = {"records": "differ in the record of name and email, and two records can be of one sender",
                   "known_to_two": "are known to two senders or more; name and email may be of one"}  # fmt: skip
        if mistakes := [reason for name, reason in reasons.items() if found == counts[name]]:
            raise Wrong(f"these {found:,} people {'; or '.join(mistakes)}")
        raise Wrong(f"{found:,} is not the number of people whose name and email are of different senders")

    @staticmethod
    def _counts() -> dict[str, int]:
        with tables(customers="core.customers") as con:
            row = con.sql(
                """SELECT count(*) FILTER (split_part(name_from, ':', 1) <> split_part(email_from, ':', 1)) AS senders,
                          count(*) FILTER (name_from <> email_from) AS records,
                          count(*) FILTER (source_count > 1) AS known_to_two FROM customers"""
            ).fetchall()[0]
        return dict(zip(("senders", "records", "known_to_two"), row, strict=True))

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(
            lambda: query("SELECT count(*) FROM core.customers WHERE source_count > 1"), "known to two senders"
        )
        yield WrongAnswer(lambda: -1, "is not the number of people")
        yield WrongAnswer(lambda: "most", "a number is asked for")


def _mailing() -> duckdb.DuckDBPyConnection:
    """`mailing(entity_id)`, `alias(old_entity_id, entity_id)` and `orders(order_id, entity_id)`, of live people."""
    con = tables(people="core.customers", every="core.orders")
    con.execute("CREATE TABLE orders AS SELECT order_id, entity_id FROM every WHERE entity_id IS NOT NULL")
    buyers = con.sql("SELECT entity_id FROM orders GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 3").fetchall()
    others = con.sql("SELECT entity_id FROM people ANTI JOIN orders USING (entity_id) ORDER BY 1 LIMIT 1").fetchall()
    if len(buyers) < 3 or not others:
        raise LakehouseError("there are too few people with orders", "send more webhooks: `lakehouse demo`")
    first, second, third, none = (row[0] for row in [*buyers, *others])
    con.execute("CREATE TABLE alias(old_entity_id VARCHAR, entity_id VARCHAR)")
    con.executemany("INSERT INTO alias VALUES (?, ?)", [("old-1", first), ("old-2", third)])
    con.execute("CREATE TABLE mailing(entity_id VARCHAR)")
    con.executemany("INSERT INTO mailing VALUES (?)", [("old-1",), (first,), (second,), ("old-2",), (none,)])
    return con


def ask(sql: str) -> pd.DataFrame:
    """A query over `mailing`, `alias` and `orders`; a text with a gap gives the gap."""
    if "____" in sql:
        return BLANK  # type: ignore[return-value]
    with _mailing() as con:
        return con.sql(sql).to_df()


FOLLOWED = """SELECT coalesce(alias.entity_id, mailing.entity_id) AS entity_id, count(DISTINCT order_id) AS orders
              FROM mailing LEFT JOIN alias ON mailing.entity_id = old_entity_id
              LEFT JOIN orders ON orders.entity_id = coalesce(alias.entity_id, mailing.entity_id) GROUP BY 1"""


class Alias(Question):
    """SQL text over `mailing`, `alias` and `orders` that gives (entity_id, orders)."""

    id = "09.3"
    hints = (
        "Some ids of the list live on under another id, some are what they were, and two are one person by now.",
        "`coalesce(alias.entity_id, mailing.entity_id)` after a left join gives each id its person of today.",
        "One row per person: group by that person, and count orders so that none is counted twice.",
    )
    why = (
        "Right. An id that was given out is a promise, and the alias keeps it. Who joins old ids directly does not get"
        " an error: the people who were merged just look as if they had never ordered."
    )

    def judge(self, answer: Any) -> None:
        import duckdb

        require_type(answer, str, "a query as a text")
        with _mailing() as con:
            try:
                mine = con.sql(answer).to_df()
            except duckdb.Error as error:
                raise Wrong(f"DuckDB refuses the query: {str(error).splitlines()[0]}") from error
            right = dict(con.sql(FOLLOWED).fetchall())
        if missing := sorted({"entity_id", "orders"} - set(mine.columns)):
            raise Wrong(f"the result has no column {', '.join(missing)}")
        if old := sorted(one for one in mine["entity_id"] if str(one).startswith("old-")):
            raise Wrong(f"{', '.join(old)} is nobody's id any more: follow the alias")
        if mine["entity_id"].duplicated().any():
            raise Wrong("a person stands there twice: two ids of the list are one person by now")
        found = dict(zip(mine["entity_id"], mine["orders"].fillna(0).astype(int), strict=True))
        if lost := len(right.keys() - found.keys()):
            raise Wrong(f"{lost} people of the list are missing from the result")
        for entity, orders in right.items():
            if found[entity] != orders:
                raise Wrong(f"person {entity[:8]} has {orders} orders, and not {found[entity]}")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        direct = """SELECT mailing.entity_id, count(order_id) AS orders
                    FROM mailing LEFT JOIN orders USING (entity_id) GROUP BY 1"""
        yield WrongAnswer(lambda: direct, "nobody's id any more")
        yield WrongAnswer(lambda: FOLLOWED.replace("LEFT JOIN alias", "JOIN alias"), "missing from the result")
        yield WrongAnswer(lambda: FOLLOWED.replace("LEFT JOIN orders", "JOIN orders"), "missing from the result")
        yield WrongAnswer(lambda: FOLLOWED.replace("count(DISTINCT order_id)", "count(order_id)"), "orders, and not")
        yield WrongAnswer(
            lambda: FOLLOWED.replace("GROUP BY 1", "GROUP BY mailing.entity_id, alias.entity_id"), "stands there twice"
        )


class Account(Question):
    """A dictionary of four numbers."""

    id = "09.4"
    hints = (
        "`customer_id` says whether the order named a customer, `entity_id` whether a person was found.",
        "A guest's order has no `customer_id`; if it has a person, the mailbox has led there.",
    )
    why = (
        "Right, and it adds up. The orders of nobody are few, and they are named: a join that dropped them would lose"
        " their revenue in silence, and a guess would put it on somebody else's card."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, dict, "a dictionary")
        right = self._right()
        if missing := sorted(set(right) - set(answer)):
            raise Wrong(f"the account has no {', '.join(missing)}")
        for name, value in right.items():
            if one_number(answer[name]) != value:
                raise Wrong(f"{name}: you say {one_number(answer[name]):,}, and core says otherwise")

    @staticmethod
    def _right() -> dict[str, int]:
        with tables(orders="core.orders") as con:
            row = con.sql(
                """SELECT count(*), count(*) FILTER (customer_id IS NOT NULL AND entity_id IS NOT NULL),
                          count(*) FILTER (customer_id IS NULL AND entity_id IS NOT NULL),
                          count(*) FILTER (entity_id IS NULL) FROM orders"""
            ).fetchall()[0]
        return dict(zip(("orders", "by_customer", "by_mailbox", "nobody"), row, strict=True))

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def said(name: str, *parts: str) -> dict[str, int]:
            right = self._right()
            return {**right, name: sum(right[part] for part in parts)}

        yield WrongAnswer(lambda: said("by_mailbox", "orders"), "by_mailbox: you say")
        yield WrongAnswer(lambda: said("nobody", "orders", "by_customer"), "nobody: you say")
        yield WrongAnswer(lambda: {"orders": 1}, "has no by_customer, by_mailbox, nobody")


QUESTIONS: tuple[Question, ...] = (Survivorship(), Patchwork(), Alias(), Account())
