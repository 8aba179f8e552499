"""The bench's own stack: ports that no other stack of the project has, CPU seconds of processes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.entity_resolution import PORT_OFFSET as OTHER_BENCH
from bench.own_stack import PORT_OFFSET, Usage, cpu_seconds, ports
from lakehouse.waiting import wait_until

TEST_STACK = 500


@pytest.mark.parametrize("other", [0, TEST_STACK, int(OTHER_BENCH)])
def test_its_ports_are_its_own(other: int) -> None:
    assert not ports(PORT_OFFSET) & ports(other)


def test_what_was_used_is_a_difference() -> None:
    assert Usage({"kafka": 5.5, "ingestion": 2.0}).since(Usage({"kafka": 5.0, "ingestion": 2.0})) == {
        "kafka": 0.5,
        "ingestion": 0.0,
    }


def test_the_work_of_a_child_counts() -> None:
    work = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(20_000_000))']); input()"
    with subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        before = cpu_seconds(process.pid)
        assert process.stdin is not None
        wait_until(lambda: cpu_seconds(process.pid) > before + 0.2, timeout=60, what="the child's work", every=0.05)
        process.stdin.close()
