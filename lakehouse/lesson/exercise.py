"""What a sheet calls: `check`, `hint`, `solution`, `progress`.

An answer has one of four outcomes, each with its own words: not attempted, error, wrong, right. `check` shows it and
never raises, so that a learner goes on as they like; the outcome is also in the cell's output as data, by which
`lakehouse exercises check` and CI judge a whole sheet.
"""

from __future__ import annotations

import html
import traceback
from dataclasses import dataclass
from typing import Any

from lakehouse.lesson import learners
from lakehouse.lesson.question import BLANK, AnswerFailed, NotAttempted, Wrong, is_blank
from lakehouse.lesson.questions import find_question

____ = BLANK

NOT_ATTEMPTED, ERROR, WRONG, RIGHT = "not attempted", "error", "wrong", "right"
OUTCOME_MIME = "application/vnd.lakehouse.outcome+json"
_LOOK = {
    NOT_ATTEMPTED: ("○", "#8a8f98"), ERROR: ("!", "#b45309"), WRONG: ("✗", "#b91c1c"), RIGHT: ("✓", "#15803d"),
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of one answer: shown as a coloured box in a notebook, as a line elsewhere."""

    question: str
    outcome: str
    message: str
    details: str = ""

    def __repr__(self) -> str:
        return f"{_LOOK[self.outcome][0]} {self.question} {self.outcome}: {self.message}" + (
            f"\n{self.details}" if self.details else ""
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        sign, colour = _LOOK[self.outcome]
        details = f"<pre style='margin:6px 0 0;white-space:pre-wrap'>{html.escape(self.details)}</pre>"
        box = (
            f"<div style='border-left:4px solid {colour};padding:6px 12px;margin:4px 0'>"
            f"<b style='color:{colour}'>{sign} {self.question} {self.outcome}</b><br>{html.escape(self.message)}"
            f"{details if self.details else ''}</div>"
        )
        data = {"question": self.question, "outcome": self.outcome, "message": self.message}
        return {"text/plain": repr(self), "text/html": box, OUTCOME_MIME: data}


def judge(question_id: str, answer: Any) -> Outcome:
    """The outcome of an answer; nothing is recorded. Raises `UnknownQuestion`."""
    question = find_question(question_id)
    if is_blank(answer):
        return _not_attempted(question_id)
    try:
        question.judge(answer)
    except NotAttempted:
        return _not_attempted(question_id)
    except Wrong as wrong:
        return Outcome(question_id, WRONG, str(wrong))
    except AnswerFailed as failed:
        cause = failed.__cause__ or failed
        # from the learner's own frames on: ours say nothing to them
        own = traceback.format_exception(
            type(cause), cause, cause.__traceback__.tb_next if cause.__traceback__ else None
        )
        return Outcome(question_id, ERROR, f"your code raised {failed}", "".join(own).rstrip())
    return Outcome(question_id, RIGHT, question.why)


def _not_attempted(question_id: str) -> Outcome:
    return Outcome(question_id, NOT_ATTEMPTED, f'fill in the ____ and run the cell again; hint("{question_id}") helps')


def check(question_id: str, answer: Any) -> Outcome:
    """Judge an answer and remember the outcome. Raises `UnknownQuestion`."""
    outcome = judge(question_id, answer)
    learners.remember(question_id, outcome.outcome)
    return outcome


class Text(str):
    """A text that a notebook shows as Markdown."""

    __slots__ = ()

    def _repr_markdown_(self) -> str:
        return str(self)


def hint(question_id: str) -> Text:
    """The next hint: each call gives a plainer one, and the last one again."""
    hints = find_question(question_id).hints
    number = min(learners.next_hint(question_id), len(hints))
    return Text(f"**Hint {number} of {len(hints)}.** {hints[number - 1]}")


def solution(question_id: str) -> Text:
    """One answer that is right, as the sheet's solution has it. Raises `UnknownQuestion`."""
    from lakehouse.lesson.sheets import solution_of

    find_question(question_id)
    return Text(f"One answer that is right:\n\n```python\n{solution_of(question_id)}\n```")


def progress() -> Any:
    """A table of all sheets: how many of its questions this learner has solved."""
    return learners.table()
