"""`lakehouse lab`: JupyterLab on the notebooks, on the loopback address, with a token."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

import typer
from rich.console import Console

from lakehouse.errors import LakehouseError
from lakehouse.settings import PROJECT_ROOT, get_settings

INDEX = "lab/tree/notebooks/index.ipynb"
CONFIGURATION = PROJECT_ROOT / "stack" / "conf" / "jupyter"
"""What differs from JupyterLab's own defaults: it asks the network for nothing, and nobody whether it may."""

app = typer.Typer(help="JupyterLab on the notebooks.")
console = Console()


class PortTaken(LakehouseError):
    """Something listens already where JupyterLab should."""


def _free(port: int) -> int:
    from stack.native.processes import listener

    if who := listener(port):
        raise PortTaken(f"port {port} is taken by {who}", f"give another one: lakehouse lab --port {port + 1}")
    return port


@app.callback(invoke_without_command=True)
def main(
    learner: str = typer.Option(
        None, envvar="WORKBOOK_LEARNER", help="whose lab: own copies of lessons and sheets, own progress and tables"
    ),
    port: int = typer.Option(None, min=1024, max=65535, help="default: the setting jupyter_port"),
) -> None:
    """Open JupyterLab; end it with Ctrl-C. The address with its token is printed here, and nowhere else."""
    settings = get_settings()
    root, token, environment = PROJECT_ROOT, settings.jupyter_token.get_secret_value(), dict(os.environ)
    layout = settings.data_dir / "lab"
    if learner:
        from lakehouse.lesson import workspaces

        # a token of their own: who knows one address must not be able to guess the neighbour's
        root, token = workspaces.prepare(learner), secrets.token_urlsafe(24)
        environment["WORKBOOK_LEARNER"] = learner
        layout = root / ".lab"
    chosen = _free(port or settings.jupyter_port)
    whose = f"  ({learner}, in {root})" if learner else ""
    url = f"http://{settings.host}:{chosen}/{INDEX}?token={token}"
    console.print(f"open  {url}{whose}\nend it with Ctrl-C", soft_wrap=True, highlight=False)
    # through the environment: a command line can be read by every user of the machine
    configuration = os.pathsep.join(filter(None, (str(CONFIGURATION), os.environ.get("JUPYTER_CONFIG_PATH"))))
    environment |= {"JUPYTER_TOKEN": token, "JUPYTER_CONFIG_PATH": configuration}
    os.execve(sys.executable, command(settings.host, chosen, root, layout), environment)


def command(host: str, port: int, root: Path, layout: Path) -> list[str]:
    """How JupyterLab is started on a folder that holds `notebooks/`.

    It keeps open tabs and changed settings in `layout`: two labs of one user do not open each other's.
    """
    return [sys.executable, "-m", "jupyterlab", "--no-browser", f"--ip={host}", f"--port={port}",
            "--ServerApp.port_retries=0", "--allow-root", "--Application.log_level=WARN",
            f"--ServerApp.root_dir={root}", f"--ServerApp.default_url=/{INDEX}",
            "--LabApp.extension_manager=readonly", "--KernelManager.transport=ipc",
            f"--LabApp.workspaces_dir={layout / 'workspaces'}",
            f"--LabApp.user_settings_dir={layout / 'settings'}"]  # fmt: skip
