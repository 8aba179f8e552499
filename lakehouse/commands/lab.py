"""`lakehouse lab`: JupyterLab on the notebooks, on the loopback address, with the stack's own token."""

from __future__ import annotations

import os
import sys

import typer
from rich.console import Console

from lakehouse.settings import PROJECT_ROOT, get_settings

app = typer.Typer(help="JupyterLab on the notebooks.")
console = Console()


@app.callback(invoke_without_command=True)
def main() -> None:
    """Open JupyterLab; end it with Ctrl-C. The address with its token is printed here, and nowhere else."""
    settings = get_settings()
    token = settings.jupyter_token.get_secret_value()
    url = f"http://{settings.host}:{settings.jupyter_port}/lab?token={token}"
    console.print(f"open  {url}\nend it with Ctrl-C", soft_wrap=True, highlight=False)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--ip={settings.host}",
               f"--port={settings.jupyter_port}", "--ServerApp.port_retries=0", "--allow-root", "--log-level=WARN",
               f"--ServerApp.root_dir={PROJECT_ROOT}",
               "--ServerApp.default_url=/lab/tree/notebooks/index.ipynb"]  # fmt: skip
    # through the environment: a command line can be read by every user of the machine
    os.execve(sys.executable, command, {**os.environ, "JUPYTER_TOKEN": token})
