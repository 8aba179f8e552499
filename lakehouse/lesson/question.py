"""A checked question: how an answer is judged, its hints, why it matters, and the wrong answers it must refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from lakehouse.errors import LakehouseError


class Blank:
    """`____`: the gap that a learner fills in. Anything that is done with it leaves it a gap."""

    def __repr__(self) -> str:
        return "____"

    def __call__(self, *arguments: Any, **named: Any) -> Blank:
        return self

    def __getattr__(self, name: str) -> Blank:
        if name.startswith("_"):
            raise AttributeError(name)
        return self


BLANK = Blank()


def is_blank(answer: object) -> bool:
    """Whether something is left to be filled in: the gap itself, a text with a gap, a collection that holds one."""
    if isinstance(answer, Blank):
        return True
    if isinstance(answer, str):
        return "____" in answer
    if isinstance(answer, dict):
        return any(map(is_blank, answer.values()))
    return isinstance(answer, list | tuple | set | frozenset) and any(map(is_blank, answer))


class Wrong(Exception):
    """The answer is not right; the message says what is wrong with it, and not what would be right."""


class AnswerFailed(Exception):
    """The learner's own function raised; its error is the cause."""


class NotAttempted(Exception):
    """There is still a gap in what the learner's function gives."""


@dataclass(frozen=True)
class WrongAnswer:
    """An answer that must be refused, and a part of the message that it must be refused with."""

    make: Callable[[], Any]
    says: str


class Question:
    """One question of a sheet. A subclass says what is right in `judge`.

    `id` is `NN.k`: sheet and number. `why` is said of a right answer: why it matters. At least two `hints`, the first
    the vaguest.
    """

    id: ClassVar[str]
    hints: ClassVar[tuple[str, ...]]
    why: ClassVar[str]

    def judge(self, answer: Any) -> None:
        """Raise `Wrong` unless the answer is right. Must not change what other people see."""
        raise NotImplementedError

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        """Typical mistakes; CI proves that each is refused with its own words."""
        raise NotImplementedError

    @staticmethod
    def call(function: Callable[..., Any], *arguments: Any) -> Any:
        """What the learner's function gives. Raises `AnswerFailed` with the learner's error as its cause."""
        if not callable(function):
            raise Wrong(f"a function is asked for, and this is {type(function).__name__}")
        try:
            result = function(*arguments)
        except Exception as error:
            raise AnswerFailed(f"{type(error).__name__}: {error}") from error
        if is_blank(result):
            raise NotAttempted
        return result


class UnknownQuestion(LakehouseError):
    """There is no question of that id; the message lists those of the sheet."""


def require_type(answer: object, kind: type | tuple[type, ...], wanted: str) -> None:
    """Raise `Wrong` where the answer is of another kind than asked for; `wanted` says which, in words."""
    if not isinstance(answer, kind):
        raise Wrong(f"{wanted} is asked for, and this is of type {type(answer).__name__}")


def one_number(answer: Any) -> int:
    """The number itself, or that of a query's one row. Raises `Wrong`."""
    if hasattr(answer, "iloc"):
        if answer.shape != (1, 1):
            raise Wrong(f"one number is asked for, and the query gives {answer.shape[0]} × {answer.shape[1]}")
        answer = answer.iloc[0, 0]
    try:
        return int(answer)
    except (TypeError, ValueError) as error:
        raise Wrong(f"a number is asked for, and this is of type {type(answer).__name__}") from error
