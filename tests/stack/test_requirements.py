"""What is imported is asked for by name: a package that only comes with another one may go with its next version."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from lakehouse.settings import PROJECT_ROOT

OURS = ("lakehouse", "stack", "data_generators", "bench", "tests")
OTHER_ENVIRONMENTS = ("stack/conf/airflow/", "stack/conf/superset/")
"""Folders of files that run with Airflow's or Superset's own Python."""


def named() -> set[str]:
    """The packages of `notebook.in`, as package registries compare names."""
    text = (PROJECT_ROOT / "requirements" / "notebook.in").read_text(encoding="utf-8")
    return {_canonical(name) for name in re.findall(r"(?m)^([A-Za-z0-9._-]+)", text)}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def test_every_imported_package_is_asked_for_by_name() -> None:
    of_module, asked = packages_distributions(), named()
    known = {*sys.stdlib_module_names, *OURS}
    unnamed: dict[str, str] = {}
    for folder in OURS:
        for path in sorted((PROJECT_ROOT / folder).rglob("*.py")):
            place = path.relative_to(PROJECT_ROOT).as_posix()
            for module in set() if place.startswith(OTHER_ENVIRONMENTS) else set(_imported(path)) - known:
                if not {_canonical(name) for name in of_module.get(module, [])} & asked:
                    unnamed[module] = f"{place}: {of_module.get(module)}"
    assert unnamed == {}
