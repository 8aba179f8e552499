"""What JupyterLab saves: a notebook's metadata stay as they are committed.

The lab writes what the kernel says of itself (`language_info`, with the version of Python) into every notebook that is
opened and saved; the file would then differ from the repository's though nobody has changed a cell.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from lakehouse.lesson import book
from lakehouse.runner import KERNEL


def as_committed(metadata: MutableMapping[str, Any]) -> None:
    """Give a notebook of this workbook's kernel the `language_info` of all its notebooks; others are left alone."""
    if metadata.get("kernelspec", {}).get("name") == KERNEL:
        metadata.update(book.METADATA)


def before_saving(model: dict[str, Any], **_: Any) -> None:
    """Jupyter's hook, named in `stack/conf/jupyter/jupyter_server_config.json`: called with what is to be saved."""
    if model.get("type") == "notebook" and model.get("content"):
        as_committed(model["content"]["metadata"])
