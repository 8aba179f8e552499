"""Faults as they happen, each with its repair: entering makes the fault, leaving mends it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from lakehouse import maintenance, metadata
from lakehouse.commands.world import generate_day, next_day, send_day
from lakehouse.core.exchange_rates import USD_PER_UNIT
from lakehouse.engines import clickhouse, trino
from lakehouse.engines.airflow import FINISHED, Airflow
from lakehouse.engines.flink import SqlGateway
from lakehouse.engines.spark import spark_session
from lakehouse.lesson import load, scratch_jobs
from lakehouse.lesson.scratch import drop_scratch, scratch
from lakehouse.observability import MetricsUnavailable, ingestion_samples
from lakehouse.settings import PROJECT_ROOT, Settings
from lakehouse.tables import Column, Table
from lakehouse.waiting import wait_until
from stack.native import faults, lifecycle, supervisor
from stack.native.services import postgres

from .conftest import quiet

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

Fault = Callable[[Settings], AbstractContextManager[None]]
UNSIGNED, BAD_QUERIES, CONNECTIONS, SMALL_FILES = 25, 8, 78, 501
DISK_STEP = 256 * 1024**2
DISK_STEPS = 16
SNAPSHOTS = 1001
GATHERED = 2_000_000
IMPATIENT = {
    "execution.checkpointing.timeout": "4s",
    "execution.checkpointing.tolerable-failed-checkpoints": "1000",
}
"""A checkpoint of a slow job is given up, and the job goes on without."""
CLOSE_DAG, POOL = "workbook_daily_close", "default_pool"
SCRATCH = "alerts"


# -- the door -----------------------------------------------------------------------------------------------------


@contextmanager
def unsigned_webhooks(settings: Settings) -> Iterator[None]:
    """Somebody sends without the secret. Nothing is to be mended: he stops."""
    for _ in range(UNSIGNED):
        answer = httpx.post(f"{settings.ingestion_url}/webhooks/shopify/orders/create", content=b"{}", timeout=30)
        assert answer.status_code == 401
    yield


def _answered(**labels: str) -> float:
    """Webhooks that were answered so."""
    return sum(s.value for s in ingestion_samples() if s.matches("webhook_requests_total", labels))


def _more(before: float, **labels: str) -> bool:
    """Whether there were more answers since; a page that does not come in time says nothing."""
    try:
        return _answered(**labels) > before
    except MetricsUnavailable:
        return False


def _next_day(settings: Settings) -> int:
    """The next day of the world, generated and not sent."""
    day = next_day(settings.world_dir)
    generate_day(settings, day)
    return day


@contextmanager
def broker_hangs_under_a_day(settings: Settings) -> Iterator[None]:
    """A day of webhooks, flaws and all, while the broker does not move; the senders try again until all is stored."""
    day, found = _next_day(settings), supervisor.find(settings, "kafka")
    assert found is not None
    accepted, refused = {"outcome": "accepted"}, {"outcome": "refused", "reason": "broker_unavailable"}
    before, turned_away = _answered(**accepted), _answered(**refused)
    with ThreadPoolExecutor(1) as sender:
        sent = sender.submit(send_day, settings, day, rate=15, show=False)
        wait_until(lambda: _more(before, **accepted), timeout=60, what="the first webhook", every=0.1)
        os.kill(found.pid, signal.SIGSTOP)
        try:
            wait_until(lambda: _more(turned_away, **refused), timeout=60, what="an answer of 503", every=0.2)
        finally:
            os.kill(found.pid, signal.SIGCONT)
        sent.result()
        sender.submit(load.finish, settings, [day]).result()
    yield


# -- queries and jobs ---------------------------------------------------------------------------------------------


@contextmanager
def bad_queries(settings: Settings) -> Iterator[None]:
    """A dashboard asks for what is not there, and a query divides what it should not."""
    for number in range(BAD_QUERIES):
        for engine, refused in (
            (trino.query, trino.TrinoQueryFailed),
            (clickhouse.query, clickhouse.ClickHouseQueryFailed),
        ):
            try:
                engine(f"SELECT * FROM nowhere_{number}", settings=settings)
            except refused:
                continue
            raise AssertionError("a query of what is not there was answered")
    yield


@contextmanager
def spark_job_fails(settings: Settings) -> Iterator[None]:
    """A job whose task raises an error each time it is tried."""
    from pyspark.errors import PySparkException

    try:
        spark_session().sql("SELECT sum(if(id > 900, raise_error('made to fail'), id)) FROM range(1000)").collect()
    except PySparkException:
        yield
    else:
        raise AssertionError("the job did not fail")


@contextmanager
def spark_has_little_memory(settings: Settings) -> Iterator[None]:
    """A job that gathers in its executor's memory what it should have counted; it ends."""
    texts = "collect_list(sha2(string(id), 256))"
    gathered = f"SELECT id % 2, {texts} AS texts FROM range(0, {GATHERED}, 1, 2) GROUP BY 1"
    spark_session().sql(f"SELECT sum(size(texts)) FROM ({gathered})").collect()
    yield


@contextmanager
def flink_job_with_a_slow_step(settings: Settings) -> Iterator[None]:
    """A source without a limit before a step that hashes long texts, so that no checkpoint comes through in its time.

    It ends when its job is cancelled.
    """
    name = f"scratch_{SCRATCH}_backpressure"
    slow = "REPEAT(CAST(n AS STRING), 20000)"
    for _ in range(3):
        slow = f"SHA512(CONCAT({slow}, REPEAT('x', 50000)))"
    with SqlGateway(settings, scratch_jobs.properties(name, 5) | IMPATIENT) as gateway:
        gateway.execute("CREATE TEMPORARY TABLE fast (n BIGINT) WITH ('connector' = 'datagen')")
        gateway.execute("CREATE TEMPORARY TABLE nowhere (k BIGINT, h STRING) WITH ('connector' = 'blackhole')")
        counted = "SELECT MOD(n, 50) AS k, COUNT(*) AS n FROM fast GROUP BY MOD(n, 50)"
        gateway.execute(f"INSERT INTO nowhere SELECT k, {slow} FROM ({counted})", {"pipeline.name": name})
    try:
        yield
    finally:
        scratch_jobs.drop_jobs(name)


# -- Airflow ------------------------------------------------------------------------------------------------------


def _ended(airflow: Airflow, dag: str, run: str) -> str:
    wait_until(lambda: airflow.run_state(dag, run) in FINISHED, timeout=240, what=f"a run of {dag} to end")
    return airflow.run_state(dag, run)


def _close(settings: Settings, airflow: Airflow, namespace: str, which: int) -> str:
    """Start the closing of a day, of those with most orders this one; the run's id. A day has one run: an old one goes,
    and this one, too, when the alerts have been looked at again."""
    asked = "SELECT order_date FROM core.orders WHERE NOT is_deleted GROUP BY 1 ORDER BY count(*) DESC, 1"
    day = date.fromisoformat(str(trino.query(asked, settings=settings)[which][0]))
    for old in airflow.runs(CLOSE_DAG):
        if str(airflow.get(f"/api/v2/dags/{CLOSE_DAG}/dagRuns/{old}")["logical_date"]).startswith(f"{day:%Y-%m-%d}T"):
            airflow.delete_run(CLOSE_DAG, old)
    run = airflow.trigger(CLOSE_DAG, {"namespace": namespace}, day)
    LEFT.callback(airflow.delete_run, CLOSE_DAG, run)
    return run


def _give_rates(namespace: str) -> None:
    """What the closing of a day needs."""
    columns = (Column("currency", "string", "ISO 4217"), Column("usd_per_unit", "decimal(18,8)", "US dollars"))
    rates = [{"currency": code, "usd_per_unit": rate} for code, rate in USD_PER_UNIT.items()]
    metadata.append(Table(f"{namespace}.rates", "one row per currency", ("currency",), columns), rates)


@contextmanager
def dag_run_fails(settings: Settings) -> Iterator[None]:
    """A day is closed without the exchange rates that it needs; mended by the rates, and the failed task cleared."""
    airflow, namespace = Airflow(settings), scratch(f"{SCRATCH}_close")
    run = _close(settings, airflow, namespace, 0)
    assert _ended(airflow, CLOSE_DAG, run) == "failed"
    try:
        yield
    finally:
        _give_rates(namespace)
        airflow.clear_failed(CLOSE_DAG, run)
        wait_until(lambda: airflow.run_state(CLOSE_DAG, run) != "failed", timeout=60, what="the cleared run to start")
        assert _ended(airflow, CLOSE_DAG, run) == "success"
        drop_scratch(namespace)


@contextmanager
def pool_has_no_slots(settings: Settings) -> Iterator[None]:
    """A task is ready and the pool has no slot; mended by its slots, and the run ends by itself."""
    airflow, namespace = Airflow(settings), scratch(f"{SCRATCH}_pool")
    path = f"/api/v2/pools/{POOL}"

    def give(slots: int) -> None:
        airflow._call("PATCH", path, params={"update_mask": "slots"}, json={"slots": slots})

    _give_rates(namespace)
    before = airflow.get(path)["slots"]
    give(0)
    try:
        run = _close(settings, airflow, namespace, 1)
        yield
    finally:
        give(before)
    assert _ended(airflow, CLOSE_DAG, run) == "success"
    drop_scratch(namespace)


@contextmanager
def dag_file_is_broken(settings: Settings) -> Iterator[None]:
    """A DAG file that cannot be imported."""
    path = PROJECT_ROOT / "dags" / "broken_by_a_test.py"
    # Airflow reads only files in which it finds both words, airflow and dag
    path.write_text("from airflow.sdk import DAG, NoSuchThing  # noqa: F401\n", encoding="utf-8")
    try:
        yield
    finally:
        path.unlink()


# -- tables, stores, the disk -------------------------------------------------------------------------------------


@contextmanager
def table_of_small_files(settings: Settings) -> Iterator[None]:
    """A writer whose files hold a row each; mended by compaction."""
    import pyarrow as pa

    namespace = scratch(SCRATCH)
    name = f"{namespace}.small"
    try:
        rows = pa.table({"n": pa.array(range(SMALL_FILES), pa.int64())})
        table = metadata.catalog().create_table(name, rows.schema, properties={"write.target-file-size-bytes": "8"})
        table.append(rows)
        with table.transaction() as change:
            change.remove_properties("write.target-file-size-bytes")
        yield
        assert maintenance.compact(spark_session(), name).files_after == 1
    finally:
        # after the alert has been seen to be quiet the table may go
        LEFT.callback(drop_scratch, namespace)


def _repeat_commit(table: IcebergTable, times: int) -> None:
    """Give a table its newest snapshot so many times more, each a commit that adds nothing.

    All in one request: one by one they would take minutes.
    """
    from pyiceberg.table.update import AddSnapshotUpdate, SetSnapshotRefUpdate

    last = table.current_snapshot()
    assert last is not None
    updates = []
    for _ in range(times):
        last = last.model_copy(
            update={
                "snapshot_id": table.metadata.new_snapshot_id(),
                "parent_snapshot_id": last.snapshot_id,
                "sequence_number": (last.sequence_number or 0) + 1,
                "timestamp_ms": last.timestamp_ms + 1,
            }
        )
        updates.append(AddSnapshotUpdate(snapshot=last))
    newest = SetSnapshotRefUpdate(ref_name="main", type="branch", snapshot_id=last.snapshot_id)
    table.catalog.commit_table(table, (), (*updates, newest))


@contextmanager
def table_of_many_snapshots(settings: Settings) -> Iterator[None]:
    """A table that is committed to again and again, and nobody expires; mended by expiry."""
    import pyarrow as pa

    namespace = scratch(f"{SCRATCH}_snapshots")
    name = f"{namespace}.written_often"
    try:
        rows = pa.table({"n": pa.array([1], pa.int64())})
        table = metadata.catalog().create_table(name, rows.schema)
        table.append(rows)
        _repeat_commit(table, SNAPSHOTS - 1)
        yield
        maintenance.expire(spark_session(), maintenance.plan_expiry(name, timedelta(0)))
        assert len(maintenance.load(name).snapshots()) == maintenance.KEEP_LAST
    finally:
        LEFT.callback(drop_scratch, namespace)


LEFT = ExitStack()
"""What has to stay until the alerts have been looked at again."""


@contextmanager
def connections_are_taken(settings: Settings) -> Iterator[None]:
    """A client that opens a connection for each thing it does, and closes none."""
    with ExitStack() as opened:
        first = postgres.connect(settings)
        opened.callback(first.close)
        with first.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL")
            (others,) = cursor.fetchone() or (0,)
        for _ in range(CONNECTIONS - others):
            opened.callback(postgres.connect(settings).close)
        yield


@contextmanager
def disk_fills(settings: Settings) -> Iterator[None]:
    """A file that grows by a quarter of a gigabyte a second."""
    path, stop = Path(settings.data_dir) / "var" / "filling", threading.Event()

    def grow() -> None:
        with path.open("wb") as stream:
            for step in range(DISK_STEPS):
                os.posix_fallocate(stream.fileno(), step * DISK_STEP, DISK_STEP)
                if stop.wait(1):
                    return

    with ThreadPoolExecutor(1) as writer:
        grown = writer.submit(grow)
        try:
            yield
        finally:
            stop.set()
            grown.result()
            path.unlink()


# -- services -----------------------------------------------------------------------------------------------------


def stopped(name: str) -> Fault:
    """A service that nobody restarts, until somebody does."""

    @contextmanager
    def fault(settings: Settings) -> Iterator[None]:
        supervisor.stop(settings, name)
        try:
            yield
        finally:
            lifecycle.up(settings, lifecycle.select([name], with_required=False), quiet)

    return fault


@contextmanager
def worker_of_flink_is_gone(settings: Settings) -> Iterator[None]:
    """No TaskManager, and webhooks come in."""
    supervisor.stop(settings, "flink-taskmanager")
    day = _next_day(settings)
    with ThreadPoolExecutor(1) as sender:
        sender.submit(send_day, settings, day, show=False).result()
    try:
        yield
    finally:
        lifecycle.up(settings, lifecycle.select(["flink-taskmanager"], with_required=False), quiet)


@contextmanager
def catalog_is_killed(settings: Settings) -> Iterator[None]:
    """A crash: supervisord starts it again."""
    faults.wait_until_back(settings, faults.kill(settings, "catalog"))
    yield
