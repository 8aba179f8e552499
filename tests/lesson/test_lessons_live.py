"""Every lesson on the live stack, in order, under nbval. Airflow runs the same files through papermill (test_demo).

They leave the stack as they found it: by name, everything that somebody could trip over is there before and after.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lakehouse import metadata
from lakehouse.engines import clickhouse, kafka
from lakehouse.engines.flink import FlinkRest
from lakehouse.lesson import book
from lakehouse.runner import PROJECT_ROOT
from lakehouse.settings import get_settings
from stack.native.services import spark

pytestmark = [pytest.mark.notebook, pytest.mark.usefixtures("first_day")]
CELL_SECONDS = 300


def names() -> dict[str, set[str]]:
    """What there is in the services, by kind."""
    catalog, settings = metadata.catalog(), get_settings()
    namespaces = {".".join(namespace) for namespace in catalog.list_namespaces()}
    workers = spark.master_state(settings)["workers"]
    return {
        "namespaces": namespaces,
        "tables": {".".join(table) for namespace in namespaces for table in catalog.list_tables(namespace)},
        "topics": kafka.topic_names(),
        "consumer groups": kafka.consumer_groups(),
        "running Flink jobs": {job.name for job in FlinkRest(settings).jobs() if job.state == "RUNNING"},
        "ClickHouse tables": {f"{database}.{table}" for database, table in clickhouse.query(
            "SELECT database, name FROM system.tables WHERE database NOT IN ('system', 'information_schema',"
            " 'INFORMATION_SCHEMA')")},
        "Spark workers": {worker["id"] for worker in workers if worker["state"] == "ALIVE"},
        "readers": {row["target_table"] for row in metadata.load(metadata.WATERMARKS).scan().to_arrow().to_pylist()},
    }  # fmt: skip


@pytest.mark.timeout(2700)
def test_all_lessons_run_in_order_under_nbval_and_leave_nothing_behind() -> None:
    lessons = [str(path) for path in book.paths()]
    options = ("--nbval-lax", f"--nbval-cell-timeout={CELL_SECONDS}", "-p", "no:cacheprovider", "-q", "--timeout=0")
    before = names()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(PROJECT_ROOT / "notebooks"), "-c", os.devnull,
         *lessons],
        cwd=PROJECT_ROOT / "notebooks", env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    after = names()
    assert {kind: after[kind] ^ before[kind] for kind in before if after[kind] != before[kind]} == {}
