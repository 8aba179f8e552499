"""`lakehouse compose`: what Docker Compose needs from this project, and a check of it that needs no Docker."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import typer
from rich.console import Console

from lakehouse.settings import ENV_PREFIX, HOME, load_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The stack as containers (Docker Compose).")
console = Console()


def _prepared() -> Path:
    from stack.compose import conf, environment
    from stack.native.secrets import ensure_secrets

    ensure_secrets(Path(os.environ.get(f"{ENV_PREFIX}DATA_DIR", HOME / "stack")))
    settings = load_settings()
    conf.write(settings)
    return environment.write(settings)


@app.command()
def prepare() -> None:
    """Write the .env, from the settings and the generated secrets, and the services' configuration."""
    from stack.compose.validator import COMPOSE_FILE

    env_file = _prepared()
    command = ["docker", "compose", "--file", str(COMPOSE_FILE), "--env-file", str(env_file), "--profile", "core"]
    console.print(f"{env_file} (mode 0600)", highlight=False, soft_wrap=True)
    console.print(f"start it:  {shlex.join([*command, 'up', '--build', '--detach', '--wait'])}", highlight=False,
                  soft_wrap=True)  # fmt: skip


@app.command()
def check() -> None:
    """Load compose.yaml with Compose's own loader; the first time the loader is built, which takes half a minute."""
    from stack.compose import validator

    services = validator.load(_prepared())["services"]
    once = [name for name, service in services.items() if service.get("restart") == "no"]
    console.print(f"[green]compose.yaml is valid[/]: {len(services) - len(once)} services, {len(once)} that run once")
