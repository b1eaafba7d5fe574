"""The table file against a dict, and what is damaged or hostile in one."""

from __future__ import annotations

from typing import Any

import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from reading import seek
from strategies import KEYS, ROWS, Memory, table_of

from tfckpt_reader.errors import (
    CheckpointError,
    ChecksumError,
    CorruptCheckpointError,
    TruncatedError,
    UnsupportedError,
)
from tfckpt_reader.table.table import Table

LAYOUTS = st.fixed_dictionaries(
    {
        "block_size": st.sampled_from([256, 1, 64]),
        "restart_interval": st.sampled_from([1, 16, 1024]),
        "compress": st.booleans(),
        "index_compress": st.booleans(),
        "separators": st.sampled_from(["short", "last"]),
        "handle_suffix": st.sampled_from([b"", b"\x00more"]),
    }
)
ROW = [(b"k", b"v")]


def scan(table: Table) -> w.Rows:
    return [(key, bytes(value)) for key, value in table.rows()]


@given(rows=ROWS, layout=LAYOUTS)
def test_scan_and_get_like_a_dict(rows: w.Rows, layout: dict[str, Any]) -> None:
    table = table_of(rows, **layout)
    assert scan(table) == rows
    for key, value in rows:
        assert table.get(key) == value
    model = dict(rows)
    for key, _ in rows[:10]:
        for other in (key + b"\x00", key[:-1], key[:-1] + b"\xff\xff", b"\xff" * 8):
            assert table.get(other) == model.get(other)


SHORT = st.text("ab", max_size=4).map(str.encode)


@given(keys=st.lists(SHORT, max_size=30), asked=st.lists(SHORT, max_size=30), layout=LAYOUTS)
def test_what_was_asked_before_does_not_matter(
    keys: list[bytes], asked: list[bytes], layout: dict[str, Any]
) -> None:
    """A search goes on where the last one ended; of equal keys the first counts."""
    rows = [(key, b"%d" % number) for number, key in enumerate(sorted(keys))]
    table = table_of(rows, **layout)
    model = dict(reversed(rows))
    for key in asked:
        assert table.get(key) == model.get(key)


@given(rows=ROWS, layout=LAYOUTS, target=KEYS)
def test_seek_like_a_sorted_list(rows: w.Rows, layout: dict[str, Any], target: bytes) -> None:
    table = table_of(rows, **layout)
    seen = [(key, bytes(value)) for key, value in seek(table, target)]
    assert seen == [row for row in rows if row[0] >= target]


@given(rows=ROWS, layout=LAYOUTS)
def test_blocks(rows: w.Rows, layout: dict[str, Any]) -> None:
    """Every block lies between its separator and the one before it."""
    table = table_of(rows, **layout)
    before: bytes | None = None
    seen: list[bytes] = []
    for separator, handle in table.handles():
        keys = [key for key, _ in table.entries(handle)]
        assert all(key <= separator for key in keys)
        assert before is None or all(before < key for key in keys)
        before, seen = separator, [*seen, *keys]
    assert seen == [key for key, _ in rows]
    assert [handle for _, handle in table.data_blocks()] == [h for _, h in table.handles()]


def test_a_lookup_reads_one_block() -> None:
    rows = [(b"%05d" % i, bytes(100)) for i in range(1000)]
    source = Memory(w.table(rows, block_size=1000))
    table = Table(source)
    source.reads.clear()
    for key in (b"00500", b"00501", b"00500"):
        assert table.get(key) == bytes(100)
    assert len(source.reads) <= 2
    assert all(size < 1500 for _, size in source.reads)


# FORMAT 2.7


@pytest.mark.parametrize("size", range(48))
def test_too_short(size: int) -> None:
    table = w.table(ROW)
    for content in (table[:size], table[-size:] if size else b"", b"\x01" * size):
        with pytest.raises(CorruptCheckpointError) as caught:
            Table(Memory(content))
        assert caught.value.file == "memory"


def test_wrong_magic() -> None:
    table = w.table(ROW)
    swapped = table[-4:] + table[-8:-4]  # by words, as a big-endian writer might
    for magic in (bytes(8), table[-8:][::-1], swapped, table[-8:-1] + b"\xda"):
        with pytest.raises(TruncatedError) as caught:
            Table(Memory(table[:-8] + magic))
        assert caught.value.structure == "footer"
        assert caught.value.offset == len(table) - 8
        assert caught.value.got == magic.hex()


def test_foreign_files_are_named() -> None:
    for content, word in ((b"<html>" + bytes(99), "HTML"), (b"", "empty"), (b"GGUF" * 20, "GGUF")):
        with pytest.raises(CorruptCheckpointError, match=word):
            Table(Memory(content))


MAGIC = w.footer((0, 0), (0, 0))[-8:]


@pytest.mark.parametrize(
    "handles",
    [
        b"\xff" * 40,
        b"\x80" * 10 + bytes(30),
        b"\x00\x00" + b"\x80" * 38,
        b"\x00" + b"\xff" * 11 + bytes(28),
        bytes(30).replace(b"\0", b"\x80", 10) + b"\x80" * 10,
    ],
)
def test_broken_handles(handles: bytes) -> None:
    body = w.table(ROW)[:-48]
    with pytest.raises(CorruptCheckpointError) as caught:
        Table(Memory(body + handles + MAGIC))
    assert caught.value.structure == "footer"
    assert (caught.value.offset or 0) >= len(body)


@pytest.mark.parametrize(
    ("offset", "size"),
    [
        (0, 1 << 20),
        (1 << 20, 0),
        (1 << 62, 8),
        (0, 1 << 62),
        ((1 << 64) - 1, 0),
        (0, (1 << 64) - 1),
        ((1 << 64) - 5, 8),
        (10, (1 << 64) - 10),
    ],
)
def test_handles_past_the_end(offset: int, size: int) -> None:
    """Of the index: on opening. Of a data block: when it is touched. Else nobody looks."""
    table = w.table(ROW)
    body = table[:-48]
    with pytest.raises(CorruptCheckpointError) as caught:
        Table(Memory(body + w.footer((0, 8), (offset, size))))
    assert caught.value.structure == "index block"
    whole = Table(Memory(table))
    index = whole.footer.index_handle.offset, whole.footer.index_handle.size
    assert scan(Table(Memory(body + w.footer((offset, size), index)))) == ROW
    hostile = w.seal(w.block([(b"z", w.handle(offset, size))], restart_interval=1))
    opened = Table(Memory(w.assemble([(b"z", w.seal(w.block(ROW)))], index=hostile)))
    for touch in (lambda: opened.get(b"k"), lambda: scan(opened), lambda: list(seek(opened, b""))):
        with pytest.raises(CorruptCheckpointError):
            touch()


def test_damaged_index_block() -> None:
    table = w.table(ROW)
    whole = Table(Memory(table))
    begin, end = whole.footer.index_handle.offset, whole.footer.index_handle.end
    assert end == len(table) - 48
    for at in range(begin, end):
        with pytest.raises(ChecksumError) as caught:
            Table(Memory(table[:at] + bytes([table[at] ^ 2]) + table[at + 1 :]))
        assert caught.value.structure == "index block"
        assert caught.value.offset == begin


def test_damaged_data_block() -> None:
    rows = [(b"%d" % i, b"v") for i in range(9)]
    table = w.table(rows, block_size=1)
    handles = [handle for _, handle in Table(Memory(table)).handles()]
    for at in range(handles[4].offset, handles[4].end):
        opened = Table(Memory(table[:at] + bytes([table[at] ^ 2]) + table[at + 1 :]))
        assert opened.get(b"3") == opened.get(b"5") == b"v"
        with pytest.raises(ChecksumError) as caught:
            opened.get(b"4")
        assert caught.value.offset == handles[4].offset
        assert caught.value.structure == "data block"
        with pytest.raises(ChecksumError):
            scan(opened)


@pytest.mark.parametrize("value", [b"", b"\x80", b"\x00", b"\x00\x80", b"\xff" * 20])
def test_index_values_that_are_no_handles(value: bytes) -> None:
    sealed = w.seal(w.block(ROW))
    index = w.seal(w.block([(b"z", value)], restart_interval=1))
    table = Table(Memory(w.assemble([(b"z", sealed)], index=index)))
    for touch in (lambda: table.get(b"k"), lambda: scan(table)):
        with pytest.raises(CorruptCheckpointError):
            touch()


def test_one_block_named_twice() -> None:
    """A small file could so stand for any number of rows."""
    sealed = w.seal(w.block(ROW))
    handle = w.handle(0, len(sealed) - 5)
    rows = [(b"k%05d" % i, handle) for i in range(2000)]
    index = w.seal(w.block(rows, restart_interval=1))
    table = Table(Memory(w.assemble([(b"z", sealed)], index=index)))
    with pytest.raises(CorruptCheckpointError, match="overlap"):
        scan(table)


def test_index_block_that_names_itself() -> None:
    body = w.seal(w.block([]))
    for size in range(10, 60):
        index = w.seal(w.block([(b"z", w.handle(len(body), size))], restart_interval=1))
        if len(index) - 5 == size:
            break
    else:
        pytest.fail("no such block can be made")
    table = Table(Memory(body + index + w.footer((0, 8), (len(body), size))))
    assert scan(table) == [(b"z", w.handle(len(body), size))]
    assert table.get(b"k") is None


def blocks(*contents: w.Rows, separators: list[bytes] | None = None) -> Table:
    names = separators or [rows[-1][0] for rows in contents]
    pairs = zip(names, contents, strict=True)
    return Table(Memory(w.assemble([(name, w.seal(w.block(rows))) for name, rows in pairs])))


def test_blocks_out_of_order() -> None:
    first, second = [(b"a", b"1"), (b"b", b"2")], [(b"c", b"3")]
    assert scan(blocks(first, second)) == first + second
    with pytest.raises(CorruptCheckpointError):
        scan(blocks(second, first))
    with pytest.raises(CorruptCheckpointError):
        scan(blocks(second, first, separators=[b"c", b"d"]))
    with pytest.raises(CorruptCheckpointError):
        scan(blocks([(b"a", b""), (b"d", b"")], second, separators=[b"d", b"e"]))


def test_misleading_separators() -> None:
    """A scan that found what no lookup finds would be a lie."""
    first, second = [(b"a", b"1"), (b"b", b"2")], [(b"c", b"3")]
    for separators in ([b"a", b"c"], [b"c", b"d"], [b"b", b"b"], [b"b", b""]):
        table = blocks(first, second, separators=separators)
        with pytest.raises(CorruptCheckpointError):
            scan(table)
    for separators in ([b"b", b"c"], [b"bzz", b"z"]):
        table = blocks(first, second, separators=separators)
        assert scan(table) == first + second
        assert [table.get(key) for key, _ in first + second] == [b"1", b"2", b"3"]


def test_equal_keys() -> None:
    """Of equal keys a lookup finds the first; a scan shows both."""
    table = table_of([(b"a", b"1"), (b"b", b"2"), (b"b", b"3")])
    assert table.get(b"b") == b"2"
    assert scan(table)[1:] == [(b"b", b"2"), (b"b", b"3")]


def test_empty_blocks_between() -> None:
    pairs = [
        (b"a", w.seal(w.block([(b"a", b"1")]))),
        (b"b", w.seal(w.block([]))),
        (b"c", w.seal(bytes(4))),
        (b"d", w.seal(w.block([(b"d", b"2")]))),
    ]
    table = Table(Memory(w.assemble(pairs)))
    assert scan(table) == [(b"a", b"1"), (b"d", b"2")]
    assert [table.get(key) for key in (b"a", b"b", b"d")] == [b"1", None, b"2"]
    assert [key for key, _ in seek(table, b"aa")] == [b"d"]


def test_metaindex_is_never_read() -> None:
    rows = [(b"k", b"v")]
    table = bytearray(w.table(rows))
    meta = Table(Memory(bytes(table))).footer.metaindex_handle
    table[meta.offset : meta.end] = b"\xee" * (meta.end - meta.offset)
    assert scan(Table(Memory(bytes(table)))) == rows


def test_more_entries_than_bytes() -> None:
    """Compressed, a few bytes stand for very many equal keys, which a listing would keep."""
    contents = b"\0\1\0k" + b"\1\0\0" * 50_000 + b"\0\0\0\0\1\0\0\0"
    data = w.assemble([(b"z", w.seal(contents, compress=True))])
    assert len(data) < 50_000
    with pytest.raises(UnsupportedError):
        scan(Table(Memory(data)))
    assert Table(Memory(data)).get(b"k") == b""


def test_errors_inside_compressed_blocks() -> None:
    """The offset is the block's; the place within is told in words."""
    contents = bytearray(w.block([(b"aaaa", b"v"), (b"b", b"v" * 20)], restart_interval=1))
    contents[contents.index(b"\x00\x01\x14")] = 9  # shares nine bytes of a key of four
    for compress in (False, True):
        data = w.assemble([(b"z", w.seal(bytes(contents), compress=compress))])
        with pytest.raises(CheckpointError) as caught:
            scan(Table(Memory(data)))
        assert caught.value.offset == (0 if compress else 8)
        assert ("byte 8 of the decompressed block" in caught.value.problem) == compress


@given(st.binary(max_size=200))
def test_any_bytes_under_a_footer(body: bytes) -> None:
    with pytest.raises(CorruptCheckpointError):
        Table(Memory(body + w.footer((0, 0), (0, len(body) - 5 if len(body) >= 5 else 0))))
