"""A server in the place of the webhook API, for tests of those who send: it takes all, or is away, and counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lakehouse.settings import Settings, secrets_file
from stack.native.secrets import ensure_secrets


class Receiver(BaseHTTPRequestHandler):
    """Answers 503 while `away` is set; counts what it was asked."""

    away = threading.Event()
    asked = 0
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked += 1
        self._say(503 if self.away.is_set() else 200)

    def do_GET(self) -> None:
        self._say(200)

    def _say(self, status: int) -> None:
        body = b'{"messages":1,"quarantined":0}' if status == 200 else b'{"reason":"broker_unavailable"}'
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not into the test's output."""


@contextmanager
def receiving(folder: Path) -> Iterator[Settings]:
    """Settings whose webhook API is a `Receiver` and whose data lie in a folder."""
    ensure_secrets(folder)
    Receiver.away.clear()
    Receiver.asked = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield Settings(_env_file=secrets_file(folder), data_dir=folder, ingestion_url=url, public_base_url=url)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
