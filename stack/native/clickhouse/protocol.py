"""ClickHouse's HTTP interface: what a request asks for, and how an answer or an error looks. No engine in here."""

from __future__ import annotations

import base64
import binascii
import gzip
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

AUTHENTICATION_FAILED, READONLY, TOO_LARGE = 516, 164, 307
NOT_SETTINGS = frozenset(
    ("query", "database", "user", "password", "default_format", "session_id", "session_check", "session_timeout",
     "query_id", "compress", "decompress", "quota_key", "role", "buffer_size", "wait_end_of_query", "stacktrace",
     "client_protocol_version", "http_write_exception_in_output_format", "enable_http_compression",
     "send_progress_in_http_headers", "http_headers_progress_interval_ms", "add_http_cors_header",
     "cancel_http_readonly_queries_on_client_close", "output_format_native_write_json_as_string")
)  # fmt: skip
"""Parameters that are not settings of a query, or settings of the transport that this server has no use for."""
SETTING_NAME = re.compile(r"[a-z][a-z0-9_]*")
INSERT_WITH_DATA = re.compile(
    r"^\s*INSERT\s+INTO\s+(?P<target>.+?)\s+FORMAT\s+(?P<format>\w+)\s*;?\s*$", re.IGNORECASE | re.DOTALL
)
INSERT_BEFORE_DATA = re.compile(
    rb"^(\s*INSERT\s+INTO\s+[^;]+?\s+FORMAT\s+(?!VALUES\b)\w+)[ \t]*\r?\n(?=.)", re.IGNORECASE | re.DOTALL
)
STATUS_OF_CODE = {
    AUTHENTICATION_FAILED: 403, READONLY: 403, 497: 403,  # access denied
    60: 404, 81: 404, 36: 400, 46: 404, 47: 404,  # unknown table, database; bad arguments; unknown function, identifier
    62: 400, 26: 400, 27: 400, 53: 400, 6: 400, 38: 400, 41: 400, 72: 400, 73: 400, 115: 400, 386: 400, 456: 400,
    159: 408, TOO_LARGE: 413, 373: 409,
}  # fmt: skip
"""ClickHouse's code of an error → HTTP status; any other code is a 500, as at ClickHouse."""


class ClickHouseError(Exception):
    """An error with ClickHouse's code; the text is what a client sees."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text

    @property
    def status(self) -> int:
        return STATUS_OF_CODE.get(self.code, 500)


def error_from(text: str) -> ClickHouseError:
    """The engine's message as an error with its code (1000 if it names none)."""
    found = re.search(r"Code: (\d+)\.", text)
    return ClickHouseError(int(found[1]) if found else 1000, text)


@dataclass(frozen=True)
class Request:
    """One query: its text, the rows that come with an INSERT, and what surrounds it."""

    sql: str
    data: bytes = b""
    database: str = "default"
    format: str = "TabSeparated"
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    session_id: str = ""
    query_id: str = ""
    read_only: bool = False


def credentials(headers: Mapping[str, str], params: Mapping[str, str]) -> tuple[str, str]:
    """User and password: from the Basic header, ClickHouse's own headers or the parameters; empty if none are given."""
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return user, password
    if "x-clickhouse-user" in headers:
        return headers["x-clickhouse-user"], headers.get("x-clickhouse-key", "")
    return params.get("user", ""), params.get("password", "")


def authenticate(given: tuple[str, str], user: str, password: str) -> None:
    """Raises `ClickHouseError` 516 unless both are right; takes the same time for every wrong one."""
    right = hmac.compare_digest("\0".join(given).encode(), f"{user}\0{password}".encode())
    if not right:
        raise ClickHouseError(
            AUTHENTICATION_FAILED,
            f"Code: {AUTHENTICATION_FAILED}. DB::Exception: {given[0] or 'default'}: Authentication failed: password is"
            " incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)",
        )


def decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before its Content-Encoding. Raises `ClickHouseError` when it is not that, or too large."""
    try:
        if encoding == "gzip":
            plain = gzip.decompress(body)
        elif encoding == "zstd":
            import zstandard

            plain = zstandard.ZstdDecompressor().decompressobj().decompress(body)
        elif encoding == "lz4":
            import lz4.frame

            plain = lz4.frame.decompress(body)
        elif encoding in ("", "identity"):
            plain = body
        else:
            raise ValueError(f"Content-Encoding {encoding} is not known here: use gzip, lz4 or zstd")
    except Exception as error:  # three libraries, each with an error of its own
        raise ClickHouseError(
            36, f"Code: 36. DB::Exception: the body cannot be read: {error}. (BAD_ARGUMENTS)"
        ) from error
    if len(plain) > limit:
        raise ClickHouseError(TOO_LARGE, f"Code: {TOO_LARGE}. DB::Exception: the body has more than {limit} bytes.")
    return plain


def _split(query: str, body: bytes) -> tuple[str, bytes]:
    """The query's text and the rows of its INSERT. Clients put the text into the parameters or before the rows."""
    if query and INSERT_WITH_DATA.match(query):
        return query, body
    if not query and (found := INSERT_BEFORE_DATA.match(body)):
        return _text(found[1]), body[found.end() :]
    return (f"{query}\n{_text(body)}" if query and body else query or _text(body)), b""


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ClickHouseError(
            62, f"Code: 62. DB::Exception: the query is not UTF-8: {error}. (SYNTAX_ERROR)"
        ) from error


def parse(method: str, headers: Mapping[str, str], params: Mapping[str, str], body: bytes) -> Request:
    """What is asked for. A query in the parameters and a body belong together: the body holds the rows of an INSERT."""
    query, data = _split(params.get("query", ""), body)
    settings = {
        name: value
        for name, value in params.items()
        if name not in NOT_SETTINGS and not name.startswith("param_") and SETTING_NAME.fullmatch(name)
    }
    return Request(
        sql=query.strip(),
        data=data,
        database=params.get("database") or headers.get("x-clickhouse-database") or "default",
        format=params.get("default_format") or headers.get("x-clickhouse-format") or "TabSeparated",
        settings=settings,
        parameters={name[6:]: value for name, value in params.items() if name.startswith("param_")},
        session_id=params.get("session_id", ""),
        query_id=params.get("query_id", ""),
        read_only=method == "GET",
    )
