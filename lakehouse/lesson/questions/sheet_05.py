"""Sheet 05, staging: duplicates, order of events, exact amounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from lakehouse.lesson.question import AnswerFailed, Question, Wrong, WrongAnswer, one_number, require_type
from lakehouse.lesson.steps import number, query

ORDERS = "raw.shopify_orders"


def _surplus(columns: str) -> int:
    return number(f"SELECT count(*) - count(DISTINCT {columns}) FROM {ORDERS}")


class Duplicates(Question):
    """A number: deliveries of a webhook after its first."""

    id = "05.1"
    hints = (
        "Two deliveries can hold the same bytes and be two events, and one webhook can be sent again with the same id.",
        "Every delivery carries the sender's id of the webhook; ingestion keeps it in a column that begins with `_`.",
        "The column is `_webhook_id`.",
    )
    why = (
        "Right. Only the sender knows what is the same message; its id survives every retry, and equal bytes do not"
        " prove a thing: an order can be set to the same state twice."
    )

    def judge(self, answer: Any) -> None:
        found, right = one_number(answer), _surplus("_webhook_id")
        if found == right:
            return
        if found == _surplus("id"):
            raise Wrong(
                f"you counted {found:,}, every later event of an order: but an update that comes after a create is news"
            )
        if found == _surplus("_body_sha256"):
            raise Wrong(
                f"you counted {found:,} deliveries with equal bytes: the same bytes can be sent as two webhooks"
            )
        raise Wrong(f"{found:,} is not the number of deliveries that repeat a webhook")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: _surplus("id"), "every later event of an order")
        yield WrongAnswer(lambda: query(f"SELECT count(*) - count(DISTINCT _body_sha256) FROM {ORDERS}"), "equal bytes")
        yield WrongAnswer(lambda: "many", "a number is asked for")


class OrderOfEvents(Question):
    """SQL text: the ORDER BY of a window over the deliveries of one order."""

    id = "05.2"
    hints = (
        "Which clock knows in what order things happened: ours, the broker's, or the sender's?",
        "Shopify sends the time of the event with each webhook; it is in `_triggered_at`. The latest must come first.",
        "`_triggered_at DESC`, and a second column that decides where two are equal: `_kafka_offset DESC`.",
    )
    why = (
        "Right. Arrival says how the network was; the sender's clock says what happened. The offset decides ties, so"
        " that the answer is the same each time."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "a text")
        states = query(self._states(answer))
        behind = int((states["event_time"] < states["newest"]).sum())
        if behind:
            raise Wrong(f"with this order {behind:,} orders would go back to a state that was over already")
        ties = int((states["_kafka_offset"] != states["last_of_newest"]).sum())
        if ties:
            raise Wrong(f"{ties:,} orders have two events at one moment, and of these not the later delivery won")

    @staticmethod
    def _states(order_by: str) -> str:
        return f"""
            SELECT id, event_time, _kafka_offset, newest, last_of_newest FROM (
                SELECT id, _triggered_at AS event_time, _kafka_offset,
                       max(_triggered_at) OVER (PARTITION BY id) AS newest,
                       max(struct(_triggered_at, _kafka_offset)) OVER (PARTITION BY id)._kafka_offset AS last_of_newest,
                       row_number() OVER (PARTITION BY id ORDER BY {order_by}) AS place
                FROM {ORDERS} WHERE id IS NOT NULL)
            WHERE place = 1"""

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: "_kafka_offset DESC", "go back to a state")
        yield WrongAnswer(lambda: "_triggered_at", "go back to a state")
        yield WrongAnswer(lambda: 3, "a text is asked for")


EXACT = (("10.00", 2, "10.00"), ("0.1", 2, "0.10"), ("1000", 0, "1000"), ("-3.50", 2, "-3.50"), ("12.500", 2, "12.50"))
REFUSED = (("10.005", 2), ("99.5", 0), ("ten", 2), ("1e3", 2), ("", 2), ("1,000.00", 2))


class ExactAmount(Question):
    """A function of a text and a number of digits."""

    id = "05.3"
    hints = (
        "A float cannot hold 0.1. Begin with `Decimal(text)` and ask it how many digits it has.",
        "`Decimal` also reads `1e3` and `NaN`: first make sure that the text is digits, a point and digits.",
        "Without trailing zeros, more digits than `digits` means: refuse with `raise ValueError(…)`.",
    )
    why = (
        "Right. What is rounded here cannot be found again: a sum that is off by a cent hides every other difference."
        " A refused row can be looked at, mended and read again."
    )

    def judge(self, answer: Any) -> None:
        for text, digits, right in EXACT:
            found = self.call(answer, text, digits)
            if isinstance(found, float):
                raise Wrong(f"amount({text!r}, {digits}) gives a float; it cannot hold most amounts exactly")
            if not isinstance(found, Decimal) or found != Decimal(right):
                raise Wrong(f"amount({text!r}, {digits}) gives {found!r}; the amount is {right}")
        for text, digits in REFUSED:
            self._must_refuse(answer, text, digits)

    def _must_refuse(self, answer: Callable[[str, int], Any], text: str, digits: int) -> None:
        try:
            found = self.call(answer, text, digits)
        except AnswerFailed as failed:
            # Decimal's own error for a text that is no number is a refusal, too
            if isinstance(failed.__cause__, ValueError | InvalidOperation):
                return
            raise
        raise Wrong(f"amount({text!r}, {digits}) gives {found!r} where it has to refuse: that is rounded, or a guess")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: lambda text, digits: float(text), "gives a float")
        yield WrongAnswer(lambda: lambda text, digits: round(Decimal(text), digits), "has to refuse")
        yield WrongAnswer(lambda: lambda text, digits: Decimal(text), "has to refuse")
        yield WrongAnswer(lambda: lambda text, digits: Decimal(text) * 100, "the amount is")


class Account(Question):
    """A dictionary of four numbers."""

    id = "05.4"
    hints = (
        "`staging.webhook_events` is the book of all events: look at its columns `duplicates` and `status`.",
        "Each event was delivered once and `duplicates` times more; its status is applied, superseded or rejected.",
    )
    why = (
        "Right. Nothing was lost: what is not in the state was a repeat, or was overtaken by something newer. An"
        " account that adds up ends the discussion; two counts that differ begin one."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, dict, "a dictionary")
        right = self._right()
        missing = sorted(set(right) - set(answer))
        if missing:
            raise Wrong(f"the account has no {', '.join(missing)}")
        for name, value in right.items():
            if one_number(answer[name]) != value:
                raise Wrong(f"{name}: you say {one_number(answer[name]):,}, and the books say otherwise")

    @staticmethod
    def _right() -> dict[str, int]:
        found = query(
            f"""SELECT sum(1 + duplicates) AS deliveries, sum(duplicates) AS duplicates,
                       count_if(status = 'superseded') AS superseded, count_if(status = 'applied') AS applied
                FROM staging.webhook_events WHERE raw_table = '{ORDERS}'"""
        )
        return {str(name): int(found[name].iloc[0]) for name in found}

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: {**self._right(), "duplicates": 0}, "duplicates: you say 0")
        yield WrongAnswer(lambda: {"deliveries": 1}, "has no applied, duplicates, superseded")


class EarlyDelete(Question):
    """One letter."""

    id = "05.5"
    hints = (
        "Think of the update that comes an hour late: what does the table need, to know that it is late?",
        "Without a row there is nothing that could say *this was deleted at noon*.",
    )
    why = (
        "Right: a tombstone. The row stays and says when it was deleted, so the late update, which happened before, is"
        " superseded like any other. A table that forgets deletes brings the dead back to life."
    )

    def judge(self, answer: Any) -> None:
        said = str(answer).strip().upper()
        if said == "C":
            return
        reasons = {
            "A": "the update came last, but it happened before the delete: the order would be back from the dead",
            "B": "without a row nothing knows of the delete, and the late update makes the order anew",
        }
        raise Wrong(reasons.get(said, "one of the letters A, B and C is asked for"))

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: "A", "back from the dead")
        yield WrongAnswer(lambda: "B", "makes the order anew")
        yield WrongAnswer(lambda: "D", "one of the letters")


QUESTIONS: tuple[Question, ...] = (Duplicates(), OrderOfEvents(), ExactAmount(), Account(), EarlyDelete())
