"""`lakehouse reconcile`: the ledger as a table; it ends with an error when a line does not balance."""

from __future__ import annotations

from itertools import groupby

import typer
from rich import box
from rich.table import Table

from lakehouse.checks.check import Check
from lakehouse.commands._services import wide_console

app = typer.Typer(help="The ledger: from webhook to mart, nothing lost and nothing twice.")
console = wide_console()
WIDE, LONGEST_NAME = 110, 27
"""Columns of a terminal from which on names of tables are not broken, and those that the longest name takes."""
MARK = {True: "[green]✓[/]", False: "[bold red]✗[/]"}


def _rows(checks: list[Check]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="rows", title_justify="left", pad_edge=False)
    for name, justify in (("", "left"), ("what must be equal", "left"), ("here", "left"), ("", "right"),
                          ("there", "left"), ("", "right"), ("note", "left")):  # fmt: skip
        least = LONGEST_NAME if name in ("here", "there") and console.width >= WIDE else None
        table.add_column(name, justify=justify, overflow="fold", min_width=least)  # type: ignore[arg-type]
    before = ""
    for check in checks:
        # the name once for all its lines
        title, before = "" if check.check == before else check.check, check.check
        said = f"[red]{check.detail}[/]" if check.detail else f"[dim]{check.note}[/]"
        table.add_row(MARK[check.balanced], title, check.left_name, f"{check.left:,}", check.right_name,
                      f"{check.right:,}", said)  # fmt: skip
    return table


def _money(subject: str, checks: list[Check]) -> Table:
    """One row a currency: the sum of money at each place on the way."""
    hops = list(dict.fromkeys((check.left_name, check.right_name) for check in checks))
    places = [hops[0][0], *(after for _, after in hops)]
    table = Table(box=box.SIMPLE_HEAD, title=subject, title_justify="left", pad_edge=False)
    table.add_column("")
    table.add_column("currency")
    for number, place in enumerate(places):
        table.add_column(place.replace("raw.", "payloads in raw.") if number == 0 else place, justify="right")
    for currency, lines in groupby(
        sorted(checks, key=lambda check: check.currency or ""), lambda check: check.currency
    ):
        found = {check.right_name: check for check in lines}
        sums = [found[hops[0][1]].left if hops[0][1] in found else 0]
        sums += [found[after].right if after in found else 0 for _, after in hops]
        table.add_row(
            MARK[all(check.balanced for check in found.values())], currency, *(f"{sum_:,.2f}" for sum_ in sums)
        )
    return table


def show(checks: list[Check]) -> None:
    """The ledger for a reader: rows line by line, money as one table for each kind of it."""
    console.print(_rows([check for check in checks if check.currency is None]))
    with_money = [check for check in checks if check.currency is not None]
    for subject in dict.fromkeys(check.check for check in with_money):
        console.print(_money(subject, [check for check in with_money if check.check == subject]))
    good = sum(check.balanced for check in checks)
    style = "green" if good == len(checks) else "bold red"
    console.print(f"[{style}]{good} of {len(checks)} lines balance[/]")


def reconcile_and_show(run_id: str | None = None, keep: bool = False) -> int:
    """Compare, show, keep if asked to; returns how many lines there are. Raises `NotBalanced`."""
    from lakehouse.engines.spark import spark_session
    from lakehouse.reconcile import reconcile, record, require_balanced

    with console.status("comparing") as status:
        checks = reconcile(spark_session(), report=lambda what: status.update(f"comparing {what}"))
    if keep:
        record(checks, run_id)
    show(checks)
    require_balanced(checks)
    return len(checks)


@app.callback(invoke_without_command=True)
def main(
    keep: bool = typer.Option(False, "--keep", help="also keep the lines in metadata.reconciliation"),
    run_id: str = typer.Option(None, help="under which run they are kept; default: a new one"),
) -> None:
    """Compare every place on the way of the data with the one before it."""
    reconcile_and_show(run_id, keep)
