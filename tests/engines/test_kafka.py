"""A broker that is away is said in one line with the next step, wherever it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.engines.kafka import BrokerUnavailable, topic_names
from lakehouse.settings import Settings, secrets_file
from stack.native.secrets import ensure_secrets


def test_no_broker_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    settings = Settings(_env_file=secrets_file(tmp_path), data_dir=tmp_path, kafka_bootstrap="127.0.0.1:9")
    with pytest.raises(BrokerUnavailable, match="no broker answers at 127") as error:
        topic_names(settings, timeout=0.5)
    assert "lakehouse stack" in error.value.next_step
    assert isinstance(error.value, ConnectionError)
