"""Sheet 20, the ledger: which equation finds which fault, what quarantine is, what equal counts and sums hide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lakehouse.lesson.question import Question, Wrong, WrongAnswer, one_number, require_type
from lakehouse.lesson.scratch import drop_scratch, scratch
from lakehouse.lesson.steps import number, query, spark_session

if TYPE_CHECKING:
    import pandas as pd

EQUATIONS = ("rows", "keys", "money")
FAULTS = ("dropped", "doubled", "other currency", "moved")
BLIND = {
    ("doubled", "keys"): "doubled: keys are compared as sets, and a copy brings no new key",
    ("other currency", "rows"): "other currency: the row is still there, with the same key",
    ("other currency", "keys"): "other currency: the row is still there, with the same key",
    ("moved", "rows"): "moved: no row came or went",
    ("moved", "keys"): "moved: no row came or went",
    ("moved", "money"): "moved: what one order has too much the other has too little, and the sum is the same",
}
"""What is said of an equation that does not notice a fault."""


def _damaged(orders: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Copies of orders with one fault each: rows of (order_id, currency, amount)."""
    import pandas as pd

    common = orders["currency"].value_counts().index[0]
    one, two = orders.index[orders["currency"] == common][:2]
    other, moved = orders.copy(), orders.copy()
    other.loc[one, "currency"] = next(code for code in ("USD", "EUR") if code != common)
    moved.loc[one, "amount"] += 1
    moved.loc[two, "amount"] -= 1
    return {
        "dropped": orders.drop(index=one), "doubled": pd.concat([orders, orders.loc[[one]]]),
        "other currency": other, "moved": moved,
    }  # fmt: skip


def _found_by(right: pd.DataFrame, copy: pd.DataFrame) -> set[str]:
    """Which of the ledger's equations differ between two frames."""

    def sums(frame: pd.DataFrame) -> dict[str, Decimal]:
        return {str(code): sum(group, Decimal(0)) for code, group in frame.groupby("currency")["amount"]}

    differs = {
        "rows": len(right) != len(copy),
        "keys": set(right["order_id"]) != set(copy["order_id"]),
        "money": sums(right) != sums(copy),
    }
    return {name for name, yes in differs.items() if yes}


def _truth() -> dict[str, set[str]]:
    orders = query("SELECT order_id, currency, total_amount AS amount FROM core.orders WHERE total_amount > 1")
    return {fault: _found_by(orders, copy) for fault, copy in _damaged(orders).items()}


class WhoFindsWhat(Question):
    """A dictionary: fault → the equations that notice it."""

    id = "20.1"
    hints = (
        "Take each fault on a table of three orders, on paper, and compute rows, keys and money before and after.",
        "Keys are compared as sets: what is in one table alone. Money is summed for each currency by itself.",
        "A copy brings no new key; an amount that moves within a currency leaves rows, keys and sum as they were.",
    )
    why = (
        "Right. No equation is enough, and one fault passes all three: a ledger says what it compares, so that one"
        " knows what it cannot see. Where that matters, rows are compared one by one, as the deliveries are."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, dict, "a dictionary")
        for fault, right in _truth().items():
            if fault not in answer:
                raise Wrong(f"nothing is said about the fault {fault!r}")
            said = set(answer[fault])
            if strange := said - set(EQUATIONS):
                raise Wrong(f"{fault}: there is no equation {', '.join(sorted(strange))}; choose of {EQUATIONS}")
            for equation in sorted(said - right):
                raise Wrong(BLIND.get((fault, equation), f"{fault}: {equation} does not notice it"))
            if missed := right - said:
                raise Wrong(f"{fault}: there is more that notices it than {', '.join(sorted(said)) or 'nothing'}: "
                            f"{len(missed)} more")  # fmt: skip

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        right = {"dropped": {"rows", "keys", "money"}, "doubled": {"rows", "money"},
                 "other currency": {"money"}, "moved": set[str]()}  # fmt: skip
        yield WrongAnswer(lambda: {fault: set(EQUATIONS) for fault in FAULTS}, "a copy brings no new key")
        yield WrongAnswer(lambda: right | {"moved": {"money"}}, "the sum is the same")
        yield WrongAnswer(lambda: right | {"other currency": set()}, "more that notices it than nothing")
        yield WrongAnswer(lambda: right | {"dropped": {"rows"}}, "more that notices it than rows")
        yield WrongAnswer(lambda: {"dropped": {"rows", "keys", "money"}}, "nothing is said about")


NEVER_READ = "SELECT count(*) FROM raw.ingestion_quarantine"
REFUSED_LATER = "SELECT count(*) FROM staging.rejects"
REPEATED = "SELECT sum(duplicates) FROM staging.webhook_events"
IN_SENDERS_TABLES = "SELECT sum(1 + duplicates) FROM staging.webhook_events"


class Quarantine(Question):
    """SQL text that gives one number."""

    id = "20.2"
    hints = (
        "Follow a body that is signed well and that nobody can route: the sender gets a 200. Where does it end?",
        "What staging refused and what was delivered twice stand in tables of the senders: staging did read them.",
        "Ingestion puts aside what it has verified and cannot route, in a topic of its own; it has a raw table, too.",
    )
    why = (
        "Right. Acknowledged, kept to the byte, and in no sender's table: without this term the ledger is off by just"
        " these messages, and a team learns to live with a ledger that is a little off."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "a query as text")
        said = one_number(query(answer))
        if said == number(NEVER_READ):
            return
        if said == number(REFUSED_LATER):
            raise Wrong(f"{said:,} is what staging looked at and refused with a reason: that was read")
        if said == number(REPEATED):
            raise Wrong(f"{said:,} is what staging knew as repeated deliveries: that was read")
        raise Wrong(f"{said:,} is not the number of messages that no staging table reads")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: REFUSED_LATER, "looked at and refused")
        yield WrongAnswer(lambda: REPEATED, "as repeated deliveries")
        yield WrongAnswer(lambda: IN_SENDERS_TABLES, "that no staging table reads")
        yield WrongAnswer(lambda: 17, "a query as text is asked for")


def two_tables(topic: str = "20_pair") -> str:
    """A scratch namespace with `staging_orders` and `core_orders`: as many rows, and three amounts that differ.

    In the commonest currency two orders differ, by amounts that cancel out; in the next one a single order does.
    """
    namespace, spark = scratch(topic), spark_session()
    columns = "order_id, currency, total_amount"
    spark.sql(f"CREATE TABLE {namespace}.staging_orders AS SELECT {columns} FROM core.orders WHERE total_amount > 5")
    picked = query(
        f"""SELECT min(order_id) AS first, max(order_id) AS last FROM {namespace}.staging_orders
            GROUP BY currency ORDER BY count(*) DESC, currency LIMIT 2"""
    )
    (up, down), (alone, _) = picked.itertuples(index=False)
    spark.sql(
        f"""CREATE TABLE {namespace}.core_orders AS SELECT order_id, currency, CAST(total_amount + CASE order_id
                WHEN {up} THEN 5 WHEN {alone} THEN 5 WHEN {down} THEN -5 ELSE 0 END AS DECIMAL(18,2)) AS total_amount
            FROM {namespace}.staging_orders"""
    )
    return namespace


def _ids(namespace: str, where: str) -> list[int]:
    rows = query(
        f"""SELECT order_id FROM {namespace}.staging_orders AS s JOIN {namespace}.core_orders AS c USING (order_id)
            WHERE {where}"""
    )
    return [int(order_id) for order_id in rows["order_id"]]


UNBALANCED = """s.currency IN (SELECT s.currency FROM {0}.staging_orders AS s JOIN {0}.core_orders AS c USING (order_id)
    GROUP BY s.currency HAVING sum(s.total_amount) <> sum(c.total_amount))"""


class EqualCounts(Question):
    """The order ids of the rows that differ, as a list or a query's one column, with the namespace of the tables."""

    id = "20.3"
    hints = (
        "The money line names a currency; it does not say that the others are right.",
        "Join the two tables by their key, and compare the amounts of each order.",
        "`s.total_amount <> c.total_amount`, in all currencies. (If an amount could be null: `IS DISTINCT FROM`.)",
    )
    why = (
        "Right. One currency's sum was off, and that is what the ledger showed; in another two faults cancelled out."
        " A line that does not balance says where to begin to look, and not where to stop."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, dict, "a dictionary with `tables` and `orders`")
        namespace, said = str(answer.get("tables", "")), self._said(answer.get("orders"))
        right = set(_ids(namespace, "s.total_amount <> c.total_amount"))
        if innocent := said - right:
            raise Wrong(f"{len(innocent):,} of your orders have the same amount on both sides")
        if missed := right - said:
            raise Wrong(
                f"you name {len(said)} orders and miss {len(missed)}: where two faults cancel out, a currency's sum is"
                " equal all the same"
            )

    @staticmethod
    def _said(orders: Any) -> set[int]:
        if hasattr(orders, "iloc"):
            orders = orders.iloc[:, 0].tolist()
        require_type(orders, list | tuple | set, "a list of order ids")  # type: ignore[arg-type]
        return {int(order_id) for order_id in orders}

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def of(where: str) -> dict[str, Any]:
            namespace = two_tables("20_proof")
            return {"tables": namespace, "orders": _ids(namespace, where.format(namespace))}

        def dropped() -> str:
            namespace = scratch("20_proof")
            drop_scratch(namespace)
            return namespace

        yield WrongAnswer(lambda: of(f"s.total_amount <> c.total_amount AND {UNBALANCED}"), "faults cancel out")
        yield WrongAnswer(lambda: of(UNBALANCED), "have the same amount on both sides")
        yield WrongAnswer(lambda: {"tables": dropped(), "orders": "EUR"}, "a list of order ids")


Rows = list[tuple[int, str, Decimal]]
SENT: Rows = [(1, "EUR", Decimal("10.00")), (2, "EUR", Decimal("20.00")), (3, "JPY", Decimal("500"))]
DAMAGED: tuple[tuple[str, Rows], ...] = (
    ("a row was lost", SENT[:2]),
    ("a row is there twice", [*SENT, SENT[0]]),
    ("a row was lost and another is there twice", [SENT[0], SENT[0], SENT[2]]),
    ("an amount has changed", [(1, "EUR", Decimal("10.01")), *SENT[1:]]),
    ("two amounts have changed and their sum has not", [(1, "EUR", Decimal("11.00")), (2, "EUR", Decimal("19.00")),
                                                         SENT[2]]),
    ("a currency has changed", [(1, "USD", Decimal("10.00")), *SENT[1:]]),
    ("all rows were lost", []),
)  # fmt: skip


class CanFail(Question):
    """A function of two lists of rows."""

    id = "20.4"
    hints = (
        "A number that is computed from both sides cannot be evidence about them: what is `lost` computed from?",
        "Compare the rows themselves, not numbers about them; they may arrive in any order, and more than once.",
        "Two lists hold the same rows, each as often, when their sorted copies are equal: `sorted(sent) == …`.",
    )
    why = (
        "Right. It says yes to equal rows in any order and no to all the damage. A difference that is defined as"
        " whatever is left over balances always: before one trusts a check, one has to have seen it fail."
    )

    def judge(self, answer: Any) -> None:
        said = {what: bool(self.call(answer, list(SENT), list(rows))) for what, rows in DAMAGED}
        if all(said.values()):
            raise Wrong("it says yes to every damaged copy, also where all rows were lost: it can never fail")
        for what, balanced in said.items():
            if balanced:
                raise Wrong(f"it says yes although {what}")
        good: Sequence[tuple[Rows, Rows, str]] = (
            (SENT, SENT[::-1], "the same rows came in another order"), ([], [], "nothing was sent"),
            ([*SENT, SENT[0]], [SENT[0], *SENT], "the same row was sent twice, and stored twice"),
        )  # fmt: skip
        for sent, stored, what in good:
            if not self.call(answer, list(sent), list(stored)):
                raise Wrong(f"it says no although all is well: {what}")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def amounts(rows: Rows) -> dict[str, Decimal]:
            return {code: sum((row[2] for row in rows if row[1] == code), Decimal(0)) for _, code, _ in rows}

        yield WrongAnswer(lambda: lambda a, b: len(a) == len(b) + (len(a) - len(b)), "it can never fail")
        yield WrongAnswer(lambda: lambda a, b: len(a) == len(b), "although a row was lost and another is there twice")
        yield WrongAnswer(lambda: lambda a, b: set(a) == set(b), "although a row is there twice")
        yield WrongAnswer(lambda: lambda a, b: len(a) == len(b) and amounts(a) == amounts(b), "their sum has not")
        yield WrongAnswer(lambda: lambda a, b: a == b, "the same rows came in another order")


QUESTIONS: tuple[Question, ...] = (WhoFindsWhat(), Quarantine(), EqualCounts(), CanFail())
