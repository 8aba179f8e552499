"""Dashboards as code: one list of panels, as Grafana and as VictoriaMetrics' own page (vmui) want them.

`python -m stack.native.dashboards` writes Grafana's files; those of vmui are written when the store starts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lakehouse.settings import PROJECT_ROOT

CONF = PROJECT_ROOT / "stack" / "conf" / "grafana"
PANELS = CONF / "panels.yml"
GRAFANA = CONF / "dashboards"
DATASOURCE = {"type": "prometheus", "uid": "prometheus"}
COLUMNS, HEIGHT = 2, 8
PLAIN_UNITS = {"short": "", "percentunit": "", "reqps": "per second", "Bps": "bytes per second"}
"""Grafana's names of units that vmui, which shows a unit as it is written, would show as they are."""
GRID = 24
"""Columns of Grafana's grid; vmui's has half as many."""


@dataclass(frozen=True)
class Panel:
    """One picture: its queries by the name of their lines, in which {{label}} stands for a label's value.

    `optional`: no series is what one hopes for (alerts that fire). `many`: so many lines that their names would hide
    the picture; one points at a line to see its name.
    """

    title: str
    unit: str
    queries: Mapping[str, str]
    description: str = ""
    optional: bool = False
    many: bool = False


@dataclass(frozen=True)
class Board:
    """A page of panels."""

    name: str
    title: str
    panels: tuple[Panel, ...]


def load(path: Path = PANELS) -> list[Board]:
    """All pages, in their order. Raises `TypeError` for a field that a panel does not have."""
    text = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [Board(one["name"], one["title"], tuple(Panel(**panel) for panel in one["panels"])) for one in text]


def _grafana_panel(number: int, panel: Panel) -> dict[str, Any]:
    width = GRID // COLUMNS
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": {"h": HEIGHT, "w": width, "x": number % COLUMNS * width, "y": number // COLUMNS * HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": not panel.many},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": DATASOURCE, "expr": expression, "legendFormat": legend}
            for place, (legend, expression) in enumerate(panel.queries.items())
        ],
    }


def grafana(board: Board) -> str:
    """A dashboard as Grafana's file provisioning reads it."""
    page = {
        "uid": f"lakehouse-{board.name}",
        "title": board.title,
        "tags": ["lakehouse"],
        "timezone": "browser",
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "panels": [_grafana_panel(number, panel) for number, panel in enumerate(board.panels)],
    }
    return json.dumps(page, indent=1) + "\n"


def vmui(board: Board) -> str:
    """A dashboard as VictoriaMetrics' page reads it."""
    panels = [
        {
            "title": panel.title,
            "description": panel.description,
            "unit": PLAIN_UNITS.get(panel.unit, panel.unit),
            "expr": list(panel.queries.values()),
            "alias": list(panel.queries),
            "showLegend": not panel.many,
            "width": GRID // 2 // COLUMNS,
        }
        for panel in board.panels
    ]
    return json.dumps({"title": board.title, "rows": [{"panels": panels}]}, indent=1)


def main() -> None:
    """Write Grafana's files anew."""
    GRAFANA.mkdir(parents=True, exist_ok=True)
    for board in load():
        (GRAFANA / f"{board.name}.json").write_text(grafana(board), encoding="utf-8")


if __name__ == "__main__":
    main()
