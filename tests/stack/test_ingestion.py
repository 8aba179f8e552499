"""The webhook API's command."""

from __future__ import annotations

from data_generators.sender import KEEP_SECONDS
from lakehouse.settings import Settings
from stack.native.services import ingestion


def test_an_idle_connection_is_closed_by_its_sender_before_the_api_closes_it(settings: Settings) -> None:
    (kept,) = (each for each in ingestion.command(settings) if each.startswith("--timeout-keep-alive="))
    # 320 connections used each 5 s, which both sides took as the limit: 144 of 2,880 requests failed
    assert float(kept.partition("=")[2]) > 2 * KEEP_SECONDS
