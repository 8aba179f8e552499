"""The sender's own book: one line an attempt, on disk before the next one. It is compared with what arrived."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson


def ledger_path(world_dir: Path, day: int) -> Path:
    return world_dir / "ledger" / f"attempts-day-{day}.jsonl"


def read_attempts(world_dir: Path, day: int) -> list[dict[str, Any]]:
    """All attempts of a day so far. A last line that a crash cut off is no attempt that was answered."""
    path = ledger_path(world_dir, day)
    if not path.exists():
        return []
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return [orjson.loads(line) for line in whole.splitlines() if line]


def final_outcomes(attempts: list[dict[str, Any]], *, gave_up: bool = True) -> dict[str, str]:
    """Delivery → outcome, of those that are done; without those that were given up if `gave_up` is false."""
    done = {a["delivery_id"]: a["outcome"] for a in attempts if a["final"]}
    return {key: outcome for key, outcome in done.items() if gave_up or outcome != "failed"}


def summary(attempts: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts over the last attempts of deliveries, and how many attempts there were."""
    last = {a["delivery_id"]: a for a in attempts if a["final"]}
    return {
        "attempts": len(attempts),
        "final": len(last),
        "outcomes": dict(sorted(Counter(_outcome(a) for a in last.values()).items())),
        "messages": sum(a["messages"] for a in last.values()),
        "quarantined": sum(a["quarantined"] for a in last.values()),
    }


def _outcome(attempt: dict[str, Any]) -> str:
    return attempt["outcome"] + (f":{attempt['reason']}" if attempt["reason"] else "")


class Ledger:
    """Appends attempts; each is flushed, so that the end of this process loses none."""

    def __init__(self, world_dir: Path, day: int) -> None:
        self._path = ledger_path(world_dir, day)

    def __enter__(self) -> Ledger:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            whole, mark, cut = self._path.read_bytes().rpartition(b"\n")
            if cut:
                self._path.write_bytes(whole + mark)
        self._file = self._path.open("ab", buffering=0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, attempt: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(attempt, option=orjson.OPT_APPEND_NEWLINE))
