"""Sheet 16, kill and recover: what must be there after an outage, the query that proves it, where a promise ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from data_generators import ledger
from lakehouse.checks.deliveries import sent_days
from lakehouse.lesson.question import Question, Wrong, WrongAnswer, one_number, require_type
from lakehouse.lesson.steps import number, query, spark_session
from lakehouse.settings import get_settings

Attempt = dict[str, Any]


def _attempt(body: str, outcome: str, attempt: int = 1, messages: int = 1) -> Attempt:
    return {"body_sha256": body, "outcome": outcome, "attempt": attempt, "quarantined": 0,
            "messages": messages if outcome == "accepted" else 0}  # fmt: skip


OUTAGE = [
    _attempt("at once", "accepted"),
    _attempt("at the second try", "failed"), _attempt("at the second try", "accepted", 2),
    _attempt("given up", "failed"), _attempt("given up", "failed", 2),
    _attempt("forged", "refused"), _attempt("forged", "refused", 2),
    _attempt("twice on purpose", "accepted"), _attempt("twice on purpose", "accepted"),
    _attempt("a batch", "accepted", messages=3),
]  # fmt: skip
"""An outage in small: what a sender's book says of six bodies."""


def _must(attempts: list[Attempt]) -> dict[str, int]:
    """Body → messages that were acknowledged."""
    owed: dict[str, int] = {}
    for each in attempts:
        if each["outcome"] == "accepted":
            owed[each["body_sha256"]] = owed.get(each["body_sha256"], 0) + each["messages"] + each["quarantined"]
    return owed


OWED_WRONGLY = {
    "given up": "a body that was never acknowledged is owed: nobody said that we have it",
    "forged": "a refused body is owed: it has to be nowhere",
    "twice on purpose": "two acknowledged deliveries of one body are two messages of the log, until staging",
    "a batch": "one request can hold several messages: the attempt says how many",
    "at the second try": "of a body that failed first and was accepted then, exactly one message is owed",
}


class MustBeThere(Question):
    """A function: attempts of the sender's book → body → messages that must be in raw."""

    id = "16.1"
    hints = (
        "What obliges us is what we have said to the sender, not what the sender has asked.",
        "An attempt that failed may be stored all the same; it obliges to nothing. One request can hold many messages.",
        "Add up `messages` and `quarantined` of the accepted attempts, body by body; leave out what has none.",
    )
    why = (
        "Right. An acknowledgement is a promise for as many messages as it names. What failed may be there or not; it"
        " can make rows too many, never rows too few."
    )

    def judge(self, answer: Any) -> None:
        found = self.call(answer, [dict(each) for each in OUTAGE])
        require_type(found, dict, "a dictionary, body → messages,")
        right = _must(OUTAGE)
        for body, words in OWED_WRONGLY.items():
            if int(found.get(body, 0)) != right.get(body, 0) or (body in found) != (body in right):
                raise Wrong(words)
        if found != right:
            raise Wrong("a body that was accepted at once is owed once")
        world = get_settings().world_dir
        real = [each for day in sent_days(world) for each in ledger.read_attempts(world, day)]
        if self.call(answer, real) != _must(real):
            raise Wrong("for the six bodies of the example it is right, for the sender's whole book it is not")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def each_once(attempts: list[Attempt]) -> dict[str, int]:
            return {a["body_sha256"]: 1 for a in attempts if a["outcome"] == "accepted"}

        def not_refused(attempts: list[Attempt]) -> dict[str, int]:
            return {a["body_sha256"]: 1 for a in attempts if a["outcome"] != "refused"}

        def no_quarantine(attempts: list[Attempt]) -> dict[str, int]:
            return _must([{**a, "quarantined": 0} for a in attempts])

        yield WrongAnswer(lambda: not_refused, "never acknowledged is owed")
        yield WrongAnswer(lambda: each_once, "are two messages of the log")
        yield WrongAnswer(lambda: no_quarantine, "for the sender's whole book it is not")
        yield WrongAnswer(lambda: lambda attempts: len(attempts), "a dictionary, body → messages, is asked for")


TABLE = "raw.hubspot_contacts"
PLACE = "_kafka_partition, _kafka_offset"
EXACT = """SELECT sum(copies + gaps) FROM (
    SELECT count(*) - count(DISTINCT _kafka_offset) AS copies,
           max(_kafka_offset) + 1 - count(DISTINCT _kafka_offset) AS gaps
    FROM {table} GROUP BY _kafka_partition)"""


class ProvesIt(Question):
    """SQL text with `{table}` in it, which gives one number: rows missing or too many."""

    id = "16.2"
    hints = (
        "A place is partition *and* offset: both partitions begin at 0.",
        "In a partition, offsets run from 0 without a gap: `max(_kafka_offset) + 1` of them have to be there.",
        "Rows too many: `count(*) - count(DISTINCT _kafka_offset)`. Rows missing: `max(_kafka_offset) + 1 -"
        " count(DISTINCT _kafka_offset)`. Both for each partition; then add up.",
    )
    why = (
        "Right. It counts gaps and copies apart, so one cannot hide the other. One thing it cannot see: what is missing"
        " at the end. For that one asks the log for its end, as the ledger does."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "a query as text")
        if "{table}" not in answer:
            raise Wrong("the query has to read {table}, so that it can be tried on damaged copies")
        for what, (view, right) in self._copies().items():
            found = one_number(query(answer.format(table=view)))
            if found != right:
                raise Wrong(f"{what}: it gives {found:,} and not {right}")

    @staticmethod
    def _copies() -> dict[str, tuple[str, int]]:
        """What was done → a view of the session, and how many rows are missing or too many in it."""
        spark = spark_session()
        rows = spark.sql(f"SELECT {PLACE}, _webhook_id, _body_sha256 FROM {TABLE}").persist()
        # gaps inside, copies anywhere: both partitions have more than three rows in any world
        lost, copied = "_kafka_partition = 0 AND _kafka_offset = 1", "_kafka_partition = 1 AND _kafka_offset <= 1"
        without, more = rows.where(f"NOT ({lost})"), rows.where(copied)
        made = {
            "the table as it is": rows,
            "a copy with one row lost": without,
            "a copy with two rows doubled": rows.union(more),
            "a copy with one row lost and two doubled": without.union(more),
        }
        views = {}
        for position, (what, frame) in enumerate(made.items()):
            frame.createOrReplaceTempView(f"places_{position}")
            # asked, not written down: rows of an erased person are missing rightly
            views[what] = (f"places_{position}", number(EXACT.format(table=f"places_{position}")))
        return views

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        by_webhook = "SELECT count(*) - count(DISTINCT _webhook_id) FROM {table}"
        no_partition = "SELECT count(*) - count(DISTINCT _kafka_offset) FROM {table}"
        only_copies = f"SELECT count(*) - count(DISTINCT {PLACE}) FROM {{table}}"
        netted = (
            "SELECT sum(gap) FROM (SELECT abs(max(_kafka_offset) + 1 - count(*)) AS gap FROM {table}"
            " GROUP BY _kafka_partition)"
        )
        whole = "SELECT abs(sum(ends) - sum(rows)) FROM (SELECT max(_kafka_offset) + 1 AS ends, count(*) AS rows FROM"
        yield WrongAnswer(lambda: by_webhook, "the table as it is: it gives")
        yield WrongAnswer(lambda: no_partition, "the table as it is: it gives")
        yield WrongAnswer(lambda: only_copies, "a copy with one row lost: it gives 0")
        yield WrongAnswer(lambda: f"{whole} {{table}} GROUP BY _kafka_partition)", "one row lost and two doubled")
        yield WrongAnswer(lambda: netted.replace("{table}", TABLE), "has to read {table}")


WRONG_ANSWERS = {
    "A": "a 200 is a promise, and the memory that keeps it dies with the process",
    "C": "a 400 says that the request is at fault; and a sender may end the subscription after a few of them",
    "D": "the sender's own patience ends first: it counts a timeout, tries again, and the first request still"
    " holds a connection",
}


class WhatToAnswer(Question):
    """One of four letters."""

    id = "16.3"
    hints = (
        "Which answers make the sender try again, and which end the matter for it?",
        "A 200 is a promise. A 4xx says that the request is at fault, and the next one would be, too.",
    )
    why = (
        "Right. 503 says: not your fault, not stored as far as I know, try again. The worst that can follow is a"
        " message that is there twice, under one id, and that is what staging is for."
    )

    def judge(self, answer: Any) -> None:
        said = str(answer).strip().upper()
        if said != "B":
            raise Wrong(WRONG_ANSWERS.get(said, "one of the letters A, B, C and D is asked for"))

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: "A", "a 200 is a promise")
        yield WrongAnswer(lambda: "C", "the request is at fault")
        yield WrongAnswer(lambda: "D", "patience ends first")


ENDS = {"taskmanager killed": "kept", "broker killed": "kept", "power cut": "lost", "answer lost": "doubled"}
ENDS_WRONGLY = {
    (
        "taskmanager killed",
        "lost",
    ): "taskmanager killed: the log still has what was not committed; it is read again",
    ("taskmanager killed", "doubled"): "taskmanager killed: files that no commit names are in no table",
    ("broker killed", "lost"): "broker killed: the kernel still holds what a killed process has written to a file",
    ("broker killed", "doubled"): "broker killed: an acknowledged message is sent by nobody again",
    ("power cut", "kept"): "power cut: acknowledged is not on disk; the broker flushes each second, and is alone",
    ("power cut", "doubled"): "power cut: an acknowledged message is sent by nobody again",
    ("answer lost", "kept"): "answer lost: the sender got no answer, so it sends again what is stored already",
    ("answer lost", "lost"): "answer lost: the message was stored; only the answer is gone",
}


class WhereItEnds(Question):
    """A dictionary: what happens → kept, lost or doubled."""

    id = "16.4"
    hints = (
        "Ask of each: where was the message when it happened, and who had said *I have it*?",
        "A process that dies loses its memory. A machine that dies loses what the operating system had not written.",
        "A message whose answer was lost is sent again; the log has no way to know that it is the same.",
    )
    why = (
        "Right. A killed process is the easy case: files stay. One broker without a replica cannot promise more than"
        " its disk has; and what is stored twice under one id is the price of never losing what was acknowledged."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, dict, "a dictionary")
        for what, right in ENDS.items():
            said = str(answer.get(what, "")).strip().lower()
            if said != right:
                raise Wrong(ENDS_WRONGLY.get((what, said), f"{what}: one of kept, lost and doubled is asked for"))

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: dict.fromkeys(ENDS, "kept"), "acknowledged is not on disk")
        yield WrongAnswer(lambda: {**ENDS, "broker killed": "lost"}, "the kernel still holds")
        yield WrongAnswer(lambda: {**ENDS, "answer lost": "kept"}, "sends again what is stored already")
        yield WrongAnswer(lambda: {"taskmanager killed": "kept"}, "broker killed: one of kept, lost and doubled")


QUESTIONS: tuple[Question, ...] = (MustBeThere(), ProvesIt(), WhatToAnswer(), WhereItEnds())
