"""Configuration for the containers, rendered from the same templates as the native profile's: `stack/conf/<service>`.

No secret is written, but for the object store, which takes them from files alone; those are for its owner's eyes.
"""

from __future__ import annotations

import re
import shutil
import uuid
from pathlib import Path

from lakehouse.errors import LakehouseError
from lakehouse.settings import PROJECT_ROOT, Settings
from stack.compose import environment
from stack.compose.topology import inside
from stack.native.artifacts import read_list
from stack.native.services import metrics, object_store
from stack.native.services.flink import java_modules
from stack.native.services.trino import JVM_OPTIONS

TEMPLATES = PROJECT_ROOT / "stack" / "conf"
EVERYWHERE = "0.0.0.0"
"""Within a container: what reaches the host is decided by the ports that compose.yaml publishes."""
JARS = Path("/lakehouse/.lakehouse/jars")
OBJECT_STORE_CONF = Path("/etc/lakehouse")
_PLACE = re.compile(r"(?<!\$)\{([a-z][a-z0-9_]+)\}")


class BadTemplate(LakehouseError):
    """A template names a value that nobody gives."""


def fill(text: str, values: dict[str, str], name: str = "template") -> str:
    """Put values into `{name}` places; `${…}` is left to who reads the file. Raises `BadTemplate`."""
    missing = sorted(set(_PLACE.findall(text)) - set(values))
    if missing:
        raise BadTemplate(f"{name} names {', '.join(missing)}", "give it in stack/compose/conf.py")
    return _PLACE.sub(lambda match: values[match[1]], text)


def _lake(s: Settings) -> dict[str, str]:
    """How an engine reaches the catalog and the files."""
    names = ("catalog_uri", "catalog_oauth2_uri", "catalog_scope", "catalog_warehouse", "s3_endpoint", "s3_region")
    return {name: str(getattr(s, name)) for name in names} | {"s3_path_style": str(s.s3_path_style).lower()}


def _flink(s: Settings) -> dict[str, str]:
    return {
        "bind_host": EVERYWHERE,
        "jobmanager": "flink-jobmanager",
        "taskmanager": "flink-taskmanager",
        "zookeeper": "zookeeper",
        "host": "zookeeper",
        "port": str(s.zookeeper_port),
        "rpc_port": str(s.flink_rpc_port),
        "blob_port": str(s.flink_blob_port),
        "tm_rpc_port": str(s.flink_taskmanager_rpc_port),
        "tm_data_port": str(s.flink_taskmanager_data_port),
        "rest_port": str(s.flink_port),
        "zookeeper_port": str(s.zookeeper_port),
        "checkpoint_ms": str(int(s.checkpoint_interval_seconds * 1000)),
        "state_dir": "/data/var/flink",
        "cluster": s.stack_name,
        "java_modules": " ".join(java_modules()),
    }


def _spark(s: Settings) -> dict[str, str]:
    return _lake(s) | {
        "bind_host": EVERYWHERE,
        "driver_host": "spark-connect",
        "master": f"spark://spark-master:{s.spark_master_port}",
        "recovery_dir": "/data/var/spark/recovery",
        "local_dir": "/data/var/spark/local",
        "class_path": ":".join(str(JARS / artifact.path.name) for artifact in read_list("spark")),
        "python": "/lakehouse/.lakehouse/env/bin/python",
        "connect_port": str(s.spark_connect_port),
        "connect_ui_port": str(s.spark_connect_ui_port),
    }


def _trino(s: Settings) -> dict[str, str]:
    return _lake(s) | {
        "host": "trino",
        "bind_host": EVERYWHERE,
        "port": str(s.trino_port),
        "plugin_dir": "/usr/lib/trino/plugin",
        "environment": "lakehouse",
        "node_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"trino/compose/{s.stack_name}")),
    }


def _scraped(s: Settings) -> dict[str, str]:
    return metrics.scrape_values(s) | {
        # Polaris has its metrics beside its health, on a port of its own
        "catalog": "catalog:8182",
        "catalog_path": "/q/metrics",
        "object_store": f"object-store:{s.s3_metrics_port}",
        "exporter": f"metrics-exporter:{s.metrics_exporter_port}",
    }


def rendered(settings: Settings) -> dict[str, str]:
    """Path below the folder of rendered files → text, for all that holds no secret."""
    s = inside(settings)
    sources = {
        "flink": ("config.yaml", "zoo.cfg", "log4j-console.properties"),
        "spark": ("master.conf", "worker.conf", "connect.conf", "log4j2.properties"),
        "trino": ("config.properties", "log.properties", "catalog/lakehouse.properties", "catalog/tpch.properties"),
        "redpanda": ("bootstrap.yaml",),
    }
    values = {
        "flink": _flink(s),
        "spark": _spark(s),
        "trino": _trino(s),
        "redpanda": {"max_message_bytes": str(s.max_body_bytes + 65_536), "kafka_user": s.kafka_user},
    }
    found = {}
    for service, names in sources.items():
        for name in names:
            path = f"{service}/{name}"
            found[path] = fill((TEMPLATES / path).read_text(encoding="utf-8"), values[service], path)
    found["prometheus/prometheus.yml"] = (TEMPLATES / "prometheus/prometheus.yml").read_text(encoding="utf-8")
    # braces of PromQL are no places: only what is given is replaced
    found["prometheus/scrape.yml"] = metrics.fill_in(metrics.TEMPLATES / "scrape.yml", _scraped(s))
    found["prometheus/alerts.yml"] = metrics.fill_in(metrics.TEMPLATES / "alerts.yml", metrics.alert_values(s))
    found["trino/jvm.config"] = "\n".join(JVM_OPTIONS) + "\n"
    return found


def write(settings: Settings) -> Path:
    """Write everything anew; returns the folder. The object store's certificate is made once and kept."""
    target = environment.folder(settings) / "conf"
    texts = rendered(settings)
    for service in {path.split("/")[0] for path in texts}:
        shutil.rmtree(target / service, ignore_errors=True)
    for path, text in texts.items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o644)
    object_store.write_conf(settings, target / "object-store", seen_as=OBJECT_STORE_CONF, host="object-store")
    return target
