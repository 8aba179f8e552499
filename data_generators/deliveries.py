"""One HTTP request that a sender will make, before it is signed; and the files that hold them."""

from __future__ import annotations

import base64
import gzip
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from lakehouse.errors import LakehouseError


class WorldError(LakehouseError):
    """The world's files are missing or do not fit together; the message says which."""


@dataclass(frozen=True)
class Delivery:
    """A request and the truth about it. `sign` says how the sender signs it: right, wrong, or at an old time."""

    sender: str
    path: str
    topic: str
    webhook_ids: tuple[str, ...]
    body: bytes
    due_ms: int
    headers: dict[str, str] = field(default_factory=dict)
    flaws: tuple[str, ...] = ()
    sign: str = "right"
    expected: str = "accepted"
    messages: int = 1
    quarantined: int = 0
    delivery_id: str = ""
    day: int = 0

    def flawed(self, flaw: str, **changes: Any) -> Delivery:
        """The same with one more flaw."""
        return replace(self, flaws=(*self.flaws, flaw), **changes)

    def to_send(self) -> dict[str, Any]:
        """What the sender needs. The body is text where it is text: it reads and packs better than base64."""
        try:
            body: dict[str, Any] = {"body": self.body.decode("utf-8")}
        except UnicodeDecodeError:
            body = {"body_base64": base64.b64encode(self.body).decode()}
        return {
            "delivery_id": self.delivery_id, "day": self.day, "sender": self.sender, "method": "POST",
            "path": self.path, "webhook_topic": self.topic,
            "webhook_ids": list(self.webhook_ids), "headers": self.headers,
            "due_at": self.due_ms, "sign": self.sign, **body,
        }  # fmt: skip

    def truth(self) -> dict[str, Any]:
        """What was sent with which flaw, and what has to become of it."""
        return {
            "delivery_id": self.delivery_id, "day": self.day, "sender": self.sender, "route": self.path,
            "webhook_topic": self.topic, "webhook_ids": list(self.webhook_ids), "flaws": list(self.flaws),
            "expected": self.expected, "expected_messages": self.messages, "expected_quarantined": self.quarantined,
        }  # fmt: skip


def body_of(line: dict[str, Any]) -> bytes:
    """The bytes to send of one line of a deliveries file."""
    if "body_base64" in line:
        return base64.b64decode(line["body_base64"])
    return str(line["body"]).encode()


def deliveries_path(world_dir: Path, day: int) -> Path:
    return world_dir / "deliveries" / f"day-{day}.jsonl.gz"


def write_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    """JSON lines, put in place whole; packed when the name ends in .gz (without a time, so the bytes stay the same)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = path.suffix == ".gz"
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        stream: io.BufferedIOBase = file
        if packed:
            stream = gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0)
        for line in lines:
            stream.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        if packed:
            stream.close()
    part.replace(path)


def read_deliveries(world_dir: Path, day: int) -> Iterator[dict[str, Any]]:
    """The lines of a day's deliveries. Raises `WorldError` if the day was not generated."""
    path = deliveries_path(world_dir, day)
    if not path.exists():
        raise WorldError(f"day {day} has no deliveries yet", f"make them: lakehouse world generate --day {day}")
    with gzip.open(path, "rb") as lines:
        for line in lines:
            yield orjson.loads(line)
