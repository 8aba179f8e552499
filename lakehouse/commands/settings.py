"""`lakehouse settings`: every setting, its value, where it comes from. Secrets are named, never shown."""

from __future__ import annotations

import os

import typer
from pydantic import SecretStr
from rich import box
from rich.markup import escape
from rich.table import Table

from lakehouse.commands._services import wide_console
from lakehouse.settings import ENV_PREFIX, Settings, get_settings, secrets_file

app = typer.Typer(help="All settings, their values and where they come from.")
console = wide_console()
PROBLEM = 200
"""Characters of a problem that are shown."""


def _is_secret(value: object) -> bool:
    values = value if isinstance(value, tuple) else (value,)
    return any(isinstance(one, SecretStr) for one in values)


def _from_file(settings: Settings) -> set[str]:
    path = secrets_file(settings.data_dir)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {line.partition("=")[0].strip() for line in lines if "=" in line}


def _all_answer(settings: Settings) -> bool:
    """A line an endpoint as its answer comes, then what to do for those that gave none."""
    from lakehouse.endpoints import ask_all

    console.print(f"profile {settings.profile}; each endpoint is asked with the settings' login", highlight=False)
    silent = []
    for answer in ask_all(settings):
        mark, text = ("[green]✓[/]", answer.said) if not answer.problem else ("[red]✗[/]", answer.problem[:PROBLEM])
        console.print(f"{mark} {answer.name:<18}{answer.address:<44}{answer.seconds:5.1f} s  {escape(text)}",
                      highlight=False, soft_wrap=True)  # fmt: skip
        if answer.problem:
            silent.append(answer)
    for answer in silent:
        console.print(f"[bold]next:[/] {answer.name}: {answer.next_step}", highlight=False, soft_wrap=True)
    return not silent


@app.callback(invoke_without_command=True)
def main(
    search: str = typer.Argument("", help="only settings with this in their name"),
    check: bool = typer.Option(False, "--check", help="ask every endpoint whether it answers; 1 if one does not"),
) -> None:
    """Set one with LAKEHOUSE_<NAME> in the environment; in secrets.env of the stack's folder they stay."""
    settings = get_settings()
    if check:
        if not _all_answer(settings):
            raise typer.Exit(1)
        return
    in_file = _from_file(settings)
    table = Table("environment variable", "value", "from", "meaning", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, value in settings:
        if search.lower() not in name:
            continue
        variable = f"{ENV_PREFIX}{name.upper()}"
        origin = "environment" if variable in os.environ else "secrets.env" if variable in in_file else "default"
        meaning = Settings.model_fields[name].description or ""
        table.add_row(variable, "[dim](secret)[/]" if _is_secret(value) else str(value), origin, meaning)
    console.print(table)
    console.print(f"secrets of this stack: {secrets_file(settings.data_dir)} (mode 0600)", highlight=False)
