"""What a bench measures: figures with units and goals, and how they are written and shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Goal:
    """A limit that a figure has to reach (`least`) or must not pass."""

    limit: float
    least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.limit if self.least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.least else '≤'} {number(self.limit)}"


@dataclass(frozen=True)
class Figure:
    """One measured number. `unit` is written after it; `note` says under which circumstances it was measured."""

    name: str
    value: float
    unit: str
    goal: Goal | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or nothing where there is no goal."""
        if self.goal is None:
            return ""
        return "met" if self.goal.met(self.value) else "missed"


@dataclass(frozen=True)
class Measured:
    """What a part gives: figures for the table, and details (samples, parts, counts) for those who look closer."""

    figures: tuple[Figure, ...]
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One measurement of the suite. `run` is called with the bench it belongs to."""

    name: str
    title: str
    run: Callable[[Any], Measured]


def number(value: float) -> str:
    """For people: three digits that count, thousands apart; a whole number as it is."""
    if value == int(value) and abs(value) < 1e15 and (abs(value) >= 100 or isinstance(value, int)):
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def as_json(measured: Measured, **facts: Any) -> dict[str, Any]:
    """A part's place in the results' file; `facts` are when and how it was measured."""
    rows = []
    for figure in measured.figures:
        row = {key: value for key, value in asdict(figure).items() if value not in (None, "")}
        row["value"] = float(f"{figure.value:.6g}")
        if figure.goal:
            row["goal"] = str(figure.goal)
            row["verdict"] = figure.verdict
        rows.append(row)
    return {**facts, "figures": rows, "details": measured.details}


def merge(path: Path, machine: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Put the parts that were measured now into the results' file; the others stay, with their own date and machine."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"parts": {}}
    fresh = {name: {"machine": dict(machine), **part} for name, part in parts.items()}
    results = {"parts": {**known["parts"], **fresh}}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
    return results


def table(parts: Iterable[tuple[str, Measured | str]]) -> Any:
    """All figures beside their goals as a rich table; a text in place of figures is why a part has none."""
    from rich import box
    from rich.table import Table

    shown = Table("part", "figure", "value", "goal", "", "measured", box=box.SIMPLE_HEAD, pad_edge=False)
    shown.columns[2].justify = "right"
    colours = {"met": "[green]met[/]", "missed": "[red]missed[/]", "": ""}
    for name, measured in parts:
        if isinstance(measured, str):
            shown.add_row(f"[bold]{name}[/]", "[red]failed[/]", "", "", "", measured)
            continue
        for at, figure in enumerate(measured.figures):
            shown.add_row(
                f"[bold]{name}[/]" if at == 0 else "", figure.name, f"{number(figure.value)} {figure.unit}".strip(),
                str(figure.goal or ""), colours[figure.verdict], figure.note,
            )  # fmt: skip
        shown.add_section()
    return shown
