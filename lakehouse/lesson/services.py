"""The stack's services as a lesson shows them: start what is missing, what each is for, a map with their health."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.lesson.diagrams import Box, flow
from lakehouse.settings import Settings, get_settings
from lakehouse.waiting import TookTooLong, wait_until

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from pandas.io.formats.style import Styler

    from stack.native.inspection import Row

PURPOSE: Mapping[str, str] = {
    "ingestion": "verifies each webhook and answers 200 when the event log has it on disk",
    "kafka": "the event log: each message in its topic, in the order in which it came",
    "zookeeper": "remembers Flink's jobs and their last checkpoints while Flink is away",
    "flink-gateway": "takes SQL and makes Flink jobs of it",
    "flink-jobmanager": "plans Flink's jobs, starts their checkpoints, restarts what failed",
    "flink-taskmanager": "does the jobs' work: reads topics, writes the raw tables",
    "catalog": "knows the current metadata file of each table; a commit is a change of that entry",
    "postgres": "the database behind the catalog and behind Airflow",
    "object-store": "holds the files of all tables: data, deletes, metadata",
    "spark-connect": "takes queries of notebooks and tasks and plans them",
    "spark-master": "gives Spark's work to its workers",
    "spark-worker": "does Spark's work: staging to marts",
    "trino": "answers SQL of people and tools on the same tables",
    "clickhouse": "answers dashboards, on its own copies of the marts and on the same tables",
    "airflow-api-server": "Airflow's pages and API",
    "airflow-scheduler": "starts the tasks, which are the notebooks, in their order",
    "airflow-dag-processor": "reads the DAG files",
}
"""Service → what it is there for."""
SENDERS = ("Shopify", "Stripe", "HubSpot")
COLUMNS = (
    SENDERS,
    ("ingestion", "kafka"),
    ("zookeeper", "flink-gateway", "flink-jobmanager", "flink-taskmanager"),
    ("catalog", "postgres", "object-store"),
    ("spark-connect", "spark-master", "spark-worker", "trino", "clickhouse"),
    ("airflow-scheduler", "airflow-dag-processor", "airflow-api-server"),
)
ARROWS = (
    *((sender, "ingestion") for sender in SENDERS),
    ("ingestion", "kafka"),
    ("kafka", "flink-taskmanager"),
    ("flink-gateway", "flink-jobmanager"),
    ("flink-jobmanager", "flink-taskmanager"),
    ("flink-taskmanager", "catalog"),
    ("flink-taskmanager", "object-store"),
    ("catalog", "postgres"),
    ("catalog", "spark-connect"),
    ("object-store", "spark-worker"),
    ("object-store", "trino"),
    ("object-store", "clickhouse"),
    ("spark-connect", "spark-master"),
    ("spark-master", "spark-worker"),
    ("airflow-scheduler", "spark-connect"),
)
PATIENCE_SECONDS = 60.0
COLOUR = {"healthy": 1, "starting": 2, "unhealthy": 3, "failed": 3, "stopped": 5}


def start(report: Callable[[str], None] = lambda line: None) -> tuple[list[str], list[Row]]:
    """Start what is not healthy, with all that it requires, as `lakehouse stack up` does.

    Gives the names of those services, and all services as they are now. With everything healthy nothing is touched.
    `report` hears each step. Raises `ServiceFailed`, `CannotPrepare`.
    """
    from lakehouse.commands.stack import _initialised
    from stack.native import lifecycle

    settings = _initialised()
    rows = _settled(settings)
    missing = [row.name for row in rows if row.state != "healthy"]
    if missing:
        lifecycle.up(settings, lifecycle.select([]), lambda name, what, s: report(f"{name:<24} {what:<10} {s:6.1f} s"))
        rows = _settled(settings)
    return missing, rows


def _settled(settings: Settings) -> list[Row]:
    """All services; what runs and does not answer is asked again for a while, for a busy machine answers late."""
    rows = inspect(settings)

    def answered() -> bool:
        nonlocal rows
        if any(row.pid and row.state != "healthy" for row in rows):
            rows = inspect(settings)
        return not any(row.pid and row.state != "healthy" for row in rows)

    # what is still silent then is returned as it is, and counts as ill
    with suppress(TookTooLong):
        wait_until(answered, timeout=PATIENCE_SECONDS, what="all services to answer")
    return rows


def inspect(settings: Settings | None = None) -> list[Row]:
    """A row for each service: state, ports, memory, page."""
    from stack.native.inspection import inspect_all

    return inspect_all(settings or get_settings())


def table(rows: list[Row]) -> Styler:
    """What each service is for, its state and its memory, with links to the pages that there are."""
    import pandas as pd

    shown = pd.DataFrame(
        {
            "service": row.name,
            "state": row.state,
            "MB": row.memory_mb,
            "what it is for": PURPOSE[row.name],
            "page": f'<a href="{row.url}" target="_blank">open</a>' if row.url else "",
        }
        for row in rows
    )
    left = [{"selector": "th, td", "props": "text-align: left"}, {"selector": "caption", "props": "text-align: left"}]
    total = sum(row.memory_mb for row in rows) / 1024
    styled = shown.style.hide(axis="index").format({"MB": "{:,.0f}"}).bar(subset=["MB"], color="#bfdbfe", vmin=0)
    return styled.set_table_styles(left).set_caption(f"{len(rows)} services, {total:.1f} GB in all")  # type: ignore[arg-type]


def picture(rows: list[Row]) -> go.Figure:
    """The map: senders on the left, then the way of the data; a service's colour is its state, its name a link."""
    known = {row.name: row for row in rows}

    def box(name: str) -> Box:
        if name in SENDERS:
            return Box(name, name, f"{name}, outside: sends signed webhooks")
        row = known[name]
        text = name.replace("-", "<br>", 1)
        if row.url:
            text = f'<a href="{row.url}">{text}</a>'
        return Box(name, text, f"<b>{name}</b>: {row.state}<br>{PURPOSE[name]}", COLOUR[row.state])

    columns = [[box(name) for name in column] for column in COLUMNS]
    return flow(columns, ARROWS, "The services: green is healthy, yellow is starting, red is ill, grey is stopped")


def folder_mb(folder: Path) -> float:
    """Size of all files below a folder, in MB; what goes while it is counted is not counted."""
    return sum(_sizes(folder)) / 1e6


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # services make and delete files meanwhile
            found = path.lstat()
            if path.is_file() and not path.is_symlink():
                yield found.st_size
