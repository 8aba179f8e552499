"""Texts that remember how they were compared."""

from __future__ import annotations

import hmac
from collections.abc import Callable

import pytest

from lakehouse.lesson.questions.watched_text import Watched


@pytest.mark.parametrize(
    ("compare", "seen"),
    [
        (lambda a, b: a == b, "__eq__"),
        (lambda a, b: not a != b, "__ne__"),  # noqa: SIM202
        (lambda a, b: a.encode() == b.encode(), "__eq__"),
        (lambda a, b: all(x == y for x, y in zip(a, b, strict=True)), "__iter__"),
        (lambda a, b: a.startswith(b), "startswith"),
        (lambda a, b: hmac.compare_digest(a, b), ""),
        (lambda a, b: hmac.compare_digest(a.encode(), b.encode()), ""),
    ],
)
def test_only_what_stops_early_is_remembered(compare: Callable[[str, str], bool], seen: str) -> None:
    watch = Watched()
    a, b = watch.text("abc"), watch.text("abd")
    assert compare(a, b) is False
    assert watch.looked == seen
