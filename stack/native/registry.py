"""All native services, in the order they start; those of add-on profiles come last."""

from __future__ import annotations

from importlib import import_module

from stack.native.service import CORE, Service

SERVICE_MODULES = (
    "postgres",
    "object_store",
    "catalog",
    "kafka",
    "flink",
    "spark",
    "trino",
    "clickhouse",
    "ingestion",
    "airflow",
    "superset",
    "metrics",
)


def all_services() -> tuple[Service, ...]:
    """Every service; each module exports `SERVICES`, and a service comes after all it requires."""
    services: list[Service] = []
    for module in SERVICE_MODULES:
        services.extend(import_module(f"stack.native.services.{module}").SERVICES)
    seen: set[str] = set()
    for service in services:
        missing = set(service.requires) - seen
        if missing:
            raise ValueError(f"service {service.name} requires {sorted(missing)}, which must stand before it")
        seen.add(service.name)
    return tuple(services)


def core_services() -> tuple[Service, ...]:
    """The services that every lesson may rely on."""
    return tuple(service for service in all_services() if service.profile == CORE)
