"""Two lanes in one run: what needs no service first, then what needs the live stack, in a stack of its own.

The test stack has its own ports and data folder and is made anew for the run; `--stack running` uses the
developer's running one instead, `--keep-stack` leaves the test stack up for the next run.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lakehouse.commands.demo import Report

TEST_PORT_OFFSET = "500"
HOME = Path(__file__).resolve().parent.parent / ".lakehouse"
TEST_DATA_DIR = HOME / "test-stack"
ARTIFACTS = HOME / "artifacts"
"""What a run leaves to look at: logs of the services, executed notebooks, seconds by test file (and JUnit's XML)."""
LOG_LINES = 30
SLOWEST = 15
LIVE = ("stack", "notebook", "faults", "chaos", "last")
LANES = ("fast", *LIVE)
PEOPLE = 150
"""Of the test world: some 1,400 requests with every kind of flaw."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lakehouse")
    group.addoption("--stack", choices=("own", "running"), default="own", help="which live stack the tests use")
    group.addoption("--keep-stack", action="store_true", help="leave the test stack up at the end")


def pytest_configure(config: pytest.Config) -> None:
    """Point every setting at the test stack before anything reads the settings."""
    if config.getoption("--stack") == "own":
        os.environ["LAKEHOUSE_DATA_DIR"] = str(TEST_DATA_DIR)
        os.environ["LAKEHOUSE_PORT_OFFSET"] = TEST_PORT_OFFSET
        os.environ["LAKEHOUSE_STACK_NAME"] = "test"
        # not at each full hour, in the middle of a test that counts snapshots
        os.environ["LAKEHOUSE_PIPELINE_SCHEDULE"] = "@daily"


def _lane(item: pytest.Item) -> str:
    return next((mark for mark in reversed(LIVE) if item.get_closest_marker(mark)), "fast")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Cheap before dear: a failing unit test is seen before the stack starts. What kills or erases goes last."""
    items.sort(key=lambda item: LANES.index(_lane(item)))
    for item in items:
        item.user_properties.append(("lane", _lane(item)))


SECONDS: Counter[tuple[str, str]] = Counter()
"""By lane and test file, fixtures included: what a session's fixture takes counts for the first test that asks."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    SECONDS[dict(report.user_properties)["lane"], report.nodeid.partition("::")[0]] += report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Gather the artefacts. The services' files are linked, not copied."""
    if not SECONDS or session.config.getoption("--stack") != "own":
        return
    for folder in ("logs", "runs"):
        shutil.rmtree(ARTIFACTS / folder, ignore_errors=True)
        if (TEST_DATA_DIR / folder).exists():
            shutil.copytree(TEST_DATA_DIR / folder, ARTIFACTS / folder, copy_function=os.link)
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    rows = [{"lane": lane, "file": file, "seconds": round(s, 1)} for (lane, file), s in SECONDS.most_common()]
    (ARTIFACTS / "seconds.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """Where the time went; when a test failed, the end of each service's log: what one would ask for first."""
    _show_seconds(terminalreporter)
    if exitstatus == 0 or terminalreporter.config.getoption("--stack") != "own":
        return
    for log in sorted((TEST_DATA_DIR / "logs").glob("*.log")):
        terminalreporter.section(log.name)
        terminalreporter.write_line("\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:]))


def _show_seconds(reporter: pytest.TerminalReporter) -> None:
    lanes: Counter[str] = Counter()
    for (lane, _), seconds in SECONDS.items():
        lanes[lane] += seconds
    if sum(lanes.values()) < 60:
        return
    reporter.section("seconds")
    for lane in LANES:
        reporter.write_line(f"{lanes[lane]:8.0f}  {lane}")
    for (lane, file), seconds in SECONDS.most_common(SLOWEST):
        reporter.write_line(f"{seconds:8.0f}    {file} ({lane})")


def _say(request: pytest.FixtureRequest, text: str) -> None:
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(text)
        reporter.flush()


@pytest.fixture(scope="session")
def live_stack(request: pytest.FixtureRequest) -> Iterator[None]:
    """All services healthy. The own stack is reset before, and ended after, unless it is to be kept."""
    if request.config.getoption("--stack") == "running":
        yield
        return
    from lakehouse.settings import load_settings
    from stack.native import lifecycle, supervisor
    from stack.native.secrets import ensure_secrets

    keep = request.config.getoption("--keep-stack")
    ensure_secrets(TEST_DATA_DIR)
    if not (keep and supervisor.is_running(load_settings())):
        if supervisor.is_running(load_settings()):
            supervisor.shutdown(load_settings())
        shutil.rmtree(TEST_DATA_DIR)
        ensure_secrets(TEST_DATA_DIR)
    settings = load_settings()
    services = lifecycle.select([])
    lifecycle.up(settings, services, lambda name, what, s: _say(request, f"  {name:<24} {what:<10} {s:6.1f} s"))
    yield
    if not keep:
        lifecycle.down(settings, services, lambda name, what, s: None, everything=True)


@pytest.fixture(autouse=True)
def _needs_live_stack(request: pytest.FixtureRequest) -> None:
    if any(request.node.get_closest_marker(mark) for mark in LIVE):
        request.getfixturevalue("live_stack")


@pytest.fixture(scope="session")
def local_spark() -> Iterator[object]:
    """A Spark session in this process, for pure transforms on small frames; it knows no catalog."""
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "1g")
        .config("spark.sql.adaptive.enabled", "false")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def first_day(request: pytest.FixtureRequest, live_stack: None) -> Report:
    """A small world's first day on its whole way: sent, landed, through Airflow, the ledger balanced.

    On a running stack that has a world already, its next day is sent.
    """
    from data_generators.generate import read_manifest
    from lakehouse.commands.demo import run_demo
    from lakehouse.settings import load_settings

    settings = load_settings()
    _say(request, "  a day of webhooks goes all the way …")
    return run_demo(settings, people=None if read_manifest(settings.world_dir) else PEOPLE)


@pytest.fixture(scope="session")
def spark(live_stack: None) -> object:
    """A session on the live Connect server."""
    from lakehouse.engines.spark import spark_session

    return spark_session()
