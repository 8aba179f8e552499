"""A session on the live Connect server, and what is left of it when its process has ended."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import httpx
import pytest

from lakehouse.settings import get_settings
from lakehouse.waiting import wait_until

pytestmark = pytest.mark.stack
ONLINE = re.compile(r"(\d+)\s+session\(s\)\s+are online")
ASK = """
from lakehouse.engines.spark import spark_session
assert spark_session().sql("SELECT 1").collect()[0][0] == 1
print("asked", flush=True)
input()
"""


def online() -> int:
    """Sessions that the server holds, by its own page."""
    page = httpx.get(f"{get_settings().spark_connect_ui_url}/connect/", timeout=30, follow_redirects=True).text
    found = ONLINE.search(re.sub(r"<[^>]*>", " ", page))
    assert found is not None, page
    return int(found[1])


def test_a_process_that_has_ended_leaves_no_session(live_stack: None) -> None:
    before = online()
    process = subprocess.Popen([sys.executable, "-c", ASK], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "asked\n"
    assert online() == before + 1
    process.communicate("\n")
    assert process.returncode == 0
    wait_until(lambda: online() == before, timeout=10, what="the session to be released")


def compiled() -> int:
    """How many pieces of generated code the driver has compiled, by its own metrics."""
    page = httpx.get(f"{get_settings().spark_connect_ui_url}/metrics/json/", timeout=30, follow_redirects=True).json()
    (found,) = (value for name, value in page["histograms"].items() if name.endswith("CodeGenerator.compilationTime"))
    return int(found["count"])


def test_the_next_session_compiles_nothing_anew(live_stack: None) -> None:
    # a number that no query before had: it is part of the code that Spark generates
    query = f"SELECT id % 7 AS k, sum(id * {time.time_ns() % 10**12}) AS total FROM range(1000) GROUP BY id % 7"
    ask = f"from lakehouse.engines.spark import spark_session; print(len(spark_session().sql('''{query}''').collect()))"
    counts = [compiled()]
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout == "7\n"
        counts.append(compiled())
    assert counts[0] < counts[1] == counts[2]
