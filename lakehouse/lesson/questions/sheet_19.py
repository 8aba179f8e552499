"""Sheet 19, erasure: what goes last, what is still readable, what is lost and what is missing on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lakehouse import maintenance, metadata
from lakehouse.lesson.question import Question, Wrong, WrongAnswer, require_type
from lakehouse.lesson.scratch import drop_scratch, scratch
from lakehouse.lesson.steps import query
from lakehouse.privacy.erasure import tables_of_people

Place = tuple[int, int]
ADA, BOB = "ada@example.org", "bob@example.org"


class GoesLast(Question):
    """A table's full name."""

    id = "19.1"
    hints = (
        "The erasure is cut off in the middle and called again with the same email. How does it find what is left?",
        "From the email to Shopify's number, Stripe's and HubSpot's: which table knows that these are one person?",
        "Look at the last entry of `lakehouse.privacy.erasure.tables_of_people()` and say why.",
    )
    why = (
        "Right. What finds the rest must outlive the rest. A job that can be cut off at any line has to leave, at each"
        " line, what its repeat begins with."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "a table's name as text")
        name = answer.strip().lower()
        if name == tables_of_people()[-1]:
            return
        if name not in tables_of_people():
            raise Wrong(f"{name} is no table that an erasure goes through; name it with its layer, as core.orders")
        if name.startswith("raw."):
            raise Wrong(
                f"{name} knows the person by one sender's id alone: from it nobody finds the other senders' rows"
            )
        raise Wrong(
            f"{name} is not where the ids of one person come together: without it the repeat finds all the same"
        )

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: "raw.shopify_customers", "one sender's id alone")
        yield WrongAnswer(lambda: "marts.customer_360", "the repeat finds all the same")
        yield WrongAnswer(lambda: "entity_index", "no table that an erasure goes through")


def _deleted(table: str) -> set[int]:
    """Fill a table in three commits and delete Bob from it; the snapshots that show him."""
    import pyarrow as pa
    from pyiceberg.expressions import EqualTo

    loaded = metadata.catalog().create_table(table, pa.schema([pa.field("email", pa.string())]))
    for emails in ([ADA], [BOB], [ADA]):
        loaded.append(pa.table({"email": emails}))
    holding = {snapshot.snapshot_id for snapshot in loaded.snapshots()[1:]}
    loaded.delete(EqualTo("email", BOB))
    return holding


class StillReadable(Question):
    """A function of a table and an email; gives ids of snapshots."""

    id = "19.2"
    hints = (
        "A query without more words reads the newest snapshot. Which others are there?",
        "`SELECT snapshot_id FROM {table}.snapshots` lists them; `… FROM {table} VERSION AS OF {id}` reads one.",
        "Go through all ids and keep those in which the email has a row.",
    )
    why = (
        "Right. A delete is a new snapshot, and the ones before it keep what they had. As long as one of these ids is"
        " kept, anyone who may read the table may read the person."
    )

    def judge(self, answer: Any) -> None:
        table = f"{scratch('sheet_19')}.people"
        try:
            right = _deleted(table)
            every = {snapshot.snapshot_id for snapshot in maintenance.load(table).snapshots()}
            found = self.call(answer, table, BOB)
        finally:
            drop_scratch(table.split(".")[0])
        require_type(found, (list, set, tuple), "a list of ids")
        given = {int(one) for one in found}
        if given == right:
            return
        if not given:
            raise Wrong("you find none: the newest snapshot does not show the email, but time travel reads the others")
        if given == every:
            raise Wrong("you name all snapshots, also those from before the email came and after it was deleted")
        raise Wrong(f"{len(given ^ right)} of the snapshots you name, or do not name, are judged wrongly")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def now(table: str, email: str) -> list[int]:
            shown = query(f"SELECT count(*) AS n FROM {table} WHERE email = '{email}'")["n"].iloc[0]
            return [1] if shown else []

        def every(table: str, email: str) -> list[int]:
            return [int(one) for one in query(f"SELECT snapshot_id FROM {table}.snapshots")["snapshot_id"]]

        yield WrongAnswer(lambda: now, "time travel reads the others")
        yield WrongAnswer(lambda: every, "you name all snapshots")
        yield WrongAnswer(lambda: lambda table, email: [7], "judged wrongly")


class Lost(Question):
    """A function of messages, rows and erased places; gives the places of messages that are lost."""

    id = "19.3"
    hints = (
        "Two counts that agree prove little: a row too many hides one too few. Compare the places themselves.",
        "A message is accounted for if its place is in raw or in the books of erasure, whichever; in both counts once.",
        "Sets: the messages, without the rows, without what was erased.",
    )
    why = (
        "Right. The books turn a gap into a known gap; and since they name places, one row that was really lost is"
        " still seen beside a thousand that were erased."
    )

    CASES: tuple[tuple[list[Place], list[Place], list[Place], set[Place]], ...] = (
        ([(0, 0), (0, 1)], [(0, 0), (0, 1)], [], set()),
        ([(0, 0), (0, 1), (1, 0)], [(0, 0), (1, 0)], [(0, 1)], set()),
        ([(0, 0), (0, 1), (1, 0)], [(0, 0)], [(0, 1)], {(1, 0)}),
        # one row twice, one lost
        ([(0, 0), (0, 1), (0, 2)], [(0, 0), (0, 0), (0, 2)], [], {(0, 1)}),
        # an erasure that was cut off: in the books, and the row still there; another message is lost
        ([(0, 0), (0, 1), (0, 2)], [(0, 0), (0, 1)], [(0, 1)], {(0, 2)}),
    )

    def judge(self, answer: Any) -> None:
        for messages, rows, erased, right in self.CASES:
            found = self.call(answer, list(messages), list(rows), list(erased))
            require_type(found, (list, set, tuple), "a set of places")
            asked = f"lost({messages}, {rows}, {erased})"
            if set(found) & set(erased) - right:
                raise Wrong(f"{asked} names {sorted(set(found) & set(erased))}, which was erased on purpose")
            if set(found) != right:
                raise Wrong(f"{asked} gives {sorted(set(found))}, and {sorted(right)} is in neither")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: lambda messages, rows, erased: set(messages) - set(rows), "erased on purpose")
        yield WrongAnswer(lambda: lambda messages, rows, erased: messages[len(rows) + len(erased) :], "is in neither")
        yield WrongAnswer(lambda: lambda messages, rows, erased: len(messages) - len(rows), "a set of places")


QUESTIONS: tuple[Question, ...] = (GoesLast(), StillReadable(), Lost())
