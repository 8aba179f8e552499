"""The part of `docs/bench.md` that is made from the results' file: tables, pictures, the machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.figures import number
from lakehouse.errors import LakehouseError
from lakehouse.settings import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "bench.md"
BEGIN, END = "<!-- figures: made by `python -m bench --page` -->", "<!-- end of figures -->"
ENGINES = ("python", "Kafka", "apache-flink", "pyspark", "Trino", "chdb", "pyiceberg", "confluent-kafka", "uvicorn",
           "papermill")  # fmt: skip


def _machine(of: Mapping[str, Any]) -> str:
    """One line of what a part was measured on."""
    versions = ", ".join(f"{name} {of['versions'][name]}" for name in ENGINES if name in of["versions"])
    return f"{of['cores']} cores of {of['cpu']}, {of['memory_gb']:g} GB, {of['system']}; {versions}"


def _value(figure: Mapping[str, Any]) -> str:
    return f"{number(figure['value'])} {figure.get('unit', '')}".strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _table(figures: list[Mapping[str, Any]]) -> list[str]:
    rows = ["| figure | value | goal | | measured |", "|---|--:|--:|---|---|"]
    for figure in figures:
        verdict = {"met": "met", "missed": "**missed**"}.get(figure.get("verdict", ""), "")
        cells = (figure["name"], _value(figure), figure.get("goal", ""), verdict, figure.get("note", ""))
        rows.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return rows


def section(name: str, part: Mapping[str, Any], pictures: Path) -> list[str]:
    """One part: its title, when it was measured, its table, its picture if there is one."""
    of = part["machine"]
    when = f"`--only {name}`, {of['date']}, {part['seconds']:.0f} s, load before it {of['load_before']:g}"
    lines = [f"### {part['title']}", "", when, "", *_table(part["figures"]), ""]
    if (pictures / f"{name}.png").exists():
        lines += [f"![{part['title']}](../bench/pictures/{name}.png)", ""]
    return lines


def generated(results: Mapping[str, Any], order: list[str], pictures: Path) -> str:
    """All parts that were measured, in the suite's order, and the machines."""
    parts = {name: results["parts"][name] for name in order if name in results["parts"]}
    machines = list(dict.fromkeys(_machine(part["machine"]) for part in parts.values()))
    lines = ["Measured on: " + "; and on ".join(machines) + ".", ""]
    for name, part in parts.items():
        lines += section(name, part, pictures)
    return "\n".join(lines)


def with_figures(page: str, figures: str) -> str:
    """The page with its made part replaced. Raises `LakehouseError` for one that has no place for it."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise LakehouseError(f"{PAGE.name} has no place for figures", f"put the lines {BEGIN} and {END} into it")
    return f"{before}{BEGIN}\n{figures}{END}{after}"


def write(results: Mapping[str, Any], order: list[str], pictures: Path) -> None:
    """Put the figures into the page."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_figures(page, generated(results, order, pictures)), encoding="utf-8")
