"""The processes themselves, as their supervisor and the kernel see them, and the machine they share."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

import psutil

from lakehouse.observability.samples import MetricsUnavailable, Sample
from lakehouse.settings import Settings

HELP: Mapping[str, str] = {
    "service_up": "1 while supervisord says that a service runs",
    "service_start_time_seconds": "when a service was started, in seconds since 1970; it changes with each restart",
    "service_memory_bytes": "memory of a service and all below it; shared pages count once",
    "service_cpu_seconds_total": "processor time of a service and all below it",
    "disk_free_bytes": "free space where the stack stores its data",
    "disk_size_bytes": "size of that file system",
    "machine_memory_available_bytes": "memory of the machine that programs can still get",
    "machine_memory_bytes": "memory of the machine",
    "machine_load1": "processes that run or wait to, on average over a minute",
}


def _cpu_seconds(pid: int) -> float:
    """Of a process, those below it, and those below it that have ended. A process that ends while we look counts 0."""
    total = 0.0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            try:
                total += sum(process.cpu_times()[:4])
            except psutil.NoSuchProcess:
                continue
    except psutil.NoSuchProcess:
        return total
    return total


def _service_samples(settings: Settings) -> list[Sample]:
    from stack.native import processes, supervisor
    from stack.native.registry import all_services
    from stack.native.service import CORE

    known = {process.name: process for process in supervisor.processes(settings)}
    if not known:
        raise MetricsUnavailable("supervisord does not answer", "run `lakehouse stack up`")
    samples, seen = [], processes.all_processes()
    for service in all_services():
        process = known.get(service.name)
        runs = process is not None and process.state == "RUNNING"
        if service.profile != CORE and not runs:
            continue
        labels = {"service": service.name}
        samples.append(Sample("service_up", labels, float(runs)))
        if process is not None and runs:
            samples += [
                Sample("service_start_time_seconds", labels, process.started_at),
                Sample("service_memory_bytes", labels, processes.memory_mb(process.pid, seen) * 1024**2),
                Sample("service_cpu_seconds_total", labels, _cpu_seconds(process.pid)),
            ]
    return samples


def collect(settings: Settings) -> list[Sample]:
    """Every service of the core, add-ons that run, and the machine. Raises `MetricsUnavailable`."""
    disk, memory = shutil.disk_usage(settings.data_dir), psutil.virtual_memory()
    return [
        *_service_samples(settings),
        Sample("disk_free_bytes", {}, disk.free),
        Sample("disk_size_bytes", {}, disk.total),
        Sample("machine_memory_available_bytes", {}, memory.available),
        Sample("machine_memory_bytes", {}, memory.total),
        Sample("machine_load1", {}, psutil.getloadavg()[0]),
    ]
