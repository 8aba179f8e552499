"""Sheet 03, streaming to raw: when a row is visible, what proves exactly once, what a crash does, bad payloads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from lakehouse.engines.flink import FlinkError, FlinkRest, SqlGateway
from lakehouse.lesson import scratch_jobs
from lakehouse.lesson.learners import learner
from lakehouse.lesson.question import AnswerFailed, Question, Wrong, WrongAnswer, one_number, require_type
from lakehouse.lesson.scratch import PREFIX
from lakehouse.lesson.steps import QueryFailed, query, spark_session
from lakehouse.settings import get_settings
from lakehouse.streaming import jobs
from lakehouse.waiting import wait_until

CHECKPOINTS = 5
"""Of the webhooks' job; that many are asked about."""
COMPLETED, FAILED = "COMPLETED", "FAILED"
SOURCE = "raw.shopify_customers"
PLACES = 40
"""Of each partition of it: enough to lose one and to have one twice."""


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint; times in milliseconds. What Flink read before `triggered` is in it, if it was `COMPLETED`."""

    id: int
    triggered: int
    done: int
    status: str


def checkpoints() -> list[Checkpoint]:
    """The latest completed checkpoints of the webhooks' job, oldest first."""
    found: list[Checkpoint] = []

    def enough() -> bool:
        job = jobs.find(get_settings())
        history = FlinkRest().checkpoints(job.job_id)["history"] if job else []
        found[:] = [
            Checkpoint(one["id"], one["trigger_timestamp"], one["latest_ack_timestamp"], COMPLETED)
            for one in sorted(history, key=lambda one: one["id"])
            if one["status"] == COMPLETED
        ][-CHECKPOINTS:]
        return len(found) == CHECKPOINTS

    wait_until(
        enough, timeout=120, every=1, what=f"{CHECKPOINTS} checkpoints of the job {jobs.JOB_NAME}",
        next_step="look at the job with `lakehouse streaming list`",
    )  # fmt: skip
    return found


def places() -> list[tuple[int, int]]:
    """(partition, offset) of some rows of a raw table: each partition from its first message on, without a gap."""
    found = spark_session().sql(
        f"SELECT _kafka_partition, _kafka_offset FROM {SOURCE} WHERE _kafka_offset < {PLACES} ORDER BY 1, 2"
    )
    return [(int(row[0]), int(row[1])) for row in found.collect()]


def show_places() -> None:
    """Make the views `rows_of_raw` and `log_ends` of this session, of real rows."""
    real = places()
    _show_rows(real)
    ends = Counter(partition for partition, _ in real)
    spark_session().createDataFrame(list(ends.items()), "partition int, messages long").createOrReplaceTempView(
        "log_ends"
    )


def _show_rows(rows: list[tuple[int, int]]) -> None:
    spark_session().createDataFrame(rows, "partition int, offset long").createOrReplaceTempView("rows_of_raw")


class VisibleAt(Question):
    """A function of a time and a list of `Checkpoint`s."""

    id = "03.1"
    hints = (
        "A checkpoint holds what was read before it began, and only a completed one is committed.",
        "So the first of those that completed, and that were triggered after the message was read.",
        '`min(c.done for c in checkpoints if c.status == "COMPLETED" and c.triggered >= read_at)`.',
    )
    why = (
        "Right. Freshness is the wait for the next checkpoint to begin, plus the time it takes; and each one that fails"
        " adds an interval. An alert on freshness has to know that, or it fires at every hiccup."
    )

    def judge(self, answer: Any) -> None:
        real = checkpoints()
        for at in range(1, len(real) - 1):
            before, after = real[at - 1], real[at]
            within = before.triggered + max(1, (before.done - before.triggered) // 2)
            self._ask(answer, within, real)
            self._ask(answer, (before.done + after.triggered) // 2, real)
            failing = [replace(one, status=FAILED) if one is after else one for one in real]
            self._ask(answer, (before.done + after.triggered) // 2, failing)

    def _ask(self, answer: Any, read_at: int, known: list[Checkpoint]) -> None:
        right = next(one for one in known if one.status == COMPLETED and one.triggered >= read_at)
        found = one_number(self.call(answer, read_at, list(known)))
        if found == right.done:
            return
        said = next((one for one in known if one.done == found), None)
        if said is None:
            raise Wrong(f"a message read at {read_at} is visible at {found}, you say, and no checkpoint was done then")
        if said.status == FAILED:
            raise Wrong(f"checkpoint {said.id} failed, and you let it make a row visible: nothing of it was committed")
        if said.id < right.id:
            raise Wrong(
                f"checkpoint {said.id} began {read_at - said.triggered} ms before the message was read: it is not in it"
            )
        raise Wrong(f"you say checkpoint {said.id}, and the row was visible with an earlier one")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(
            lambda: lambda at, known: min(one.done for one in known if one.done > at), "before the message was read"
        )
        yield WrongAnswer(
            lambda: lambda at, known: min(one.done for one in known if one.triggered >= at), "failed, and you let it"
        )
        yield WrongAnswer(lambda: lambda at, known: max(one.done for one in known), "with an earlier one")
        yield WrongAnswer(lambda: lambda at, known: at, "no checkpoint was done then")


class Proof(Question):
    """SQL text that gives one number."""

    id = "03.2"
    hints = (
        "Which two things can go wrong, and can one of them hide the other in a count?",
        "None twice: as many rows as different places. None missing: as many different places as messages in the log.",
        "Count what is too much and what is missing apart, and add the two.",
    )
    why = (
        "Right. A row too many and a row too few cancel out in a plain count, which is why equal counts are believed so"
        " long. The ledger (lesson 20) compares places."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "a text")
        show_places()
        real = places()
        middle, last = real[len(real) // 2], real[-1]
        twice, damaged = [*real, real[0]], "your query finds nothing where "
        cases = (
            (real, None),
            ([one for one in real if one != middle], f"{damaged}one message is missing"),
            (twice, f"{damaged}one message is there twice"),
            ([one for one in twice if one != middle], f"{damaged}one message is missing and another is there twice"),
            (real[:-1], f"{damaged}the last message of partition {last[0]} is missing"),
        )
        try:
            for rows, complaint in cases:
                self._ask(answer, rows, complaint)
        finally:
            _show_rows(real)

    @staticmethod
    def _ask(answer: str, rows: list[tuple[int, int]], complaint: str | None) -> None:
        _show_rows(rows)
        try:
            found = one_number(query(answer))
        except QueryFailed as error:
            raise AnswerFailed(error.message) from error
        if complaint is None and found != 0:
            raise Wrong(f"each message is there once, and your query gives {found}")
        if complaint is not None and found == 0:
            raise Wrong(complaint)

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        count, places_ = (
            "(SELECT count(*) FROM rows_of_raw)",
            "(SELECT count(DISTINCT partition, offset) FROM rows_of_raw)",
        )
        messages = "(SELECT sum(messages) FROM log_ends)"
        yield WrongAnswer(lambda: f"SELECT {messages} - {count}", "is missing and another is there twice")
        yield WrongAnswer(lambda: f"SELECT {count} - {places_}", "one message is missing")
        yield WrongAnswer(lambda: f"SELECT {messages} - {places_}", "is there twice")
        yield WrongAnswer(
            lambda: (
                "SELECT sum(abs(last + 1 - places) + n - places) FROM (SELECT max(offset) AS last, count(*) AS n,"
                " count(DISTINCT offset) AS places FROM rows_of_raw GROUP BY partition)"
            ),
            "the last message of partition",
        )
        yield WrongAnswer(lambda: f"SELECT {count}", "your query gives")


READ_UP_TO, CHECKPOINT, LOG = 85, 60, 100
"""The crash of question 3: offsets before which the job had read, and before which its last checkpoint was complete."""


def after_a_crash(rows_written: int, resumes_at: int) -> tuple[int, int]:
    """(messages lost, messages twice), by making the table: rows written before the crash, and after it."""
    table = Counter([*range(rows_written), *range(resumes_at, LOG)])
    return sum(table[n] == 0 for n in range(LOG)), sum(table[n] > 1 for n in range(LOG))


class Crash(Question):
    """A dictionary: design → (lost, twice)."""

    id = "03.3"
    hints = (
        "For each design ask two things: which rows are in the table at the crash, and where does the job read on?",
        "Between the two places lie 25 messages: where rows are ahead of the offset they come twice, where the offset"
        " is ahead of the rows they are lost.",
        "A has rows up to 84 and reads on at 60. B has rows up to 59 and reads on at 85. C has and does both at 60.",
    )
    why = (
        "Right. Two places that are written one after the other always leave a moment between them; which comes first"
        " decides between lost and twice. Exactly once means that there is one commit."
    )
    DESIGNS = {  # noqa: RUF012
        "A": (READ_UP_TO, CHECKPOINT, "its rows were in the table at once, up to 84, and it reads on at 60"),
        "B": (CHECKPOINT, READ_UP_TO, "its rows got into the table up to 59, and it reads on at 85"),
        "C": (CHECKPOINT, CHECKPOINT, "rows and place were committed together, up to 59"),
    }

    def judge(self, answer: Any) -> None:
        require_type(answer, dict, "a dictionary")
        for design, (written, resumes, why) in self.DESIGNS.items():
            if design not in answer:
                raise Wrong(f"design {design} is missing")
            said = answer[design]
            if not (isinstance(said, tuple | list) and len(said) == 2):
                raise Wrong(f"design {design}: two numbers are asked for, (lost, twice)")
            found, right = (one_number(said[0]), one_number(said[1])), after_a_crash(written, resumes)
            if found == (right[1], right[0]) != right:
                raise Wrong(f"design {design}: lost and twice are the wrong way round: {why}")
            if found != right:
                raise Wrong(f"design {design}: not {found[0]} lost and {found[1]} twice: {why}")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        right = {design: after_a_crash(*numbers[:2]) for design, numbers in self.DESIGNS.items()}
        yield WrongAnswer(lambda: right | {"A": right["B"], "B": right["A"]}, "the wrong way round")
        yield WrongAnswer(lambda: right | {"A": (0, 24)}, "not 0 lost and 24 twice")
        yield WrongAnswer(lambda: right | {"B": (0, 0)}, "design B: not 0 lost")
        yield WrongAnswer(lambda: right | {"C": (25, 25)}, "design C: not 25 lost")
        yield WrongAnswer(lambda: {"A": right["A"]}, "design B is missing")


PAYLOADS: tuple[tuple[str | None, int | None], ...] = (
    ('{"id": 7}', 7), ('{"id": "8"}', 8), ('{"id": 9500000000001217}', 9500000000001217), ('{"id": "seven"}', None),
    ('{"name": "no id"}', None), ("no json", None), ('{"id": 7', None), ("", None), (None, None),
)  # fmt: skip
"""Payload and the id in it."""


def _literal(text: str | None) -> str:
    return "(CAST(NULL AS STRING))" if text is None else f"('{text}')"


def flink_query(sql: str) -> list[list[Any]]:
    """The rows of a Flink SQL query on `messages(body)`, run by Flink. Raises `FlinkError`: nothing is tried again."""
    name = f"{PREFIX}_{learner()}_sheet03"
    properties = scratch_jobs.properties(name, checkpoint_seconds=60) | {"restart-strategy.type": "none"}
    try:
        with SqlGateway(properties=properties) as gateway:
            rows = ", ".join(_literal(body) for body, _ in PAYLOADS)
            gateway.execute(f"CREATE TEMPORARY VIEW messages (body) AS VALUES {rows}")
            return gateway.execute(sql, {"pipeline.name": name})
    finally:
        scratch_jobs.drop_jobs(name)


class NothingStopsIt(Question):
    """Flink SQL text."""

    id = "03.4"
    hints = (
        "What does `CAST('seven' AS BIGINT)` do, and what does the job do then, and then again?",
        "Every message must give a row, so there is no place for a `WHERE`; and null means *not known*; 0 does not.",
        "`SELECT TRY_CAST(JSON_VALUE(body, '$.id') AS BIGINT) AS id, body FROM messages`",
    )
    why = (
        "Right. Raw takes every message with its bytes, and says null where it could not read. What is a row can be"
        " looked at, counted, and read again with a better parser; what was skipped is known to nobody."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "a text")
        try:
            rows = flink_query(answer)
        except FlinkError as error:
            if any(kind in error.message for kind in ("ParseException", "ValidationException")):
                raise AnswerFailed(error.message) from error
            cause = error.message.partition(": ")[2][:160]
            raise Wrong(f"the job stops at a message, and after each restart at the same one: {cause}") from error
        if any(len(row) != 2 for row in rows):
            raise Wrong("two columns are asked for: id and body")
        self._judge_rows({body: found for found, body in rows}, len(rows))

    @staticmethod
    def _judge_rows(ids: dict[str | None, Any], rows: int) -> None:
        if rows != len(PAYLOADS):
            raise Wrong(
                f"{len(PAYLOADS)} messages came in and {rows} rows come out: the others are gone without a word"
            )
        for body, right in PAYLOADS:
            if body not in ids:
                raise Wrong(f"the body {body!r} did not come through as it was")
            if ids[body] != right and right is None:
                raise Wrong(f"the body {body!r} has no id that is a number, and you give it {ids[body]!r}: invented")
            if ids[body] != right:
                raise Wrong(f"the body {body!r} has the id {right}, and you read {ids[body]!r}")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        text = "JSON_VALUE(body, '$.id')"
        yield WrongAnswer(
            lambda: f"SELECT CAST({text} AS BIGINT) AS id, body FROM messages", "the job stops at a message"
        )
        yield WrongAnswer(
            lambda: f"SELECT TRY_CAST({text} AS BIGINT) AS id, body FROM messages WHERE {text} IS NOT NULL",
            "gone without a word",
        )
        yield WrongAnswer(
            lambda: f"SELECT COALESCE(TRY_CAST({text} AS BIGINT), 0) AS id, body FROM messages", "invented"
        )
        yield WrongAnswer(lambda: 7, "a text is asked for")


QUESTIONS: tuple[Question, ...] = (VisibleAt(), Proof(), Crash(), NothingStopsIt())
