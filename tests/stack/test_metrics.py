"""What is scraped, the alerts and the dashboards, as files: filled in whole, and the same for Grafana as checked in."""

from __future__ import annotations

import json
import re
from itertools import takewhile
from pathlib import Path

import pytest
import yaml

from lakehouse.observability import exporter
from lakehouse.settings import PROJECT_ROOT, Settings
from stack.native import dashboards
from stack.native.services import metrics

PLACEHOLDER = re.compile(r"(?<!\{)\{[a-z_]+\}(?!\})")
OWN = ("up", "webhook_", "catalog_", "SeaweedFS_", "trino_", "ALERTS")
"""What parts with a page of their own say; the rest is the exporter's."""
NAME = re.compile(r"[a-zA-Z_:][\w:]*")
WORDS = {"by", "without", "and", "or", "unless", "offset", "on", "ignoring", "group_left", "group_right", "bool"}


def names_in(query: str) -> set[str]:
    """The metrics that a query names: what is no function, no keyword, no label and no duration."""
    plain = re.sub(r'"[^"]*"|\[[^\]]*\]|\b(by|without)\s*\([^)]*\)|offset \S+', " ", query)
    plain = re.sub(r"\{[^}]*\}", " ", plain)
    return {m[0] for m in NAME.finditer(plain) if not plain[m.end() :].lstrip().startswith("(")} - WORDS - {"e6"}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("sum by (source) (rate(webhook_requests_total[1m]))", {"webhook_requests_total"}),
        ('min_over_time(sum(airflow_tasks{state=~"a|b"})[20s:2s]) > 0', {"airflow_tasks"}),
        ("a > 500 and b / a < 1e6", {"a", "b"}),
        ("t > t offset 5m", {"t"}),
        ("time() - max by (service) (s)", {"s"}),
    ],
)
def test_the_metrics_of_a_query_are_found(query: str, names: set[str]) -> None:
    assert names_in(query) == names


def test_every_name_in_braces_is_filled_in(settings: Settings) -> None:
    for name, values in (
        ("scrape.yml", metrics.scrape_values(settings)),
        ("alerts.yml", metrics.alert_values(settings)),
    ):
        text = metrics.fill_in(metrics.TEMPLATES / name, values)
        comments = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
        assert PLACEHOLDER.findall(comments) == []
        assert yaml.safe_load(text)


def test_every_alert_says_what_is_wrong_and_what_to_do(settings: Settings) -> None:
    text = metrics.fill_in(metrics.TEMPLATES / "alerts.yml", metrics.alert_values(settings))
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 20
    for rule in rules:
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert set(rule["annotations"]) == {"summary", "next_step"}


def test_alerts_and_panels_ask_for_metrics_that_there_are(settings: Settings) -> None:
    text = metrics.fill_in(metrics.TEMPLATES / "alerts.yml", metrics.alert_values(settings))
    queries = [rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    queries += [query for board in dashboards.load() for panel in board.panels for query in panel.queries.values()]
    asked = {name for query in queries for name in names_in(query) if not name.startswith(OWN)}
    assert asked <= set(exporter.HELP)


def test_the_lesson_points_at_alerts_and_panels_that_there_are(settings: Settings) -> None:
    text = metrics.fill_in(metrics.TEMPLATES / "alerts.yml", metrics.alert_values(settings))
    alerts = {rule["alert"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]}
    panels = {panel.title for board in dashboards.load() for panel in board.panels}
    lesson = json.loads((PROJECT_ROOT / "notebooks" / "15_observability.ipynb").read_text(encoding="utf-8"))
    lines = [line.strip() for cell in lesson["cells"] for line in cell["source"]]
    head = lines.index("| here | alert | panel |")
    rows = [line.strip("| ").split(" | ") for line in takewhile(lambda line: line.startswith("|"), lines[head + 2 :])]
    assert {name for _, named, _ in rows for name in re.findall(r"`(\w+)`", named)} <= alerts
    assert {name for *_, named in rows for name in named.split("; ")} <= panels


def test_grafanas_files_are_those_of_the_panels() -> None:
    made = {f"{board.name}.json": dashboards.grafana(board) for board in dashboards.load()}
    kept = {path.name: path.read_text(encoding="utf-8") for path in dashboards.GRAFANA.glob("*.json")}
    assert kept == made, "run `python -m stack.native.dashboards`"


def test_a_dashboard_fits_into_the_grid_and_names_its_datasource() -> None:
    for board in dashboards.load():
        page = json.loads(dashboards.grafana(board))
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in page["panels"]]
        assert len(set(places)) == len(places)
        assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= dashboards.GRID for panel in page["panels"])
        assert {target["datasource"]["uid"] for panel in page["panels"] for target in panel["targets"]} == {
            "prometheus"
        }


def test_vmui_shows_no_unit_that_only_grafana_knows() -> None:
    pages = [json.loads(dashboards.vmui(board)) for board in dashboards.load()]
    units = {panel["unit"] for page in pages for row in page["rows"] for panel in row["panels"]}
    assert units == {"", "s", "ms", "bytes", "per second", "bytes per second"}


@pytest.mark.parametrize(("seconds", "text"), [(10, "10s"), (2.0, "2s"), (2.5, "2500ms"), (0.2, "200ms")])
def test_durations_are_written_as_prometheus_reads_them(seconds: float, text: str) -> None:
    assert metrics._seconds(seconds) == text


def test_a_store_that_was_not_built_says_what_to_do(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="make observe"):
        metrics._prepare_store(settings.model_copy(update={"home": tmp_path}))
