"""Run a notebook as a task: strict parameters, an archive of every try, an HTML copy beside it.

Imports the standard library and, when it runs, papermill and what papermill brings: Airflow's lean
environment has nothing else of this project's dependencies.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT_ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK_DIR = PROJECT_ROOT / "notebooks"
KERNEL = "lakehouse"
EXPLAINS = "explains"
"""Tag of cells that only explain and whose work grows with the tables: run for a reader, left out by the pipeline."""
CELL_TIMEOUT_SECONDS = 1200
START_TIMEOUT_SECONDS = 180


class NotebookNotFound(ValueError):
    """There is no such notebook; the message lists those there are."""


class UnknownParameter(ValueError):
    """A parameter that the notebook's `parameters` cell does not declare. papermill would only warn."""


class NotebookFailed(RuntimeError):
    """A cell raised; the message names the cell, the error and the archived copy."""


@dataclass(frozen=True)
class ExecutedNotebook:
    """Where the executed copy of one try is."""

    notebook: Path
    html: Path


def find_notebook(name: str) -> Path:
    """The notebook by file name, with or without `.ipynb`. Raises `NotebookNotFound`."""
    path = NOTEBOOK_DIR / (name if name.endswith(".ipynb") else f"{name}.ipynb")
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in NOTEBOOK_DIR.glob("*.ipynb")))
        raise NotebookNotFound(f"no notebook {path.name} in {NOTEBOOK_DIR.name}/; there are: {known}")
    return path


def check_parameters(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Refuse a parameter that the notebook's one `parameters` cell does not declare."""
    import papermill

    declared = papermill.inspect_notebook(str(notebook))
    unknown = sorted(set(parameters) - set(declared))
    if unknown:
        raise UnknownParameter(
            f"{notebook.name} has no parameter {', '.join(unknown)}; its parameters cell declares: "
            f"{', '.join(sorted(declared)) or 'none'}"
        )


def next_try(folder: Path) -> int:
    """The number of the next try in an archive folder, from 1."""
    numbers = [int(m[1]) for p in folder.glob("try-*.ipynb") if (m := re.fullmatch(r"try-(\d+)\.ipynb", p.name))]
    return max(numbers, default=0) + 1


def notebook_python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in the kernel's environment, and starts as its kernel does.

    That environment has nbconvert, plotly and the engines' clients, which this one need not have.
    """
    from jupyter_client.kernelspec import KernelSpecManager

    kernel = KernelSpecManager().get_kernel_spec(KERNEL).argv
    return [*kernel[: kernel.index("-m")], "-m", module, *arguments]


def page_of(notebook: Path) -> Path:
    """Where the HTML copy of an executed notebook is, or will be."""
    return notebook.with_suffix(".html")


def export_html(notebook: Path) -> Path:
    """Write the HTML copy of an executed notebook beside it, pictures included."""
    command = notebook_python("lakehouse.archive", str(notebook))
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"no HTML copy of {notebook.name} could be made: {done.stderr.strip()[-2000:]}")
    return page_of(notebook)


@contextmanager
def private_kernel(leave_out: str | None = None) -> Iterator[Any]:
    """The client's configuration: a kernel that talks over Unix sockets, so no port that another user could reach.

    Their folder is this kernel's own: by default two kernels that start at once would take the same names. Cells with
    the tag `leave_out` are not run.
    """
    from traitlets.config import Config

    sockets = tempfile.mkdtemp(prefix="kernel-")
    config = Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/ipc"}})
    if leave_out is not None:
        config.NotebookClient.skip_cells_with_tag = leave_out
    try:
        yield config
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


def run_notebook(
    name: str,
    parameters: Mapping[str, Any],
    archive: Path,
    *,
    try_number: int | None = None,
    cell_timeout: int = CELL_TIMEOUT_SECONDS,
    leave_out: str | None = None,
    page: bool = True,
) -> ExecutedNotebook:
    """Execute a notebook with parameters; keep `archive/try-N.ipynb` and `.html`, also of a failed try.

    `cell_timeout` is in seconds; cells with the tag `leave_out` are not run. Without `page` the HTML copy of a try that
    succeeded is left to the caller, who has something to do first. Raises `NotebookNotFound`, `UnknownParameter`, or
    `NotebookFailed` with the failing cell's own error.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    source = find_notebook(name)
    check_parameters(source, parameters)
    archive.mkdir(parents=True, exist_ok=True)
    target = archive / f"try-{try_number or next_try(archive)}.ipynb"
    try:
        with private_kernel(leave_out) as config:
            papermill.execute_notebook(
                str(source),
                str(target),
                parameters=dict(parameters),
                kernel_name=KERNEL,
                cwd=str(PROJECT_ROOT),
                progress_bar=False,
                log_output=True,
                autosave_cell_every=0,
                start_timeout=START_TIMEOUT_SECONDS,
                execution_timeout=cell_timeout,
                config=config,
            )
    except PapermillExecutionError as error:
        html = export_html(target)
        raise NotebookFailed(
            f"{source.name}, cell {error.cell_index}: {error.ename}: {error.evalue} (executed copy: {html})"
        ) from error
    return ExecutedNotebook(notebook=target, html=export_html(target) if page else page_of(target))
