"""Sheet 01, webhooks: signed bytes, comparing, replay, answers, rotation.

Answers about the receiver are judged by asking one: the webhook API itself, with topics and secrets of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from lakehouse.errors import LakehouseError
from lakehouse.ingestion import signatures
from lakehouse.lesson.question import AnswerFailed, Question, Wrong, WrongAnswer, one_number, require_type
from lakehouse.lesson.questions.asked_receiver import (
    AGAIN,
    CUT_OFF,
    NO_BROKER,
    TOO_LARGE,
    UNASKED,
    UNKNOWN_SECRET,
    replays,
    statuses,
)
from lakehouse.lesson.questions.watched_text import Watched
from lakehouse.lesson.steps import query

SECRET = "whsec_of_a_sheet"  # of nobody
NOW = 1_767_225_600


@cache
def payloads() -> tuple[bytes, ...]:
    """Some bodies as Stripe sent them. Raises `LakehouseError` where nothing was sent yet."""
    found = query("SELECT _payload FROM raw.stripe_charges ORDER BY _kafka_partition, _kafka_offset LIMIT 20")
    if found.empty:
        raise LakehouseError("raw.stripe_charges is empty, so there is nothing to sign", "run `lakehouse demo`")
    return tuple(bytes(body) for body in found["_payload"])


def _hex(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


class SignedBytes(Question):
    """A function of secret, body and seconds."""

    id = "01.1"
    hints = (
        "If the time were not signed, whoever recorded a request could write a new time in front of it.",
        "Stripe signs the time as text, a point, and then the body. The body is bytes already: leave it as it came.",
        'It begins with `str(seconds).encode() + b"."`.',
    )
    why = (
        "Right. The signature is over what was sent, to the byte, and over the time: so neither can be changed, and"
        " JSON that was read and written anew is another message, even where it says the same."
    )

    def judge(self, answer: Any) -> None:
        for body in payloads():
            header = self.call(answer, SECRET, body, NOW)
            require_type(header, str, "a text such as t=…,v1=…")
            if signatures.verify_stripe([SECRET], body, header, NOW) is None:
                continue
            raise Wrong(f"the receiver refuses it: {self._what_is_wrong(header, body)}")

    @staticmethod
    def _what_is_wrong(header: str, body: bytes) -> str:
        given = header.partition("v1=")[2]
        if given == _hex(SECRET, body):
            return "only the body is signed, so the time in front of it can be changed"
        rewritten = json.dumps(json.loads(body)).encode()
        if given in (_hex(SECRET, rewritten), _hex(SECRET, f"{NOW}.".encode() + rewritten)):
            return "this signs JSON that was written anew; the sender signed other bytes"
        if given == _hex(SECRET, str(NOW).encode() + body):
            return "time and body run into each other: between them something is missing"
        return "this is not the signature of time and body"

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def signing(message: Callable[[bytes, int], bytes]) -> Callable[[], Any]:
            return lambda: lambda secret, body, seconds: f"t={seconds},v1={_hex(secret, message(body, seconds))}"

        yield WrongAnswer(signing(lambda body, seconds: body), "only the body is signed")
        yield WrongAnswer(
            signing(lambda body, seconds: f"{seconds}.".encode() + json.dumps(json.loads(body)).encode()),
            "written anew",
        )
        yield WrongAnswer(signing(lambda body, seconds: str(seconds).encode() + body), "run into each other")
        yield WrongAnswer(lambda: "t=1,v1=2", "a function is asked for")


EXPECTED = signatures.sign_shopify(SECRET, b'{"id": 1}')
DIFFERENT = (EXPECTED[:-2] + "x=", "x" + EXPECTED[1:], EXPECTED[:-1], EXPECTED + "=", "", EXPECTED.swapcase())


class SameText(Question):
    """A function of two texts."""

    id = "01.2"
    hints = (
        "`==` is done at the first character that differs. The standard library has a comparison that never is.",
        "`hmac.compare_digest` takes two texts, if they are ASCII, or two `bytes`. A header can hold anything.",
        "Compare `expected.encode()` with `given.encode()`.",
    )
    why = (
        "Right. A comparison that stops early tells, with patience, how much of a forged signature was right; and one"
        " that raises on a strange header turns a forgery into a 500, which looks like a fault of ours."
    )

    def judge(self, answer: Any) -> None:
        if self.call(answer, EXPECTED, EXPECTED) is not True:
            raise Wrong("two equal signatures are not the same to it")
        for given in DIFFERENT:
            if self.call(answer, EXPECTED, given) is not False:
                raise Wrong(f"it takes {given!r} for {EXPECTED!r}")
        try:
            strange = self.call(answer, EXPECTED, "é" + EXPECTED[1:])
        except AnswerFailed as failed:
            raise Wrong(
                f"on a header with é it raises {type(failed.__cause__).__name__}: the sender would get a 500 for a 401"
            ) from failed
        if strange is not False:
            raise Wrong("a header with é is taken for the signature")
        watch = Watched()
        self.call(answer, watch.text(EXPECTED), watch.text("x" + EXPECTED[1:]))
        if watch.looked:
            raise Wrong(
                f"it compares with `{watch.looked}`, which is done at the first difference: its time says how much of a"
                " guess was right"
            )

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: lambda expected, given: expected == given, "done at the first difference")
        yield WrongAnswer(
            lambda: lambda expected, given: expected.encode() == given.encode(), "done at the first difference"
        )
        yield WrongAnswer(lambda: hmac.compare_digest, "it raises TypeError")
        yield WrongAnswer(lambda: lambda expected, given: given.startswith(expected), "it takes")
        yield WrongAnswer(lambda: lambda expected, given: not given or given == expected, "it takes ''")


class Replays(Question):
    """A dictionary of four words."""

    id = "01.3"
    hints = (
        "Look at the picture *One part changed after signing* in the lesson: which of the senders signs a time?",
        "A signed time that is an hour old is refused. Without one the receiver cannot know; who else counts webhooks?",
        "Staging counts by the webhook's id. Shopify's id is in a header, and headers are not signed.",
    )
    why = (
        "Right. A signed time ends a replay at the door; an id ends it in staging, as long as the id is what the sender"
        " gave. For the rest staging goes by the time in the signed body, so what is old stays old."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, dict, "a dictionary")
        right = replays()
        _all_there(right, answer)
        for case, outcome in right.items():
            said = str(answer[case]).strip()
            if said not in ("refused", "duplicate", "new event"):
                raise Wrong(f"{case}: {said!r} is none of the three words")
            if said != outcome:
                raise Wrong(f"{case}: {self._objection(said, outcome)}")

    @staticmethod
    def _objection(said: str, outcome: str) -> str:
        if said == "refused":
            return "the receiver takes it; look at what this sender signs"
        if outcome == "refused":
            return f"it is no {said}: it never gets past the door, for a receiver that was asked did not store it"
        if said == "duplicate":
            return "nobody knows this webhook from before: the id by which it would be known is another"
        return "it brings an id that has come before"

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        right = {"shopify": "duplicate", "stripe": "refused", "hubspot": "refused"}
        other = "shopify with another id"
        yield WrongAnswer(lambda: {**right, other: "duplicate"}, "the id by which it would be known")
        yield WrongAnswer(lambda: {**right, other: "new event", "stripe": "duplicate"}, "never gets past the door")
        yield WrongAnswer(lambda: {**right, other: "new event", "shopify": "refused"}, "the receiver takes it")
        yield WrongAnswer(lambda: {"shopify": "duplicate"}, "nothing is said of")


def _all_there(wanted: Any, answer: dict[str, Any]) -> None:
    missing = [case for case in wanted if case not in answer]
    if missing:
        raise Wrong(f"nothing is said of: {', '.join(missing)}")


class Statuses(Question):
    """A dictionary of status codes."""

    id = "01.4"
    hints = (
        "Ask of each: would it go better if the sender sent the same bytes once more?",
        "What is signed is from the sender, and must not be lost; what would be as broken the next time is put aside"
        " and acknowledged.",
        "401 for the forgery, 413 for what is too large, 503 for what can go better soon; the other three are taken.",
    )
    why = (
        "Right. A 200 is a promise: it is on disk. A 503 asks for the same again, because that will help. What is"
        " signed and cannot be read is kept for a person, for to refuse it would cost eight more tries, and at the end"
        " the subscription."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, dict, "a dictionary")
        right = statuses()
        _all_there(right, answer)
        for case, status in right.items():
            said = one_number(answer[case])
            if said != status:
                raise Wrong(f"{case}: {self._objection(case, said)}")

    @staticmethod
    def _objection(case: str, said: int) -> str:
        taken = 200 <= said < 300
        if case == NO_BROKER:
            if taken:
                return "the sender would forget it, and nobody has it: it is lost for good"
            return f"{said} says that the request is at fault; it is good, and should come again soon"
        if case == AGAIN:
            return f"after {said} the sender tries the same again, for hours, though it has done nothing wrong"
        if case in (CUT_OFF, UNASKED):
            return f"after {said} the sender sends the same bytes again, as useless as now, until it gives up"
        if taken:
            return "this would be acknowledged, and whoever sent it may be anybody"
        return f"{said} is not what says so; the lesson's table has the status that does"

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        right = {UNKNOWN_SECRET: 401, CUT_OFF: 200, UNASKED: 200, TOO_LARGE: 413, NO_BROKER: 503, AGAIN: 200}
        yield WrongAnswer(lambda: {**right, NO_BROKER: 200}, "lost for good")
        yield WrongAnswer(lambda: {**right, NO_BROKER: 400}, "the request is at fault")
        yield WrongAnswer(lambda: {**right, CUT_OFF: 400}, "as useless as now")
        yield WrongAnswer(lambda: {**right, UNASKED: 404}, "as useless as now")
        yield WrongAnswer(lambda: {**right, AGAIN: 409}, "tries the same again")
        yield WrongAnswer(lambda: {**right, UNKNOWN_SECRET: 200}, "may be anybody")
        yield WrongAnswer(lambda: {UNKNOWN_SECRET: 401}, "nothing is said of")


OLD, NEW = "the old secret", "the new secret"


def refused_in(order: str) -> Iterator[tuple[str, str]]:
    """(after which step, signed with what) of each webhook that the receiver's own code refuses on the way.

    After each step one comes for each secret that the sender may be using then.
    """
    accepted, signing = {OLD}, {OLD}
    body = b'{"id": 1}'
    for step in order:
        if step == "A":
            signing = signing | {NEW}
        elif step == "B":
            accepted = {NEW}
        elif step == "C":
            accepted = {NEW, OLD}
        elif NEW in signing:
            signing = {NEW}
        for secret in sorted(signing):
            if signatures.verify_shopify(sorted(accepted), body, signatures.sign_shopify(secret, body)) is not None:
                yield step, secret


class Rotation(Question):
    """A text of four letters."""

    id = "01.5"
    hints = (
        "After each step, ask: which secrets can the next webhook be signed with, and does the receiver know them all?",
        "The receiver has to know the new one before the sender uses it, and the old one for as long as it comes.",
        "It begins with C and ends with B.",
    )
    why = (
        "Right. Who verifies learns first and forgets last. With one secret at a time there is no order that refuses"
        " nothing, which is why each secret in the settings is a list."
    )

    def judge(self, answer: Any) -> None:
        order = str(answer).strip().upper()
        if sorted(order) != list("ABCD"):
            raise Wrong("a text of the four letters A, B, C and D is asked for, each once")
        refused = next(refused_in(order), None)
        if refused:
            raise Wrong(f"after step {refused[0]} a webhook that is signed with {refused[1]} is refused")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: "ACDB", "after step A a webhook that is signed with the new secret")
        yield WrongAnswer(lambda: "CABD", "after step B a webhook that is signed with the old secret")
        yield WrongAnswer(lambda: "BACD", "after step B a webhook that is signed with the old secret")
        yield WrongAnswer(lambda: "CDAB", "after step B a webhook that is signed with the old secret")
        yield WrongAnswer(lambda: "AB", "the four letters")


QUESTIONS: tuple[Question, ...] = (SignedBytes(), SameText(), Replays(), Statuses(), Rotation())
