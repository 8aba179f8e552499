"""Sheet 00, start: where things lie, the bytes that were received, what suffers when a service is away."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from typing import Any, ClassVar

from lakehouse.errors import LakehouseError
from lakehouse.lesson.question import Question, Wrong, WrongAnswer, require_type
from lakehouse.lesson.steps import query

ORDERS = "raw.shopify_orders"
UNREAD = "a message that was acknowledged, and that Flink has not read yet"
ROWS = "the rows of core.orders"
POINTER = "which metadata file is core.orders now"
SHOWN = "the rows that a dashboard reads"


def service_names() -> tuple[str, ...]:
    """As `lakehouse stack status` names them."""
    from stack.native.registry import core_services

    return tuple(service.name for service in core_services())


def _answers(
    answer: Any, wanted: Iterator[str] | tuple[str, ...], allowed: tuple[str, ...], what: str
) -> dict[str, str]:
    """The answer as a dictionary of texts. Raises `Wrong` where something is missing or none of `allowed`."""
    require_type(answer, dict, "a dictionary")
    missing = [case for case in wanted if case not in answer]
    if missing:
        raise Wrong(f"nothing is said of: {', '.join(missing)}")
    said = {case: str(answer[case]).strip() for case in wanted}
    for case, value in said.items():
        if value not in allowed:
            raise Wrong(f"{case}: {value!r} is {what}")
    return said


class Keepers(Question):
    """A dictionary of services."""

    id = "00.1"
    hints = (
        "An engine that was restarted with an empty memory can still answer: then it was not the one that keeps.",
        "The folders of `var/` in the lesson: which of them hold something that cannot be made again?",
        "The catalog is a small server without a memory of its own: what it knows is in a database.",
    )
    why = (
        "Right. Three places hold what cannot be made again: log, files, pointers. They are what is backed up and what"
        " is watched; ClickHouse's copy is convenient, and can be published anew."
    )
    right: ClassVar[dict[str, str]] = {UNREAD: "kafka", ROWS: "object-store", POINTER: "postgres", SHOWN: "clickhouse"}
    objections: ClassVar[dict[tuple[str, str], str]] = {
        (UNREAD, "ingestion"): "it answers only after it has handed the message on, and keeps nothing",
        (UNREAD, "flink-taskmanager"): "Flink has not read it yet",
        (ROWS, "spark-worker"): "it has computed them and written them away; Trino reads them while Spark is off",
        (ROWS, "catalog"): "it knows the tables and holds no row",
        (ROWS, "postgres"): "it holds what the catalog knows of the tables, and no row of them",
        (POINTER, "catalog"): "it is the one to ask, but it keeps nothing itself: it asks a database",
        (POINTER, "object-store"): "there all metadata files lie, old and new; which of them counts stands elsewhere",
        (SHOWN, "object-store"): "that is the table; dashboards read a copy of it that answers faster",
        (SHOWN, "trino"): "it has no storage at all",
    }

    def judge(self, answer: Any) -> None:
        said = _answers(answer, tuple(self.right), service_names(), "no service of `lakehouse stack status`")
        for case, right in self.right.items():
            if said[case] != right:
                objection = self.objections.get((case, said[case]), "it does not keep this; look at its purpose")
                raise Wrong(f"{case}: {said[case]}? {objection}")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: {**self.right, POINTER: "catalog"}, "it asks a database")
        yield WrongAnswer(lambda: {**self.right, ROWS: "spark-worker"}, "while Spark is off")
        yield WrongAnswer(lambda: {**self.right, SHOWN: "object-store"}, "a copy of it")
        yield WrongAnswer(lambda: {**self.right, UNREAD: "zookeeper"}, "does not keep this")
        yield WrongAnswer(lambda: {**self.right, ROWS: "the lake"}, "no service of")
        yield WrongAnswer(lambda: {ROWS: "object-store"}, "nothing is said of")


@cache
def webhooks() -> dict[str, str]:
    """Some webhooks of orders → SHA-256 of their body; those that came more than once are among them."""
    found = query(
        f"""SELECT _webhook_id, any_value(_body_sha256) AS sha256 FROM {ORDERS}
            GROUP BY _webhook_id ORDER BY count(*) DESC, _webhook_id LIMIT 3"""
    )
    if found.empty:
        raise LakehouseError(f"{ORDERS} is empty", "send webhooks: `lakehouse demo`")
    return dict(zip(found["_webhook_id"], found["sha256"], strict=True))


def _payload(webhook_id: str) -> bytes:
    return bytes(query(f"SELECT _payload FROM {ORDERS} WHERE _webhook_id = '{webhook_id}' LIMIT 1")["_payload"].iloc[0])


class Received(Question):
    """A function of a webhook's id."""

    id = "00.2"
    hints = (
        "Only one layer promises to keep what was received to the byte. Its columns that begin with `_` say what came.",
        "In `raw.shopify_orders` the webhook's id is `_webhook_id`, and the body is `_payload`.",
        "`bytes(query(…)['_payload'].iloc[0])`: leave it as it is, without reading it as JSON.",
    )
    why = (
        "Right. Whoever keeps only what was read from a message can neither prove what was sent nor read it better"
        " later. Raw keeps the bytes, so every layer after it can be made again."
    )

    def judge(self, answer: Any) -> None:
        for webhook_id, sha256 in webhooks().items():
            found = self.call(answer, webhook_id)
            if isinstance(found, bytearray | memoryview):
                found = bytes(found)
            require_type(found, bytes, "`bytes`")
            if hashlib.sha256(found).hexdigest() != sha256:
                raise Wrong(self._objection(webhook_id, found))

    @staticmethod
    def _objection(webhook_id: str, found: bytes) -> str:
        payload = _payload(webhook_id)
        try:
            same = json.loads(found) == json.loads(payload)
        except ValueError:
            same = False
        if same:
            return f"webhook {webhook_id}: it says the same in other bytes ({len(found):,}, and {len(payload):,} came)"
        if payload in found:
            return (
                f"webhook {webhook_id}: more than one body; a webhook can be delivered twice, and one copy is asked for"
            )
        return f"webhook {webhook_id}: this is not what came in ({len(found):,} bytes, and {len(payload):,} came)"

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def rewritten(webhook_id: str) -> bytes:
            return json.dumps(json.loads(_payload(webhook_id))).encode()

        def from_columns(webhook_id: str) -> bytes:
            row = query(f"SELECT id, email, total_price FROM {ORDERS} WHERE _webhook_id = '{webhook_id}' LIMIT 1")
            return str(row.to_json(orient="records")).encode()

        yield WrongAnswer(lambda: rewritten, "the same in other bytes")
        yield WrongAnswer(lambda: from_columns, "not what came in")
        yield WrongAnswer(lambda: lambda webhook_id: _payload(webhook_id) * 2, "more than one body")
        yield WrongAnswer(lambda: lambda webhook_id: _payload(webhook_id).decode(), "`bytes` is asked for")


AWAY = ("kafka", "catalog", "spark-worker", "airflow-scheduler", "trino")
NEEDS = {"A": ("ingestion",), "B": ("flink-gateway",), "C": ("spark-connect", "airflow-scheduler")}
"""What suffers → the services that this part of the way needs, with all that those require."""


@cache
def suffers(service: str) -> str:
    """The first part of the way that needs a service, by what the stack's own services require."""
    from stack.native.lifecycle import select

    for letter, needed in NEEDS.items():
        if service in {required.name for required in select(needed)}:
            return letter
    return "D"


class Away(Question):
    """A dictionary of letters."""

    id = "00.3"
    hints = (
        "Walk along the map from the left: which is the first part that cannot do its work?",
        "Ingestion needs Kafka and nothing else. Flink writes tables, so it needs what tables are kept in and by.",
        "Spark makes the layers and Airflow says when; Trino only answers.",
    )
    why = (
        "Right. The log in the middle takes the parts asunder: whoever is behind it may be away for hours, and catches"
        " up. Only the log itself must not be away, and even then nothing is lost, for the senders were told so."
    )
    words: ClassVar[dict[str, str]] = {
        "A": "webhooks are refused",
        "B": "no new row comes into raw",
        "C": "raw goes on, the layers get old",
        "D": "only answers are missing",
    }

    def judge(self, answer: Any) -> None:
        said = _answers(answer, AWAY, tuple(self.words), "none of the letters A to D")
        for service in AWAY:
            right = suffers(service)
            if said[service] < right:
                raise Wrong(f"{service}: it is not so bad that {self.words[said[service]]}: that part does not need it")
            if said[service] > right:
                raise Wrong(f"{service}: it is worse than “{self.words[said[service]]}”: an earlier part needs it, too")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        right = {service: suffers(service) for service in AWAY}
        yield WrongAnswer(lambda: {**right, "catalog": "A"}, "catalog: it is not so bad")
        yield WrongAnswer(lambda: {**right, "kafka": "B"}, "kafka: it is worse")
        yield WrongAnswer(lambda: {**right, "airflow-scheduler": "D"}, "airflow-scheduler: it is worse")
        yield WrongAnswer(lambda: {**right, "trino": "C"}, "trino: it is not so bad")
        yield WrongAnswer(lambda: {**right, "trino": "E"}, "none of the letters")
        yield WrongAnswer(lambda: {"kafka": "A"}, "nothing is said of")


QUESTIONS: tuple[Question, ...] = (Keepers(), Received(), Away())
