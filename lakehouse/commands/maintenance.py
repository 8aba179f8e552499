"""`lakehouse maintenance`: the state of the tables' files and snapshots, and their upkeep."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import typer
from rich import box
from rich.table import Table

from lakehouse import maintenance
from lakehouse.commands._services import wide_console

app = typer.Typer(
    no_args_is_help=True,
    help="Upkeep of tables that are in use. Each command can be repeated, and shows first what it would delete.",
)
console = wide_console()
NAMES = typer.Argument(None, metavar="LAYER|TABLE", help="a layer (raw) or a table (raw.shopify_orders)")
KEEP_FOR = typer.Option(maintenance.KEEP_FOR.days, "--keep-days", min=0, help="younger snapshots stay")
KEEP_LAST = typer.Option(maintenance.KEEP_LAST, "--keep-last", min=1, help="so many of the newest stay in any case")
DELETE = typer.Option(False, "--delete", help="do it; without this it is only shown")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 or column == "" else "right", overflow="fold")
    return table


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def _names(names: list[str] | None) -> Iterable[str]:
    return maintenance.tables_of(names or [])


@app.command()
def status(names: list[str] = NAMES, keep_days: int = KEEP_FOR, keep_last: int = KEEP_LAST) -> None:
    """Rows, files, snapshots of each table, and how many snapshots may go."""
    table = _table("table", "rows", "files", "mean size", "delete files", "manifests", "snapshots", "may go", "")
    with console.status("looking at the tables"):
        for name in _names(names):
            one = maintenance.health(name, timedelta(days=keep_days), keep_last)
            held = f"[dim]older ones are held by {one.held_by}[/]" if one.held_by else ""
            table.add_row(name, f"{one.rows:,}", f"{one.files:,}", _size(one.mean_size) if one.files else "",
                          f"{one.delete_files:,}", f"{one.manifests:,}", f"{one.snapshots:,}", f"{one.expirable:,}",
                          held)  # fmt: skip
    console.print(table)


@app.command()
def compact(
    names: list[str] = NAMES,
    min_files: int = typer.Option(2, "--min-files", min=2, help="so many small files in a partition are worth it"),
) -> None:
    """Put small files and deleted rows together. The rows stay as they are, and no reader reads one again."""
    from lakehouse.engines.spark import spark_session

    spark = spark_session()
    table = _table("table", "files before", "after", "size", "manifests before", "after", "attempts")
    for name in _names(names):
        with console.status(name):
            done = maintenance.compact(spark, name, min_files)
        if done.changed:
            table.add_row(name, f"{done.files_before:,}", f"{done.files_after:,}", _size(done.rewritten_bytes),
                          f"{done.manifests_before:,}", f"{done.manifests_after:,}", f"{done.attempts}")  # fmt: skip
    console.print(table if table.rows else "nothing to put together")


@app.command()
def expire(
    names: list[str] = NAMES, keep_days: int = KEEP_FOR, keep_last: int = KEEP_LAST, delete: bool = DELETE
) -> None:
    """Let old snapshots go, with the files that only they have; none that a watermark, Flink or ClickHouse needs."""
    from lakehouse.engines.spark import spark_session

    table = _table("table", "snapshots", "stay", "data files", "delete files", "manifests", "")
    for name in _names(names):
        with console.status(name):
            plan = maintenance.plan_expiry(name, timedelta(days=keep_days), keep_last)
            done = maintenance.expire(spark_session(), plan) if delete and plan.expire else None
        if not plan.expire and not plan.held_by:
            continue
        files = (f"{done.data_files:,}", f"{done.delete_files:,}", f"{done.manifests:,}") if done else ("", "", "")
        held = f"[dim]older ones are held by {plan.held_by}[/]" if plan.held_by else ""
        table.add_row(name, f"{len(plan.expire):,}", f"{plan.kept:,}", *files, held)
    console.print(table if table.rows else "no snapshot is to go")
    _said(delete, bool(table.rows))


@app.command()
def orphans(
    names: list[str] = NAMES,
    hours: float = typer.Option(
        maintenance.ORPHAN_AGE.total_seconds() / 3600, "--older-than-hours", min=1,
        help="younger files may be of a commit that is on its way",
    ),
    delete: bool = DELETE,
) -> None:  # fmt: skip
    """Files under a table's location that no snapshot of it has: what was left by writers that died."""
    table = _table("table", "file", "size", "written")
    for name in _names(names):
        with console.status(name):
            found = maintenance.orphans(name, timedelta(hours=hours))
            if delete:
                maintenance.remove(name, found)
        location = maintenance.load(name).location() if found else ""
        for file in found:
            written = f"{file.modified_at:%Y-%m-%d %H:%M:%S}"
            table.add_row(name, file.path.removeprefix(f"{location}/"), _size(file.size), written)
    console.print(table if table.rows else "no orphan file")
    _said(delete, bool(table.rows))


def _said(delete: bool, anything: bool) -> None:
    if anything:
        console.print("done" if delete else "shown only; [bold]--delete[/] does it")
