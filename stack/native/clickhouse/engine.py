"""The engine: one data folder, one process, as many connections as there are requests at work.

A connection costs a millisecond, so each request gets its own: settings of one cannot reach another. A request with
a session id gets the session's connection, one at a time, as at ClickHouse.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stack.native.clickhouse.protocol import INSERT_WITH_DATA, ClickHouseError, Request, error_from

SESSION_SECONDS = 300
SESSION_LOCKED = 373


@dataclass
class Session:
    """A connection that stays between requests."""

    connection: Any
    lock: threading.Lock = field(default_factory=threading.Lock)
    used_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Answer:
    """Bytes in the asked format, and what it took."""

    content: bytes
    rows_read: int
    bytes_read: int
    seconds: float


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def literal(value: str) -> str:
    """A text as ClickHouse writes it in SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Engine:
    """Runs queries. Raises `ClickHouseError` with the engine's own code and message."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        import chdb

        folder.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(parents=True, exist_ok=True)
        self._open = lambda: chdb.connect(str(folder))
        # while this one is open the engine stays loaded
        self._keep = self._open()
        self._scratch = scratch
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def run(self, request: Request) -> Answer:
        """One query, in its database, with its settings and parameters."""
        with self._connection(request.session_id) as connection:
            try:
                connection.query(f"USE {_quoted(request.database)}")
                for name, value in request.settings.items():
                    connection.query(f"SET {name} = {literal(value)}")
                if request.read_only:
                    connection.query("SET readonly = 2")
                return self._answer(connection, request)
            except RuntimeError as error:  # what chDB raises is one
                raise error_from(str(error)) from error

    def execute(self, sql: str) -> None:
        """A statement of our own, such as creating a database. Its text is in no error: it may hold a secret."""
        try:
            self._keep.query(sql)
        except RuntimeError as error:
            raise ClickHouseError(error_from(str(error)).code, "a statement at the start was refused") from None

    def _answer(self, connection: Any, request: Request) -> Answer:
        if request.data:
            return self._insert(connection, request)
        result = connection.query(request.sql, request.format, params=dict(request.parameters))
        return Answer(result.bytes() or b"", result.rows_read(), result.bytes_read(), result.elapsed())

    def _insert(self, connection: Any, request: Request) -> Answer:
        found = INSERT_WITH_DATA.match(request.sql)
        if found is None:
            raise ClickHouseError(
                62, "Code: 62. DB::Exception: rows came with a query that is no INSERT. (SYNTAX_ERROR)"
            )
        with tempfile.NamedTemporaryFile(dir=self._scratch) as file:
            file.write(request.data)
            file.flush()
            source = f"INSERT INTO {found['target']} FROM INFILE {literal(file.name)} FORMAT {found['format']}"
            result = connection.query(source, params=dict(request.parameters))
        return Answer(b"", result.rows_read(), result.bytes_read(), result.elapsed())

    @contextmanager
    def _connection(self, session_id: str) -> Iterator[Any]:
        if not session_id:
            connection = self._open()
            try:
                yield connection
            finally:
                connection.close()
            return
        session = self._session(session_id)
        if not session.lock.acquire(blocking=False):
            raise ClickHouseError(
                SESSION_LOCKED,
                f"Code: {SESSION_LOCKED}. DB::Exception: Session {session_id} is locked by a concurrent client."
                " (SESSION_IS_LOCKED)",
            )
        try:
            yield session.connection
        finally:
            session.used_at = time.monotonic()
            session.lock.release()

    def _session(self, session_id: str) -> Session:
        with self._lock:
            self._forget_old()
            if session_id not in self._sessions:
                self._sessions[session_id] = Session(self._open())
            return self._sessions[session_id]

    def _forget_old(self) -> None:
        limit = time.monotonic() - SESSION_SECONDS
        for name, session in list(self._sessions.items()):
            if session.used_at < limit and session.lock.acquire(blocking=False):
                del self._sessions[name]
                session.connection.close()
