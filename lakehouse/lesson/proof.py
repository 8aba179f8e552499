"""Run a sheet in a kernel and collect what its checks said: for `lakehouse exercises check`, and for CI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from lakehouse.lesson import learners
from lakehouse.lesson.exercise import OUTCOME_MIME, RIGHT
from lakehouse.runner import KERNEL, PROJECT_ROOT, private_kernel

CELL_TIMEOUT_SECONDS = 600
ANEW = "%reset -f\n__import__('os').environ['WORKBOOK_LEARNER'] = {learner!r}"
"""The cell before a sheet's first in a kernel that others have used: no name of theirs is left."""


@contextmanager
def open_kernel() -> Iterator[Any]:
    """A kernel for several sheets, one after another: what they import is imported once."""
    from jupyter_client.manager import KernelManager

    with private_kernel() as config:
        manager = KernelManager(kernel_name=KERNEL, config=config)
        manager.start_kernel(cwd=str(PROJECT_ROOT))
        try:
            yield manager
        finally:
            manager.shutdown_kernel(now=True)


def outcomes(book: Any, learner: str | None = None, kernel: Any = None) -> dict[str, dict[str, str]]:
    """Question → `outcome` and `message`, in the order of the sheet; the notebook is executed in place.

    A cell that raises stops nothing: where it held a check, that question has the outcome `error`. `learner` keeps the
    run's progress apart from the caller's own. By default the sheet has a kernel of its own; `kernel` is one of
    `open_kernel`, which is emptied before.
    """
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell

    name = learner or learners.learner()
    book.cells.insert(0, new_code_cell(ANEW.format(learner=name)))
    with nullcontext(kernel) if kernel else open_kernel() as manager:
        client = NotebookClient(
            book,
            km=manager,
            timeout=CELL_TIMEOUT_SECONDS,
            allow_errors=True,
            resources={"metadata": {"path": str(PROJECT_ROOT)}},
        )
        client.execute()
    if book.cells[0].outputs:
        raise RuntimeError(f"the kernel could not be emptied: {book.cells[0].outputs}")
    return _collect(book)


def _collect(book: Any) -> dict[str, dict[str, str]]:
    from lakehouse.lesson.sheets import checked

    found: dict[str, dict[str, str]] = {}
    for cell in book.cells:
        if cell.cell_type != "code":
            continue
        asked = dict.fromkeys(checked(cell.source))
        for output in cell.get("outputs", []):
            said = output.get("data", {}).get(OUTCOME_MIME)
            if said:
                found[said["question"]] = {"outcome": said["outcome"], "message": said["message"]}
        raised = [output for output in cell.get("outputs", []) if output.output_type == "error"]
        for question in asked:
            silent = f"{raised[0].ename}: {raised[0].evalue}" if raised else "the check was not the cell's last line"
            found.setdefault(question, {"outcome": "error", "message": silent})
    return found


def all_right(found: dict[str, dict[str, str]]) -> bool:
    """Whether each question is answered right, and there is one."""
    return bool(found) and all(said["outcome"] == RIGHT for said in found.values())


def run_sheet(path: Path, learner: str | None = None) -> dict[str, dict[str, str]]:
    """The outcomes of a sheet as it stands in its file; the file stays as it is."""
    import nbformat

    return outcomes(nbformat.read(path, as_version=4), learner)
