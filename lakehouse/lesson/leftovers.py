"""What a learner's interrupted lessons have left in the services: found by the learner's name, ended or dropped.

Names of a lesson begin with `scratch`, then the learner, with `_`, `.` or `-` between. Nothing else is touched.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lakehouse.endpoints import ENDPOINTS, Answer, ask
from lakehouse.errors import LakehouseError
from lakehouse.lesson import event_log, scratch_jobs
from lakehouse.lesson.learners import known, with_copies
from lakehouse.lesson.scratch import drop_scratch, owner
from lakehouse.settings import get_settings

Mine = Callable[[str], bool]
"""Whether a name belongs to the learner."""
DAG = "workbook_daily_close"
"""What lesson 13 runs; its configuration names a scratch namespace."""


class NotWhole(LakehouseError):
    """Services that may hold something of the learner's did not answer."""


@dataclass(frozen=True)
class Place:
    """Where a lesson leaves things: `endpoints` have to answer, `drop` gives the names of what it has dropped."""

    kind: str
    endpoints: tuple[str, ...]
    drop: Callable[[Mine], Iterable[str]]


def _airflow_runs(mine: Mine) -> list[str]:
    from lakehouse.engines.airflow import Airflow
    from lakehouse.lesson.airflow_processes import stop_run

    airflow = Airflow()
    if DAG not in airflow.dag_ids():
        return []
    found = [run for run, conf in airflow.configurations(DAG).items() if mine(str(conf.get("namespace")))]
    for run in found:
        stop_run(airflow, DAG, run)
        airflow.delete_run(DAG, run)
    return found


def _flink_jobs(mine: Mine) -> list[str]:
    from lakehouse.engines.flink import RUNNING_STATES, FlinkRest

    running = {job.name for job in FlinkRest().jobs() if job.state in RUNNING_STATES and mine(job.name)}
    for name in sorted(running):
        scratch_jobs.drop_jobs(name)
    for folder in scratch_jobs.checkpoint_folder("").glob("*"):
        if mine(folder.name):
            shutil.rmtree(folder)
    return sorted(running)


def _namespaces(mine: Mine) -> list[str]:
    from lakehouse import metadata

    found = [".".join(parts) for parts in metadata.catalog().list_namespaces()]
    dropped = sorted(name for name in found if mine(name))
    for name in dropped:
        drop_scratch(name)
    return dropped


def _clickhouse(mine: Mine) -> list[str]:
    from lakehouse.engines.clickhouse import query
    from lakehouse.marts.publish import DATABASE

    databases = sorted(name for (name,) in query("SELECT name FROM system.databases") if mine(name))
    found = query(f"SELECT name FROM system.tables WHERE database = '{DATABASE}'")
    tables = sorted(f"{DATABASE}.{name}" for (name,) in found if mine(name))
    for name in tables:
        query(f"DROP TABLE {name} SYNC")
    for name in databases:
        query(f"DROP DATABASE {name} SYNC")
    return [*databases, *tables]


PLACES = (
    # what writes goes before what it writes to
    Place("Airflow runs", ("Airflow",), _airflow_runs),
    Place("Flink jobs", ("Flink", "Flink SQL gateway"), _flink_jobs),
    Place("namespaces", ("catalog", "object store"), _namespaces),
    Place("topics and groups", ("event log",), event_log.drop_all),
    Place("in ClickHouse", ("ClickHouse",), _clickhouse),
)


def belongs_to(name: str) -> Mine:
    """Whether a name of the services is one of this learner's scratch names, and of none whose name only begins so."""
    everyone = {*known(), *with_copies(), name}
    return lambda other: owner(other, everyone) == name


def drop_all_of(name: str, places: Iterable[Place] = PLACES) -> tuple[dict[str, list[str]], list[Answer]]:
    """Drop all that a learner's lessons have left: names by kind, and the answers of endpoints that gave none.

    A kind whose endpoints are not all there is left as it is. Repeatable.
    """
    settings, mine = get_settings(), belongs_to(name)
    asked: dict[str, Answer] = {}
    dropped: dict[str, list[str]] = {}
    by_name = {endpoint.name: endpoint for endpoint in ENDPOINTS}
    for place in places:
        for one in place.endpoints:
            asked.setdefault(one, ask(by_name[one], settings))
        if not any(asked[one].problem for one in place.endpoints):
            dropped[place.kind] = list(place.drop(mine))
    return dropped, [answer for answer in asked.values() if answer.problem]


def complain(name: str, silent: list[Answer]) -> None:
    """Raises `NotWhole` where an endpoint did not answer."""
    if silent:
        steps = "; ".join(dict.fromkeys(answer.next_step for answer in silent))
        raise NotWhole(
            f"what {name}'s lessons may have left was not looked for in: {', '.join(one.name for one in silent)}",
            f"{steps}; then the same command again",
        )
