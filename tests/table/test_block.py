"""One block: what a damaged or hostile one may say, and that it is found out."""

from __future__ import annotations

import struct

import pytest
import snappy
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from reading import seek
from strategies import ROWS

from tfckpt_reader.errors import CheckpointError, ChecksumError, CorruptCheckpointError
from tfckpt_reader.table.block import Block
from tfckpt_reader.table.format import LARGEST_EXPANSION, unpack_block

INTERVALS = st.sampled_from([1, 2, 16, 1024])
ABC = [(b"abc", b"1"), (b"abd", b"22"), (b"b", b"")]


def opened(sealed: bytes) -> Block:
    contents, compressed = unpack_block(memoryview(sealed), len(sealed) - 5)
    return Block(contents, compressed_size=len(sealed) - 5 if compressed else None)


def rows_of(found: Block) -> w.Rows:
    return [(key, bytes(value)) for key, value in found.entries()]


# The bytes of FORMAT 2.8.
EXAMPLE = bytes.fromhex(
    "00 00 06  08 01 1a 02 08 01"
    "00 01 0f  78  08 01  12 04 12 02 08 02  28 08  35 59 3c e5 35"
    "01 01 11  79  08 07 12 04 12 02 08 02 20 08 28 08 35 91 88 b0 4d"
    "00 00 00 00 01 00 00 00  00 c9 56 9a c3"
)


def test_annotated_example() -> None:
    found = opened(EXAMPLE)
    assert [key for key, _ in rows_of(found)] == [b"", b"x", b"xy"]
    assert [value for _, value in seek(found, b"x")] == [EXAMPLE[13:28], EXAMPLE[32:49]]
    assert not found.compressed
    empty = opened(bytes.fromhex("00 00 00 00 01 00 00 00  00 c0 f2 a1 b0"))
    assert rows_of(empty) == []


@given(rows=ROWS, interval=INTERVALS, compress=st.booleans())
def test_round_trip(rows: w.Rows, interval: int, compress: bool) -> None:
    found = opened(w.seal(w.block(rows, restart_interval=interval), compress=compress))
    assert rows_of(found) == rows
    assert found.compressed == compress


@given(rows=ROWS, interval=INTERVALS, target=st.binary(max_size=4))
def test_seek_like_a_sorted_list(rows: w.Rows, interval: int, target: bytes) -> None:
    found = Block(w.block(rows, restart_interval=interval))
    for wanted in (target, *(key for key, _ in rows[:3])):
        seen = [(key, bytes(value)) for key, value in seek(found, wanted)]
        assert seen == [row for row in rows if row[0] >= wanted]


def test_large_blocks_stay_views() -> None:
    rows = [(b"a", bytes(3 << 20)), (b"b", b"x")]
    for compress in (False, True):
        found = opened(w.seal(w.block(rows), compress=compress))
        assert rows_of(found) == rows


def test_kinds_of_seal() -> None:
    contents = w.block(ABC)
    for kind in range(2, 256):
        with pytest.raises(CorruptCheckpointError, match="compression") as caught:
            opened(w.seal(contents, kind=kind))
        assert caught.value.got == kind
    sealed = w.seal(contents)
    for at in range(len(sealed)):
        with pytest.raises(ChecksumError):
            opened(sealed[:at] + bytes([sealed[at] ^ 0x40]) + sealed[at + 1 :])


def test_restart_arrays() -> None:
    entries = w.block(ABC, restart_interval=1)[:-16]
    assert [entries.index(b"\0\3" + end) for end in (b"\1", b"\2")] == [0, 7]

    def with_restarts(*restarts: int, count: int | None = None) -> bytes:
        n = len(restarts) if count is None else count
        return entries + struct.pack(f"<{len(restarts)}I", *restarts) + struct.pack("<I", n)

    bad = [
        with_restarts(0, count=5),  # more than fit
        with_restarts(0, count=(1 << 32) - 1),
        with_restarts(0, count=1 << 30),  # times 4 is 2^32
        with_restarts(4),  # not from 0
        with_restarts(0, 15, 7),  # descending
        with_restarts(0, 7, 7),
        with_restarts(0, 1 << 31),  # past the end
        with_restarts(0, len(entries)),
        b"",
        b"\0",
        b"\0\0\0",
        b"\x01\0\0\0",
    ]
    for contents in bad:
        with pytest.raises(CorruptCheckpointError):
            rows_of(Block(contents))
    for contents in (with_restarts(0), with_restarts(0, 7), with_restarts(0, 7, 15)):
        assert rows_of(Block(contents)) == ABC
    assert rows_of(Block(entries + bytes(4))) == []


def test_restart_inside_an_entry() -> None:
    """A search would begin there, and read nonsense."""
    entries = w.block(ABC, restart_interval=1)[:-16]
    for restart in (1, 3, 6, 8, 14, 16, 18):
        contents = entries + struct.pack("<3I", 0, restart, 2)
        with pytest.raises(CorruptCheckpointError):
            rows_of(Block(contents))
    shared = w.block(ABC, restart_interval=16)
    at = shared.index(b"\x02\x01\x02d22")
    contents = shared[:-8] + struct.pack("<3I", 0, at, 2)
    with pytest.raises(CorruptCheckpointError):
        rows_of(Block(contents))
    with pytest.raises(CorruptCheckpointError):
        list(seek(Block(contents), b"b"))


def entry(shared: int, unshared: int, size: int, rest: bytes) -> bytes:
    return w.varint(shared) + w.varint(unshared) + w.varint(size) + rest


def with_entries(*entries: bytes) -> bytes:
    return b"".join(entries) + struct.pack("<2I", 0, 1)


GOOD = entry(0, 1, 1, b"av")
BAD_ENTRIES = {
    "shared by the first": with_entries(entry(1, 1, 0, b"a")),
    "shared past the key before": with_entries(GOOD, entry(2, 1, 0, b"b")),
    "shared, 2^32 - 1": with_entries(GOOD, entry((1 << 32) - 1, 1, 0, b"b")),
    "key past the end": with_entries(GOOD, entry(1, 9, 0, b"b")),
    "key, 2^31": with_entries(entry(0, 1 << 31, 0, b"b")),
    "value past the end": with_entries(GOOD, entry(1, 1, 1, b"b")),
    "value, 2^32 - 1": with_entries(entry(0, 1, (1 << 32) - 1, b"b")),
    "value, 2^32": with_entries(entry(0, 1, 1 << 32, b"b")),
    "value, 2^63": with_entries(entry(0, 1, 1 << 63, b"b")),
    "varint that does not end": with_entries(b"\x80\x80\x80\x80\x80\x80"),
    "two of three lengths": with_entries(GOOD, b"\x00\x01"),
    "keys that descend": with_entries(entry(0, 1, 0, b"b"), entry(0, 1, 0, b"a")),
    "keys that descend, shared": with_entries(entry(0, 2, 0, b"ab"), entry(1, 1, 0, b"a")),
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_bad_entries(name: str) -> None:
    found = Block(BAD_ENTRIES[name])
    with pytest.raises(CorruptCheckpointError) as caught:
        rows_of(found)
    assert caught.value.offset is not None
    with pytest.raises(CorruptCheckpointError):
        list(seek(found, b""))


def test_equal_keys_are_let_through() -> None:
    found = Block(with_entries(entry(0, 1, 1, b"a1"), entry(1, 0, 1, b"2")))
    assert rows_of(found) == [(b"a", b"1"), (b"a", b"2")]
    assert next(seek(found, b"a"))[1] == b"1"


def test_small_blocks_do_not_stand_for_much_memory() -> None:
    """Each entry shares all of a long key: a few bytes would else make a copy of it each."""
    long = entry(0, 1 << 16, 0, b"k" * (1 << 16))
    bomb = with_entries(long, *(entry((1 << 16) + i, 1, 0, b"k") for i in range(20_000)))
    with pytest.raises(CheckpointError):
        sum(len(key) for key, _ in Block(bomb).entries())


# Snappy


def test_snappy_lengths_that_lie() -> None:
    stream = snappy.compress(w.block(ABC))
    body = stream[1:]
    assert w.varint(stream[0]) == stream[:1]
    for claimed in (
        0,
        stream[0] - 1,
        stream[0] + 1,
        1 << 20,
        (1 << 32) - 1,
        1 << 40,
        (1 << 64) - 1,
    ):
        with pytest.raises(CorruptCheckpointError, match="snappy"):
            opened(w.seal(w.varint(claimed) + body, kind=1))
    assert rows_of(opened(w.seal(stream, kind=1))) == ABC


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"\x80",
        b"\x05",
        b"\x05\x10abcd",  # literal of five, four there
        b"\x05\x01\x00",  # copy at offset 0
        b"\x08\x00a\x01\x02",  # copy from before the start
        b"\x04\x0cabcdX",  # junk behind
        b"\x04\xf0",  # literal whose length is missing
        b"\xff" * 10,
    ],
)
def test_snappy_streams_that_are_none(stream: bytes) -> None:
    with pytest.raises(CorruptCheckpointError):
        opened(w.seal(stream, kind=1))


def test_snappy_expansion_is_bounded() -> None:
    """A claim is compared with what the stream can hold before memory is set aside."""
    most = LARGEST_EXPANSION
    zeros = snappy.compress(bytes(1 << 20))
    assert most >= (1 << 20) / len(zeros)
    assert len(opened(w.seal(snappy.compress(bytes(1 << 20)), kind=1)).data) == 1 << 20
    with pytest.raises(CorruptCheckpointError, match="snappy"):
        opened(w.seal(w.varint(100 * most) + bytes(60), kind=1))
