"""What the suite found, as a table, as JSON, and as a picture: what senders were told, second by second."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from lakehouse.chaos.load import Figures
from lakehouse.chaos.scenario import Outcome
from lakehouse.chaos.suite import Results

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = {"accepted": "#2a9d8f", "failed": "#d1495b", "refused": "#c9c9c9"}
GAP_SECONDS = 3


def _after(outcome: Outcome, moment: float | None) -> str:
    return f"{moment - outcome.killed_at:.1f}" if moment else ""


def _counted(reasons: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())


def recovery_table(outcomes: list[Outcome]) -> Table:
    """One row a scenario: when it began, and how long until its effects were over."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="time to recover", title_justify="left")
    for name in ("scenario", "at (UTC)", "healthy after s", "new rows in raw after s", "load/s",
                 "acknowledged/s", "acknowledged meanwhile", "failed meanwhile"):  # fmt: skip
        table.add_column(name, justify="left" if name in ("scenario", "at (UTC)", "failed meanwhile") else "right",
                         overflow="fold")  # fmt: skip
    for outcome in outcomes:
        meanwhile, load = outcome.meanwhile, outcome.load
        table.add_row(
            outcome.scenario, f"{datetime.fromtimestamp(outcome.killed_at, UTC):%H:%M:%S}",
            _after(outcome, outcome.healthy_at), _after(outcome, outcome.visible_at),
            f"{load.rate:,.0f}" if load else "", f"{load.taken_rate:,.0f}" if load else "",
            f"{meanwhile.acknowledged:,}" if meanwhile else "", _counted(meanwhile.failed) if meanwhile else "",
        )  # fmt: skip
    return table


def load_lines(load: Figures) -> Iterator[str]:
    """What the load was, as sentences."""
    a_second = f"{load.rate:,.0f} a second, {load.taken_rate:,.0f} acknowledged"
    yield f"{load.new:,} new webhooks in {load.seconds:.0f} s: {a_second}"
    yield f"{load.attempts:,} requests: {load.acknowledged:,} acknowledged, {load.sent_again:,} sent again"
    yield f"refused: {_counted(load.refused) or 'none'}"
    yield f"failed, to be sent again: {_counted(load.failed) or 'none'}"


def show(console: Console, results: Results) -> None:
    """The whole report."""
    console.print(recovery_table(results.outcomes))
    for outcome in results.outcomes:
        for where, what in outcome.seen:
            console.print(f"  {outcome.scenario}, {where}: {what}", highlight=False, markup=False)
        for note in outcome.notes:
            console.print(f"  {outcome.scenario}: {note}", highlight=False, markup=False)
    for line in load_lines(results.load):
        console.print(line, highlight=False)
    if exact := results.exact:
        console.print(
            f"[green]✓[/] {exact.acknowledged:,} messages acknowledged ({exact.quarantined:,} more put aside) of"
            f" {exact.webhook_ids:,} webhook ids: each is in raw; each of {exact.places:,} places of the log once;"
            f" {exact.unanswered:,} stored without an answer and sent again",
            highlight=False,
        )
    if results.ledger_lines:
        console.print(f"[green]✓[/] {results.ledger_lines} lines of the ledger balance", highlight=False)
    if results.equal:
        rows = sum(each.rows for each in results.equal)
        console.print(
            f"[green]✓[/] {len(results.equal)} tables equal their rebuild from raw, {rows:,} rows compared",
            highlight=False,
        )


def write(results: Results, folder: Path) -> tuple[Path, Path]:
    """Write `chaos.json` and `chaos.html` (which needs no network); returns both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    data, page = folder / "chaos.json", folder / "chaos.html"
    data.write_text(json.dumps(results.as_dict(), indent=1) + "\n", encoding="utf-8")
    timeline(results).write_html(page, include_plotlyjs=True)
    return data, page


def _squeezed(seconds: list[int]) -> dict[int, int]:
    """Second → its place on an axis on which the pauses between loads are `GAP_SECONDS` wide."""
    places: dict[int, int] = {}
    at = 0
    for number, second in enumerate(seconds):
        if number:
            at += min(second - seconds[number - 1], GAP_SECONDS)
        places[second] = at
    return places


def timeline(results: Results) -> Figure:
    """Requests a second by outcome; the kills, and the spans until each service and raw were back."""
    import plotly.graph_objects as go

    counted = dict(sorted(results.per_second))
    places = _squeezed(list(counted))
    picture = go.Figure()
    for name, colour in COLOURS.items():
        heights = [outcomes.get(name, 0) for outcomes in counted.values()]
        picture.add_bar(x=list(places.values()), y=heights, name=name, marker_color=colour)
    for number, outcome in enumerate(results.outcomes):
        _mark(picture, outcome, places, number)
    picture.update_layout(
        title="What senders were told while services were killed", barmode="stack", bargap=0, height=520,
        margin={"t": 150}, xaxis_title="seconds of load, without the pauses between scenarios",
        yaxis_title="requests a second", legend={"orientation": "h", "y": -0.2},
    )  # fmt: skip
    return picture


def _mark(picture: Any, outcome: Outcome, places: dict[int, int], number: int) -> None:
    """Red: the service did not answer. Yellow: it did, and no new row was visible yet."""
    if int(outcome.killed_at) not in places:
        return
    killed = places[int(outcome.killed_at)]
    healthy = killed + (outcome.healthy_at or outcome.killed_at) - outcome.killed_at
    visible = killed + (outcome.visible_at or outcome.killed_at) - outcome.killed_at
    picture.add_vrect(x0=killed, x1=healthy, fillcolor="#fecaca", opacity=0.5, line_width=0, layer="below")
    if visible > healthy:
        picture.add_vrect(x0=healthy, x1=visible, fillcolor="#fef3c7", opacity=0.5, line_width=0, layer="below")
    picture.add_annotation(
        x=killed, y=1.04 + 0.05 * (number % 4), yref="paper", text=f"✗ {outcome.scenario}", showarrow=False,
        xanchor="left",
    )  # fmt: skip
