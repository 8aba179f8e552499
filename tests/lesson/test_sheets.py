"""Sheets are what their solutions give; every question is asked, has hints, and refuses wrong answers in its own words.

On the live stack: the untouched sheet has no right answer, the solution has only right ones, and each listed wrong
answer is refused with its own message.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakehouse.lesson import proof, sheets
from lakehouse.lesson.exercise import judge
from lakehouse.lesson.question import UnknownQuestion
from lakehouse.lesson.questions import all_questions, find_question

SOLUTIONS = sheets.solutions()
QUESTIONS = all_questions()


def by_stem(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("solution", SOLUTIONS, ids=by_stem)
def test_the_sheet_is_what_its_solution_gives(solution: Path) -> None:
    written = sheets.sheet_of(solution).read_text(encoding="utf-8")
    assert written == sheets.text(sheets.sheet(solution)), "run `lakehouse exercises build`"


@pytest.mark.parametrize("solution", SOLUTIONS, ids=by_stem)
def test_the_sheet_gives_nothing_away(solution: Path) -> None:
    text = sheets.text(sheets.sheet(solution))
    assert "SOLUTION" not in text
    assert "# |" not in text


def test_every_question_is_asked_once_on_its_own_sheet() -> None:
    asked = [q for solution in SOLUTIONS for q in sheets.checked(solution.read_text(encoding="utf-8"))]
    assert sorted(asked) == sorted(QUESTIONS)
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("question_id", QUESTIONS)
def test_a_question_has_hints_a_reason_and_wrong_answers(question_id: str) -> None:
    question = QUESTIONS[question_id]
    assert len(question.hints) >= 2
    assert len(set(question.hints)) == len(question.hints)
    assert len(question.why) > 40
    assert len(list(question.wrong_answers())) >= 2
    assert sheets.solution_of(question_id)


def test_an_unknown_question_names_those_there_are() -> None:
    with pytest.raises(UnknownQuestion, match=r"05\.1"):
        find_question("05.99")
    with pytest.raises(sheets.NoSuchSheet, match="05_staging"):
        sheets.find_solution("77")


def test_a_solution_that_leaves_no_gap_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "99_bad.py"
    source.write_text('# %%\n# BEGIN SOLUTION\n# | x = 1\nx = 1\n# END SOLUTION\ncheck("99.1", x)\n', encoding="utf-8")
    with pytest.raises(sheets.BadSheet, match=r"99\.1 leaves nothing"):
        sheets.sheet(source)


def test_a_region_gives_the_form_that_it_holds() -> None:
    cell = "a = 1\n# BEGIN SOLUTION\n# | def f(x):\n# |     return ____\ndef f(x):\n    return x\n# END SOLUTION\nf(a)"
    assert sheets._blanked(cell) == "a = 1\ndef f(x):\n    return ____\nf(a)"
    assert sheets._answered(cell) == "a = 1\ndef f(x):\n    return x\nf(a)"


@pytest.fixture(scope="module")
def kernel() -> Iterator[Any]:
    """One for all sheets: each begins with an empty namespace, and what all of them import is imported once."""
    with proof.open_kernel() as manager:
        yield manager


@pytest.mark.notebook
@pytest.mark.usefixtures("first_day")
@pytest.mark.parametrize("solution", SOLUTIONS, ids=by_stem)
def test_unsolved_fails_and_solved_passes(solution: Path, kernel: Any) -> None:
    asked = sheets.checked(solution.read_text(encoding="utf-8"))
    untouched = proof.outcomes(sheets.sheet(solution), "untouched", kernel)
    assert {q: said["outcome"] for q, said in untouched.items()} == dict.fromkeys(asked, "not attempted")
    solved = proof.outcomes(sheets.notebook(solution), "solved", kernel)
    assert {q: said for q, said in solved.items() if said["outcome"] != "right"} == {}
    assert list(solved) == asked


def test_sheets_that_share_a_kernel_share_no_name() -> None:
    import nbformat

    def said(source: str) -> str:
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        proof.outcomes(book, "solved", manager)
        return str(book.cells[-1].outputs[0].get("text", ""))

    with proof.open_kernel() as manager:
        assert said("mine = 1; print(mine)") == "1\n"
        assert said("import os; print('mine' in dir(), os.environ['WORKBOOK_LEARNER'])") == "False solved\n"


@pytest.mark.notebook
@pytest.mark.usefixtures("first_day")
@pytest.mark.parametrize("question_id", QUESTIONS)
def test_wrong_answers_are_refused_in_their_own_words(question_id: str) -> None:
    for wrong in QUESTIONS[question_id].wrong_answers():
        found = judge(question_id, wrong.make())
        assert found.outcome == "wrong", found
        assert wrong.says in found.message
