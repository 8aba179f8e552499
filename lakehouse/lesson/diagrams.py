"""Boxes and arrows as a plotly picture: it shows offline, in every copy of a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

WIDTH, HEIGHT = 1.0, 0.62
GAP = 1.75
COLOURS = ("#dbeafe", "#dcfce7", "#fef9c3", "#fee2e2", "#ede9fe", "#e5e7eb")
LINE = "#64748b"


@dataclass(frozen=True)
class Box:
    """A box: its `key` for the arrows, the text in it (`<br>` for a new line), a text on hover, a colour's number."""

    key: str
    text: str
    hover: str = ""
    colour: int = 0


def _places(columns: Sequence[Sequence[Box]]) -> Mapping[str, tuple[float, float]]:
    return {
        box.key: (x * GAP, (len(column) - 1) / 2 - y)
        for x, column in enumerate(columns)
        for y, box in enumerate(column)
    }


def flow(columns: Sequence[Sequence[Box]], arrows: Iterable[tuple[str, str]], title: str = "") -> go.Figure:
    """Columns of boxes from left to right, with arrows between boxes given by their keys, in either direction.

    Raises `KeyError` for an arrow to a box that is not there.
    """
    import plotly.graph_objects as go

    places, half = _places(columns), WIDTH / 2 + 0.12
    figure = go.Figure()
    for left, right in arrows:
        (x0, y0), (x1, y1) = places[left], places[right]
        # a box below another of its column is reached from above, one to the left from the right
        side = half if x0 < x1 else -half
        start, end = ((x0 + side, y0), (x1 - side, y1)) if x0 != x1 else ((x0, y0 - HEIGHT / 2), (x1, y1 + HEIGHT / 2))
        figure.add_annotation(x=end[0], y=end[1], ax=start[0], ay=start[1], xref="x", yref="y", axref="x", ayref="y",
                              showarrow=True, arrowhead=2, arrowwidth=1.4, arrowcolor=LINE, text="")  # fmt: skip
    for column in columns:
        for box in column:
            x, y = places[box.key]
            fill, line = COLOURS[box.colour % len(COLOURS)], {"color": LINE, "width": 1}
            figure.add_shape(type="rect", x0=x - half, x1=x + half, y0=y - HEIGHT / 2, y1=y + HEIGHT / 2,
                             fillcolor=fill, line=line)  # fmt: skip
            figure.add_annotation(x=x, y=y, text=box.text, showarrow=False, font={"size": 12})
            figure.add_scatter(x=[x], y=[y], mode="markers", marker={"opacity": 0, "size": 40}, showlegend=False,
                               hovertext=box.hover or box.text, hoverinfo="text")  # fmt: skip
    tallest = max((len(column) for column in columns), default=1)
    figure.update_xaxes(visible=False, range=[-half - 0.1, (len(columns) - 1) * GAP + half + 0.1])
    figure.update_yaxes(visible=False, range=[-tallest / 2, tallest / 2])
    return figure.update_layout(
        title=title or None, height=90 + 78 * tallest, margin={"l": 10, "r": 10, "t": 50 if title else 10, "b": 10},
        plot_bgcolor="white",
    )  # fmt: skip
