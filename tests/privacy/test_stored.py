"""The search of stored bytes finds what compression hides: in Parquet, in a manifest's bounds, in half a file."""

from __future__ import annotations

import io
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.privacy import stored
from lakehouse.privacy.stored import NotReadable, avro_blocks, bounds_of, in_object

MAIL = "ada.lovelace@example.org"


def parquet(column: pa.Array) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"x": column}), sink, compression="zstd")
    return sink.getvalue()


def number(value: int) -> bytes:
    zigzag, out = value << 1, bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


def avro(content: bytes, codec: bytes) -> bytes:
    packed = content
    if codec == b"deflate":
        deflate = zlib.compressobj(wbits=-15)
        packed = deflate.compress(content) + deflate.flush()
    key = b"avro.codec"
    header = number(1) + number(len(key)) + key + number(len(codec)) + codec + number(0) + b"s" * 16
    return b"Obj\x01" + header + number(1) + number(len(packed)) + packed + b"s" * 16


@pytest.mark.parametrize(
    "column",
    [
        pa.array([f"to {MAIL}", "x", None] * 50),
        pa.array([f'{{"email": "{MAIL}"}}'.encode(), b"\xff\x00", None] * 50),
        pa.array([MAIL, "x", None] * 50).dictionary_encode(),
    ],
)
def test_rows_of_a_data_file_are_found_where_its_bytes_show_nothing(column: pa.Array) -> None:
    data = parquet(column)
    assert in_object("a/data/1.parquet", data, [MAIL], []).times == 50
    assert in_object("a/data/1.parquet", data, ["somebody@else.org"], []).times == 0


def test_a_type_that_cannot_be_searched_is_an_error_not_a_clean_answer() -> None:
    with pytest.raises(NotReadable, match="list"):
        in_object("a/data/1.parquet", parquet(pa.array([[MAIL]])), [MAIL], [])


@pytest.mark.parametrize("codec", [b"deflate", b"null"])
def test_a_bound_is_found_by_its_beginning(codec: bytes) -> None:
    bound = MAIL[:15] + chr(ord(MAIL[15]) + 1)
    data = avro(b"xx" + bound.encode() + b"yy" * 500, codec)
    assert b"".join(avro_blocks(data)).count(bound.encode()) == 1
    found = in_object("a/metadata/1-m0.avro", data, [MAIL], bounds_of([MAIL], []))
    assert (found.kind, found.times) == ("manifest", 1)


def test_a_codec_that_is_not_known_is_an_error() -> None:
    with pytest.raises(NotReadable, match="snappy"):
        list(avro_blocks(avro(b"x", b"snappy")))


def test_a_beginning_that_somebody_else_has_too_tells_nothing() -> None:
    assert bounds_of([MAIL], ["ada.lovelace@example.com"]) == []
    assert bounds_of([MAIL], ["bob@example.org"]) == [MAIL[: stored.BOUND]]


def test_half_a_file_is_searched_as_it_is() -> None:
    assert in_object("a/data/x.parquet", f"..{MAIL}..".encode(), [MAIL], []).times == 1
