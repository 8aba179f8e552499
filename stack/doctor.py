"""Is this machine ready? Standard library only: `python3.11 stack/doctor.py` works before anything is installed."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MIN_JAVA, MIN_MEMORY_GB, STACK_MEMORY_GB = 17, 12, 9
SETUP_DISK_GB, RUN_DISK_GB = 10, 3
MIN_OPEN_FILES = 4096
GRPC_OFFSET = 10_000
HIGHEST_PORT = 65_535
SEAWEED_PORTS = ("s3_port", "s3_console_port", "s3_master_port", "s3_volume_port", "s3_filer_port")
TOOLS = ("ps", "make", "tar")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: whether it is fine, what was found, and what to do if not."""

    name: str
    ok: bool
    found: str
    next_step: str = ""


def check_platform() -> Check:
    """Linux on x86-64."""
    found = f"{platform.system()} {platform.machine()}"
    ok = found == "Linux x86_64"
    return Check("machine", ok, found, "the native profile is built for Linux x86-64; use a virtual machine of it")


def check_python() -> Check:
    """Python 3.11: the lock files are resolved for it alone."""
    found = platform.python_version()
    return Check("python", sys.version_info[:2] == (3, 11), found, "install Python 3.11, then make PYTHON=python3.11 …")


def java_major(text: str) -> int:
    """The major version in the output of `java -version`; 0 if it holds none. Java 8 calls itself 1.8."""
    match = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if not match:
        return 0
    return int(match[2] or 0) if match[1] == "1" else int(match[1])


def check_java() -> Check:
    """A JDK (the catalog is compiled at set-up) on the PATH; JAVA_HOME, where Spark looks first, must not be older."""
    hint = "install a JDK 17 or newer (Debian, Ubuntu: apt install openjdk-17-jdk-headless) and put it on the PATH"
    missing = [name for name in ("java", "javac") if shutil.which(name) is None]
    if missing:
        found = "no java on the PATH" if "java" in missing else "java without javac: this is a JRE, not a JDK"
        return Check("java", False, found, hint)
    major = _java_version("java")
    home = os.environ.get("JAVA_HOME")
    if home:
        at_home = _java_version(f"{home}/bin/java")
        if at_home < MIN_JAVA:
            return Check(
                "java", False, f"JAVA_HOME={home} is Java {at_home or 'missing'}", f"unset JAVA_HOME, or {hint}"
            )
    return Check("java", major >= MIN_JAVA, f"JDK {major}", hint)


def _java_version(java: str) -> int:
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    return java_major(done.stderr + done.stdout)


def check_tools() -> Check:
    """Programs that scripts of the engines and set-up call."""
    missing = [name for name in TOOLS if shutil.which(name) is None]
    found = f"missing: {', '.join(missing)}" if missing else ", ".join(TOOLS)
    return Check("tools", not missing, found, "install the packages procps, make and tar")


def check_memory() -> Check:
    """Total memory of the machine; what is free now is shown."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    values = dict(re.findall(r"(\w+):\s+(\d+) kB", text))
    total, free = int(values["MemTotal"]) / 1_048_576, int(values["MemAvailable"]) / 1_048_576
    hint = f"the whole stack uses up to {STACK_MEMORY_GB} GB: give the machine {MIN_MEMORY_GB} GB"
    return Check("memory", total >= MIN_MEMORY_GB, f"{total:.1f} GB, {free:.1f} GB free", hint)


def check_disk(folder: Path, needed_gb: int) -> Check:
    """Free space where this folder is or will be."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    hint = f"free {needed_gb} GB at {existing}, or set LAKEHOUSE_DATA_DIR to a folder on a larger disk"
    return Check("disk", free >= needed_gb, f"{free:.0f} GB free", hint)


def check_open_files() -> Check:
    """How many files a process may open; services raise the soft limit to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ok = hard == resource.RLIM_INFINITY or hard >= MIN_OPEN_FILES
    return Check("open files", ok, f"{soft} (at most {hard})", f"raise the limit: ulimit -Hn {MIN_OPEN_FILES}")


def check_postgres_user() -> Check:
    """PostgreSQL refuses root: as root it needs a user namespace to be somebody else in."""
    if os.getuid() != 0:
        return Check("user", True, "not root")
    command = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "true"]
    has_tool = shutil.which("unshare") is not None
    ok = has_tool and subprocess.run(command, capture_output=True, check=False).returncode == 0
    found = "root, with user namespaces" if ok else "root, and user namespaces are not allowed"
    return Check("user", ok, found, "run as a normal user: PostgreSQL refuses root")


def machine_checks(folder: Path) -> list[Check]:
    """Everything but ports. Before set-up more disk is needed than after it."""
    installed = (ROOT / ".lakehouse" / "stamps").exists()
    return [
        check_platform(),
        check_python(),
        check_java(),
        check_tools(),
        check_memory(),
        check_disk(folder, RUN_DISK_GB if installed else SETUP_DISK_GB),
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


def with_grpc_ports(ports: dict[str, int]) -> dict[str, int]:
    """Ports by setting; each of the object store's has a second one, fixed at 10,000 above it."""
    second = {f"{name} (its gRPC port)": ports[name] + GRPC_OFFSET for name in SEAWEED_PORTS if name in ports}
    return {**ports, **second}


def check_ports(host: str, ports: dict[str, int]) -> list[Check]:
    """One failed check for each port that is taken, impossible, or wanted twice; else one that says all are free.

    `ports` maps the setting that moves a port to the port.
    """
    failed = []
    owners: dict[int, str] = {}
    for setting, port in with_grpc_ports(ports).items():
        variable = f"LAKEHOUSE_{setting.split()[0].upper()}"
        hint = f"set {variable} to a free port, or LAKEHOUSE_PORT_OFFSET to move all; or stop what listens there"
        if not 0 < port <= HIGHEST_PORT:
            failed.append(Check(f"port {port}", False, f"no such port; wanted for {setting}", hint))
        elif port in owners:
            failed.append(Check(f"port {port}", False, f"wanted for {owners[port]} and for {setting}", hint))
        elif not port_is_free(host, port):
            holder = _holder(port)
            failed.append(Check(f"port {port}", False, f"taken{holder}; wanted for {setting}", hint))
        owners[port] = setting
    return failed or [Check("ports", True, f"{len(owners)} are free")]


def _holder(port: int) -> str:
    from stack.native.processes import listener

    found = listener(port)
    return f" by {found}" if found else ""


def service_ports(settings: Any, services: list[Any]) -> dict[str, int]:
    """The ports of services that do not run yet; those of this stack's own live services are in use rightly."""
    from stack.native import supervisor

    alive = {process.name for process in supervisor.processes(settings) if process.state in supervisor.ALIVE}
    idle = [service for service in services if service.name not in alive]
    return {setting: getattr(settings, setting) for service in idle for setting in service.ports.values()}


def default_ports() -> dict[str, int]:
    """All ports as the environment has them, without reading the settings: nothing may be installed yet."""
    from lakehouse.ports import SEED_PORTS

    offset = int(os.environ.get("LAKEHOUSE_PORT_OFFSET") or 0)
    return {
        name: int(os.environ.get(f"LAKEHOUSE_{name.upper()}") or port + offset) for name, port in SEED_PORTS.items()
    }


def check_before_start(settings: Any, services: list[Any]) -> None:
    """The quick part, before services start. Raises `CannotPrepare` with the first thing that is wrong."""
    from stack.native.service import CannotPrepare

    ports = check_ports(settings.host, service_ports(settings, services))
    for check in (check_platform(), check_java(), check_disk(settings.data_dir, RUN_DISK_GB), *ports):
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
    """All checks of a machine where everything is installed."""
    ports = check_ports(settings.host, service_ports(settings, services))
    return show([*machine_checks(settings.data_dir), *ports])


def main(arguments: list[str]) -> int:
    """All checks of a machine where nothing is installed yet; `machine` leaves out the ports."""
    sys.path.insert(0, str(ROOT))
    host = os.environ.get("LAKEHOUSE_HOST") or "127.0.0.1"
    folder = Path(os.environ.get("LAKEHOUSE_DATA_DIR") or ROOT / ".lakehouse")
    ports = [] if arguments == ["machine"] else check_ports(host, default_ports())
    return 0 if show([*machine_checks(folder), *ports]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
