"""`lakehouse stack`: the native services of this machine."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import typer

from lakehouse.commands._services import print_status, progress, wide_console
from lakehouse.errors import LakehouseError
from lakehouse.settings import ENV_PREFIX, HOME, Settings, load_settings, secrets_file

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Start, stop and look at the services.")
console = wide_console()

NAMES = typer.Argument(None, help="services, families (`flink`, `spark`) or profiles; the core when left out")


def _data_dir() -> Path:
    return Path(os.environ.get(f"{ENV_PREFIX}DATA_DIR", HOME / "stack"))


def _initialised() -> Settings:
    from stack.native.secrets import ensure_secrets

    ensure_secrets(_data_dir())
    return load_settings()


@app.command()
def init() -> None:
    """Generate the secrets of this stack, once; existing ones are kept."""
    from stack.native.secrets import ensure_secrets

    added = ensure_secrets(_data_dir())
    console.print(f"{len(added)} secrets generated" if added else "all secrets are there")


@app.command()
def up(names: list[str] = NAMES) -> None:
    """Start services with all they require, and wait until each answers a real question."""
    from stack.native import lifecycle

    settings = _initialised()
    services = lifecycle.select(names or [])
    began = time.monotonic()
    with progress(console) as report:
        lifecycle.up(settings, services, report)
    console.print(f"[green]{len(services)} services are healthy[/] after {time.monotonic() - began:.0f} s")


@app.command()
def down(names: list[str] = NAMES) -> None:
    """Stop services; without names all of them and supervisord. Data stays."""
    from stack.native import lifecycle
    from stack.native.registry import all_services

    if not secrets_file(_data_dir()).exists():
        console.print("nothing runs: this stack was never started")
        return
    settings = load_settings()
    services = lifecycle.select(names, with_required=False) if names else list(all_services())
    with progress(console) as report:
        survivors = lifecycle.down(settings, services, report, everything=not names)
    for survivor in survivors:
        console.print(f"  ended by force: {survivor}", style="yellow", markup=False, highlight=False)
    if not names:
        console.print("no process is left")


@app.command()
def restart(names: list[str] = typer.Argument(..., help="services or families")) -> None:
    """Stop and start services again."""
    from stack.native import lifecycle

    settings = load_settings()
    services = lifecycle.select(names, with_required=False)
    with progress(console) as report:
        lifecycle.down(settings, services, report, everything=False)
        lifecycle.up(settings, services, report)


@app.command()
def status(as_json: bool = typer.Option(False, "--json", help="for machines")) -> None:
    """Every service: state, ports, pid, memory, start time; and the memory of all together."""
    from stack.native.inspection import inspect_all

    settings = _initialised()
    rows = inspect_all(settings)
    if as_json:
        typer.echo(json.dumps([row.as_dict() for row in rows], indent=1))
    else:
        print_status(console, settings.stack_name, rows)


@app.command()
def pages(names: list[str] = NAMES) -> None:
    """The addresses of the services' pages, for people."""
    from stack.native import lifecycle

    settings = load_settings()
    for service in lifecycle.select(names or [], with_required=False):
        if service.url:
            console.print(f"  {service.title:<28} {service.url(settings)}", markup=False, highlight=False)


@app.command()
def logs(
    name: str = typer.Argument(..., help="a service or a family"),
    lines: int = typer.Option(50, "-n", help="how many lines of each"),
    follow: bool = typer.Option(False, "--follow", "-f", help="go on as the log grows; end with Ctrl-C"),
) -> None:
    """The end of a service's log."""
    from stack.native import lifecycle

    settings = load_settings()
    services = lifecycle.select([name], with_required=False)
    for service in services:
        if len(services) > 1:
            console.rule(service.name)
        console.print(lifecycle.log_tail(settings, service.name, lines), markup=False, highlight=False, soft_wrap=True)
    if follow:
        files = [str(settings.log_dir / f"{service.name}.log") for service in services]
        os.execvp("tail", ["tail", "-n", "0", "-F", *files])


@app.command()
def doctor() -> None:
    """Check this machine: architecture, Java, ports, memory, disk. Says which setting to change."""
    from stack.doctor import report
    from stack.native import lifecycle

    if not report(_initialised(), lifecycle.select([])):
        raise LakehouseError("this machine is not ready", "mend what is marked ✗ above, then run `make doctor` again")


@app.command()
def reset(yes: bool = typer.Option(False, "--yes", help="do not ask")) -> None:
    """Stop everything and delete this stack's data and secrets. Installed tools stay."""
    data_dir = _data_dir()
    if not data_dir.exists():
        console.print("there is no data")
        return
    if not secrets_file(data_dir).exists() and any(data_dir.iterdir()):
        raise LakehouseError(
            f"{data_dir} does not look like a stack's data folder: it holds no {secrets_file(data_dir).name}",
            f"look at it, and delete it yourself; or correct {ENV_PREFIX}DATA_DIR",
        )
    if not yes:
        typer.confirm(f"Delete all data of the stack in {data_dir}?", abort=True)
    down([])
    shutil.rmtree(data_dir)
    console.print("the stack's data is gone")
