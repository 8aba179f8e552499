"""The doctor finds what is wrong before anything starts, and names the setting to change."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stack import doctor

from .conftest import free_port

SCRIPT = Path(doctor.__file__)


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "17.0.12" 2024-07-16', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ('openjdk version "21-ea" 2023-09-19', 21),
        ("command not found", 0),
    ],
)
def test_java_versions_are_read(text: str, major: int) -> None:
    assert doctor.java_major(text) == major


def test_this_machine_has_a_jdk() -> None:
    assert doctor.check_java().ok


def test_a_missing_jdk_comes_with_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    check = doctor.check_java()

    assert not check.ok
    assert "openjdk-17-jdk" in check.next_step


def test_a_runtime_without_compiler_is_not_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "not a JDK" in doctor.check_java().found


def test_a_wrong_java_home_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    check = doctor.check_java()

    assert not check.ok
    assert "unset JAVA_HOME" in check.next_step


def test_a_free_port_is_fine() -> None:
    assert [check.ok for check in doctor.check_ports("127.0.0.1", {"trino_port": free_port()})] == [True]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_names_its_holder_and_the_setting(host: str) -> None:
    with socket.create_server((host, 0)) as server:
        port = server.getsockname()[1]
        (check,) = doctor.check_ports("127.0.0.1", {"trino_port": port})

    assert not check.ok
    assert check.name == f"port {port}"
    assert "taken by python" in check.found
    assert "LAKEHOUSE_TRINO_PORT" in check.next_step
    assert "LAKEHOUSE_PORT_OFFSET" in check.next_step


def test_the_object_stores_second_ports_are_looked_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        (check,) = doctor.check_ports("127.0.0.1", {"s3_filer_port": taken - doctor.GRPC_OFFSET})

    assert "gRPC" in check.found
    assert "LAKEHOUSE_S3_FILER_PORT" in check.next_step


def test_a_port_wanted_twice_is_found() -> None:
    port = free_port()
    (check,) = doctor.check_ports("127.0.0.1", {"trino_port": port, "airflow_port": port})

    assert "trino_port" in check.found
    assert "airflow_port" in check.found


def test_a_port_that_no_machine_has_is_found() -> None:
    assert [check.ok for check in doctor.check_ports("127.0.0.1", {"trino_port": 70_000})] == [False]


def test_a_full_disk_is_found(tmp_path: Path) -> None:
    check = doctor.check_disk(tmp_path / "not" / "yet", 10**9)

    assert not check.ok
    assert str(tmp_path) in check.next_step


def test_it_runs_with_a_bare_python_before_anything_is_installed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = subprocess.run(
            # -S -I: no site-packages, no environment: the standard library alone
            [sys.executable, "-S", "-c", _RUN_WITH_PORT.format(script=SCRIPT, port=port)],
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 1, done.stderr
    assert "machine      Linux x86_64" in done.stdout
    assert f"port {port}" in done.stdout
    assert "LAKEHOUSE_TRINO_PORT" in done.stdout


_RUN_WITH_PORT = """
import os, runpy, sys
os.environ["LAKEHOUSE_TRINO_PORT"] = "{port}"
sys.argv = ["doctor.py"]
runpy.run_path("{script}", run_name="__main__")
"""
