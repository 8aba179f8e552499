"""Sheet 15, observability: how late, which partition is stuck, which alert is deaf, what is an incident."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lakehouse import observability
from lakehouse.lesson.question import Question, Wrong, WrongAnswer, require_type
from lakehouse.observability import Backlog, Rule
from lakehouse.settings import get_settings
from lakehouse.streaming.jobs import JOB_NAME

HOUR = 3600.0
LATE_CASES: tuple[tuple[str, list[float], int | None, float, float], ...] = (
    ("all is read, and the last message came an hour ago", [0.0, 10.0, 20.0], 3, 20.0 + HOUR, 0.0),
    ("one of three messages is read", [0.0, 10.0, 20.0], 1, 100.0, 90.0),
    ("the group never committed", [5.0, 10.0], None, 65.0, 60.0),
    ("nothing was ever sent", [], None, 50.0, 0.0),
    ("all but the last is read", [0.0, 10.0, 20.0], 2, 21.0, 1.0),
)
"""What it is, when each message was sent by offset, the committed offset, now, and how late that is."""


class HowLate(Question):
    """A function of send times by offset, the committed offset (or None) and now: seconds."""

    id = "15.1"
    hints = (
        "Late is what waits: the age of a message that was read says nothing, however old it is.",
        "The committed offset is the offset of the next message to read, and of the oldest that waits.",
        "If the committed offset is the length of the list, nothing waits: 0. Without a commit, all of them wait.",
    )
    why = (
        "Right. An age that grows while nothing waits wakes people for a quiet night; an age of the oldest message that"
        " waits is 0 exactly when there is nothing to do."
    )

    def judge(self, answer: Any) -> None:
        for case, sent, committed, now, right in LATE_CASES:
            found = self.call(answer, list(sent), committed, now)
            if not isinstance(found, int | float):
                raise Wrong(f"{case}: a number of seconds is asked for, and this is {found!r}")
            if abs(found - right) > 1e-6:
                raise Wrong(f"{case}: you say {found:,.0f} s late, and it is {right:,.0f}")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def of_last_read(sent: Sequence[float], committed: int | None, now: float) -> float:
            return now - sent[committed - 1] if committed else now - sent[0] if sent else 0.0

        def of_newest(sent: Sequence[float], committed: int | None, now: float) -> float:
            return now - sent[-1] if sent and (committed or 0) < len(sent) else 0.0

        def without_commit(sent: Sequence[float], committed: int | None, now: float) -> float:
            return now - sent[committed] if committed is not None and committed < len(sent) else 0.0

        yield WrongAnswer(lambda: of_last_read, "all is read, and the last message came an hour ago")
        yield WrongAnswer(lambda: of_newest, "one of three messages is read: you say 80 s late")
        yield WrongAnswer(lambda: without_commit, "the group never committed: you say 0 s late")
        yield WrongAnswer(lambda: lambda sent, committed, now: "late", "a number of seconds is asked for")


Partitions = Mapping[int, Backlog]


def _at(**partitions: tuple[int, int | None]) -> dict[int, Backlog]:
    """`p0=(end, committed)` … of one topic."""
    return {int(name[1:]): Backlog("orders", int(name[1:]), *place) for name, place in partitions.items()}


STUCK_CASES: tuple[tuple[str, Partitions, Partitions, set[int]], ...] = (
    ("all partitions move", _at(p0=(50, 40), p1=(50, 45)), _at(p0=(90, 80), p1=(90, 85)), set()),
    ("the sum of the lags falls", _at(p0=(500, 100), p1=(500, 490)), _at(p0=(520, 500), p1=(520, 490)), {1}),
    ("the topic is idle and read", _at(p0=(70, 70), p1=(30, 30)), _at(p0=(70, 70), p1=(30, 30)), set()),
    ("nothing new comes in", _at(p0=(70, 60), p1=(30, 30)), _at(p0=(70, 60), p1=(30, 30)), {0}),
    ("messages came a moment ago", _at(p0=(70, 70), p1=(30, 30)), _at(p0=(75, 70), p1=(30, 30)), set()),
    ("a partition was never read", _at(p0=(70, 65), p1=(30, None)), _at(p0=(90, 88), p1=(40, None)), {1}),
)
"""What it is, the partitions at two moments some minutes apart, and which of them are stuck."""


class Stuck(Question):
    """A function of the backlogs at two moments: the set of partitions that are stuck."""

    id = "15.2"
    hints = (
        "A total can fall while one partition stands still. Judge each partition by itself.",
        "Stuck: something waited at the first moment already, and the committed offset is still the same.",
        "`before[p].messages > 0 and after[p].committed == before[p].committed`",
    )
    why = (
        "Right. One poisonous message stops one partition, and with it every customer whose key lies there; the sum"
        " over the topic looks like a busy day. Alert on the worst partition, never on the sum alone."
    )

    def judge(self, answer: Any) -> None:
        for case, before, after, right in STUCK_CASES:
            found = self.call(answer, dict(before), dict(after))
            require_type(found, (set, frozenset, list, tuple), "a set of partitions")
            if extra := sorted(set(found) - right):
                raise Wrong(f"{case}: partition {extra[0]} is not stuck, {self._told(before, after, extra[0])}")
            if missed := sorted(right - set(found)):
                raise Wrong(f"{case}: you miss partition {missed[0]}, {self._told(before, after, missed[0])}")

    @staticmethod
    def _told(before: Partitions, after: Partitions, partition: int) -> str:
        a, b = before[partition], after[partition]
        return f"at offset {a.committed} of {a.end} before and at {b.committed} of {b.end} after"

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def waiting(before: Partitions, after: Partitions) -> set[int]:
            return {p for p in after if after[p].messages > 0}

        def by_sum(before: Partitions, after: Partitions) -> set[int]:
            grows = sum(b.messages for b in after.values()) > sum(b.messages for b in before.values())
            return set(after) if grows else set()

        def standing(before: Partitions, after: Partitions) -> set[int]:
            return {p for p in after if after[p].committed == before[p].committed}

        def waits_now(before: Partitions, after: Partitions) -> set[int]:
            return {p for p in after if after[p].messages and after[p].committed == before[p].committed}

        yield WrongAnswer(lambda: waiting, "all partitions move: partition 0 is not stuck")
        yield WrongAnswer(lambda: by_sum, "the sum of the lags falls: you miss partition 1")
        yield WrongAnswer(lambda: standing, "the topic is idle and read: partition 0 is not stuck")
        yield WrongAnswer(lambda: waits_now, "messages came a moment ago: partition 0 is not stuck")


RULES: tuple[Rule, ...] = (
    Rule("raw is behind", "kafka_group_lag", 20_000, {"group": observability.RAW_GROUP}),
    Rule("checkpoints are slow", "flink_checkpoint_duration_seconds", 60, {"job": JOB_NAME}),
    Rule("checkpoints stopped", "flink_checkpoint_age_seconds", 300, {"job": JOB_NAME}),
    Rule("ingestion is overloaded", "webhook_in_flight", 300, {}),
    Rule("the mart is old", "iceberg_commit_age_seconds", 7 * 86_400, {"table": "marts.customer360"}),
    Rule("raw has too many files", "iceberg_data_files", 5_000, {"table": "raw.shopify_orders"}),
)
"""The sheet's alerts. Two have no series; the third deaf one has, and its threshold is beyond what can happen."""
MART = "marts.customer_360"


def live_samples() -> list[observability.Sample]:
    """What the sheet's alerts could be fed with."""
    return [
        *observability.ingestion_samples(),
        *observability.log_samples(),
        *observability.flink_samples(JOB_NAME),
        *observability.table_samples(("raw.shopify_orders", MART)),
    ]


class DeafAlerts(Question):
    """A set of names of `RULES`: those that cannot fire."""

    id = "15.3"
    hints = (
        "Ask each rule for its series: `rule.series(samples)`. Which have none, and is it the metric or a label?",
        "A live series is not enough: could its value ever be above the threshold?",
        "Ingestion answers `LAKEHOUSE_MAX_IN_FLIGHT` requests at once and refuses the next.",
    )
    why = (
        "Right. A wrong name, a wrong label, a threshold that nothing can reach: three ways to have an alert in the"
        " list and none at night. Only a test that makes it fire shows all three."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, (set, frozenset, list, tuple), "a set of names")
        said, known = set(answer), {rule.name: rule for rule in RULES}
        if unknown := sorted(said - set(known), key=str):
            raise Wrong(f"there is no rule {unknown[0]!r}")
        samples = live_samples()
        limit = get_settings().max_in_flight
        for name, rule in known.items():
            series = rule.series(samples)
            unreachable = rule.metric == "webhook_in_flight" and rule.above >= limit
            deaf = not series or unreachable
            if name in said and not deaf:
                value = max(sample.value for sample in series)
                raise Wrong(f"“{name}” has {len(series)} live series, the highest at {value:,.0f}: quiet is not deaf")
            if deaf and name not in said and series:
                raise Wrong("one more rule has a series, and its value can never come near the threshold")
            if deaf and name not in said:
                raise Wrong(f"one more rule has no series: nothing has sent {self._lacks(rule, samples)}")

    @staticmethod
    def _lacks(rule: Rule, samples: Sequence[observability.Sample]) -> str:
        """What is wrong, without the name of the rule."""
        if any(sample.name == rule.metric for sample in samples):
            return "the labels that it asks for"
        return "the metric that it asks for"

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        without_series = {"checkpoints are slow", "the mart is old"}
        yield WrongAnswer(lambda: without_series, "can never come near the threshold")
        yield WrongAnswer(lambda: {*without_series, "ingestion is overloaded", "raw is behind"}, "quiet is not deaf")
        yield WrongAnswer(lambda: {"checkpoints are slow", "ingestion is overloaded"}, "the labels that it asks for")
        yield WrongAnswer(lambda: {"the mart is old", "ingestion is overloaded"}, "the metric that it asks for")


WELL, BEHIND, UNKNOWN = "well", "behind", "unknown"
VERDICTS: dict[str, tuple[str, Mapping[str, str]]] = {
    "night": (WELL, {
        BEHIND: "old data with nothing waiting is a quiet night",
        UNKNOWN: "both numbers are there, and they say that all which came is shown",
    }),
    "sale": (BEHIND, {
        WELL: "what is shown is fresh, and what waits is more with each minute: the newest order in the mart is no"
        " longer the newest order",
        UNKNOWN: "the lag is there, and it grows",
    }),
    "silence": (UNKNOWN, {
        WELL: "a number that nobody sends is not 0; who reads the lag may be as dead as who works it off",
        BEHIND: "that may be, but nothing here says so: first find out why nobody reports the lag",
    }),
    "steady": (WELL, {
        BEHIND: "a lag of a few seconds' messages is what a job with checkpoints always has; it neither grows nor ages",
        UNKNOWN: "lag and age are both there",
    }),
}  # fmt: skip


class Incident(Question):
    """A dictionary: situation → well, behind or unknown."""

    id = "15.4"
    hints = (
        "Freshness says how old what you see is, lag says how much waits. Which of the two means that work is undone?",
        "What would the number look like, if the one who reports it were dead?",
        "A lag that stays the same while its oldest message stays young is work in progress.",
    )
    why = (
        "Right. Age without lag is quiet, lag without age is work in progress, growing lag is an incident however fresh"
        " the screen looks, and a missing number is a question, never a zero."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, dict, "a dictionary")
        if missing := sorted(VERDICTS.keys() - answer.keys()):
            raise Wrong(f"there is no verdict on {', '.join(missing)}")
        for situation, (right, reasons) in VERDICTS.items():
            said = str(answer[situation]).strip().lower()
            if said != right:
                raise Wrong(f"{situation}: {reasons.get(said, f'one of {WELL}, {BEHIND} and {UNKNOWN} is asked for')}")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        right = {situation: verdict for situation, (verdict, _) in VERDICTS.items()}
        changed: Callable[..., Callable[[], Any]] = lambda **other: lambda: right | other  # noqa: E731
        yield WrongAnswer(changed(night=BEHIND), "nothing waiting is a quiet night")
        yield WrongAnswer(changed(sale=WELL), "what waits is more with each minute")
        yield WrongAnswer(changed(silence=WELL), "a number that nobody sends is not 0")
        yield WrongAnswer(changed(steady=BEHIND), "neither grows nor ages")
        yield WrongAnswer(changed(steady="fine"), "one of well, behind and unknown")


QUESTIONS: tuple[Question, ...] = (HowLate(), Stuck(), DeafAlerts(), Incident())
