"""A second worker's own configuration; the worker itself is started and ended by lesson 21 on the live stack."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from lakehouse.lesson.cluster import (
    PREFIX,
    SecondWorker,
    _die_with_parent,
    _remove_leftovers,
    free_port,
    with_settings,
)
from lakehouse.settings import get_settings
from lakehouse.waiting import wait_until
from stack.native.processes import is_alive


def test_some_properties_are_set_otherwise_and_all_others_stay() -> None:
    found = with_settings("# a comment\na.b   1\na.bc  2\n\nc x y\n", {"a.b": "9", "new": "z"})
    assert found == "# a comment\na.bc  2\nc x y\na.b 9\nnew z\n"


def test_a_free_port_is_one_that_nobody_has() -> None:
    assert free_port("127.0.0.1") > 1024


def test_a_child_goes_when_its_parent_is_killed() -> None:
    code = (
        "import subprocess, sys, signal\nfrom lakehouse.lesson.cluster import _die_with_parent\n"
        "pause = [sys.executable, '-c', 'import signal; signal.pause()']\n"
        "child = subprocess.Popen(pause, preexec_fn=_die_with_parent)\n"
        "print(child.pid, flush=True)\nsignal.pause()\n"
    )
    assert callable(_die_with_parent)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        os.kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(child), timeout=20, what="the child to go with its parent", every=0.05)


def test_folders_of_processes_that_are_gone_are_removed(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    settings = SimpleNamespace(run_dir=tmp_path)
    left, own = tmp_path / f"{PREFIX}{gone.pid}-x", tmp_path / f"{PREFIX}{os.getpid()}-y"
    for folder in (left, own):
        folder.mkdir()
    _remove_leftovers(settings)  # type: ignore[arg-type]
    assert (left.exists(), own.exists()) == (False, True)


@pytest.mark.stack
def test_a_worker_joins_the_master_and_leaves_it() -> None:
    cluster = SecondWorker()
    before = {worker["id"] for worker in cluster.workers()}
    try:
        cluster.add_worker()
        new = [worker for worker in cluster.workers() if worker["id"] not in before]
        assert [(worker["cores"], worker["coresused"], worker["host"]) for worker in new] == [
            (2, 0, get_settings().host)
        ]
        assert httpx.get(new[0]["webuiaddress"], timeout=30).status_code == 200
        assert 0 < cluster.memory_mb()["worker"] < 500
    finally:
        cluster.stop()
    wait_until(
        lambda: {worker["id"] for worker in cluster.workers()} == before, timeout=60, what="the master to forget it"
    )
    assert not cluster.folder.exists()
