"""What a result says of the machine: enough to compare, nothing to find it by."""

from __future__ import annotations

import json
import platform

import pytest

from bench import machine

CPUINFO = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Example(R)  CPU @ 2.00GHz\nstepping\t: 1\n"


def test_the_processor_is_named_as_it_names_itself() -> None:
    assert machine.cpu_model(CPUINFO) == "Example(R) CPU @ 2.00GHz"
    assert machine.cpu_model("processor: 0\n") == platform.machine()


def test_memory_is_in_binary_gigabytes() -> None:
    assert machine.memory_gb("MemTotal:       25165824 kB\nMemFree: 1 kB\n") == 24.0
    with pytest.raises(ValueError, match="meminfo"):
        machine.memory_gb("MemFree: 1 kB\n")


def test_facts_name_no_host() -> None:
    text = json.dumps(machine.facts())
    assert platform.node() not in text
    assert {"cores", "cpu", "memory_gb", "versions", "date"} <= machine.facts().keys()
    assert set(machine.versions()) >= {"Kafka", "Trino", "pyspark", "apache-flink"}
