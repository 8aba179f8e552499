"""`lakehouse dashboards`: import the dashboards into Superset, and look at them with a browser."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from lakehouse.errors import LakehouseError
from lakehouse.settings import get_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Superset's dashboards as code.")
console = Console()


class ChartsBroken(LakehouseError):
    """A browser shows charts with an error, or without a row."""


@app.command("import")
def import_() -> None:
    """Make Superset's databases, datasets, charts and dashboards as the bundle says; repeatable."""
    from lakehouse.dashboards import superset
    from stack.native import supervisor

    settings = get_settings()
    # two imports at once would make the same objects twice, and both fail
    with console.status("importing"), supervisor.lock(settings, "dashboards"):
        addresses = superset.import_all(settings)
    for address in addresses:
        console.print(address, soft_wrap=True, highlight=False)
    console.print(f"user {settings.superset_user}, password: LAKEHOUSE_SUPERSET_PASSWORD in secrets.env of the stack")


@app.command()
def screenshot(
    names: list[str] = typer.Argument(None, help="dashboards, as `sales`; all when left out"),
    folder: Path = typer.Option(None, help="where the pictures go; default: runs/dashboards of the stack"),
) -> None:
    """Open each dashboard in a headless Chromium, save its picture; an error if a chart shows one, or no row."""
    from lakehouse.dashboards import browser, bundle

    settings, parts = get_settings(), bundle.load()
    there = {d["slug"]: len(bundle.charts_of(d)) for d in bundle.of_kind(parts, "dashboards").values()}
    unknown = set(names or ()) - set(there)
    if unknown:
        raise LakehouseError(f"there is no dashboard {', '.join(sorted(unknown))}", f"use: {', '.join(there)}")
    target = folder or settings.runs_dir / "dashboards"

    def keep(one: browser.Seen) -> None:
        console.print(str(browser.save(one, target)), soft_wrap=True, highlight=False)

    with console.status("drawing"):
        seen = browser.look_at(settings, {slug: there[slug] for slug in names or there}, keep)
    broken = [f"{one.slug}: {what}" for one in seen for what in (*one.errors, *(f"{e}: no rows" for e in one.empty))]
    if broken:
        raise ChartsBroken("\n".join(broken), "open the dashboard; `lakehouse stack logs superset` has the queries")
