"""Outcomes of an answer, each with its own words; progress; gaps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lakehouse.lesson import exercise, learners
from lakehouse.lesson.question import BLANK, Question, Wrong, WrongAnswer, is_blank, one_number


class Double(Question):
    """A function that doubles."""

    id = "99.1"
    hints = ("Think of a sum.", "`x + x`")
    why = "Right. Doubling is a sum."

    def judge(self, answer: Any) -> None:
        if self.call(answer, 3) != 6:
            raise Wrong(f"of 3 it makes {self.call(answer, 3)}")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: lambda x: x, "of 3 it makes 3")


@pytest.fixture(autouse=True)
def _one_question(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(exercise, "find_question", lambda _: Double())
    monkeypatch.setattr(learners, "all_questions", lambda: {"99.1": Double()})
    monkeypatch.setattr(learners, "get_settings", lambda: SimpleNamespace(data_dir=tmp_path))


def test_each_outcome_has_its_own_words() -> None:
    assert exercise.judge("99.1", BLANK).outcome == "not attempted"
    assert exercise.judge("99.1", lambda x: BLANK).outcome == "not attempted"
    assert exercise.judge("99.1", lambda x: x).message == "of 3 it makes 3"
    assert exercise.judge("99.1", lambda x: x + x).message == Double.why
    assert exercise.judge("99.1", 6).message == "a function is asked for, and this is int"


def test_the_learners_own_error_is_shown_from_the_learners_line_on() -> None:
    def broken(x: int) -> float:
        return x / 0

    found = exercise.judge("99.1", broken)
    assert found.outcome == "error"
    assert "ZeroDivisionError" in found.message
    assert "return x / 0" in found.details
    assert "question.py" not in found.details


def test_the_outcome_is_a_box_a_line_and_data() -> None:
    bundle = exercise.judge("99.1", lambda x: "<b>")._repr_mimebundle_()
    assert bundle[exercise.OUTCOME_MIME]["outcome"] == "wrong"
    assert "&lt;b&gt;" in bundle["text/html"]
    assert bundle["text/plain"].startswith("✗ 99.1 wrong")


def test_what_was_solved_stays_solved_and_hints_grow_plainer() -> None:
    exercise.check("99.1", lambda x: x + x)
    exercise.check("99.1", lambda x: x)
    assert learners.read()["99.1"] == {"solved": True, "outcome": "wrong", "hints": 0}
    assert [exercise.hint("99.1") for _ in range(3)] == [
        "**Hint 1 of 2.** Think of a sum.",
        "**Hint 2 of 2.** `x + x`",
        "**Hint 2 of 2.** `x + x`",
    ]
    assert learners.by_sheet() == {"99": (1, 1)}
    learners.forget()
    assert learners.by_sheet() == {"99": (0, 1)}


def test_learners_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    exercise.check("99.1", lambda x: x + x)
    monkeypatch.setenv("WORKBOOK_LEARNER", "ada")
    assert learners.by_sheet() == {"99": (0, 1)}


@pytest.mark.parametrize("name", ["../ada", "Ada", "", "a b"])
def test_a_name_that_is_no_files_name_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBOOK_LEARNER", name)
    with pytest.raises(learners.BadName, match="small letters"):
        learners.by_sheet()


@pytest.mark.parametrize("answer", [BLANK, "SELECT ____", ["a", BLANK], {"a": "____"}, BLANK.anything(1).more])
def test_a_gap_is_known_wherever_it_is(answer: object) -> None:
    assert is_blank(answer)


@pytest.mark.parametrize("answer", ["", 0, None, [], {"a": 1}, "__"])
def test_an_answer_is_no_gap(answer: object) -> None:
    assert not is_blank(answer)


def test_one_number_is_read_from_a_query_too() -> None:
    import pandas as pd

    assert one_number(pd.DataFrame({"n": [7]})) == 7
    assert one_number("7") == 7
    with pytest.raises(Wrong, match="2 × 1"):
        one_number(pd.DataFrame({"n": [7, 8]}))
    with pytest.raises(Wrong, match="of type str"):
        one_number("seven")
