"""A service that is killed on purpose: all of it is gone, supervisord brings it back, a stranger is never hit."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import pytest

from lakehouse.settings import Settings
from lakehouse.waiting import wait_until
from stack.native import faults, lifecycle, processes, supervisor
from stack.native.service import NotHealthy, Service

from .conftest import Install, shell, web


def up(settings: Settings, services: list[object]) -> None:
    lifecycle.up(settings, services, lambda *_: None)  # type: ignore[arg-type]


def pid_of(settings: Settings, name: str) -> int:
    process = supervisor.find(settings, name)
    return process.pid if process else 0


def test_it_is_gone_and_back_by_itself_with_another_pid(settings: Settings, install: Install) -> None:
    up(settings, install(web("web", "jupyter_port"), web("neighbour", "clickhouse_port")))
    before, neighbour = pid_of(settings, "web"), pid_of(settings, "neighbour")

    killed = faults.kill(settings, "web")
    assert killed.pid == before
    assert not processes.is_alive(before)
    recovery = faults.wait_until_back(settings, killed)

    assert recovery.pid == pid_of(settings, "web") not in (0, before)
    assert 0 < recovery.seconds < 20
    assert recovery.healthy_at > killed.at
    assert pid_of(settings, "neighbour") == neighbour


def test_children_die_with_it(settings: Settings, install: Install) -> None:
    # a wrapper that starts the server as its child: the child would keep the port
    up(settings, install(shell("wrapped", "sleep 108 & wait", lambda _: None)))
    parent = pid_of(settings, "wrapped")

    def children() -> set[int]:
        return processes.descendants({parent}, processes.all_processes()) - {parent}

    wait_until(children, timeout=5, what="the child")
    below = children()

    faults.kill(settings, "wrapped")

    assert not any(processes.is_alive(pid) for pid in below | {parent})


def test_what_does_not_run_cannot_be_killed(settings: Settings, install: Install) -> None:
    services = install(web("web", "jupyter_port"))
    with pytest.raises(faults.CannotKill, match="web does not run"):
        faults.kill(settings, "web")
    up(settings, services)
    supervisor.stop(settings, "web")
    with pytest.raises(faults.CannotKill, match="STOPPED"):
        faults.kill(settings, "web")
    with pytest.raises(faults.CannotKill, match="nobody does not run"):
        faults.kill(settings, "nobody")


def test_one_that_stays_ill_is_named_with_what_it_says(settings: Settings, install: Install) -> None:
    ill: list[bool] = []

    def healthy(_: Settings) -> None:
        if ill:
            raise NotHealthy("it has lost its data")

    up(settings, install(shell("patient", "echo begun; exec sleep 109", healthy)))
    ill.append(True)
    killed = faults.kill(settings, "patient")

    with pytest.raises(faults.NotBack, match="it has lost its data") as failure:
        faults.wait_until_back(settings, killed, timeout=3)

    assert "begun" in failure.value.tail
    assert "stack up patient" in failure.value.next_step


WRITER = """
import sys, time
while True:
    try:
        with open(sys.argv[1], "ab", buffering=0) as file:
            file.write(b"x")
        said = "written"
    except OSError as error:
        said = error.strerror
    with open(sys.argv[2], "wb", buffering=0) as pipe:
        pipe.write(said.encode() + b"\\n")
    time.sleep(0.02)
"""
"""Appends to a file again and again, and says through a pipe, which no limit holds up, how it went."""


def writer(folder: Path) -> tuple[Service, Path]:
    """A service that writes, and the pipe from which one reads how its next write went."""
    program, pipe = folder / "writer.py", folder / "said"
    program.write_text(WRITER)
    os.mkfifo(pipe)
    command = f"exec {sys.executable} {program} {folder / 'data'} {pipe}"
    return shell("writer", command, lambda _: None), pipe


def said(pipe: Path) -> set[str]:
    """How writes went that began after this was asked: all that are read at once."""
    pipe.read_bytes()
    return set(pipe.read_text().split("\n")) - {""}


def test_a_full_disk_refuses_every_write_until_it_is_repaired(
    settings: Settings, install: Install, tmp_path: Path
) -> None:
    service, pipe = writer(tmp_path)
    up(settings, install(service, web("neighbour", "clickhouse_port")))
    assert said(pipe) == {"written"}
    with faults.disk_full(settings, "writer"):
        assert said(pipe) == {"File too large"}
        # what supervisord starts in its place finds the disk as full
        killed = faults.kill(settings, "writer")
        faults.wait_until_back(settings, killed)
        wait_until(
            lambda: said(pipe) == {"File too large"}, timeout=5, what="the new process to be refused", every=0.01
        )
        neighbour = pid_of(settings, "neighbour")
        assert resource.prlimit(neighbour, resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert said(pipe) == {"written"}


def test_what_is_held_stands_still_and_then_goes_on(settings: Settings, install: Install) -> None:
    service = web("web", "jupyter_port")
    up(settings, install(service))
    with faults.held(settings, "web") as held:
        assert held.pid == pid_of(settings, "web")
        assert lifecycle.why_not_healthy(service, settings) is not None
    assert lifecycle.why_not_healthy(service, settings) is None
    assert pid_of(settings, "web") == held.pid


def test_a_process_below_a_service_is_killed_by_its_program_alone(settings: Settings, install: Install) -> None:
    up(settings, install(shell("worker", "while true; do sleep 107; done", lambda _: None)))
    parent = pid_of(settings, "worker")
    wait_until(lambda: faults.below(settings, "worker", "107"), timeout=5, what="the child")
    (child,) = faults.below(settings, "worker", "107")
    assert faults.kill_below(settings, "worker", "107").pid == child
    wait_until(lambda: faults.below(settings, "worker", "107") - {child}, timeout=5, what="its successor")
    assert pid_of(settings, "worker") == parent
    with pytest.raises(faults.CannotKill, match="has no process 108"):
        faults.kill_below(settings, "worker", "108")
