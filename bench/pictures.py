"""Pictures of the results, drawn from the results' file alone: PNG where a browser is found, else HTML."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import kaleido
import plotly.graph_objects as go

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTH, HEIGHT = 860, 400
LOG_TICKS = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000)
Details = Mapping[str, Any]


def _figure(title: str, x: str = "", y: str = "", **layout: Any) -> go.Figure:
    fixed = {"template": "plotly_white", "width": WIDTH, "height": HEIGHT, "margin": {"t": 60, "r": 20, "b": 60}}
    return go.Figure(layout={**fixed, **layout}).update_layout(title=title, xaxis_title=x, yaxis_title=y)


def _stack(made: go.Figure, rows: Iterable[str], parts: Mapping[str, list[float]]) -> go.Figure:
    names = list(rows)
    for part, values in parts.items():
        made.add_bar(y=names, x=values, name=part, orientation="h")
    return made.update_layout(barmode="stack")


def webhooks(details: Details) -> go.Figure:
    each = details["cpu_microseconds"]
    most = details["most"]["per_second"]
    title = f"CPU of one webhook while {most:,.0f} a second were stored"
    made = _figure(title, "microseconds of CPU", height=260)
    return _stack(made, ["one webhook"], {name: [value] for name, value in each.items()})


def landing(details: Details) -> go.Figure:
    ways = {"flink": "Flink job", "python": "Python, pyiceberg", "connect": "Kafka Connect sink"}
    there = [name for name in ways if "error" not in details[name]]
    made = _figure(f"{details['rows']:,} orders from the event log to Iceberg", y="rows a second")
    made.add_bar(x=[ways[name] for name in there],
                 y=[details[name]["rows"] / details[name]["seconds"] for name in there])  # fmt: skip
    return made


def freshness(details: Details) -> go.Figure:
    made = _figure(f"From a sender to raw, a checkpoint each {details['checkpoint_seconds']:g} s",
                   "seconds", "share of webhooks, %")  # fmt: skip
    waits = sorted(details["seconds"])
    made.add_scatter(x=waits, y=[100 * (at + 1) / len(waits) for at in range(len(waits))], mode="lines")
    return made


def pipeline(details: Details) -> go.Figure:
    full, delta = (details["tasks"][name] for name in ("full", "delta"))
    names = list(full)[::-1]
    made = _figure(f"Seconds of each task, {details['orders']:,} orders and 1 % more", "seconds", height=560)
    made.add_bar(y=names, x=[full[name] for name in names], name="everything", orientation="h")
    made.add_bar(y=names, x=[delta.get(name, 0) for name in names], name="1 % new", orientation="h")
    return made


def task(details: Details) -> go.Figure:
    tasks = details["tasks"]
    names = list(tasks)[::-1]
    parts = list(tasks[names[0]])
    made = _figure("Where the seconds of a task with nothing new go", "seconds", height=560)
    return _stack(made, names, {part: [tasks[name][part] for name in names] for part in parts})


def queries(details: Details) -> go.Figure:
    medians = details["p50"]
    made = _figure(f"What dashboards ask of {details['rows']:,} orders, p50 (each line is about three times the one"
                   " below)", y="milliseconds")  # fmt: skip
    for way in next(iter(medians.values())):
        # dots: the length of a bar would say nothing on an axis without a zero
        made.add_scatter(x=list(medians), y=[of[way] for of in medians.values()], name=way, mode="markers",
                         marker={"size": 14})  # fmt: skip
    return made.update_yaxes(type="log", tickvals=LOG_TICKS, ticktext=[f"{tick:,}" for tick in LOG_TICKS])


def start(details: Details) -> go.Figure:
    memory = sorted(details["memory_mb"].items(), key=lambda item: item[1])
    made = _figure("Memory of each service, idle", "MB", height=480)
    made.add_bar(y=[name for name, _ in memory], x=[value for _, value in memory], orientation="h")
    return made


DRAWN: dict[str, Callable[[Details], go.Figure]] = {
    "webhooks": webhooks, "landing": landing, "freshness": freshness, "pipeline": pipeline, "task": task,
    "queries": queries, "start": start,
}  # fmt: skip


def browser() -> str | None:
    """A browser that can draw a PNG, if there is one."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def draw(parts: Mapping[str, Mapping[str, Any]], folder: Path) -> list[Path]:
    """A picture of each part that has one; returns the files. A part's picture of another kind is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    png, written = browser() is not None, []
    for name, make in DRAWN.items():
        if name not in parts:
            continue
        made = make(parts[name]["details"])
        target = folder / f"{name}.{'png' if png else 'html'}"
        (folder / f"{name}.{'html' if png else 'png'}").unlink(missing_ok=True)
        if png:
            # without MathJax: no picture has a formula, and it would be fetched from far away for each
            kaleido.write_fig_sync(made, path=target, opts={"scale": 1.5}, kopts={"mathjax": False})
        else:
            made.write_html(target, include_plotlyjs="directory")
        written.append(target)
    return written
