"""Is this machine ready? Standard library only: `python3.11 stack/doctor.py` works before anything is installed."""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIN_JAVA, MIN_MEMORY_GB, MIN_DISK_GB = 17, 12, 10
MIN_OPEN_FILES = 4096
GRPC_OFFSET = 10_000
SEAWEED_PORTS = ("s3_port", "s3_console_port", "s3_master_port", "s3_volume_port", "s3_filer_port")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: whether it is fine, what was found, and what to do if not."""

    name: str
    ok: bool
    found: str
    next_step: str = ""


def check_platform() -> Check:
    found = f"{platform.system()} {platform.machine()}"
    ok = found == "Linux x86_64"
    return Check("machine", ok, found, "the native profile is built for Linux x86-64; use a virtual machine of it")


def check_python() -> Check:
    found = platform.python_version()
    return Check("python", sys.version_info[:2] == (3, 11), found, "install Python 3.11 and set PYTHON=python3.11")


def _java_major(text: str) -> int:
    match = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if not match:
        return 0
    return int(match[2] or 0) if match[1] == "1" else int(match[1])


def check_java() -> Check:
    hint = "install a JDK 17 or newer (Debian, Ubuntu: openjdk-17-jdk-headless) and put it on the PATH"
    if shutil.which("java") is None or shutil.which("javac") is None:
        missing = "java" if shutil.which("java") is None else "javac (this is a JRE only)"
        return Check("java", False, f"no {missing} on the PATH", hint)
    done = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    major = _java_major(done.stderr)
    return Check("java", major >= MIN_JAVA, f"JDK {major}", hint)


def check_tools() -> Check:
    missing = [name for name in ("ps", "make", "tar") if shutil.which(name) is None]
    found = f"missing: {', '.join(missing)}" if missing else "ps, make, tar"
    return Check("tools", not missing, found, "install procps, make and tar")


def check_memory() -> Check:
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    values = dict(re.findall(r"(\w+):\s+(\d+) kB", text))
    total, free = int(values["MemTotal"]) / 1_048_576, int(values["MemAvailable"]) / 1_048_576
    ok = total >= MIN_MEMORY_GB
    return Check("memory", ok, f"{total:.1f} GB, {free:.1f} GB free", f"the stack needs about 9 of {MIN_MEMORY_GB} GB")


def check_disk(folder: Path) -> Check:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    hint = f"free {MIN_DISK_GB} GB, or set LAKEHOUSE_DATA_DIR to a larger disk"
    return Check("disk", free >= MIN_DISK_GB, f"{free:.0f} GB free", hint)


def check_open_files() -> Check:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ok = hard == resource.RLIM_INFINITY or hard >= MIN_OPEN_FILES
    return Check("open files", ok, f"{soft} (at most {hard})", f"raise the limit: ulimit -n {MIN_OPEN_FILES}")


def check_postgres_user() -> Check:
    if os.getuid() != 0:
        return Check("user", True, "not root")
    command = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "true"]
    ok = (
        shutil.which("unshare") is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )
    return Check(
        "user", ok, "root, with user namespaces" if ok else "root", "run as a normal user: PostgreSQL refuses root"
    )


def machine_checks(folder: Path) -> list[Check]:
    """Everything but ports."""
    return [
        check_platform(),
        check_python(),
        check_java(),
        check_tools(),
        check_memory(),
        check_disk(folder),
        check_open_files(),
        check_postgres_user(),
    ]


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _wanted_ports(settings: Any, services: list[Any]) -> dict[str, int]:
    ports = {}
    for service in services:
        for setting in service.ports.values():
            port = getattr(settings, setting)
            ports[setting] = port
            if setting in SEAWEED_PORTS:
                ports[f"{setting} (its gRPC port)"] = port + GRPC_OFFSET
    return ports


def check_ports(settings: Any, services: list[Any]) -> list[Check]:
    """One check for each port that is taken; a port of this stack's own running service is not asked for."""
    from stack.native import supervisor

    own = {p.name for p in supervisor.processes(settings) if p.state in ("RUNNING", "STARTING", "BACKOFF")}
    failed = []
    for setting, port in _wanted_ports(settings, [s for s in services if s.name not in own]).items():
        if not port_is_free(settings.host, port):
            variable = f"LAKEHOUSE_{setting.split()[0].upper()}"
            hint = f"set {variable} to a free port, or LAKEHOUSE_PORT_OFFSET to move all; or stop what listens there"
            failed.append(Check(f"port {port}", False, f"taken; wanted for {setting}", hint))
    return failed or [Check("ports", True, "all free or this stack's own")]


def check_before_start(settings: Any, services: list[Any]) -> None:
    """The quick part, before services start. Raises `CannotPrepare` with the first thing that is wrong."""
    from stack.native.service import CannotPrepare

    for check in (check_platform(), check_java(), *check_ports(settings, services)):
        if not check.ok:
            raise CannotPrepare(f"{check.name}: {check.found}", check.next_step)


def show(checks: list[Check]) -> bool:
    """Print the checks; returns whether all are fine."""
    for check in checks:
        sys.stdout.write(f"  {'✓' if check.ok else '✗'} {check.name:<12} {check.found}\n")
        if not check.ok:
            sys.stdout.write(f"      next: {check.next_step}\n")
    return all(check.ok for check in checks)


def report(settings: Any, services: list[Any]) -> bool:
    """All checks, ports too."""
    return show([*machine_checks(settings.data_dir), *check_ports(settings, services)])


if __name__ == "__main__":
    sys.exit(0 if show(machine_checks(Path(__file__).resolve().parent.parent)) else 1)
