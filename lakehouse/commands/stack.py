"""`lakehouse stack`: the native services of this machine."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from lakehouse.errors import LakehouseError
from lakehouse.settings import ENV_PREFIX, HOME, load_settings

app = typer.Typer(no_args_is_help=True, help="Start, stop and look at the services.")
console = Console()

MEMORY_BUDGET_GB = 9.0
STATE_STYLE = {"healthy": "green", "starting": "yellow", "unhealthy": "red", "failed": "bold red", "stopped": "dim"}
NAMES = typer.Argument(None, help="services or families (`flink`, `spark`, `airflow`); all when left out")


def _report(name: str, what: str, seconds: float) -> None:
    style = {"healthy": "green", "stopped": "dim"}.get(what, "yellow")
    console.print(f"  {name:<24} [{style}]{what:<10}[/] {seconds:6.1f} s", highlight=False)


def _data_dir() -> Path:
    import os

    return Path(os.environ.get(f"{ENV_PREFIX}DATA_DIR", HOME / "stack"))


@app.command()
def init() -> None:
    """Generate the secrets of this stack, once; existing ones are kept."""
    from stack.native.secrets import ensure_secrets

    added = ensure_secrets(_data_dir())
    console.print(f"{len(added)} secrets generated" if added else "all secrets are there")


@app.command()
def up(names: list[str] = NAMES) -> None:
    """Start services with all they require, and wait until each answers a real question."""
    from stack.doctor import check_before_start
    from stack.native import lifecycle
    from stack.native.secrets import ensure_secrets

    ensure_secrets(_data_dir())
    settings = load_settings()
    services = lifecycle.select(names or [])
    check_before_start(settings, services)
    began = datetime.now()
    lifecycle.up(settings, services, _report)
    console.print(f"[green]{len(services)} services are healthy[/] after {(datetime.now() - began).seconds} s")


@app.command()
def down(names: list[str] = NAMES) -> None:
    """Stop services; without names all of them and supervisord. Data stays."""
    from stack.native import lifecycle

    settings = load_settings()
    lifecycle.down(settings, lifecycle.select(names or [], with_required=False), _report, everything=not names)


@app.command()
def restart(names: list[str] = typer.Argument(..., help="services or families")) -> None:
    """Stop and start services again."""
    from stack.native import lifecycle

    settings = load_settings()
    services = lifecycle.select(names, with_required=False)
    lifecycle.down(settings, services, _report, everything=False)
    lifecycle.up(settings, services, _report)


@app.command()
def status(as_json: bool = typer.Option(False, "--json", help="for machines")) -> None:
    """Every service: state, ports, pid, memory, start time; and the memory of all together."""
    from stack.native.inspection import inspect_all

    rows = inspect_all(load_settings())
    if as_json:
        typer.echo(json.dumps([row.as_dict() for row in rows], indent=1))
        return
    table = Table(title=f"stack “{load_settings().stack_name}”", title_justify="left")
    for column, justify in (("service", "left"), ("state", "left"), ("ports", "left"), ("pid", "right")):
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    table.add_column("memory", justify="right")
    table.add_column("since")
    table.add_column("page")
    for row in rows:
        since = row.started_at.strftime("%H:%M:%S") if row.started_at else ""
        memory = f"{row.memory_mb:.0f} MB" if row.pid else ""
        state = f"[{STATE_STYLE[row.state]}]{row.state}[/]" + (f": {row.reason}" if row.reason else "")
        table.add_row(row.name, state, row.ports, str(row.pid or ""), memory, since, row.url)
    console.print(table)
    total = sum(row.memory_mb for row in rows) / 1024
    style = "green" if total <= MEMORY_BUDGET_GB else "red"
    console.print(f"memory of everything together: [{style}]{total:.2f} GB[/] of {MEMORY_BUDGET_GB:.0f} GB")


@app.command()
def logs(
    name: str = typer.Argument(..., help="a service"),
    lines: int = typer.Option(50, "-n", help="how many lines"),
    follow: bool = typer.Option(False, "--follow", "-f", help="go on as the log grows; end with Ctrl-C"),
) -> None:
    """The end of a service's log."""
    from stack.native import lifecycle

    settings = load_settings()
    lifecycle.select([name], with_required=False)
    console.print(lifecycle.log_tail(settings, name, lines), markup=False, highlight=False)
    if follow:
        import subprocess

        subprocess.run(["tail", "-n", "0", "-F", str(settings.log_dir / f"{name}.log")], check=False)


@app.command()
def doctor() -> None:
    """Check this machine: architecture, Java, ports, memory, disk. Says which setting to change."""
    from stack.doctor import report
    from stack.native import lifecycle
    from stack.native.secrets import ensure_secrets

    ensure_secrets(_data_dir())
    settings = load_settings()
    if not report(settings, lifecycle.select([])):
        raise LakehouseError("this machine is not ready", "mend what is marked ✗ above, then run `make doctor` again")


@app.command()
def reset(yes: bool = typer.Option(False, "--yes", help="do not ask")) -> None:
    """Stop everything and delete this stack's data and secrets. Installed tools stay."""
    from stack.native import supervisor

    data_dir = _data_dir()
    if not yes:
        typer.confirm(f"Delete all data of the stack in {data_dir}?", abort=True)
    if data_dir.exists() and (data_dir / "secrets.env").exists() and supervisor.is_running(load_settings()):
        down([])
    shutil.rmtree(data_dir, ignore_errors=True)
    console.print("the stack's data is gone")
