"""`lakehouse`: every command group is a module of `lakehouse.commands`; a group is imported when it is used."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from lakehouse.errors import LakehouseError

GROUPS = {
    "stack": "start, stop and look at the services",
    "world": "make a world of people and send its webhooks",
    "streaming": "the Flink jobs from topics to raw tables",
    "pipeline": "run the steps from raw to marts",
    "er": "entity resolution: how good it is, what it counted",
    "maintenance": "small files, old snapshots, files that no table knows",
    "privacy": "erase a person from every layer, and prove it on what is stored",
    "reconcile": "the ledger: from webhook to mart, nothing lost and nothing twice",
    "chaos": "kill services under load, and prove that nothing was lost",
    "demo": "the whole way once, end to end",
    "lessons": "the lessons: list, check, run all to a site of pages",
    "exercises": "exercise sheets: progress, check a sheet, begin anew",
    "dashboards": "import the dashboards into Superset, look at them",
    "lab": "JupyterLab on the notebooks",
    "compose": "the stack as containers: .env, configuration, a check",
    "settings": "all settings, their values and where they come from",
}


class LazyGroups(TyperGroup):
    """Lists all groups without importing them: `--help` stays fast."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(GROUPS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in GROUPS:
            return None
        app: typer.Typer = import_module(f"lakehouse.commands.{cmd_name}").app
        command = typer.main.get_command(app)
        command.name = cmd_name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        console = Console()
        console.print("\n [bold]lakehouse[/] COMMAND …   (each has --help)\n")
        for name, text in GROUPS.items():
            console.print(f"   [bold]{name:<12}[/] {text}")
        console.print("\n   --debug before the command shows the traceback of an error.\n")


app = typer.Typer(cls=LazyGroups, no_args_is_help=True, add_completion=False)


@app.callback()
def root(debug: bool = typer.Option(False, "--debug", help="show the traceback of an error")) -> None:
    """Live lakehouse stack: signed webhooks to marts."""
    if debug:
        os.environ["WORKBOOK_DEBUG"] = "1"


def main() -> None:
    """Entry point: an error that we expect is one line and its next step, never a traceback."""
    try:
        app()
    except LakehouseError as error:
        if os.environ.get("WORKBOOK_DEBUG"):
            raise
        console = Console(stderr=True)
        console.print(f"[red]error:[/] {error.message}", highlight=False)
        tail = getattr(error, "tail", "")
        if tail:
            console.print(tail, style="dim", markup=False, highlight=False)
        if error.next_step:
            console.print(f"[bold]next:[/]  {error.next_step}", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
