"""Diagrams: every box and every arrow is there."""

from __future__ import annotations

import pytest

from lakehouse.lesson.diagrams import Box, flow


def test_boxes_and_arrows_are_drawn() -> None:
    figure = flow([[Box("a", "A")], [Box("b", "B"), Box("c", "C", "the third")]], [("a", "b"), ("b", "c")], "three")
    assert len(figure.layout.shapes) == 3
    texts = [annotation.text for annotation in figure.layout.annotations]
    assert texts == ["", "", "A", "B", "C"]
    assert figure.layout.title.text == "three"


def test_an_arrow_needs_both_boxes() -> None:
    with pytest.raises(KeyError, match="z"):
        flow([[Box("a", "A")]], [("a", "z")])


def test_an_arrow_to_the_left_begins_at_the_left_side() -> None:
    figure = flow([[Box("a", "A")], [Box("b", "B")]], [("b", "a")])
    arrow = figure.layout.annotations[0]
    assert arrow.x < arrow.ax
    assert (arrow.x, arrow.ax) == pytest.approx((0.62, 1.13))
