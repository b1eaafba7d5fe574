"""Snappy of any bytes: what a decoder written from the format's description gives, or our error."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import harness
import writers as w

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.table import format as table_format


def one(data: bytes) -> None:
    choices = harness.Choices(data)
    kind = choices.below(3)
    stream = choices.rest() if kind == 0 else _elements(choices)
    if kind == 2:
        # A sound block: four zeros at its end are an array of no restart points.
        expected = decoded(stream)
        stream = b"" if expected is None else w.varint(len(expected) + 4) + stream[_head(stream) :]
        stream += b"\x0c\0\0\0\0"
    expected = decoded(stream)
    try:
        got = bytes(table_format._unsnappy(memoryview(stream)))
    except CheckpointError:
        got = None
    # Where a long form says a short length, which no compressor writes, refusing is right too.
    assert got == expected or (got is None and _has_long_form(stream))
    sealed = memoryview(w.seal(stream, kind=1))
    try:
        contents, compressed = table_format.unpack_block(sealed, len(stream))
    except CheckpointError:
        assert kind != 2 or got is None
    else:
        assert compressed
        assert bytes(contents) == expected


def decoded(stream: bytes) -> bytes | None:
    """Expand a snappy stream; return None if it is none."""
    size, at = _varint(stream)
    if size is None or size > 1 << 20:
        return None
    out = bytearray()
    while at < len(stream) and len(out) <= size:
        tag, at = stream[at], at + 1
        if tag & 3 == 0:
            more = max(0, (tag >> 2) - 59)
            count = int.from_bytes(stream[at : at + more], "little") if more else tag >> 2
            at += more
            if at + count + 1 > len(stream):
                return None
            out += stream[at : at + count + 1]
            at += count + 1
            continue
        more = (0, 1, 2, 4)[tag & 3]
        if at + more > len(stream):
            return None
        offset = int.from_bytes(stream[at : at + more], "little")
        offset, count = (
            (tag >> 5 << 8 | offset, (tag >> 2 & 7) + 4) if more == 1 else (offset, (tag >> 2) + 1)
        )
        at += more
        if not 0 < offset <= len(out):
            return None
        for _ in range(count):
            out.append(out[-offset])
    return bytes(out) if len(out) == size and at == len(stream) else None


def _has_long_form(stream: bytes) -> bool:
    return any(tag in stream for tag in (0xF0, 0xF4, 0xF8, 0xFC))


def _varint(stream: bytes) -> tuple[int | None, int]:
    value = 0
    for at, byte in enumerate(stream[:5]):
        value |= (byte & 127) << 7 * at
        if byte < 128:
            return (value if value < 1 << 32 else None), at + 1
    return None, 0


def _head(stream: bytes) -> int:
    return _varint(stream)[1]


def _elements(choices: harness.Choices) -> bytes:
    """Literals and copies, most of them sound, under a length that may lie."""
    body, size = b"", 0
    while choices and size < 1 << 16:
        kind, count = choices.below(4), 1 + choices.below(64)
        if kind == 0 or not size:
            count = min(count, 60)
            body += bytes([count - 1 << 2]) + choices.take(count).ljust(count, b"\0")
        elif kind == 1:
            count, offset = 4 + count % 8, choices.below(2048)
            body += bytes([offset >> 8 << 5 | count - 4 << 2 | 1, offset & 255])
        else:
            offset = choices.below(size) + 1 if choices.flag() else choices.below(1 << 16)
            body += bytes([count - 1 << 2 | kind]) + struct.pack(("<H", "<I")[kind - 2], offset)
        size += count
    lie = choices.number() if choices.below(8) == 1 else size
    return w.varint(lie) + body


def seeds() -> Iterator[bytes]:
    import snappy

    for plain in (b"", b"abc", b"ab" * 500, bytes(range(256)) * 3, w.block([(b"k", bytes(90))])):
        yield b"\0" + snappy.compress(plain)
    yield b"\0" + w.varint((1 << 32) - 1) + b"\0a"
    yield b"\0" + w.varint(5) + b"\x04ab\x09\x03"
    yield b"\0" + w.varint(3) + b"\x00a\x05\0"
    yield b"\0" + w.varint(200) + b"\x00a" + b"\xfe\1\0" * 3 + b"\x1a\1\0"
    for kind in (1, 2):
        yield bytes([kind, 0, 9]) + b"abcdefghij" + bytes([1, 7, 5, 2, 30, 1, 3, 3, 63, 0, 8, 0])


if __name__ == "__main__":
    harness.main("snappy")
