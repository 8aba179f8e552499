"""A server in the place of the webhook API, for tests of those who send."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lakehouse.settings import Settings, secrets_file
from stack.native.secrets import ensure_secrets

Answer = Callable[[str, dict[str, str], bytes], int]
"""The status of the answer to a webhook: by its path, its headers (names in lower case) and its body."""


class Receiver:
    """Takes all, or is away (503) while `away` is set; counts what it was asked."""

    def __init__(self) -> None:
        self.away = threading.Event()
        self.asked = 0

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> int:
        self.asked += 1
        return 503 if self.away.is_set() else 200


@contextmanager
def serving(answer: Answer, port: int = 0, reason: str = "broker_unavailable") -> Iterator[str]:
    """The address of a server that answers webhooks so, and every GET with 200; `reason` is said beside other ones."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._say(answer(self.path, {name.lower(): value for name, value in self.headers.items()}, body))

        def do_GET(self) -> None:
            self._say(200)

        def _say(self, status: int) -> None:
            accepted = {"status": "accepted", "messages": 1, "quarantined": 0}
            said = json.dumps(accepted if status == 200 else {"reason": reason}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Not into the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def receiving(folder: Path, answer: Answer) -> Iterator[Settings]:
    """Settings whose webhook API is a server that answers so, and whose data lie in a folder."""
    ensure_secrets(folder)
    with serving(answer) as url:
        yield Settings(_env_file=secrets_file(folder), data_dir=folder, ingestion_url=url, public_base_url=url)
