"""A service that is killed on purpose: all of it is gone, supervisord brings it back, a stranger is never hit."""

from __future__ import annotations

import pytest

from lakehouse.settings import Settings
from lakehouse.waiting import wait_until
from stack.native import faults, lifecycle, processes, supervisor
from stack.native.service import NotHealthy

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
