"""8.1 of the format's specification: tables and blocks, as TensorFlow's tests pin them down."""

from __future__ import annotations

import numpy as np
import pytest
import writers as w
from reading import seek
from strategies import Memory, table_of

from tfckpt_reader.table.block import Block
from tfckpt_reader.table.table import Table

INTERVALS = pytest.mark.parametrize("interval", [16, 1, 1024])
KINDS = pytest.mark.parametrize("kind", ["table", "block"])
LAYOUT = {"block_size": 256}


class Sorted:
    """Bare blocks and tables under one face: all rows, and those from a key on."""

    def __init__(self, rows: w.Rows, kind: str, interval: int, *, compress: bool = False) -> None:
        self.table = table_of(rows, restart_interval=interval, compress=compress, **LAYOUT)
        self.block = Block(w.block(rows, restart_interval=interval)) if kind == "block" else None

    def all(self) -> w.Rows:
        walked = self.block.entries() if self.block else self.table.rows()
        return [(key, bytes(value)) for key, value in walked]

    def seek(self, key: bytes) -> w.Rows:
        walked = seek(self.block, key) if self.block else seek(self.table, key)
        return [(found, bytes(value)) for found, value in walked]


def assert_like_map(rows: w.Rows, kind: str, interval: int) -> None:
    """Scans, and seeks to each key, a bit before and a bit behind it."""
    found = Sorted(rows, kind, interval)
    assert found.all() == rows
    for key, _ in rows:
        smaller = key[:-1] + bytes([key[-1] - 1]) + b"\xff" if key and key[-1] else key[:-1]
        for target in (key, key + b"\x00", smaller):
            assert found.seek(target) == [row for row in rows if row[0] >= target]


@INTERVALS
@KINDS
def test_case_01_empty(kind: str, interval: int) -> None:
    found = Sorted([], kind, interval)
    assert found.all() == []
    for target in (b"", b"foo"):
        assert found.seek(target) == []
    assert found.table.get(b"foo") is None


def test_case_02_no_restart_points() -> None:
    found = Block(bytes(4))
    assert list(found.entries()) == []
    assert list(seek(found, b"")) == list(seek(found, b"foo")) == []
    table = Table(Memory(w.assemble([(b"foo", w.seal(bytes(4)))])))
    assert list(table.rows()) == []
    assert table.get(b"foo") is None


@INTERVALS
@KINDS
def test_case_03_single_empty_key(kind: str, interval: int) -> None:
    assert_like_map([(b"", b"v")], kind, interval)
    assert Sorted([(b"", b"v")], kind, interval).table.get(b"") == b"v"


@INTERVALS
@KINDS
def test_case_04_single_entry(kind: str, interval: int) -> None:
    found = Sorted([(b"abc", b"v")], kind, interval)
    assert found.all() == found.seek(b"") == found.seek(b"abc") == [(b"abc", b"v")]
    assert found.seek(b"abcd") == found.seek(b"abd") == []
    assert found.table.get(b"abc") == b"v"
    assert found.table.get(b"ab") is None


@INTERVALS
@KINDS
def test_case_05_shared_prefixes(kind: str, interval: int) -> None:
    assert_like_map([(b"abc", b"v"), (b"abcd", b"v"), (b"ac", b"v2")], kind, interval)


@INTERVALS
def test_case_06_large_values(interval: int) -> None:
    large = [bytes([i]) * 10_000_000 for i in (1, 2)]
    rows = [(b"a", b""), (b"b", large[0]), (b"c", b"tiny"), (b"d", large[1]), (b"e", b"x")]
    table = table_of(rows, restart_interval=interval, **LAYOUT)
    for key, value in rows:
        assert table.get(key) == value
    assert [key for key, _ in table.rows()] == [b"a", b"b", b"c", b"d", b"e"]


@INTERVALS
@KINDS
def test_case_07_key_without_successor(kind: str, interval: int) -> None:
    rows = [(b"\xff", b"1"), (b"\xff\xff", b"2")]
    assert_like_map(rows, kind, interval)
    found = Sorted(rows, kind, interval)
    assert [key for key, _ in found.table.handles()] == [b"\xff\xff"]
    assert found.table.get(b"\xff\xff") == b"2"
    assert found.table.get(b"\xff\xff\xff") is None


@INTERVALS
@KINDS
@pytest.mark.parametrize("count", [0, 1, 5, 30, 200, 2000])
def test_case_08_random_keys(kind: str, interval: int, count: int) -> None:
    random = np.random.default_rng(count + interval)
    letters = np.array([0, 1, *range(0x61, 0x66), 0xFD, 0xFE, 0xFF], np.uint8)
    sizes = random.integers(0, 6, count)
    model = {random.choice(letters, n).tobytes(): random.bytes(int(n) * 3) for n in sizes}
    rows = sorted(model.items())
    found = Sorted(rows, kind, interval)
    assert found.all() == rows
    keys = [key for key, _ in rows]
    for key in [*keys[:: max(1, count // 40)], b"", b"\xff" * 7]:
        before = key[:-1] + bytes([key[-1] - 1, 0xFF]) if key and key[-1] else key
        for target in (key, before, key + b"\x00"):
            assert found.seek(target)[:3] == [row for row in rows if row[0] >= target][:3]


@pytest.mark.parametrize("compress", [False, True])
def test_case_09_offset_of_a_key(compress: bool) -> None:
    """The block that a lookup goes to tells the offset; its size is that of the stored bytes."""
    sizes = {b"k01": 5, b"k02": 6, b"k03": 10_000, b"k04": 200_000, b"k05": 300_000, b"k06": 5}
    random = np.random.default_rng(1)
    rows = [(key, random.bytes(size // 2) + bytes(size - size // 2)) for key, size in sizes.items()]
    table = table_of(rows, block_size=1024, compress=compress)

    def offset(key: bytes) -> int:
        handles = [handle.offset for separator, handle in table.handles() if separator >= key]
        return min(handles, default=table.footer.metaindex_handle.offset)

    stored = 0.55 if compress else 1.0  # half of each value is zeros
    assert offset(b"abc") == offset(b"k01") == offset(b"k01a") == offset(b"k02") == 0
    assert offset(b"k03") < 100
    for key, before in ((b"k04", 10_000), (b"k05", 210_000), (b"k06", 510_000)):
        assert before * stored * 0.9 < offset(key) < before * stored + 2_000
    assert offset(b"xyz") == table.footer.metaindex_handle.offset
    assert table.footer.metaindex_handle.offset - offset(b"k06") < 100


def test_case_10_first_key_reads_little() -> None:
    rows = [(b"a", bytes(100)), (b"b", bytes(1_000_000)), (b"c", bytes(1_000_000))]
    source = Memory(w.table(rows, block_size=100))
    table = Table(source)
    assert sum(size for _, size in source.reads) <= 4096  # the end of the file
    source.reads.clear()
    assert table.get(b"a") == bytes(100)
    first = table.first()
    assert first is not None
    assert first[0] == b"a"
    assert sum(size for _, size in source.reads) < 200
