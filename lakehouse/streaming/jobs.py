"""The job that fills raw: submitted, found, stopped with a savepoint, resumed from where it stopped.

Three things keep it exact over restarts. ZooKeeper remembers a running job, so a JobManager that was killed or a
stack that was stopped resumes it by itself from its last checkpoint. A job that was stopped on purpose is
submitted anew from its savepoint. One that has no state it could take over (it is lost, or of another version of the
SQL) begins where raw itself ends; if raw has a gap, that is refused.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from lakehouse.engines.catalog import iceberg_catalog
from lakehouse.engines.flink import FlinkRest, Job, SqlGateway
from lakehouse.engines.kafka import PARTITIONS, end_offsets
from lakehouse.errors import LakehouseError
from lakehouse.metadata import ERASED_PLACES
from lakehouse.settings import Settings
from lakehouse.streaming.places import next_places
from lakehouse.streaming.statements import broker, fingerprint, script
from lakehouse.streaming.tables import TABLES, raw_table
from lakehouse.tables import create_all
from lakehouse.waiting import wait_until

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

log = logging.getLogger(__name__)

JOB_NAME = "webhooks-to-raw"
SETTLE_SECONDS = 90


class StreamingError(LakehouseError):
    """The job cannot be started, or does not move."""


@dataclass(frozen=True)
class Lag:
    """How far raw is behind one topic, in messages; `raw` counts rows that a query can see.

    `erased` counts messages that were in raw and were erased with their person: no row of theirs comes again. Those of
    an erasure that was interrupted count as erased until it is repeated.
    """

    topic: str
    logged: int
    raw: int
    erased: int = 0

    @property
    def behind(self) -> int:
        """Messages that are still to come."""
        return self.logged - self.raw - self.erased


def _flink_dir(settings: Settings) -> Path:
    return settings.var_dir / "flink"


def _state_file(settings: Settings) -> Path:
    """The id of the job that was submitted last, or the savepoint it was stopped with; and of which plan it is."""
    return _flink_dir(settings) / "job.json"


def _remember(settings: Settings, **values: str) -> None:
    partial = _state_file(settings).with_suffix(".partial")
    partial.write_text(json.dumps(values), encoding="utf-8")
    partial.replace(_state_file(settings))


def _state(settings: Settings) -> dict[str, str]:
    file = _state_file(settings)
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _is_there(savepoint: str) -> bool:
    """Whether a savepoint in this machine's files is; one in a bucket is taken to be."""
    address = urlsplit(savepoint)
    return address.scheme != "file" or (Path(unquote(address.path)) / "_metadata").exists()


def resume_point(settings: Settings) -> str | None:
    """From where a new submission has to go on: the last savepoint, else the last job's newest retained checkpoint."""
    state = _state(settings)
    if not state.keys() & {"job", "savepoint"}:
        return None
    if "savepoint" in state:
        return state["savepoint"] if _is_there(state["savepoint"]) else None
    kept = (_flink_dir(settings) / "checkpoints" / state["job"]).glob("chk-*/_metadata")
    newest = max(kept, key=lambda path: path.stat().st_mtime, default=None)
    return f"file://{newest.parent}" if newest else None


def find(settings: Settings) -> Job | None:
    """The running job, if there is one."""
    return FlinkRest(settings).running(JOB_NAME)


def submit(settings: Settings, resume_from: str | None, begin: Mapping[tuple[str, int], int] | None = None) -> str:
    """Submit the job; returns its id. Use `ensure_running` unless you know that none runs.

    `begin` are the offsets (by topic and partition) at which a job without a state begins; without them: the first.
    """
    # a reader for each partition: to take bodies apart is most of the work. Writers are one a table, see the INSERTs:
    # another one would mean another file at each checkpoint
    properties = {"table.exec.resource.default-parallelism": str(PARTITIONS)}
    properties |= {"execution.state-recovery.path": resume_from} if resume_from else {}
    *before, job = script(settings, begin=begin)
    with SqlGateway(settings, properties) as gateway:
        for statement in before:
            gateway.execute(statement)
        rows = gateway.execute(job, {"pipeline.name": JOB_NAME})
    return str(rows[0][0])


def _start(settings: Settings) -> str:
    """Submit the job where its predecessor stopped; returns its id. Raises `NoStart` if nothing says where.

    A state of another plan is never tried: Flink finds no operators for it, and keeps the failed job's result in a form
    that the JobManager cannot read at its next start. What is known of the predecessor is put aside before the job is
    submitted: were this process cut off then, a second start from the same savepoint would load its rows twice.
    """
    point, plan = resume_point(settings), _state(settings).get("plan")
    if point is not None and plan != fingerprint(PARTITIONS):
        log.warning("the job was stopped by another version of its SQL: its successor begins where raw ends")
        point = None
    places = next_places(settings) if point is None else None
    _remember(settings)
    return submit(settings, point, places)


def _end(settings: Settings, job: Job) -> None:
    """Cancel a job that reaches the broker as it was reached before: it may not be able to make a savepoint any more.
    Its checkpoints stay, so its successor goes on from the newest."""
    FlinkRest(settings).cancel(job.job_id)
    wait_until(lambda: find(settings) is None, timeout=SETTLE_SECONDS, what=f"the job {JOB_NAME} to end", every=0.3)


def ensure_running(settings: Settings) -> Job:
    """The raw tables exist and exactly one job fills them. Repeatable; returns the job.

    Raises `NoStart` if neither a savepoint or checkpoint nor raw itself says where to go on.
    """
    create_all(iceberg_catalog(settings), TABLES)
    job = find(settings)
    known = _state(settings)
    if job is not None and known and known.get("broker") != broker(settings):
        _end(settings, job)
        job = None
    if job is None:
        _remember(settings, job=_start(settings), broker=broker(settings), plan=fingerprint(PARTITIONS))
    wait_running(settings)
    running = find(settings)
    if running is None:
        raise StreamingError("the job ended right after its start", "read `lakehouse stack logs flink-taskmanager`")
    return running


def wait_running(settings: Settings) -> None:
    """Wait until the job runs and has completed a checkpoint. Raises `TookTooLong` with Flink's own reason."""
    rest = FlinkRest(settings)

    def settled() -> bool:
        job = rest.running(JOB_NAME)
        return job is not None and job.state == "RUNNING" and rest.checkpoints(job.job_id)["counts"]["completed"] > 0

    try:
        wait_until(settled, timeout=SETTLE_SECONDS, what=f"the job {JOB_NAME} to complete a checkpoint")
    except LakehouseError as error:
        job = rest.running(JOB_NAME)
        why = rest.exceptions(job.job_id) if job else "it is not there"
        raise StreamingError(f"{error.message}: {why}", "read `lakehouse stack logs flink-taskmanager`") from error


def stop(settings: Settings) -> str | None:
    """Stop the job with a savepoint and remember it; returns its path, or None if no job ran."""
    job = find(settings)
    if job is None:
        return None
    path = FlinkRest(settings).stop_with_savepoint(job.job_id, f"file://{_flink_dir(settings) / 'savepoints'}")
    _remember(settings, savepoint=path, plan=_state(settings).get("plan", ""))
    return path


def lags(settings: Settings) -> list[Lag]:
    """Messages in each topic and rows in its raw table, from the table's newest snapshot."""
    logged: dict[str, int] = {}
    for (topic, _), offset in end_offsets(settings).items():
        logged[topic] = logged.get(topic, 0) + offset
    catalog = iceberg_catalog(settings)
    erased, found = _erased(catalog), []
    for topic, count in logged.items():
        name = raw_table(topic)
        snapshot = catalog.load_table(name).current_snapshot() if catalog.table_exists(name) else None
        rows = int((snapshot.summary or {})["total-records"]) if snapshot else 0
        found.append(Lag(topic, count, rows, erased[topic]))
    return found


def _erased(catalog: Catalog) -> Counter[str]:
    """Messages by topic whose rows were erased."""
    if not catalog.table_exists(ERASED_PLACES.name):
        return Counter()
    places = catalog.load_table(ERASED_PLACES.name).scan(selected_fields=("source_topic",)).to_arrow()
    return Counter(places.column("source_topic").to_pylist())


def wait_until_caught_up(
    settings: Settings, timeout: float = 120, report: Callable[[list[Lag]], None] | None = None
) -> list[Lag]:
    """Wait until raw shows all that the topics hold now. The deadline starts anew whenever a row arrives.

    Raises `StreamingError` that says which topic is behind by how much.
    """
    deadline = time.monotonic() + timeout
    seen, pause = -1, threading.Event()
    while True:
        found = lags(settings)
        if report:
            report(found)
        if all(lag.behind <= 0 for lag in found):
            return found
        rows = sum(lag.raw for lag in found)
        if rows > seen:
            seen, deadline = rows, time.monotonic() + timeout
        if time.monotonic() > deadline:
            behind = ", ".join(f"{lag.topic} by {lag.behind}" for lag in found if lag.behind > 0)
            raise StreamingError(
                f"raw has not moved for {timeout:.0f} s and is behind: {behind}",
                "look at the job with `lakehouse streaming list`; start it with `lakehouse streaming start`",
            )
        pause.wait(1)
