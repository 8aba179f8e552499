"""Nothing of the stack can be reached from another machine, and no store tells a stranger anything."""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from lakehouse.commands.lab import command
from lakehouse.settings import Settings, get_settings
from lakehouse.waiting import wait_until
from stack.native import processes, supervisor
from stack.native.registry import all_services

pytestmark = pytest.mark.stack
LISTENS = "0A"
"""How /proc/net/tcp writes it."""


@pytest.fixture(scope="module")
def settings(live_stack: None) -> Settings:
    return get_settings()


def everyone(settings: Settings) -> set[int]:
    """The pids of the stack's processes: supervisord and all below it."""
    supervisord = int((settings.run_dir / "supervisord.pid").read_text(encoding="ascii"))
    return processes.descendants({supervisord}, processes.all_processes())


def sockets_of(pids: set[int]) -> set[str]:
    """The inodes of the sockets that these processes hold open."""
    names = {name for pid in pids for name in processes._open_names(Path(f"/proc/{pid}/fd"))}
    return {name.removeprefix("socket:[").removesuffix("]") for name in names if name.startswith("socket:[")}


def address(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    """`0100007F:1F90` as the kernel writes it: words of four bytes, each turned round."""
    where, _, port = text.partition(":")
    words = [bytes.fromhex(where[at : at + 8])[::-1] for at in range(0, len(where), 8)]
    found = ipaddress.ip_address(b"".join(words))
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found, int(port, 16)


def open_sockets(inodes: set[str], kind: str) -> set[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]:
    """Where these sockets listen (tcp), or take datagrams from anybody (udp)."""
    found = set()
    for table in (kind, f"{kind}6"):
        lines = Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        for fields in (line.split() for line in lines):
            waits = fields[3] == LISTENS if kind == "tcp" else int(fields[2].rpartition(":")[2], 16) == 0
            if waits and fields[9] in inodes:
                found.add(address(fields[1]))
    return found


def own_addresses() -> set[str]:
    """This machine's addresses that others can reach."""
    found = {each.address for some in psutil.net_if_addrs().values() for each in some
             if each.family in (socket.AF_INET, socket.AF_INET6)}  # fmt: skip
    return {each for each in found if not ipaddress.ip_address(each.partition("%")[0]).is_loopback and "%" not in each}


def answers(host: str, port: int) -> bool:
    """Whether somebody takes a connection there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.settimeout(3)
        return probe.connect_ex((host, port)) == 0


def test_addresses_are_read_as_the_kernel_writes_them() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        inode = os.readlink(f"/proc/self/fd/{server.fileno()}")[8:-1]
        assert open_sockets({inode}, "tcp") == {(ipaddress.ip_address("127.0.0.1"), server.getsockname()[1])}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("127.0.0.1", 0))
        inode = os.readlink(f"/proc/self/fd/{datagrams.fileno()}")[8:-1]
        assert open_sockets({inode}, "udp") == {(ipaddress.ip_address("127.0.0.1"), datagrams.getsockname()[1])}
    assert address("0000000000000000FFFF00000100007F:0050") == (ipaddress.ip_address("127.0.0.1"), 80)


def test_every_socket_of_the_stack_is_on_loopback(settings: Settings) -> None:
    inodes = sockets_of(everyone(settings))
    listening, datagrams = open_sockets(inodes, "tcp"), open_sockets(inodes, "udp")
    running = {process.name for process in supervisor.processes(settings) if process.state == "RUNNING"}
    wanted = {getattr(settings, name) for service in all_services() if service.name in running
              for name in service.ports.values()}  # fmt: skip
    assert wanted
    assert wanted <= {port for _, port in listening}
    assert {(str(where), port) for where, port in listening | datagrams if not where.is_loopback} == set()


def test_no_port_of_the_stack_answers_on_another_address(settings: Settings) -> None:
    """Asked as another machine would ask: by the addresses that this machine has in its networks."""
    ports = {port for _, port in open_sockets(sockets_of(everyone(settings)), "tcp")}
    with socket.create_server(("0.0.0.0", 0)) as everywhere:
        control = everywhere.getsockname()[1]
        reached = {host for host in own_addresses() if ":" not in host and answers(host, control)}
    assert {(host, port) for host in own_addresses() for port in ports if answers(host, port)} == set()
    assert reached == {host for host in own_addresses() if ":" not in host}
    assert answers(settings.host, min(ports))


# -- strangers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/browse", "/api/config", "/maintenance", "/cluster/masters", "/static/../config"]
)
def test_the_object_stores_console_sends_strangers_to_its_login(settings: Settings, path: str) -> None:
    answer = httpx.get(f"http://{settings.host}:{settings.s3_console_port}{path}", timeout=20)
    assert answer.status_code in (400, 401, 403, 404) or "/login" in answer.headers.get("location", "")
    wrong = {"username": "admin", "password": "wrong"}
    login = httpx.post(f"http://{settings.host}:{settings.s3_console_port}/login", data=wrong, timeout=20)
    assert login.status_code != 200 or "admin_session" not in str(login.cookies)
    assert "/admin" not in login.headers.get("location", "")


@pytest.mark.parametrize(
    "path", ["/", "/?query=SELECT+1", "/?query=SELECT+1&user=lakehouse", "/?query=SELECT+1&user=default"]
)
def test_clickhouse_asks_for_the_password(settings: Settings, path: str) -> None:
    headers = [{}, {"X-ClickHouse-User": settings.clickhouse_user, "X-ClickHouse-Key": "wrong"}]
    for given in headers:
        answer = httpx.post(f"{settings.clickhouse_url}{path}", content=b"SELECT 1", headers=given, timeout=20)
        assert answer.status_code in (401, 403)
        assert answer.text.strip() != "1"


@pytest.mark.parametrize("path", ["/api/v2/dags", "/api/v2/connections", "/api/v2/variables", "/api/v2/config"])
def test_airflow_refuses_a_wrong_word_as_it_does_none(settings: Settings, path: str) -> None:
    for given in ({}, {"Authorization": "Bearer wrong"}):
        assert httpx.get(f"{settings.airflow_url}{path}", headers=given, timeout=60).status_code in (401, 403)
    login = {"username": settings.airflow_user, "password": "wrong"}
    assert httpx.post(f"{settings.airflow_url}/auth/token", json=login, timeout=60).status_code == 401


@pytest.fixture(scope="module")
def lab(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A JupyterLab as `lakehouse lab` starts it, on a free port."""
    with socket.create_server((settings.host, 0)) as probe:
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("lab")
    environment = {**os.environ, "JUPYTER_TOKEN": settings.jupyter_token.get_secret_value()}
    started = command(settings.host, port, folder, folder / "layout")
    with subprocess.Popen(started, env=environment, stderr=subprocess.DEVNULL) as running:
        url = f"http://{settings.host}:{port}"
        try:
            wait_until(lambda: answers(settings.host, port), timeout=120, what="JupyterLab to listen", every=0.5)
            yield url
        finally:
            running.terminate()


def test_jupyterlab_asks_for_its_token(settings: Settings, lab: str) -> None:
    for path in ("/api/contents", "/api/kernels", "/api/sessions", "/api/terminals"):
        for given in ({}, {"Authorization": "token wrong"}):
            assert httpx.get(f"{lab}{path}", headers=given, timeout=60).status_code == 403
        right = {"Authorization": f"token {settings.jupyter_token.get_secret_value()}"}
        assert httpx.get(f"{lab}{path}", headers=right, timeout=60).status_code == 200
    started = httpx.post(f"{lab}/api/kernels", timeout=60)
    assert started.status_code == 403
