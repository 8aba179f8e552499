"""What a learner has solved, across sheets and sessions: one small file a learner, in the stack's data folder."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.errors import LakehouseError
from lakehouse.lesson.questions import all_questions
from lakehouse.settings import get_settings

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

RIGHT = "right"


NAMELESS = "me"
"""Who works without a name: on the repository's own notebooks and sheets."""
PROOFS = ("solution", "solved", "untouched")
"""Names under which sheets are proved: nobody learns under them."""


class BadName(LakehouseError):
    """A learner's name that cannot be part of a file's name."""


def check_name(name: str) -> str:
    """The name itself. Raises `BadName` for one that cannot be part of a file's or a namespace's name."""
    if not re.fullmatch(r"[a-z0-9_]{1,40}", name):
        raise BadName(f"a learner cannot be called {name!r}", "use small letters, digits and _, 40 at most")
    return name


def learner() -> str:
    """Who is learning: `WORKBOOK_LEARNER`, so that several share a machine; else `NAMELESS`. Raises `BadName`."""
    return check_name(os.environ.get("WORKBOOK_LEARNER", NAMELESS))


def _folder() -> Path:
    return get_settings().data_dir / "progress"


def _file(name: str | None = None) -> Path:
    return _folder() / f"{name or learner()}.json"


def known() -> list[str]:
    """All learners of this stack who have checked an answer, by name."""
    return sorted(path.stem for path in _folder().glob("*.json") if path.stem not in PROOFS)


def with_copies() -> list[str]:
    """All learners of this stack who have copies of their own, by name, whether they have answered or not."""
    return sorted(path.name for path in (get_settings().data_dir / "learners").glob("*") if path.is_dir())


def last_seen(name: str) -> datetime | None:
    """When a learner last checked an answer or took a hint, in local time; None for one who never did."""
    file = _file(name)
    return datetime.fromtimestamp(file.stat().st_mtime).astimezone() if file.exists() else None


def read(name: str | None = None) -> dict[str, Any]:
    """By question: the latest `outcome`, whether it was ever `solved`, how many `hints` were taken."""
    file = _file(name)
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _write(known: dict[str, Any]) -> None:
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    # whole or not at all: two sheets may be open at once
    new = file.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    new.replace(file)


def remember(question_id: str, outcome: str) -> None:
    """Keep an outcome; what was solved once stays solved."""
    known = read()
    entry = known.setdefault(question_id, {"solved": False, "hints": 0})
    entry |= {"outcome": outcome, "solved": entry["solved"] or outcome == RIGHT}
    _write(known)


def next_hint(question_id: str) -> int:
    """The number of the hint to give now, from 1; it is counted."""
    known = read()
    entry = known.setdefault(question_id, {"solved": False, "hints": 0})
    entry["hints"] += 1
    _write(known)
    return int(entry["hints"])


def forget() -> None:
    """Begin anew: nothing solved, no hint taken."""
    _file().unlink(missing_ok=True)


def by_sheet(name: str | None = None) -> dict[str, tuple[int, int]]:
    """Sheet → (questions solved, questions there are); of this learner, or of the one named."""
    answers, counts = read(name), dict[str, tuple[int, int]]()
    for question_id in all_questions():
        sheet = question_id.split(".")[0]
        solved, there = counts.get(sheet, (0, 0))
        counts[sheet] = (solved + bool(answers.get(question_id, {}).get("solved")), there + 1)
    return counts


def table() -> Styler:
    """Progress as a table with bars."""
    import pandas as pd

    from lakehouse.lesson.sheets import title_of

    rows = [
        {"sheet": title_of(sheet), "solved": solved, "questions": there, "progress": 100 * solved / there}
        for sheet, (solved, there) in by_sheet().items()
    ]
    shown = pd.DataFrame(rows).style.hide(axis="index").format({"progress": "{:.0f} %"})
    return shown.bar(subset=["progress"], vmin=0, vmax=100, color="#86efac").set_caption(f"Progress of {learner()}")
