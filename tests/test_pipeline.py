"""Of two runs at once one waits in each step; a run that was killed holds nobody up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse import pipeline
from lakehouse.settings import get_settings
from lakehouse.waiting import wait_until
from stack.native.secrets import ensure_secrets

HOLD = (
    "import sys; from lakehouse.pipeline import _alone\n"
    "with _alone('core.orders'):\n"
    "    print('in', flush=True); sys.stdin.read()"
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    ensure_secrets(tmp_path)
    monkeypatch.setenv("LAKEHOUSE_DATA_DIR", str(tmp_path))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def other_run() -> Iterator[subprocess.Popen[str]]:
    """A process that is in the step core.orders until it is told to leave it."""
    run = subprocess.Popen([sys.executable, "-c", HOLD], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert run.stdout is not None
    assert run.stdout.readline() == "in\n"
    yield run
    run.kill()
    run.communicate()


def enter(entered: threading.Event, name: str = "core.orders") -> threading.Thread:
    def step() -> None:
        with pipeline._alone(name):
            entered.set()

    thread = threading.Thread(target=step)
    thread.start()
    return thread


def test_the_second_run_waits_until_the_first_has_left_the_step(other_run: subprocess.Popen[str]) -> None:
    entered = threading.Event()
    thread = enter(entered)
    assert not entered.wait(0.5)
    other_run.communicate("")
    thread.join(timeout=10)
    assert entered.is_set()


def test_another_step_does_not_wait(other_run: subprocess.Popen[str]) -> None:
    entered = threading.Event()
    enter(entered, "core.customers").join(timeout=10)
    assert entered.is_set()
    assert other_run.poll() is None


def test_a_run_that_was_killed_holds_nobody_up(other_run: subprocess.Popen[str]) -> None:
    entered = threading.Event()
    thread = enter(entered)
    assert not entered.wait(0.2)
    os.kill(other_run.pid, signal.SIGKILL)
    wait_until(entered.is_set, timeout=10, what="the lock of the killed run to be free", every=0.05)
    thread.join()
