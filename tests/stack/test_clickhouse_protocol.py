"""What a request to ClickHouse's HTTP interface means, without an engine."""

from __future__ import annotations

import base64
import gzip

import lz4.frame
import pytest
import zstandard

from stack.native.clickhouse.protocol import (
    AUTHENTICATION_FAILED,
    ClickHouseError,
    authenticate,
    credentials,
    decoded,
    error_from,
    parse,
)

ROWS = b"1\tone\n2\ttwo\n"


def basic(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "params"),
    [
        (basic("ann:a:b"), {}),
        ({"x-clickhouse-user": "ann", "x-clickhouse-key": "a:b"}, {}),
        ({}, {"user": "ann", "password": "a:b"}),
    ],
)
def test_credentials_come_in_three_ways(headers: dict[str, str], params: dict[str, str]) -> None:
    assert credentials(headers, params) == ("ann", "a:b")
    authenticate(credentials(headers, params), "ann", "a:b")


@pytest.mark.parametrize(
    "given",
    [("", ""), ("ann", ""), ("ann", "A:B"), ("", "a:b"), ("anna", ":b"), credentials({"authorization": "Basic ?"}, {})],
)
def test_wrong_or_no_credentials_are_refused(given: tuple[str, str]) -> None:
    with pytest.raises(ClickHouseError) as refused:
        authenticate(given, "ann", "a:b")
    assert (refused.value.code, refused.value.status) == (AUTHENTICATION_FAILED, 403)
    assert "a:b" not in refused.value.text


def test_a_query_in_the_parameters_or_in_the_body() -> None:
    assert parse("GET", {}, {"query": "SELECT 1"}, b"").sql == "SELECT 1"
    assert parse("POST", {}, {}, b"SELECT 1").sql == "SELECT 1"
    assert parse("POST", {}, {"query": "SELECT 1,"}, b"2").sql == "SELECT 1,\n2"
    assert parse("GET", {}, {"query": "SELECT 1"}, b"").read_only
    assert not parse("POST", {}, {}, b"SELECT 1").read_only


def test_rows_of_an_insert_stay_bytes_wherever_its_text_is() -> None:
    binary = bytes(range(256))
    apart = parse("POST", {}, {"query": "INSERT INTO t (a) FORMAT Native"}, binary)
    before = parse("POST", {}, {}, b"INSERT INTO t (a) FORMAT Native\n" + binary)
    assert (apart.data, before.data) == (binary, binary)
    assert before.sql == "INSERT INTO t (a) FORMAT Native"


def test_settings_parameters_and_session_are_told_apart() -> None:
    found = parse(
        "POST",
        {"x-clickhouse-format": "JSON"},
        {"database": "marts", "param_a": "7", "max_threads": "1", "session_id": "s", "bad-name": "x", "password": "p"},
        b"SELECT {a:UInt8}",
    )
    assert (found.database, found.format, found.session_id) == ("marts", "JSON", "s")
    assert dict(found.parameters) == {"a": "7"}
    assert dict(found.settings) == {"max_threads": "1"}


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("", ROWS), ("gzip", gzip.compress(ROWS)), ("zstd", zstandard.compress(ROWS)), ("lz4", lz4.frame.compress(ROWS))],
)
def test_encodings_of_a_body(encoding: str, body: bytes) -> None:
    assert decoded(body, encoding, 1000) == ROWS


@pytest.mark.parametrize(("encoding", "body"), [("gzip", b"x"), ("lz4", b"x"), ("rot13", ROWS)])
def test_a_body_that_is_not_in_its_encoding_is_a_bad_request(encoding: str, body: bytes) -> None:
    with pytest.raises(ClickHouseError) as refused:
        decoded(body, encoding, 1000)
    assert refused.value.status == 400


def test_a_body_is_measured_after_it_was_unpacked() -> None:
    with pytest.raises(ClickHouseError) as refused:
        decoded(gzip.compress(bytes(10_000)), "gzip", 1000)
    assert refused.value.status == 413


@pytest.mark.parametrize(
    ("text", "code", "status"), [("Code: 60. DB::Exception: no", 60, 404), ("Code: 62. x", 62, 400), ("odd", 1000, 500)]
)
def test_the_engines_errors_keep_their_code(text: str, code: int, status: int) -> None:
    error = error_from(text)
    assert (error.code, error.status) == (code, status)
