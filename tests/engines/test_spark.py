"""A session on the live Connect server, and what is left of it when its process has ended."""

from __future__ import annotations

import re
import subprocess
import sys

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
