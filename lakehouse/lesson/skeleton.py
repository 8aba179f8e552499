"""The rules that every lesson keeps. Each rule gives complaints; none is no complaint."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lakehouse.lesson import book
from lakehouse.runner import KERNEL

MOST_LINES = 18
FORBIDDEN = {
    "a host or a port": r"127\.0\.0\.1|localhost|:\d{4}\b",
    "a sleep": r"\bsleep\(",
    "a password": r"(?:password|secret|token)\s*=\s*['\"]",
    "a swallowed error": r"except[^:\n]*:\s*pass",
    "a silent success": r"sys\.exit|\bexit\(|quit\(",
    "another notebook's state": r"%store|%run",
}
PICTURE = re.compile(r"\bpx\.|\bgo\.|\bpictures?\.|\bdiagrams?\.|waterfall\(")
NEEDS = {
    "ingestion": r"ingestion_url|ingestion_samples|open_receiver|\bLoad\(",
    "Kafka": r"engines import kafka|\bkafka_reader\b|\bevent_log\b|\bconfluent_kafka\b|\btake_cut\("
    r"|\breconcile\(|privacy import .*\btopics\b",
    "Flink": r"\bFlinkRest\b|streaming import .*\bjobs\b|\bscratch_jobs\b|\bflink_samples\(",
    "Spark": r"lesson\.(?:query|number|sample|run_step|repeat|spark_session)\(",
    "catalog": r"\bmetadata\.|\bincremental\.|lesson\.(?:query|number|sample|run_step|repeat|scratch)\(",
    "Trino": r"\btrino\.|checks\.engines|\breconcile\(",
    "ClickHouse": r"\bclickhouse\.|\bclickhouse_client\b|checks\.engines|marts\.publish\b|\breconcile\(",
    "Airflow": r"engines\.airflow\b",
}
"""Service as `Before you start` names it → what in a lesson's code needs it."""
_CODE_OF_PARAMETER = re.compile(r"^\w+(?:: [\w\[\], |]+)? = .+  # .+$")


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _first_cell(path: Path, notebook: Any) -> Iterator[str]:
    try:
        said = book.lesson(path)
    except book.BadLesson as error:
        yield str(error).partition(": ")[2]
        return
    if not said.title.startswith(path.stem[:2]):
        yield f"the title {said.title!r} has another number than the file"
    if not 3 <= len(said.learn) <= 5:
        yield f"names {len(said.learn)} things to learn; 3 to 5 are right"
    if not 5 <= said.minutes <= 30:
        yield f"takes {said.minutes} minutes; 5 to 30 are right"


def _before(path: Path, notebook: Any) -> Iterator[str]:
    """What the code needs is named; the catalog is nothing without the store; a lesson that is needed comes before."""
    try:
        before = book.lesson(path).before
    except book.BadLesson:  # the rule of the first cell complains about it
        return
    code = "\n".join(cell.source for cell in _code(notebook))
    lessons, _, services = before.partition("services:")
    if not services:
        yield "`Before you start` names no services"
    elif not re.search(r"\ball\b", services):
        needed = [name for name, use in NEEDS.items() if re.search(use, code)]
        needed += ["object store"] if "catalog" in needed else []
        for name in needed:
            if name not in services:
                yield f"uses {name}, and `Before you start` does not name it"
    # one that only helps may come later
    for number in [] if " help" in lessons else re.findall(r"\b\d\d\b", lessons):
        if number >= path.stem[:2]:
            yield f"needs lesson {number}, which comes later"


def _sections(path: Path, notebook: Any) -> Iterator[str]:
    headings = [match[1] for cell in notebook.cells if cell.cell_type == "markdown"
                for match in re.finditer(r"^## (.+)$", cell.source, re.MULTILINE)]  # fmt: skip
    for wanted in ("Recap", "Try it"):
        if wanted not in headings:
            yield f"has no section `## {wanted}`"
    if headings[-2:] != ["Recap", "Try it"]:
        yield "does not end with `## Recap` and `## Try it`"


def _parameters(path: Path, notebook: Any) -> Iterator[str]:
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        yield f"has {len(tagged)} cells tagged `parameters`; one is right"
        return
    names = []
    for line in tagged[0].source.splitlines():
        if not _CODE_OF_PARAMETER.match(line):
            yield f"parameter `{line}` has no trailing comment that says what it is"
    for node in ast.parse(tagged[0].source).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        names.append(getattr(target, "id", ""))
        try:
            ast.literal_eval(getattr(node, "value", node))
        except ValueError:
            yield "the parameters cell holds more than literals"
    if "run_id" not in names:
        yield "the parameters cell has no run_id"


def _cells(path: Path, notebook: Any) -> Iterator[str]:
    if notebook.metadata.kernelspec.name != KERNEL:
        yield f"names the kernel {notebook.metadata.kernelspec.name}, not {KERNEL}"
    for cell in _code(notebook):
        if cell.outputs or cell.execution_count is not None:
            yield f"cell {cell.id} is stored with its output"
        if len(cell.source.splitlines()) > MOST_LINES:
            yield f"cell {cell.id} has {len(cell.source.splitlines())} lines; {MOST_LINES} at most"
        for what, pattern in FORBIDDEN.items():
            if re.search(pattern, cell.source):
                yield f"cell {cell.id} holds {what}"


def _shows_and_proves(path: Path, notebook: Any) -> Iterator[str]:
    code = "\n".join(cell.source for cell in _code(notebook))
    if not PICTURE.search(code):
        yield "has no picture"
    if not re.search(r"^\s*assert ", code, re.MULTILINE):
        yield "asserts nothing"


RULES: tuple[Callable[[Path, Any], Iterator[str]], ...] = (
    _first_cell, _before, _sections, _parameters, _cells, _shows_and_proves,
)  # fmt: skip


def complaints(path: Path) -> list[str]:
    """What a lesson's file does not keep."""
    notebook = book.read(path)
    return [complaint for rule in RULES for complaint in rule(path, notebook)]
