"""The questions of all sheets: one module a sheet, `sheet_NN`, which lists them in `QUESTIONS`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from lakehouse.lesson.question import Question, UnknownQuestion


@cache
def all_questions() -> dict[str, Question]:
    """Every question by its id, sheet by sheet."""
    found: dict[str, Question] = {}
    for module in sorted(info.name for info in iter_modules(__path__) if info.name.startswith("sheet_")):
        for question in import_module(f"{__name__}.{module}").QUESTIONS:
            if question.id in found or not question.id.startswith(module.removeprefix("sheet_") + "."):
                raise ValueError(f"{module}: the id {question.id} is there twice or belongs to another sheet")
            found[question.id] = question
    return found


def find_question(question_id: str) -> Question:
    """Raises `UnknownQuestion`."""
    questions = all_questions()
    if question_id not in questions:
        sheet = question_id.split(".")[0]
        there = [known for known in questions if known.startswith(f"{sheet}.")] or sorted(questions)
        raise UnknownQuestion(f"there is no question {question_id!r}", f"there are: {', '.join(there)}")
    return questions[question_id]
