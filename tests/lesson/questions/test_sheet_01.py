"""The order of a rotation is judged by what the receiver's own code refuses on the way."""

from __future__ import annotations

from itertools import permutations

from lakehouse.lesson.questions.sheet_01 import NEW, OLD, refused_in


def test_one_order_alone_refuses_nothing() -> None:
    good = ["".join(order) for order in permutations("ABCD") if not list(refused_in("".join(order)))]
    assert good == ["CADB"]


def test_what_is_refused_is_named_with_its_step() -> None:
    assert next(refused_in("ACDB")) == ("A", NEW)
    assert next(refused_in("CABD")) == ("B", OLD)
