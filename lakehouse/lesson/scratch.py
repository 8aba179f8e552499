"""Tables of a learner's own: a namespace for what a lesson makes for show, dropped at its end.

Two learners on one machine do not meet: the learner's name is part of the namespace.
"""

from __future__ import annotations

from collections.abc import Iterable

from lakehouse import metadata
from lakehouse.lesson.learners import learner

PREFIX = "scratch"
SIGNS = "_.-"
"""Of tables, jobs and topics; of a receiver's topics; of lesson 15's."""


def scratch(topic: str) -> str:
    """An empty namespace `scratch_<learner>_<topic>`; what an earlier run left in it is dropped with its files."""
    name = f"{PREFIX}_{learner()}_{topic}"
    drop_scratch(name)
    metadata.catalog().create_namespace(name)
    return name


def drop_scratch(namespace: str) -> None:
    """Drop a scratch namespace with all its tables, files and watermarks; nothing where there is none.

    Raises `ValueError` for a namespace that `scratch` did not make.
    """
    if not namespace.startswith(f"{PREFIX}_"):
        raise ValueError(f"{namespace} is not a scratch namespace; those begin with {PREFIX}_")
    catalog = metadata.catalog()
    if not catalog.namespace_exists(namespace):
        return
    for table in catalog.list_tables(namespace):
        catalog.purge_table(table)
    metadata.drop_watermarks_in(namespace)
    catalog.drop_namespace(namespace)


def owner(name: str, learners: Iterable[str]) -> str | None:
    """Which of the learners a scratch name belongs to: `ada_b` rather than `ada`, where both are there."""
    owners = [one for one in learners if name.startswith(tuple(f"{PREFIX}{sign}{one}{sign}" for sign in SIGNS))]
    return max(owners, key=len, default=None)
