"""A load that goes on when the days which were made beforehand are over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lakehouse.chaos import load
from lakehouse.commands.world import generate_day
from lakehouse.settings import Settings, secrets_file
from lakehouse.waiting import wait_until
from stack.native.secrets import ensure_secrets

RATE = 50
BODY = b'{"messages":1,"quarantined":0}'


class Receiver(BaseHTTPRequestHandler):
    """Takes all that is sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        """Not into the test's output."""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    ensure_secrets(tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    found = Settings(_env_file=secrets_file(tmp_path), data_dir=tmp_path, ingestion_url=url, public_base_url=url)
    generate_day(found, 1, people=50)
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_days_are_made_beside_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "STOCK_SECONDS", 12)
    (there,) = load.unsent_days(settings).values()
    with load.SteadyLoad(settings, rate=RATE) as storm:
        wait_until(lambda: storm.begun > there + RATE, timeout=60, what="more than the first day to be sent")
        storm.pause()
    found = load.figures(storm.attempts(), storm.began, storm.ended)
    assert len(storm.days) > 1
    assert found.new >= found.taken >= there
    assert found.rate <= RATE * load.MARGIN * 1.1
