"""What a figure was measured on: no name of a host or a person, only what a reader needs to compare."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stack.native.artifacts import Artifact, read_list

PACKAGES = ("apache-flink", "pyspark", "pyiceberg", "chdb", "confluent-kafka", "fastapi", "uvicorn", "papermill")
JARS = {"kafka_2.13": ("kafka", "Kafka"), "trino-server": ("trino", "Trino")}
PROC = Path("/proc")


def cpu_model(cpuinfo: str) -> str:
    """The processor's own name, from /proc/cpuinfo."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return " ".join(found[1].split()) if found else platform.machine()


def memory_gb(meminfo: str) -> float:
    """All memory of the machine, from /proc/meminfo. Raises `ValueError` for another text."""
    found = re.search(r"^MemTotal:\s+(\d+) kB$", meminfo, re.MULTILINE)
    if found is None:
        raise ValueError("this is not /proc/meminfo")
    return round(int(found[1]) / 2**20, 1)


def _jar_version(name: str, listed: list[Artifact]) -> str:
    return next(artifact.parts[2] for artifact in listed if artifact.parts[1] == name)


def versions() -> dict[str, str]:
    """Of the engines that are measured, as they are installed or locked."""
    found = {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    return found | {title: _jar_version(name, read_list(some)) for name, (some, title) in JARS.items()}


def load() -> float:
    """Processes that wanted a core, on average over the last minute: what else was going on."""
    return round(os.getloadavg()[0], 2)


def facts() -> dict[str, Any]:
    """Cores, processor, memory, kernel, versions; and the date and the load before the measurement."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cores": len(os.sched_getaffinity(0)),
        "cpu": cpu_model((PROC / "cpuinfo").read_text(encoding="utf-8", errors="replace")),
        "memory_gb": memory_gb((PROC / "meminfo").read_text(encoding="ascii")),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "load_before": load(),
        "versions": versions(),
    }
