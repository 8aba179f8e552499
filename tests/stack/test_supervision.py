"""Services are started in order, watched, restarted, given up and ended: with a real supervisord."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lakehouse.settings import Settings
from lakehouse.waiting import wait_until
from stack.native import leftovers, lifecycle, processes, supervisor
from stack.native.service import NotHealthy, Service

from .conftest import Install, shell, web


def up(settings: Settings, services: list[Service]) -> list[tuple[str, str]]:
    events: list[tuple[str, str]] = []
    lifecycle.up(settings, services, lambda name, what, _: events.append((name, what)))
    return events


def never(_: Settings) -> None:
    raise NotHealthy("it does not answer")


def pid_of(settings: Settings, name: str) -> int:
    process = supervisor.find(settings, name)
    return process.pid if process else 0


def test_a_service_starts_when_those_it_requires_are_healthy(settings: Settings, install: Install) -> None:
    events = up(settings, install(web("first", "jupyter_port"), web("second", "clickhouse_port", requires=("first",))))

    assert events.index(("first", "healthy")) < events.index(("second", "preparing"))
    assert events[-1] == ("second", "healthy")


def test_a_healthy_service_is_left_alone(settings: Settings, install: Install) -> None:
    services = install(web("web", "jupyter_port"))
    up(settings, services)
    pid = pid_of(settings, "web")

    assert up(settings, services) == [("web", "healthy")]
    assert pid_of(settings, "web") == pid


def test_a_healthy_service_gets_what_an_earlier_start_could_not_make(
    settings: Settings, install: Install, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    services = install(replace(web("web", "jupyter_port"), after_start=lambda _: made.touch(),
                               complete=lambda _: made.exists()))  # fmt: skip
    up(settings, services)
    pid = pid_of(settings, "web")
    made.unlink()

    assert up(settings, services) == [("web", "warming"), ("web", "healthy")]
    assert made.exists()
    assert pid_of(settings, "web") == pid


def test_a_process_is_asked_for_its_own_health_only(settings: Settings, install: Install) -> None:
    (service,) = install(web("web", "jupyter_port"))
    with pytest.raises(NotHealthy, match="does not run"):
        supervisor.running_since(settings, "web")
    began = int(time.time())
    up(settings, [service])

    assert began <= supervisor.running_since(settings, "web") <= time.time()


def test_a_killed_service_comes_back(settings: Settings, install: Install) -> None:
    (service,) = install(web("web", "jupyter_port"))
    up(settings, [service])
    before = pid_of(settings, "web")

    os.kill(before, signal.SIGKILL)

    wait_until(lambda: pid_of(settings, "web") not in (0, before), timeout=15, what="a new process")
    wait_until(lambda: lifecycle.why_not_healthy(service, settings) is None, timeout=15, what="health")


def test_a_service_that_ends_again_and_again_is_given_up_with_its_log(settings: Settings, install: Install) -> None:
    services = install(shell("broken", "echo no such option; exit 3", never))

    with pytest.raises(lifecycle.ServiceFailed, match="ended again and again") as failure:
        up(settings, services)

    assert "no such option" in failure.value.tail
    assert "lakehouse stack logs broken" in failure.value.next_step
    assert supervisor.state_of(settings, "broken") not in supervisor.ALIVE


def test_a_service_that_never_answers_is_named_with_what_it_was_asked(settings: Settings, install: Install) -> None:
    services = install(shell("mute", "exec sleep 100", never, start_timeout_seconds=2))

    with pytest.raises(lifecycle.ServiceFailed, match="it does not answer"):
        up(settings, services)


def test_a_failed_service_can_be_started_again_once_it_is_mended(
    settings: Settings, install: Install, tmp_path: Path
) -> None:
    cure = tmp_path / "cure"

    def cured(_: Settings) -> None:
        if not cure.exists():
            raise NotHealthy("still broken")

    services = install(shell("patient", f"test -e {cure} || exit 1; exec sleep 100", cured))
    with pytest.raises(lifecycle.ServiceFailed):
        up(settings, services)
    cure.touch()

    assert up(settings, services)[-1] == ("patient", "healthy")


def test_a_changed_definition_is_used_after_a_restart(settings: Settings, install: Install) -> None:
    up(settings, install(shell("service", "exec sleep 101", lambda _: None)))
    changed = install(shell("service", "exec sleep 102", lambda _: None))
    up(settings, changed)
    assert processes.title(pid_of(settings, "service")) == "sleep 101"

    lifecycle.down(settings, changed, lambda *_: None, everything=False)
    up(settings, changed)

    assert processes.title(pid_of(settings, "service")) == "sleep 102"


def test_down_stops_in_the_reverse_order_and_leaves_no_process(settings: Settings, install: Install) -> None:
    detached = shell("detaching", "setsid sleep 103 & exec sleep 104", lambda _: None, requires=("web",))
    services = install(web("web", "jupyter_port"), detached)
    up(settings, services)
    assert len(leftovers.find(settings)) == 3
    stopped: list[str] = []

    survivors = lifecycle.down(settings, services, lambda name, *_: stopped.append(name), everything=True)

    assert stopped == ["detaching", "web"]
    assert [survivor.split(" ", 1)[1] for survivor in survivors] == ["sleep 103"]
    assert leftovers.find(settings) == []
    assert not supervisor.is_running(settings)


def test_a_service_whose_farewell_fails_is_stopped_all_the_same(settings: Settings, install: Install) -> None:
    services = install(shell("rude", "exec sleep 105", lambda _: None, before_stop=never))
    up(settings, services)
    events: list[str] = []

    lifecycle.down(settings, services, lambda name, what, _: events.append(what), everything=False)

    assert "it does not answer" in events[0]
    assert supervisor.state_of(settings, "rude") == "STOPPED"


def test_services_that_outlived_a_killed_supervisord_are_replaced(settings: Settings, install: Install) -> None:
    # the second one hides its environment, as servers do that write a title over it
    hiding = shell("hiding", "exec env -i sleep 106", lambda _: None)
    services = install(web("web", "jupyter_port"), hiding)
    up(settings, services)
    before = {pid_of(settings, "web"), pid_of(settings, "hiding")}
    supervisord = int((settings.run_dir / "supervisord.pid").read_text())
    os.kill(supervisord, signal.SIGKILL)
    wait_until(lambda: not processes.is_alive(supervisord), timeout=10, what="supervisord to be dead", every=0.1)
    assert set(leftovers.find(settings)) == before

    up(settings, services)

    assert not any(processes.is_alive(pid) for pid in before)
    assert {pid_of(settings, "web"), pid_of(settings, "hiding")}.isdisjoint(before | {0})


def test_a_port_that_is_taken_is_found_before_anything_starts(settings: Settings, install: Install) -> None:
    up(settings, install(web("web", "jupyter_port")))
    # another stack's service wants the same port
    other = Settings.model_validate(
        {**settings.model_dump(), "clickhouse_port": settings.jupyter_port, "data_dir": settings.data_dir / "other"}
    )
    services = install(web("rival", "clickhouse_port"))

    with pytest.raises(Exception, match=r"taken by .*pid \d+.*LAKEHOUSE_CLICKHOUSE_PORT.*LAKEHOUSE_PORT_OFFSET"):
        up(other, services)

    assert not supervisor.is_running(other)


def test_services_do_not_inherit_engine_settings_of_the_shell(
    settings: Settings, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_HOME", "/elsewhere")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    up(settings, install(shell("service", "exec sleep 107", lambda _: None)))

    pid = pid_of(settings, "service")

    assert not processes.has_environment(pid, "SPARK_HOME", "/elsewhere")
    assert processes.has_environment(pid, "NO_PROXY", "127.0.0.1,localhost")


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ([], ["base", "flink-a", "flink-b", "other"]),
        (["flink"], ["base", "flink-a", "flink-b"]),
        (["base"], ["base"]),
        (["more"], ["added"]),
        (["core", "more"], ["base", "flink-a", "flink-b", "other", "added"]),
    ],
)
def test_names_families_and_profiles_bring_what_they_require(
    install: Install, names: list[str], chosen: list[str]
) -> None:
    install(
        shell("base", "", never),
        shell("flink-a", "", never, requires=("base",)),
        shell("flink-b", "", never),
        shell("other", "", never),
        shell("added", "", never, profile="more"),
    )

    assert [service.name for service in lifecycle.select(names)] == chosen


def test_an_unknown_service_is_named_with_those_there_are(install: Install) -> None:
    install(shell("base", "", never))

    with pytest.raises(Exception, match=r"no service 'bases'.*use one of: base"):
        lifecycle.select(["bases"])
