"""The broker's storage, as it is made before the first start; with Kafka's own tool, and no service."""

from __future__ import annotations

from lakehouse.settings import Settings
from stack.native.services import kafka


def test_a_cluster_id_may_look_like_an_option_and_is_kept(settings: Settings) -> None:
    identity = settings.conf_dir / "kafka" / "cluster.id"
    identity.parent.mkdir(parents=True)
    identity.write_text("-mZ0Tx8vQ5mJ3uB7cN1aXw", encoding="utf-8")
    kafka.prepare(settings)
    formatted = settings.var_dir / "kafka" / "meta.properties"
    assert "cluster.id=-mZ0Tx8vQ5mJ3uB7cN1aXw" in formatted.read_text(encoding="utf-8")
    before = formatted.read_bytes()
    kafka.prepare(settings)
    assert formatted.read_bytes() == before
