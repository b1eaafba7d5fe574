"""Hostile and awkward checkpoints: each a good one of which one thing was changed, and named.

A case says what it changes, writes its files to a folder, and says what must come of it: exact
values, or the exception and a part of its message. Odd but harmless files must still be read, so
a reader that refuses everything fails here too. The groups are those of hostile input that the
project keeps a list of: 1 to 12 are the table, 13 to 23 the bundle, 26 to 28 files and V1; 24, the
object graph, belongs to the code that will read it.

    python tests/support/hostile.py OUTDIR   writes all cases, one folder each
    python tests/support/hostile.py --table  runs all through TensorFlow, if installed; prints both
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import writers as w

from tfckpt_reader.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    ChecksumError,
    CorruptCheckpointError,
    TensorNotFoundError,
    TruncatedError,
    UnsupportedError,
)

ml_dtypes = pytest.importorskip("ml_dtypes", reason="some cases hold types that NumPy lacks")

Files: TypeAlias = dict[str, bytes]
Edit: TypeAlias = Callable[[w.Rows], w.Rows]
_PLAIN = str.maketrans("?", "x")
DATA = ".data-00000-of-00001"
WHOLE = (0, -1)


@dataclass(frozen=True)
class Fails:
    """Ends in an exception of this very class, with these words in its message."""

    kind: type[CheckpointError]
    says: str


@dataclass(frozen=True)
class Case:
    """One checkpoint.

    Args:
        group: number in the list of hostile input.
        name: of the case, and of its folder.
        change: which byte or field differs from a good checkpoint.
        files: relative path to contents.
        values: name to the exact value of what must be read, a test of it, or how reading it fails.
        opening: how `open` fails, None if it must not.
        listing: how listing fails, None if it must give the names of `values`, in order.
        path: what to open, below the folder.
        note: words that must be in the checkpoint's notes.
        arrange: does what contents cannot say: links, pipes, sparse files.
        stricter: why less is read than TensorFlow reads, where that is so.
        waits: whether TensorFlow waits for ever, and so is not asked.
        measured: what TensorFlow 2.21 did when the list was made, if it was measured then.
    """

    group: int
    name: str
    change: str
    files: Files
    values: Mapping[str, Any] = field(default_factory=dict)
    opening: Fails | None = None
    listing: Fails | None = None
    path: str = "x"
    note: str = ""
    arrange: Callable[[Path], None] | None = None
    stricter: str = ""
    waits: bool = False
    measured: str = ""

    def write(self, folder: Path) -> Path:
        """Write the files, and return what to open."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, contents in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents)
        if self.arrange:
            self.arrange(folder)
        return folder / self.path if self.path else folder


def corrupt(says: str) -> Fails:
    return Fails(CorruptCheckpointError, says)


# The good checkpoint.

GOOD: dict[str, Any] = {
    "a": np.array([1, 2, 3], np.float32),
    "b": np.array([[1, -2], [3, -4]], np.int64),
    "s": w.Strings([b"x", b"", b"yz"], (3,)),
    "w": np.array([[0.5, -0.0]], np.float64),
}
GRID = np.arange(20, dtype=np.float32).reshape(4, 5)
PIECES: list[list[tuple[int, int]]] = [[(0, 2), WHOLE], [(2, 2), (0, 3)], [(2, 2), (3, 2)]]
PIECE_KEYS = [w.slice_key(b"p", piece) for piece in PIECES]
SLICED: dict[str, Any] = {"a": GOOD["a"], "p": w.Sliced(GRID, PIECES)}
VALUES: dict[str, Any] = {name: w.typed(tensor)[1] for name, tensor in GOOD.items()}
SLICED_VALUES: dict[str, Any] = {"a": VALUES["a"], "p": GRID}


def files_of(suffixed: Mapping[str, bytes]) -> Files:
    return {f"x{suffix}": contents for suffix, contents in suffixed.items()}


def bundle(edit: Edit | None = None, tensors: Mapping[Any, Any] = GOOD, **options: Any) -> Files:
    """A bundle named x, its rows changed."""
    return files_of(w.bundle_files(tensors, edit_rows=edit, **options))


def with_index(make: Callable[[w.Rows], bytes], tensors: Mapping[Any, Any] = GOOD) -> Files:
    """The good data with an index made by hand from the good rows."""
    rows: w.Rows = []

    def keep(good: w.Rows) -> w.Rows:
        rows.extend(good)
        return good

    files = bundle(keep, tensors)
    files["x.index"] = make(rows)
    return files


def good_rows() -> w.Rows:
    """The rows of the good index."""
    rows: w.Rows = []

    def keep(good: w.Rows) -> w.Rows:
        rows.extend(good)
        return good

    bundle(keep)
    return rows


def set_entry(key: str | bytes, **fields: Any) -> Edit:
    """Set fields of one entry."""
    name = key.encode() if isinstance(key, str) else key
    return lambda rows: w.edit_entry(rows, name, **fields)


def set_row(key: bytes, change: Callable[[bytes], bytes | None]) -> Edit:
    """Change the value of one row; None removes the row."""
    return lambda rows: w.replace_row(rows, key, change(dict(rows)[key]))


def append(key: bytes, more: bytes) -> Edit:
    return set_row(key, lambda value: value + more)


def one_block(contents: bytes, **seal: Any) -> bytes:
    """A table of one data block with a right crc."""
    return w.assemble([(b"~", w.seal(contents, **seal))])


def two_blocks(
    change: Callable[[bytes], bytes] = bytes, separators: tuple[bytes, bytes] = (b"b", b"~")
) -> Callable[[w.Rows], bytes]:
    """Header, a and b in one block; s and w in another, whose stored bytes are changed."""

    def make(rows: w.Rows) -> bytes:
        first, second = w.seal(w.block(rows[:3])), change(w.seal(w.block(rows[3:])))
        return w.assemble(list(zip(separators, (first, second), strict=True)))

    return make


def entry_bytes(shared: int, key: bytes, value: bytes, size: int | None = None) -> bytes:
    """One entry of a block, its lengths as told."""
    size = len(value) if size is None else size
    return w.varint(shared) + w.varint(len(key)) + w.varint(size) + key + value


def raw_block(entries: bytes, restarts: Sequence[int] = (0,), count: int | None = None) -> bytes:
    """A block of entries as they are, and restart points as told."""
    count = len(restarts) if count is None else count
    return entries + struct.pack(f"<{len(restarts)}I", *restarts) + struct.pack("<I", count)


def plain_entries(rows: w.Rows) -> list[bytes]:
    """Every row as an entry that shares nothing."""
    return [entry_bytes(0, key, value) for key, value in rows]


# Rows of the table of cases.


def refused(group: int, name: str, change: str, files: Files, fails: Fails, **more: Any) -> Case:
    """A checkpoint that cannot be opened."""
    return Case(group, name, change, files, opening=fails, **more)


def bad_entry(
    group: int, name: str, change: str, edit: Edit, fails: Fails, *, lists: bool = True, **more: Any
) -> Case:
    """Tensor b is damaged, all others are read; unless `lists`, listing fails like b does."""
    values = {**VALUES, "b": fails}
    listing = None if lists else fails
    return Case(group, name, change, bundle(edit), values, listing=listing, **more)


def harmless(group: int, name: str, change: str, files: Files, **more: Any) -> Case:
    """Odd, and read all the same."""
    return Case(group, name, change, files, **{"values": VALUES, **more})


def second_block(
    group: int, name: str, change: str, files: Files, fails: Fails, **more: Any
) -> Case:
    """The block of s and w is damaged: a and b are read, listing fails."""
    values = {"a": VALUES["a"], "b": VALUES["b"], "s": fails, "w": fails}
    return Case(group, name, change, files, values, listing=fails, **more)


def index_edit(change: Callable[[bytes], bytes], make: Files | None = None) -> Files:
    files = dict(make or bundle())
    files["x.index"] = change(files["x.index"])
    return files


def footer_of(handles: bytes) -> Callable[[bytes], bytes]:
    """Replace the handles in the footer, padded with zeros to 40 bytes."""
    return lambda index: index[:-48] + handles.ljust(40, b"\0")[:40] + index[-8:]


# Several arguments stand on a line: there are many cases.
# fmt: off

# 1 to 4: the file and its footer.


def files_and_footers() -> Iterator[Case]:
    for size in (0, 1, 8, 40, 47):
        fails = (
            corrupt("file is empty")
            if not size
            else Fails(TruncatedError, "does not end as a table")
        )
        cut = index_edit(lambda index, size=size: index[len(index) - size :])  # type: ignore[misc]
        yield refused(
            1, f"last-{size}-bytes", f"only the last {size} bytes of the index", cut, fails
        )
    cut_off = Fails(TruncatedError, "does not end as a table")
    yield refused(
        1, "first-47-bytes", "only the first 47 bytes", index_edit(lambda i: i[:47]), cut_off
    )
    yield refused(
        1, "first-48-bytes", "only the first 48 bytes", index_edit(lambda i: i[:48]), cut_off
    )
    yield refused(
        1, "zeros", "48 zero bytes", index_edit(lambda _: bytes(48)), corrupt("zero bytes only")
    )
    last_gone = index_edit(lambda i: i[:-1])
    yield refused(1, "one-byte-short", "the last byte is missing", last_gone, cut_off)
    magic = index_edit(lambda i: i[:-1] + b"\xda")
    yield refused(2, "magic-one-bit", "last byte of the magic is da, not db", magic, cut_off)
    swapped = index_edit(lambda i: i[:-8] + i[-4:] + i[-8:-4])
    yield refused(2, "magic-words-swapped", "the two words of the magic swapped", swapped, cut_off)
    backwards = index_edit(lambda i: i[:-8] + i[:-9:-1])
    yield refused(
        2, "magic-big-endian", "the magic backwards, as a big-endian writer has it", backwards,
        cut_off,
    )
    yield from _handles()


def _handles() -> Iterator[Case]:
    good = bundle()["x.index"]
    meta = w.handle(len(good), 8)
    index_at = _index_handle(good)
    no_end = corrupt("varint does not end")
    for name, handles, what in (
        ("footer-varint-endless", b"\xff" * 40, "forty ff instead of the handles"),
        ("footer-varint-11-bytes", b"\x80" * 10 + b"\x01" + b"\0" * 3, "an 11-byte varint"),
        ("footer-index-handle-endless", meta + b"\xff" * 36, "no end in the index handle"),
    ):
        yield refused(3, name, what, index_edit(footer_of(handles)), no_end)
    padded = w.handle(1, 2) + _long_varint(index_at[0]) + _long_varint(index_at[1])
    yield harmless(
        3, "footer-long-varints", "handles in longer varints than needed",
        index_edit(footer_of(padded)),
    )
    filled = (w.handle(0, 0) + w.handle(*index_at)).ljust(40, b"\xee")
    yield harmless(
        3, "footer-padding", "ee instead of zeros behind the handles", index_edit(footer_of(filled))
    )
    past = corrupt("points past the end")
    for name, offset, size, what in (
        ("index-handle-at-end", len(good), 10, "the index block begins where the file ends"),
        ("index-handle-2-63", 1 << 63, 10, "offset 2^63"),
        ("index-handle-size-2-62", 0, 1 << 62, "size 2^62"),
        ("index-handle-wraps", (1 << 64) - 10, 20, "offset + size is 10 modulo 2^64"),
        ("index-handle-size-wraps", 0, (1 << 64) - 1, "size + 5 is 4 modulo 2^64"),
        (
            "index-handle-one-too-long", index_at[0], len(good) - index_at[0] - 4,
            "one byte past the file",
        ),
    ):
        measured = "std::bad_alloc / MemoryError" if size == 1 << 62 else ""
        files = index_edit(footer_of(w.handle(0, 8) + w.handle(offset, size)))
        yield refused(4, name, f"index handle: {what}", files, past, measured=measured)
    yield from _far_handles(index_at, past)


def _far_handles(index_at: tuple[int, int], past: Fails) -> Iterator[Case]:
    overlap = w.handle(0, 8) + w.handle(index_at[0], index_at[1] + 20)
    yield refused(
        4, "index-handle-over-footer", "the index block reaches into the footer",
        index_edit(footer_of(overlap)), Fails(ChecksumError, "does not match"),
    )
    far = w.handle(1 << 63, 1 << 63) + w.handle(*index_at)
    yield harmless(4, "metaindex-handle-anywhere", "metaindex at 2^63", index_edit(footer_of(far)))

    def far_block(offset: int, size: int) -> Files:
        def make(rows: w.Rows) -> bytes:
            first = w.seal(w.block(rows[:3]))
            index = [(b"b", w.handle(0, len(first) - 5)), (b"~", w.handle(offset, size))]
            return w.assemble([(b"b", first)], index=w.seal(w.block(index, restart_interval=1)))

        return with_index(make)

    for name, offset, size in (
        ("2-63", 1 << 63, 10), ("size-2-62", 70, 1 << 62), ("past-end", 5000, 10),
    ):
        yield second_block(
            4, f"block-handle-{name}", f"data block handle ({offset}, {size})",
            far_block(offset, size), past,
        )


def _index_handle(table: bytes) -> tuple[int, int]:
    """Offset and size of the index block."""
    numbers, at = [], len(table) - 48
    for _ in range(4):
        number, at = w._varint_at(table, at)
        numbers.append(number)
    return numbers[2], numbers[3]


def _long_varint(n: int) -> bytes:
    """Ten bytes instead of as few as possible."""
    return bytes([n >> 7 * i & 127 | 128 for i in range(9)]) + b"\0"


# 5 to 12: blocks.


def blocks() -> Iterator[Case]:
    for kind in (2, 4, 255):
        sealed = with_index(lambda rows, kind=kind: one_block(w.block(rows), kind=kind))  # type: ignore[misc]
        yield refused(
            5, f"block-type-{kind}", f"block type {kind}, crc right", sealed,
            corrupt("unknown compression"),
        )
    in_second = with_index(two_blocks(lambda sealed: w.seal(sealed[:-5], kind=7)))
    yield second_block(
        5, "second-block-type-7", "type 7 of the second block", in_second,
        corrupt("unknown compression"),
    )
    not_snappy = with_index(lambda rows: one_block(w.block(rows), kind=1))
    yield refused(
        5, "plain-called-snappy", "a plain block with type 1", not_snappy, corrupt("snappy")
    )

    def of_index(change: Callable[[bytes], bytes]) -> Files:
        def make(rows: w.Rows) -> bytes:
            data = w.seal(w.block(rows))
            return w.assemble(
                [(b"~", data)], index=change(w.seal(w.block([(b"~", w.handle(0, len(data) - 5))])))
            )

        return with_index(make)

    yield refused(
        5, "index-block-type-3", "type 3 of the index block",
        of_index(lambda s: w.seal(s[:-5], kind=3)), corrupt("unknown compression"),
    )
    mismatch = Fails(ChecksumError, "does not match")

    def flipped(sealed: bytes) -> bytes:
        return bytes([sealed[0] ^ 1]) + sealed[1:]

    def unmasked(sealed: bytes) -> bytes:
        return sealed[:-4] + struct.pack("<I", w.crc(sealed[:-4]))

    for name, change, what in (
        ("flipped", flipped, "one bit of the block"),
        ("unmasked", unmasked, "its crc is stored without the mask"),
        (
            "without-type", lambda sealed: sealed[:-4] + w.masked(sealed[:-5]),
            "the crc leaves the type byte out",
        ),
        ("zero", lambda sealed: sealed[:-4] + bytes(4), "the crc is 0"),
    ):
        yield second_block(6, f"crc-{name}", what, with_index(two_blocks(change)), mismatch)
        yield refused(
            6, f"index-crc-{name}", what + ", in the index block", of_index(change), mismatch
        )
    yield from _restarts()
    yield from _block_entries()
    yield from _order()
    yield from _snappy()


def _restarts() -> Iterator[Case]:
    def block_with(restarts: Sequence[int], count: int | None = None) -> Files:
        return with_index(
            lambda rows: one_block(raw_block(b"".join(plain_entries(rows)), restarts, count))
        )

    second = len(plain_entries([(b"", w.header())])[0])
    third = second + len(plain_entries(good_rows()[1:2])[0])
    not_fit, not_ascend = (
        corrupt("restart array does not fit"), corrupt("restart points do not ascend"),
    )
    no_rows = corrupt("no rows at all")
    yield refused(
        7, "restarts-none", "0 restart points: an empty block", block_with((), 0), no_rows
    )
    yield refused(
        7, "block-of-four-zeros", "a block of four zero bytes",
        with_index(lambda _: one_block(bytes(4))), no_rows, measured="clean error (empty block)",
    )
    yield refused(
        7, "block-of-nothing", "a block of 0 bytes", with_index(lambda _: one_block(b"")), not_fit
    )
    yield refused(
        7, "block-of-3-bytes", "a block of 3 bytes", with_index(lambda _: one_block(bytes(3))),
        not_fit,
    )
    yield refused(
        7, "restarts-2-32", "2^32 - 1 restart points", block_with((0,), 0xFFFFFFFF), not_fit,
        measured="clean error",
    )
    yield refused(
        7, "restarts-too-many", "90 restart points in a block too small", block_with((0,), 90),
        not_fit,
    )
    yield harmless(
        7, "restarts-all", "a restart point at each of the first entries",
        block_with((0, second, third)),
    )
    for name, restarts, what in (
        ("unsorted", (0, third, second), "restart points out of order"),
        ("first-not-0", (second, third), "the first restart point is not 0"),
        ("beyond", (0, 1 << 20), "a restart point past the entries"),
    ):
        yield refused(
            7, f"restarts-{name}", what, block_with(restarts), not_ascend,
            stricter="a lookup would miss keys, or find other rows than a listing",
        )
    yield _hidden_row()


def _hidden_row() -> Case:
    """The value of b hides an entry for w, and a restart point leads there."""
    where = corrupt("restart point")
    values = {**VALUES, "s": where, "w": where}

    def make(rows: w.Rows) -> bytes:
        hidden = entry_bytes(0, b"w", dict(w.edit_entry(rows, b"w", shape=(2, 1)))[b"w"])
        hiding = dict(rows)[b"b"] + w.bytes_field(99, hidden)
        entries = plain_entries(w.replace_row(rows, b"b", hiding))
        at = sum(map(len, entries[:3])) - len(hidden)
        return one_block(raw_block(b"".join(entries), (0, at)))

    return Case(
        7, "restart-to-hidden-row",
        "a restart point leads to an entry hidden in a value, which a "
        "lookup would find and a listing not", with_index(make), values, listing=where,
        stricter="a listing and a lookup would not agree",
    )


def _block_entries() -> Iterator[Case]:
    def with_last(last: bytes) -> Files:
        return with_index(
            lambda rows: one_block(raw_block(b"".join([*plain_entries(rows[:-1]), last])))
        )

    def spoiled(name: str, what: str, last: bytes, says: str | Fails, measured: str = "") -> Case:
        fails = says if isinstance(says, Fails) else corrupt(says)
        return Case(
            8, name, what, with_last(last), {**VALUES, "w": fails}, listing=fails, measured=measured
        )

    shares, past = "shares more bytes", "run past the end"
    yield spoiled(
        "shared-too-long", "shares 2 bytes with a key of 1", entry_bytes(2, b"w", b"v"), shares,
        "opens with {}",
    )
    yield spoiled(
        "shared-2-32", "shares 2^32 - 1 bytes", entry_bytes(0xFFFFFFFF, b"w", b"v"), shares
    )
    yield spoiled(
        "key-past-end", "a key of 100 bytes, 1 is there", w.varint(0) + w.varint(100) + b"\1ww",
        past,
    )
    for power in (31, 32):
        size = (1 << power) - (power == 32)
        yield spoiled(
            f"value-2-{power}", f"a value of {size} bytes", entry_bytes(0, b"w", b"v", size), past,
            "clean error" if power == 31 else "",
        )
    for power in (35, 63, 64):
        yield spoiled(
            f"value-2-{power}", f"a value of 2^{power} - 1 bytes",
            entry_bytes(0, b"w", b"v", (1 << power) - 1), "larger than 32 bits",
        )
    yield spoiled("lengths-endless", "no end in a length", b"\0\1\xff\xff\xff\xff\xff", "varint")
    yield refused(
        8, "first-shared", "the first entry of the block shares 1 byte",
        with_index(lambda rows: one_block(raw_block(entry_bytes(1, b"", rows[0][1])))),
        corrupt(shares),
    )


def _order() -> Iterator[Case]:
    ascending = corrupt("not in ascending order")

    def reordered(rows: w.Rows) -> w.Rows:
        return [rows[0], rows[2], rows[1], *rows[3:]]

    hidden = Fails(TensorNotFoundError, "there is no tensor")
    values = {"b": VALUES["b"], "a": hidden, "s": ascending, "w": ascending}
    yield Case(
        9, "keys-unsorted", "rows of a and b swapped", bundle(reordered, restart_interval=100),
        values, listing=ascending, measured="clean error",
        stricter="other keys cannot be found for sure",
    )
    blocks_swapped = with_index(
        lambda rows: w.assemble(
            [
                (b"a", w.seal(w.block([rows[0], rows[3]]))),
                (b"~", w.seal(w.block([rows[1], rows[2], rows[4]]))),
            ]
        )
    )
    behind = corrupt("a lookup of the block's")
    yield Case(
        9, "blocks-unsorted", "the first block ends with s, its separator is a", blocks_swapped,
        {"b": VALUES["b"], "w": VALUES["w"], "s": hidden}, listing=behind,
        stricter="a listing and a lookup would not agree",
    )

    def doubled(rows: w.Rows) -> w.Rows:
        again = (b"b", dict(w.edit_entry(rows, b"b", shape=(4,)))[b"b"])
        return [*rows[:3], again, *rows[3:]]

    yield harmless(
        9, "key-twice", "b twice, the second of shape [4]: the first counts", bundle(doubled),
        note="came twice", measured="accepted",
    )
    yield harmless(
        9, "key-in-two-blocks", "b ends one block and begins the next",
        with_index(
            lambda rows: w.assemble(
                [(b"b", w.seal(w.block(rows[:3]))), (b"~", w.seal(w.block(doubled(rows)[3:])))]
            )
        ),
        note="came twice",
    )
    yield harmless(
        9, "empty-key-twice", "two header rows, the second for 9 shards",
        bundle(lambda rows: [rows[0], (b"", w.header(9)), *rows[1:]]), note="came twice",
    )
    for name, key in (
        ("key-70000-bytes", b"k" * 70000), ("key-not-utf8", b"\xff\xfe\x80"), ("key-nul", b"a\0b"),
        ("key-newline", b"a\nb\r"), ("key-escape", b"\x1b[31mred\x1b[0m"),
        ("key-rtl", "a\u202eb\u2066".encode()), ("key-surrogate-utf8", b"\xed\xa0\x80"),
        ("key-bom", b"\xef\xbb\xbfk"), ("key-spaces", b"  "),
    ):
        text = key.decode("utf-8", "surrogateescape")
        tensors = {key: np.array([7], np.int32)}
        yield harmless(
            9, name, f"a tensor named {key[:9]!r}", bundle(tensors=tensors),
            values={text: np.array([7], np.int32)},
        )
    yield from _amplified()


def _amplified() -> Iterator[Case]:
    def indexed(handles: Callable[[int, int], list[tuple[int, int]]]) -> Files:
        def make(rows: w.Rows) -> bytes:
            data = w.seal(w.block(rows))
            index_at = len(data) + len(w.seal(w.block([])))
            pairs = [
                (b"%06d" % i, w.handle(*h)) for i, h in enumerate(handles(len(data) - 5, index_at))
            ]
            pairs[-1] = (b"~", pairs[-1][1])
            return w.assemble([(b"", data)], index=w.seal(w.block(pairs, restart_interval=1)))

        return with_index(make)

    overlap = corrupt("data blocks overlap")
    yield Case(
        10, "block-twice", "the index has one data block twice",
        indexed(lambda n, _: [(0, n), (0, n)]), {}, listing=overlap,
        stricter="a small file could stand for any number of rows",
    )
    yield Case(
        10, "block-5000-times", "the index has one data block 5,000 times",
        indexed(lambda n, _: [(0, n)] * 5000), {}, listing=overlap, stricter="as block-twice",
    )
    yield Case(
        10, "blocks-overlap", "a second data block lies inside the first",
        indexed(lambda n, _: [(0, n), (9, 4)]), {}, listing=overlap, stricter="as block-twice",
    )

    itself = w.block([(b"~", w.handle(13, 14))], restart_interval=1)
    assert (
        len(itself) == 14
    )  # the block behind an empty metaindex of 13 bytes: its handle is its own
    yield Case(
        10, "index-points-at-itself", "the only handle in the index block is its own",
        with_index(lambda _: w.assemble([], index=w.seal(itself))), {},
        listing=corrupt("BundleEntry"),
    )


def _snappy() -> Iterator[Case]:
    def compressed(stream: Callable[[bytes], bytes]) -> Files:
        return with_index(lambda rows: one_block(stream(w.block(rows)), kind=1))

    def literal(plain: bytes) -> bytes:
        """All bytes as literals: what a compressor does that finds nothing."""
        pieces = [plain[i : i + 60] for i in range(0, len(plain), 60)]
        return b"".join(bytes([len(piece) - 1 << 2]) + piece for piece in pieces)

    def declared(size: int) -> Callable[[bytes], bytes]:
        return lambda plain: w.varint(size) + literal(plain)

    whole = compressed(lambda plain: w.varint(len(plain)) + literal(plain))
    yield harmless(12, "snappy-literals", "a snappy block of literals only", whole)
    yield harmless(
        12, "snappy", "all blocks compressed", bundle(compress=True, index_compress=True)
    )
    runs = {"r": np.zeros(40, np.float32), **{f"run{i}": GOOD["a"] for i in range(30)}}
    yield harmless(
        12, "snappy-copies", "a compressed block with overlapping copies",
        bundle(tensors=runs, compress=True), values=dict(sorted(runs.items())),
    )
    less = corrupt("cannot be decompressed")
    too_much = corrupt("claims to expand to more than snappy can")
    for name, change, what, fails, measured in (
        (
            "length-2-32", declared((1 << 32) - 1), "declared length 2^32 - 1", too_much,
            "clean error",
        ),
        ("length-2-63", declared(1 << 63), "declared length 2^63", too_much, ""),
        (
            "length-too-small", lambda p: declared(len(p) - 9)(p), "9 bytes more than declared",
            less, "",
        ),
        (
            "length-too-large", lambda p: declared(len(p) + 9)(p), "9 bytes fewer than declared",
            less, "",
        ),
        (
            "bomb", lambda _: w.varint(1 << 32) + b"\0a" + b"\xfe\1\0" * 20,
            "60 bytes that claim 4 GiB", too_much, "",
        ),
        (
            "offset-0", lambda p: w.varint(len(p) + 4) + literal(p) + b"\1\0",
            "a copy from 0 bytes back", less, "clean error",
        ),
        (
            "offset-past-start", lambda p: w.varint(len(p) + 4) + b"\1\5" + literal(p),
            "a copy from before the start", less, "",
        ),
        (
            "literal-cut", lambda p: w.varint(len(p)) + literal(p)[:-9],
            "the last literal is cut off", less, "",
        ),
        (
            "length-endless", lambda _: b"\xff" * 11, "no end in the declared length",
            corrupt("varint does not end"), "",
        ),
        (
            "nothing", lambda _: b"", "a compressed block of 0 bytes",
            corrupt("varint does not end"), "",
        ),
    ):
        yield refused(12, f"snappy-{name}", what, compressed(change), fails, measured=measured)


# 13 to 19: header and entries.


def headers() -> Iterator[Case]:
    no_header = bundle(lambda rows: rows[1:])
    lost = {
        name: value if value.dtype.itemsize == 1 else corrupt("byte order")
        for name, value in VALUES.items()
    }
    yield Case(
        13, "header-missing", "no row with the empty key", no_header, lost, note="no header row",
        measured="accepted", stricter="TensorFlow takes any first row for the header",
    )
    yield refused(
        13, "rows-none", "a table without rows", bundle(lambda _: [], tensors={}),
        corrupt("no rows at all"),
    )
    not_first = bundle(lambda rows: [*rows[1:], rows[0]], restart_interval=100)
    ascending = corrupt("not in ascending order")
    yield Case(
        13, "header-last", "the header row comes last", not_first,
        dict.fromkeys(VALUES, Fails(TensorNotFoundError, "there is no tensor")), listing=ascending,
        stricter="keys cannot be found for sure",
    )
    missing = Fails(CheckpointNotFoundError, "is missing")
    for name, count in (("0", 0), ("minus-1", -1)):
        yield Case(
            13, f"shards-{name}", f"num_shards is {count}", bundle(header=w.header(count)),
            dict.fromkeys(VALUES, missing),
        )
    yield harmless(
        13, "shards-2-31", "num_shards is 2^31 - 1; the one file is named -of-00001",
        bundle(header=w.header((1 << 31) - 1)), note="data files are named for 1",
        measured="fails at read",
    )
    yield harmless(
        13, "endianness-2", "endianness is 2, which nobody knows: little",
        bundle(header=w.header(endianness=2)),
    )
    yield harmless(
        13, "producer-9", "written by a newer producer", bundle(header=w.header(producer=9))
    )
    newer = Fails(UnsupportedError, "written for newer readers")
    forbids = Fails(UnsupportedError, "version")
    for name, value, what, fails, measured in (
        ("min-consumer-9", w.header(min_consumer=9), "min_consumer is 9", newer, "clean error"),
        ("bad-consumer-1", w.header(bad_consumers=[3, 1]), "bad_consumers has 1", forbids, ""),
        (
            "producer-minus-1", w.header(producer=-1), "producer is -1",
            corrupt("version is below 0"), "",
        ),
        (
            "header-garbage", b"\xff\xff\xff", "the header is no message", corrupt("BundleHeader"),
            "",
        ),
        (
            "header-cut", w.header()[:-1], "the header's last byte is missing",
            corrupt("BundleHeader"), "",
        ),
    ):
        yield refused(13, name, what, bundle(header=value), fails, measured=measured)
    odd = (
        w.header()
        + w.int_field(99, 5)
        + w.bytes_field(7, b"?")
        + w.int_field(1, 3)
        + w.int_field(1, 1)
    )
    yield harmless(
        13, "header-odd-fields", "unknown fields; num_shards thrice, the last right",
        bundle(header=odd),
    )
    yield harmless(13, "header-empty-version", "no version", bundle(header=w.int_field(1, 1)))


def entries() -> Iterator[Case]:
    garbage = corrupt("BundleEntry")
    deep = b"\x0b" * 10000 + b"\x0c" * 10000
    nested = b""
    for _ in range(3000):
        nested = w.bytes_field(2, nested)
    for name, change, what in (
        ("entry-garbage", lambda _: b"\xff\xff\xff\xff", "the entry of b is no message"),
        ("entry-cut", lambda value: value[:-3], "its last 3 bytes are missing"),
        ("entry-group-endless", lambda value: value + b"\x0b", "a group that does not end"),
        (
            "entry-group-end-only", lambda value: value + b"\x0c",
            "the end of a group without a start",
        ),
        ("entry-wire-type-7", lambda value: value + b"\x0f", "a field of wire type 7"),
        ("entry-field-0", lambda value: value + b"\0\0", "a field numbered 0"),
        (
            "entry-groups-10000-deep", lambda value: value + deep,
            "unknown groups nested 10,000 deep",
        ),
        (
            "entry-shape-not-message", lambda value: value + b"\x12\2\xff\xff",
            "its shape is no message",
        ),
        (
            "entry-length-lies", lambda value: value + b"\x12\xff\xff\xff\xff\x0f",
            "a shape of 4 GiB",
        ),
    ):
        measured = "SIGABRT at open" if name == "entry-garbage" else ""
        yield bad_entry(
            14, name, what, set_row(b"b", change), garbage, lists=False, measured=measured
        )
    extra = w.int_field(50, 1) + w.bytes_field(51, b"unknown") + b"\xa3\x06\x08\x01\xa4\x06"
    yield harmless(
        14, "entry-unknown-fields", "unknown fields, one a group", bundle(append(b"b", extra))
    )
    yield harmless(
        14, "entry-unknown-nested", "an unknown field with 3,000 messages in each other",
        bundle(append(b"b", w.bytes_field(60, nested))),
    )
    yield harmless(
        14, "entry-scalars-twice", "dtype, offset and size given before with wrong values",
        bundle(set_row(b"b", lambda v: w.entry(1, None, offset=5, size=77, crc=3) + v)),
    )
    yield harmless(
        14, "entry-fields-backwards", "fields in reverse order",
        bundle(set_row(b"b", lambda v: b"".join(f for _, f in w.split_fields(v)[::-1]))),
    )
    half = w.bytes_field(2, w.shape_proto((2,)))
    yield harmless(
        14, "entry-shape-in-two", "the shape in two halves, which protobuf joins",
        bundle(lambda rows: append(b"b", half + half)(set_entry(b"b", shape=None)(rows))),
    )
    never = corrupt("dtype is never stored")
    yield bad_entry(
        14, "entry-dtype-packed", "dtype in wire type 2: unknown, so there is none",
        lambda rows: append(b"b", w.bytes_field(1, b"\x09"))(set_entry(b"b", dtype=None)(rows)),
        never,
    )
    yield bad_entry(14, "entry-empty", "the entry has 0 bytes", set_row(b"b", lambda _: b""), never)
    unknown = Fails(UnsupportedError, "dtype")
    for dtype, fails in (
        (0, never), (34, unknown), (99, unknown), (101, never), (127, never), (-1, never),
        (1 << 31, never),
    ):
        yield bad_entry(
            15, f"dtype-{dtype}", f"dtype {dtype}", set_entry("b", dtype=dtype), fails,
            measured="opens, SIGABRT at get_tensor" if dtype == 127 else "",
        )
    yield bad_entry(
        15, "dtype-resource", "dtype 20, a resource", set_entry("b", dtype=20),
        Fails(UnsupportedError, "resource tensors"),
    )
    yield bad_entry(
        15, "dtype-variant", "dtype 21, but the bytes are numbers", set_entry("b", dtype=21),
        Fails(ChecksumError, "checksum of a variant"), measured="clean error (variant garbage)",
    )
    yield bad_entry(
        15, "dtype-string", "dtype 7, but the bytes are numbers", set_entry("b", dtype=7),
        Fails(ChecksumError, "length checksum"),
    )
    yield bad_entry(
        15, "dtype-narrower", "dtype int32 under the size of int64", set_entry("b", dtype=3),
        corrupt("size does not fit"),
    )
    yield Case(
        15, "dtype-same-size", "dtype float64 under an int64's bytes: nothing tells",
        bundle(set_entry("b", dtype=2)), {**VALUES, "b": VALUES["b"].view(np.float64)},
    )
    yield from _shapes()
    yield from _places()
    yield from _checksums()


def _shapes() -> Iterator[Case]:
    cannot, size = corrupt("shape cannot be"), corrupt("size does not fit")
    impossible: tuple[tuple[str, tuple[int, ...], str], ...] = (
        ("dim-minus-5", (-5,), "SIGABRT at open"),
        ("dims-2-32-2-32", (1 << 32, 1 << 32), "SIGABRT at open"),
        ("rank-300", (1,) * 300, "SIGABRT at open"), ("rank-255", (1,) * 255, ""),
        ("dim-minus-2-63", (-(1 << 63),), ""),
    )
    for name, shape, measured in impossible:
        yield bad_entry(
            16, f"shape-{name}", f"shape {str(shape)[:40]}", set_entry("b", shape=shape), cannot,
            lists=False, measured=measured,
        )
    other_sizes: tuple[tuple[str, tuple[int, ...], str], ...] = (
        ("2-40", (1 << 40,), "clean error (huge float)"), ("2-62", (1 << 62,), ""), ("0", (0,), ""),
        ("0-2-40", (0, 1 << 40), ""), ("smaller", (2,), "clean error (size != shape)"),
        ("larger", (3, 2), ""), ("scalar", (), ""),
    )
    for name, shape, measured in other_sizes:
        yield bad_entry(
            16, f"shape-{name}", f"shape {shape}", set_entry("b", shape=shape), size,
            measured=measured,
        )
    flat = VALUES["b"].reshape(-1)
    same: dict[str, tuple[int, ...]] = {"reshaped": (4, 1), "rank-20": (1,) * 18 + (2, 2)}
    for name, shape in same.items():
        yield harmless(
            16, f"shape-{name}", f"shape {shape}", bundle(set_entry("b", shape=shape)),
            values={**VALUES, "b": flat.reshape(shape)},
        )
    yield bad_entry(
        16, "shape-rank-254", "254 axes: more than NumPy has",
        set_entry("b", shape=(1,) * 252 + (2, 2)),
        Fails(UnsupportedError, "more than this machine or NumPy can hold"),
    )
    empty = {"e": np.zeros((0, 3), np.float32)}
    one = {"x": np.array(7, np.float32)}
    unknown = b"\x18\1"
    for name, shape_bytes in (("unknown-rank", unknown), ("missing", None)):
        yield harmless(
            16, f"shape-{name}", f"shape {shape_bytes!r}: a scalar",
            bundle(set_entry("x", shape=shape_bytes), one), values=one,
            measured="accepted" if shape_bytes else "",
        )
    yield harmless(
        16, "shape-dim-empty", "an axis of no size is one of size 0",
        bundle(set_entry("e", shape=b"\x12\0\x12\2\x08\3"), empty), values=empty,
    )
    yield harmless(
        16, "shape-dim-names", "names of axes are skipped",
        bundle(set_entry("e", shape=b"\x12\5\x08\0\x12\1q\x12\4\x08\3\x12\0"), empty), values=empty,
    )
    yield harmless(
        16, "shape-empty-2-40", "no elements in shape (0, 2^40)",
        bundle(set_entry("e", shape=(0, 1 << 40)), empty),
        values={"e": np.empty((0, 1 << 40), np.float32)},
    )
    too_wide = Fails(UnsupportedError, "more than this machine or NumPy can hold")
    yield Case(
        16, "shape-empty-2-62", "shape (0, 2^62): more than NumPy can say",
        bundle(set_entry("e", shape=(0, 1 << 62)), empty), {"e": too_wide},
    )
    yield Case(
        16, "shape-empty-overflows", "shape (2^62, 2^62, 0)",
        bundle(set_entry("e", shape=(1 << 62, 1 << 62, 0)), empty),
        {"e": corrupt("beyond 2^63")},
    )


def _places() -> Iterator[Case]:
    negative, size = corrupt("place is negative"), corrupt("size does not fit")
    missing, short = (
        Fails(CheckpointNotFoundError, "is missing"),
        Fails(TruncatedError, "ends before the tensor does"),
    )
    no_shard = corrupt("there is no such shard")
    for name, fields, fails, measured in (
        ("offset-minus-8", {"offset": -8}, negative, "clean error"),
        ("offset-minus-2-63", {"offset": -(1 << 63)}, negative, ""),
        ("offset-past-end", {"offset": 5000}, short, ""),
        ("offset-one-too-far", {"offset": 70 - 31}, short, ""),
        ("offset-2-63", {"offset": (1 << 63) - 1}, short, ""),
        ("size-minus-1", {"size": -1}, size, ""), ("size-0", {"size": 0}, size, ""),
        ("size-too-small", {"size": 31}, size, ""), ("size-too-large", {"size": 33}, size, ""),
        ("size-2-62", {"size": 1 << 62}, size, ""),
        ("shard-77", {"shard": 77}, no_shard, "clean error"),
        ("shard-minus-1", {"shard": -1}, negative, ""),
        ("shard-2-31", {"shard": (1 << 31) - 1}, no_shard, ""),
    ):
        yield bad_entry(
            17, name, f"{fields} of b", set_entry("b", **fields), fails, measured=measured
        )
    yield bad_entry(
        17, "offset-elsewhere", "offset of b 4 bytes too small: other bytes",
        set_entry("b", offset=8), Fails(ChecksumError, "does not match"),
    )
    yield Case(
        18, "two-on-one-range", "a second tensor on the bytes of b",
        bundle(lambda rows: sorted([*rows, (b"c", dict(rows)[b"b"])])),
        {"a": VALUES["a"], "b": VALUES["b"], "c": VALUES["b"], "s": VALUES["s"], "w": VALUES["w"]},
        measured="accepted",
    )
    part = w.entry(9, (1,), offset=20, size=8, crc=w.mask(w.crc(VALUES["b"].tobytes()[8:16])))
    yield Case(
        18, "overlapping", "a tensor on the second number of b",
        bundle(lambda rows: sorted([*rows, (b"c", part)])),
        {
            "a": VALUES["a"], "b": VALUES["b"], "c": np.array([-2]), "s": VALUES["s"],
            "w": VALUES["w"],
        },
    )
    yield harmless(18, "holes", "fill between tensors", bundle(alignment=42, filler=b"\xaa"))
    yield harmless(
        18, "tail", "1,000 bytes behind the last tensor", bundle(tail=b"\xee" * 1000),
        measured="accepted",
    )
    empties = {"e": np.zeros((0, 3), np.float32), "f": np.zeros((2, 0)), "x": GOOD["a"]}
    yield harmless(
        18, "empty-share-offset", "empty tensors at one offset", bundle(tensors=empties),
        values=empties,
    )
    yield harmless(
        18, "empty-at-end", "an empty tensor where the file ends",
        bundle(set_entry("e", offset=12), empties), values=empties,
    )
    yield Case(
        18, "empty-past-end", "an empty tensor 1 byte past the end of the file",
        bundle(set_entry("e", offset=13), empties), {**empties, "e": short},
        stricter="no byte of it is there or missing; the place is wrong all the same",
    )
    no_bytes = bundle(tensors={"e": empties["e"]})
    yield harmless(
        18, "data-0-bytes", "a data file of 0 bytes, for an empty tensor", no_bytes,
        values={"e": empties["e"]},
    )
    gone = {name: contents for name, contents in no_bytes.items() if name == "x.index"}
    yield Case(
        18, "data-missing-for-empty", "no data file, and only an empty tensor", gone, {"e": missing}
    )


def _checksums() -> Iterator[Case]:
    mismatch = Fails(ChecksumError, "does not match")
    right = w.crc(VALUES["b"].tobytes())
    for name, value in (
        ("0", 0), ("unmasked", right), ("one-bit", w.mask(right) ^ 1), ("absent", None),
    ):
        yield bad_entry(
            19, f"data-crc-{name}", f"crc of b {name}", set_entry("b", crc=value), mismatch
        )
    other = VALUES["b"] + 1
    changed = bundle(set_entry("b", crc=w.mask(w.crc(other.tobytes()))))
    changed["x" + DATA] = changed["x" + DATA].replace(VALUES["b"].tobytes(), other.tobytes())
    yield Case(
        19, "data-crc-resealed", "other bytes under their right crc: nothing tells", changed,
        {**VALUES, "b": other},
    )
    flipped = bundle()
    flipped["x" + DATA] = bytes([flipped["x" + DATA][0] ^ 1]) + flipped["x" + DATA][1:]
    yield Case(19, "data-flipped", "one bit of a", flipped, {**VALUES, "a": mismatch})
    short = bundle()
    short["x" + DATA] = short["x" + DATA][:-1]
    yield Case(
        19, "data-one-byte-short", "the last byte of the data is missing", short,
        {**VALUES, "w": Fails(TruncatedError, "1 byte are missing")},
    )
    empty = {"e": np.zeros((0, 3), np.float32)}
    yield Case(
        19, "empty-crc-0", "crc 0 of an empty tensor", bundle(set_entry("e", crc=0), empty),
        {"e": mismatch},
    )
    for name, what in ((".index", "index"), (DATA, "data")):
        for kind, start, says in (
            (
                "lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1234\n",
                "Git LFS pointer",
            ),
            ("html", b"<!DOCTYPE html><html><body>404</body></html>", "an HTML page"),
        ):
            files = {**bundle(), f"x{name}": start}
            if what == "index":
                yield refused(
                    19, f"{what}-is-{kind}", f"the {what} file is {says}", files, corrupt(says)
                )
            else:
                fails = Fails(TruncatedError, says)
                values = dict.fromkeys(VALUES, fails)
                if kind == "html":  # it is as long as a
                    values["a"] = values["b"] = mismatch
                elif kind == "lfs":
                    values |= {
                        "a": mismatch, "b": mismatch, "s": Fails(ChecksumError, "length checksum"),
                    }
                yield Case(19, f"{what}-is-{kind}", f"the {what} file is {says}", files, values)


# 20: slices.


def slices() -> Iterator[Case]:  # noqa: PLR0915 - a list of cases
    def sliced(
        name: str, what: str, edit: Edit, fails: Fails, *, lists: bool = True, **more: Any
    ) -> Case:
        values = {"a": VALUES["a"], "p": fails}
        return Case(
            20, f"slice-{name}", what, bundle(edit, SLICED), values,
            listing=None if lists else fails, **more,
        )

    def pieces(*stored: Any) -> Edit:
        return set_entry("p", slices=stored)

    first, second, third = PIECES
    extent, outside, hole = (
        corrupt("extent of a slice cannot be"), corrupt("reaches outside"), corrupt("leave a hole"),
    )
    no_row = corrupt("the index has no row for it")
    disagrees = corrupt("disagrees with the tensor's")
    for name, pair, fails, measured in (
        ("start-negative", (-1, 2), extent, ""), ("length-minus-4", (0, -4), extent, "clean error"),
        ("length-2-40", (0, 1 << 40), outside, "clean error"), ("length-0", (0, 0), extent, ""),
        ("end-outside", (3, 2), outside, ""), ("end-overflows", ((1 << 63) - 1, 1), extent, ""),
        ("start-alone", (1, -1), extent, ""), ("start-2-62", (1 << 62, 1), outside, ""),
    ):
        proto = w.slice_proto([pair, WHOLE]) if pair[1] != 0 else b"\x0a\2\x10\0\x0a\0"
        yield sliced(
            name, f"first extent {pair}", pieces(proto, second, third), fails, lists=False,
            measured=measured,
        )
    rank = corrupt("another rank")
    yield sliced(
        "rank-9", "a slice of 9 axes", pieces([WHOLE] * 9), rank, lists=False,
        measured="clean error",
    )
    yield sliced("rank-1", "a slice of 1 axis", pieces([(0, 4)]), rank, lists=False)
    yield _junk_row(pieces(first, second), hole)
    yield sliced(
        "row-missing", "the row of a slice is gone", set_row(PIECE_KEYS[1], lambda _: None), no_row,
        measured="clean error (missing slice)",
    )
    yield sliced(
        "twice", "a slice is listed twice", pieces(first, second, third, third),
        corrupt("slices overlap"),
    )
    overlap = [(2, 2), (2, 3)]

    def overlapping(rows: w.Rows) -> w.Rows:
        part = GRID[2:4, 2:5]
        rows = w.replace_row(pieces(first, second, overlap)(rows), PIECE_KEYS[2], None)
        row = w.entry(1, (2, 3), offset=0, size=24, crc=w.mask(w.crc(part.tobytes())))
        return sorted([*rows, (w.slice_key(b"p", overlap), row)])

    yield sliced("overlap", "slices overlap in one column", overlapping, corrupt("slices overlap"))
    yield sliced(
        "shape-smaller", "a slice's row has fewer rows than its extent (TF#123020)",
        set_entry(PIECE_KEYS[0], shape=(1, 5), size=20), disagrees,
    )
    yield sliced(
        "shape-larger", "a slice's row has more rows than its extent",
        set_entry(PIECE_KEYS[0], shape=(3, 5), size=60), disagrees,
    )
    yield sliced(
        "shape-transposed", "a slice's row has its shape transposed",
        set_entry(PIECE_KEYS[0], shape=(5, 2)), disagrees,
        stricter="TensorFlow only counts elements",
    )
    yield sliced(
        "dtype-differs", "a slice's row is int32", set_entry(PIECE_KEYS[0], dtype=3), disagrees
    )
    yield sliced(
        "in-slices", "a slice's row is in slices itself", set_entry(PIECE_KEYS[0], slices=[first]),
        disagrees, stricter="TensorFlow does not look",
    )
    yield sliced(
        "row-garbage", "a slice's row is no message", set_row(PIECE_KEYS[0], lambda _: b"\xff"),
        corrupt("BundleEntry"), lists=False,
    )
    yield sliced(
        "crc-wrong", "crc of a slice", set_entry(PIECE_KEYS[2], crc=1),
        Fails(ChecksumError, "does not match"),
    )
    yield sliced(
        "offset-past-end", "offset of a slice", set_entry(PIECE_KEYS[2], offset=999),
        Fails(TruncatedError, "ends before"),
    )
    yield sliced(
        "full-shape-2-40", "full shape of 2^40 rows", set_entry("p", shape=(1 << 40, 5)), hole
    )
    yield sliced(
        "full-shape-negative", "full shape of -4 rows", set_entry("p", shape=(-4, 5)),
        corrupt("shape cannot be"), lists=False,
    )
    good = {"values": SLICED_VALUES}
    yield harmless(20, "slice-good", "nothing", bundle(tensors=SLICED), **good)
    backwards = bundle(pieces(third, second, first), SLICED)
    yield harmless(20, "slice-order", "slices listed in another order", backwards, **good)
    zeros = [w.slice_proto(piece, explicit_zeros=True) for piece in PIECES[1:]]
    yield harmless(
        20, "slice-zeros", "start 0 written out, as proto2 does",
        bundle(pieces(first, *zeros), SLICED), **good,
    )
    stray = bundle(set_entry("p", shard=9, offset=5, crc=1), SLICED)
    yield harmless(
        20, "slice-stray-shard", "a shard, offset and crc in the full entry", stray, **good
    )
    whole = {"p": w.Sliced(GRID, [[WHOLE, WHOLE]])}
    yield harmless(
        20, "slice-whole", "one slice that is all of it", bundle(tensors=whole), values={"p": GRID}
    )
    strings = w.Sliced(w.Strings([b"a", b"", b"ccc"], (3,)), [[(0, 2)], [(2, 1)]])
    yield harmless(
        20, "slice-strings", "strings in slices, which TensorFlow only reads piece by piece",
        bundle(tensors={"s": strings}), values={"s": w.typed(strings.whole)[1]},
    )
    nothing = {"e": w.Sliced(np.zeros((4, 0), np.float32), [[(0, 2), WHOLE], [(2, 2), WHOLE]])}
    yield harmless(
        20, "slice-empty", "slices of a tensor without elements", bundle(tensors=nothing),
        values={"e": np.zeros((4, 0), np.float32)},
    )


def _junk_row(edit: Edit, hole: Fails) -> Case:
    """A slice's row that no full entry lists is a tensor of that name, as in TensorFlow."""
    junk = PIECE_KEYS[2].decode("utf-8", "surrogateescape")
    values = {junk: GRID[2:, 3:], "a": VALUES["a"], "p": hole}
    return Case(
        20, "slice-unlisted", "one of three slices is not listed", bundle(edit, SLICED), values,
        measured="clean error",
    )


# 21 to 23: values.


def values() -> Iterator[Case]:  # noqa: PLR0915 - a list of cases
    strings = [b"x", b"", b"yz"]
    good, good_crc = w.string_payload(strings)
    lengths_crc = Fails(ChecksumError, "length checksum")
    mismatch = Fails(ChecksumError, "does not match")
    too_few = corrupt("too few bytes for")
    endless = corrupt("varint does not end")

    def string(  # noqa: PLR0917
        name: str, what: str, payload: bytes, fails: Any, crc: int | None = None, shape: Any = (3,),
        size: int | None = None, **more: Any,
    ) -> Case:
        tensors = {**GOOD, "s": w.Raw(7, shape, payload, crc), "w": GOOD["w"]}
        edit = None if size is None else set_entry("s", size=size)
        return Case(
            21, f"string-{name}", what, bundle(edit, tensors), {**VALUES, "s": fails}, **more
        )

    def sealed(lengths: Sequence[int], data: bytes) -> tuple[bytes, int]:
        summed = b"".join(struct.pack("<I" if n < 1 << 32 else "<Q", n) for n in lengths)
        checksum = w.masked(summed)
        payload = b"".join(map(w.varint, lengths)) + checksum + data
        return payload, w.mask(w.crc(checksum + data, w.crc(summed)))

    right = w.typed(GOOD["s"])[1]
    yield string("lengths-flipped", "a length is 2, not 1", b"\2" + good[1:], lengths_crc, good_crc)
    yield string(
        "length-crc-0", "the checksum of the lengths is 0", good[:3] + bytes(4) + good[7:],
        lengths_crc, good_crc,
    )
    yield string("data-flipped", "a byte of a string", good[:-1] + b"Z", mismatch, good_crc)
    yield string("crc-wrong", "the tensor's crc", good, mismatch, 5)
    for name, lengths in (
        ("2-40", (1 << 40, 0, 2)), ("2-63", (1 << 63, 0, 2)), ("2-64", ((1 << 64) - 1, 0, 2)),
        ("2-32", (1 << 32, 0, 2)),
    ):
        payload, crc = sealed(lengths, b"xyz")
        yield string(
            f"length-{name}", f"a length of 2^{name[2:]}, its checksum right", payload,
            Fails(TruncatedError, "past the end of the file"), crc,
            measured="SIGSEGV at get_tensor" if name == "2-40" else "",
        )
    payload, crc = sealed((1, 0, 90), b"xyz")
    yield string(
        "lengths-past-file", "lengths that run past the file", payload,
        Fails(TruncatedError, "past the end of the file"), crc,
    )
    yield string(
        "varint-11-bytes", "a length of 11 bytes", b"\x80" * 10 + b"\1" + good, endless, good_crc
    )
    yield string("varints-endless", "no end in the lengths", b"\xff" * 30, endless)
    long_lengths = b"\x81\0" + good[1:]
    yield string(
        "varint-long", "a length in a longer varint than needed", long_lengths, right, good_crc
    )
    yield string(
        "size-3-short", "size 3 bytes smaller than what the strings take", good, right, good_crc,
        size=len(good) - 3,
    )
    yield string("size-3-long", "size 3 bytes larger", good, right, good_crc, size=len(good) + 3)
    yield string("size-0", "size 0 for 3 strings", good, too_few, good_crc, size=0)
    yield string("size-minus-5", "size -5", good, corrupt("place is negative"), good_crc, size=-5)
    yield string(
        "size-past-file", "size past the file", good, Fails(TruncatedError, "ends before"),
        good_crc, size=5000,
    )
    yield string(
        "size-2-40", "size 2^40", good, Fails(TruncatedError, "ends before"), good_crc,
        size=1 << 40, stricter="TensorFlow refuses sizes past the file only up to some MiB",
    )
    yield string("count-4", "shape [4] for 3 strings", good, lengths_crc, good_crc, shape=(4,))
    yield string("count-2", "shape [2] for 3 strings", good, lengths_crc, good_crc, shape=(2,))
    for power in (20, 31, 40, 62):
        yield string(
            f"count-2-{power}", f"shape [2^{power}] for 3 strings", good, too_few, good_crc,
            shape=(1 << power,),
        )
    yield string(
        "none", "no strings, and their 4 bytes", w.string_payload([])[0], np.empty((0,), object),
        w.string_payload([])[1], shape=(0,),
    )
    yield string(
        "none-0-bytes", "no strings in 0 bytes", b"", np.empty((0,), object), w.mask(0), shape=(0,)
    )
    yield from _variants()
    yield from _odd_values()


def _is_bomb(array: Any) -> bool:
    """One value that stands for 2^40 takes no memory."""
    (tensor,) = array[0].tensors
    return bool(tensor.shape == (1 << 40,) and tensor[-1] == np.uint32(1).view(np.float32))


def _variants() -> Iterator[Case]:
    item = w.tensor_proto(np.array([1, 2], np.int32), label=True)
    payload, crc = w.variant_payload([(b"tensorflow::TensorList", b"m", [item])])
    checksum = Fails(ChecksumError, "checksum of a variant")

    def variant(
        name: str, what: str, raw: bytes, fails: Any, masked: int, shape: Any = (1,), **more: Any
    ) -> Case:
        return Case(
            22, f"variant-{name}", what,
            bundle(tensors={"v": w.Raw(21, shape, raw, masked), "a": GOOD["a"]}),
            {"a": VALUES["a"], "v": fails}, **more,
        )

    def of(tensor: bytes, more: bytes = b"") -> tuple[bytes, int]:
        return w.variant_payload([(b"t", b"", [tensor + more])])

    yield variant(
        "cut", "the last byte is missing", payload[:-1], corrupt("variant runs past"), crc
    )
    yield variant(
        "flipped", "a byte of the message", payload[:9] + b"!" + payload[10:], checksum, crc
    )
    yield variant(
        "length-2-63", "a length of 2^63", w.varint(1 << 63) + payload[1:],
        corrupt("variant runs past"), crc,
    )
    yield variant(
        "count-2-40", "shape [2^40]", payload, corrupt("too few bytes for"), crc, (1 << 40,)
    )
    yield variant(
        "crc-wrong", "the tensor's crc", payload, Fails(ChecksumError, "does not match"), 7
    )
    for name, tensor, what, fails in (
        ("garbage", b"\xff\xff", "a tensor that is no message", corrupt("")),
        (
            "dtype-99", w.int_field(1, 99), "a tensor of dtype 99",
            Fails(UnsupportedError, "are not read"),
        ),
        (
            "dim-minus-1", w.int_field(1, 1) + w.bytes_field(2, w.shape_proto((-1,))),
            "a tensor of shape [-1]", corrupt("shape cannot be"),
        ),
        (
            "bomb",
            w.int_field(1, 1) + w.bytes_field(2, w.shape_proto((1 << 40,))) + w.fixed32_field(5, 1),
            "one float for 2^40", _is_bomb,
        ),
        (
            "values-too-many",
            w.int_field(1, 3) + w.bytes_field(2, w.shape_proto((1,))) + w.bytes_field(7, b"\1\2"),
            "two values for one element", corrupt("more values than elements"),
        ),
        (
            "content-short",
            w.int_field(1, 3) + w.bytes_field(2, w.shape_proto((2,))) + w.bytes_field(4, bytes(7)),
            "7 bytes of content for 8", corrupt("content does not fit"),
        ),
        (
            "nested", w.int_field(1, 21) + w.bytes_field(2, w.shape_proto((1,))),
            "a tensor of variants", Fails(UnsupportedError, "are not read"),
        ),
        (
            "empty-2-62", w.int_field(1, 1) + w.bytes_field(2, w.shape_proto((0, 1 << 62))),
            "no elements in shape (0, 2^62)", Fails(UnsupportedError, ""),
        ),
        (
            "rank-100",
            w.int_field(1, 3)
            + w.bytes_field(2, w.shape_proto((1,) * 100))
            + w.bytes_field(7, b"\1"), "100 axes", Fails(UnsupportedError, ""),
        ),
        (
            "content-rank-100",
            w.int_field(1, 3)
            + w.bytes_field(2, w.shape_proto((1,) * 100))
            + w.bytes_field(4, bytes(4)), "100 axes, and content", Fails(UnsupportedError, ""),
        ),
        (
            "repeat-rank-100",
            w.int_field(1, 7)
            + w.bytes_field(2, w.shape_proto((1,) * 99 + (2,)))
            + w.bytes_field(8, b"s"), "100 axes of strings", Fails(UnsupportedError, ""),
        ),
    ):
        raw, masked = of(tensor)
        yield variant(f"tensor-{name}", what, raw, fails, masked)


def _odd_values() -> Iterator[Case]:
    def raw(
        name: str, what: str, dtype: int, stored: bytes, shape: tuple[int, ...], value: Any
    ) -> Case:
        return harmless(
            23, name, what, bundle(tensors={"x": w.Raw(dtype, shape, stored)}), values={"x": value}
        )

    yield raw(
        "bool-bytes", "bools stored as 0, 1, 2 and 255", 10, bytes([0, 1, 2, 255]), (4,),
        np.array([False, True, True, True]),
    )
    yield raw("bool-one-odd", "a bool scalar stored as 128", 10, b"\x80", (), np.array(True))
    nibbles = bytes([0xF8, 0x1F, 0x20, 0x07])
    yield raw(
        "int4-high-bits", "int4 with high bits set", 29, nibbles, (4,),
        np.array([-8, -1, 0, 7]).astype(ml_dtypes.int4),
    )
    yield raw(
        "uint4-high-bits", "uint4 with high bits set", 30, nibbles, (4,),
        np.array([8, 15, 0, 7]).astype(ml_dtypes.uint4),
    )
    yield raw(
        "int2-high-bits", "int2 with high bits set", 31, bytes([0xFE, 0x01, 0x30]), (3,),
        np.array([-2, 1, 0]).astype(ml_dtypes.int2),
    )
    for name, number, unsigned, bits in (
        ("float32", 1, "<u4", (0x7FC00001, 0xFF800001, 0x80000000, 1, 0x807FFFFF, 0x7F800000)),
        ("float64", 2, "<u8", (0x7FF8000000000001, 0xFFF0000000000001, 1 << 63, 1, (1 << 52) - 1)),
        ("float16", 19, "<u2", (0x7E01, 0xFC01, 0x8000, 1, 0x83FF)),
        ("bfloat16", 14, "<u2", (0x7FC1, 0xFF81, 0x8000, 1, 0x807F)),
        ("float8_e5m2", 24, "u1", (0x7F, 0xFD, 0x80, 1, 0x83)),
        ("complex64", 8, "<u4", (0x7FC00001, 0x80000000, 1, 0xFF800001)),
    ):
        stored = np.array(bits, unsigned)
        value = stored.astype(stored.dtype.newbyteorder("=")).view(np.dtype(name))
        yield raw(
            f"bits-{name}", f"NaN payloads, -0 and subnormals of {name}", number, stored.tobytes(),
            value.shape, value,
        )


# 26, 27: files.


def kinds_of_files() -> Iterator[Case]:
    def loop(folder: Path) -> None:
        (folder / "x.index").symlink_to("y.index")
        (folder / "y.index").symlink_to("x.index")

    not_here = Fails(CheckpointNotFoundError, "there is no checkpoint")
    yield refused(
        26, "index-link-loop", "x.index and y.index are links to each other", {}, not_here,
        arrange=loop,
    )

    def dangling(folder: Path) -> None:
        (folder / "x.index").symlink_to("nowhere")

    yield refused(
        26, "index-link-dangling", "x.index is a link to nothing", {}, not_here, arrange=dangling
    )

    def pipe(name: str) -> Callable[[Path], None]:
        return lambda folder: os.mkfifo(folder / name)

    not_file = Fails(CheckpointError, "is not a regular file")
    yield refused(
        26, "index-pipe", "x.index is a pipe that nobody writes to", {}, not_here,
        arrange=pipe("x.index"), waits=True,
    )
    yield refused(
        26, "index-pipe-named", "x.index is a pipe, and is named itself", {}, not_file,
        path="x.index", arrange=pipe("x.index"), waits=True,
    )
    only_index = {name: contents for name, contents in bundle().items() if name == "x.index"}
    yield Case(
        26, "data-pipe", "the data file is a pipe", only_index, dict.fromkeys(VALUES, not_file),
        arrange=pipe("x" + DATA), waits=True,
    )
    zero = Path("/dev/zero")
    yield Case(
        26, "data-device", "the data file is a link to /dev/zero", only_index,
        dict.fromkeys(VALUES, not_file),
        arrange=lambda folder: (folder / ("x" + DATA)).symlink_to(zero),
    )
    yield refused(
        26, "index-device", "x.index is a link to /dev/zero", {}, not_here,
        arrange=lambda folder: (folder / "x.index").symlink_to(zero),
    )
    yield Case(
        26, "data-folder", "the data file is a folder", {**only_index, f"x{DATA}/y": b""},
        dict.fromkeys(VALUES, not_file),
    )
    yield refused(26, "index-folder", "x.index is a folder", {"x.index/y": b""}, not_here)

    def links(folder: Path) -> None:
        for name in bundle():
            (folder / name).symlink_to(Path("there") / name)

    linked = {f"there/{name}": contents for name, contents in bundle().items()}
    yield harmless(
        26, "links", "index and data are links to files elsewhere", linked, arrange=links
    )
    yield Case(
        26, "data-missing", "no data file", only_index,
        dict.fromkeys(VALUES, Fails(CheckpointNotFoundError, "is missing")),
    )
    yield refused(
        26, "index-missing", "no index", {f"x{DATA}": bundle()[f"x{DATA}"]},
        Fails(CheckpointNotFoundError, ".index"),
    )


def folders() -> Iterator[Case]:
    other = bundle(tensors={name: tensor for name, tensor in GOOD.items() if name != "s"}, shards=2)
    yield harmless(
        27, "two-sets", "data files of another save, -of-00002, beside -of-00001",
        {**other, **bundle()},
    )
    leftovers = {
        "x.index.tempstate123": b"junk", f"x{DATA}.tempstate9": b"",
        "x_temp/part-00000-of-00001.index": b"", "x.meta": b"\xff",
    }
    yield harmless(27, "leftovers", "files that were being written", {**bundle(), **leftovers})
    for name, prefix in (
        ("dot", "x."), ("dots", "..."), ("space", " "), ("brackets", "a[b]*?{c}"),
        ("index", "x.index"), ("tilde", "~"), ("dash", "-x"),
    ):
        files = {f"{prefix}{key[1:]}": contents for key, contents in bundle().items()}
        yield harmless(27, f"prefix-{name}", f"the prefix is {prefix!r}", files, path=prefix)
    nameless = {f"d/{key[1:]}": contents for key, contents in bundle().items()}
    yield harmless(
        27, "prefix-empty", "the prefix ends in a slash: files d/.index and so on", nameless,
        path="d/.index",
    )
    yield harmless(
        27, "prefix-is-folder", "a folder x beside x.index", {**bundle(), "x/y": b""},
        note="not the folder",
    )
    five = bundle(header=w.header(2))
    yield harmless(
        27, "shards-2-named-1", "num_shards is 2, the only file is named -of-00001", five,
        note="data files are named for 1",
    )


# 28: V1.


def _hundred_axes(rows: w.Rows) -> w.Rows:
    """Let b have 100 axes, in the header and in its row's key."""
    extents = [WHOLE] * 100
    metas = [
        w.v1_tensor(b"a", (3,), 1, [[WHOLE]]), w.v1_tensor(b"b", (1,) * 99 + (4,), 9, [extents]),
        w.v1_tensor(b"p", (4, 5), 1, PIECES),
    ]
    row = w.v1_data(b"b", extents, w.tensor_proto(GOOD["b"].reshape(-1)))
    rows = w.replace_row(rows, b"", w.v1_meta(metas, None))
    rows = w.replace_row(rows, w.slice_key(b"b", [WHOLE] * 2), None)
    return sorted([*rows, (w.slice_key(b"b", extents), row)])


def v1() -> Iterator[Case]:  # noqa: PLR0915 - a list of cases
    tensors = {"a": GOOD["a"], "b": GOOD["b"], "p": w.Sliced(GRID, PIECES)}
    values = {"a": VALUES["a"], "b": VALUES["b"], "p": GRID}
    whole = [WHOLE, WHOLE]
    b_key = w.slice_key(b"b", whole)

    def file(edit: Edit | None = None, **options: Any) -> Files:
        return {"x": w.v1_table(tensors, edit_rows=edit, **options)}

    def meta(
        change: Callable[[dict[str, bytes]], None], versions: bytes | None = w.version_def()
    ) -> Edit:
        def edit(rows: w.Rows) -> w.Rows:
            found = {
                "a": w.v1_tensor(b"a", (3,), 1, [[WHOLE]]),
                "b": w.v1_tensor(b"b", (2, 2), 9, [whole]),
                "p": w.v1_tensor(b"p", (4, 5), 1, PIECES),
            }
            change(found)
            return w.replace_row(rows, b"", w.v1_meta(found.values(), versions))

        return edit

    def row(
        name: str, what: str, change: Callable[[bytes], bytes | None], says: str, **more: Any
    ) -> Case:
        return Case(
            28, f"v1-{name}", what, file(set_row(b_key, change)), {**values, "b": corrupt(says)},
            **more,
        )

    def header(
        name: str, what: str, b: bytes, fails: Fails, *, lists: bool = False, **more: Any
    ) -> Case:
        files = file(meta(lambda found: found.update(b=b)))
        return Case(
            28, f"v1-{name}", what, files, {**values, "b": fails}, listing=None if lists else fails,
            **more,
        )

    yield harmless(28, "v1-good", "nothing", file(), values=values)
    yield harmless(28, "v1-unpacked", "values not packed", file(packed=False), values=values)
    yield harmless(
        28, "v1-snappy-small-blocks", "blocks of a row each, compressed",
        file(compress=True, block_size=1), values=values,
    )
    yield harmless(
        28, "v1-no-versions", "no versions in the header", file(versions=None), values=values
    )
    cannot = corrupt("shape cannot be")
    yield header(
        "dim-minus-2", "shape [-2, 2]", w.v1_tensor(b"b", (-2, 2), 9, [whole]), cannot,
        measured="clean error",
    )
    yield header(
        "dims-2-62", "shape [2^62, 4]", w.v1_tensor(b"b", (1 << 62, 4), 9, [whole]), cannot,
        measured="clean error (huge)",
    )
    other_count = corrupt("another number of values")
    yield header(
        "shape-larger", "shape [2, 3] for 4 values", w.v1_tensor(b"b", (2, 3), 9, [whole]),
        other_count, lists=True,
    )
    yield header(
        "shape-2-40", "shape [2^40, 2] for 4 values", w.v1_tensor(b"b", (1 << 40, 2), 9, [whole]),
        corrupt(""), lists=True,
    )
    yield header(
        "dtype-99", "dtype 99", w.v1_tensor(b"b", (2, 2), 99, [whole]),
        Fails(UnsupportedError, "dtype"), lists=True, measured="clean error",
    )
    yield header(
        "dtype-0", "dtype 0", w.v1_tensor(b"b", (2, 2), 0, [whole]),
        corrupt("dtype is never stored"), lists=True,
    )
    yield header(
        "dtype-ref", "dtype 109, int64 reference", w.v1_tensor(b"b", (2, 2), 109, [whole]),
        corrupt("dtype is never stored"), lists=True,
    )
    yield header(
        "empty-2-62", "shape (0, 2^62)", w.v1_tensor(b"b", (0, 1 << 62), 9, [whole]),
        Fails(UnsupportedError, "more than this machine or NumPy can hold"), lists=True,
    )
    yield Case(
        28, "v1-rank-100-row", "100 axes, and a row with 4 values", file(_hundred_axes),
        {**values, "b": Fails(UnsupportedError, "")},
    )
    yield header(
        "dtype-other", "dtype float32 for int64 values", w.v1_tensor(b"b", (2, 2), 1, [whole]),
        other_count, lists=True,
    )
    yield header(
        "slices-none", "no slices", w.v1_tensor(b"b", (2, 2), 9, []),
        corrupt("the header lists none"), lists=True, measured="opens with {}",
    )
    yield header(
        "slice-partial", "one slice of the first row",
        w.v1_tensor(b"b", (2, 2), 9, [[(0, 1), WHOLE]]), corrupt("leave a hole"), lists=True,
    )
    yield header(
        "slice-outside", "a slice past the shape", w.v1_tensor(b"b", (2, 2), 9, [[(1, 2), WHOLE]]),
        corrupt("reaches outside"),
    )
    yield header(
        "slice-length-minus-10", "a slice of length -10",
        w.v1_tensor(b"b", (2, 2), 9, [[(0, -10), WHOLE]]), corrupt("extent of a slice"),
    )
    yield header(
        "slice-start-negative", "a slice from -3 on",
        w.v1_tensor(b"b", (2, 2), 9, [[(-3, 2), WHOLE]]), corrupt("extent of a slice"),
    )
    yield header(
        "slice-end-overflows", "a slice whose end is past 2^63",
        w.v1_tensor(b"b", (2, 2), 9, [[((1 << 63) - 1, 2), WHOLE]]), corrupt("extent of a slice"),
    )
    yield header(
        "slice-rank", "a slice of 3 axes", w.v1_tensor(b"b", (2, 2), 9, [[WHOLE] * 3]),
        corrupt("another rank"),
    )
    yield header(
        "slice-twice", "the same slice twice", w.v1_tensor(b"b", (2, 2), 9, [whole, whole]),
        corrupt("slices overlap"), lists=True,
    )
    yield Case(
        28, "v1-shapes-differ", "b listed twice, of two shapes",
        file(meta(lambda found: found.update(again=w.v1_tensor(b"b", (4,), 9, [])))),
        {**values, "b": corrupt("disagree about the tensor")},
        listing=corrupt("disagree about the tensor"),
        stricter="TensorFlow passes over a shape without slices",
    )
    yield row("row-missing", "the row of b is gone", lambda _: None, "has no row for it")
    proto = w.tensor_proto(GOOD["b"])
    for name, what, changed, says in (
        (
            "values-3", "3 values for 4 elements", w.tensor_proto(GOOD["b"].reshape(-1)[:3]),
            "another number of values",
        ),
        (
            "values-5", "5 values for 4 elements", w.tensor_proto(np.arange(5)),
            "another number of values",
        ),
        (
            "values-content", "values in tensor_content, which is not honoured",
            w.bytes_field(4, bytes(32)), "another number of values",
        ),
        ("varint-endless", "a packed varint without an end", w.bytes_field(10, b"\1\2\3\xff"), ""),
        (
            "varint-11-bytes", "a packed varint of 11 bytes",
            w.bytes_field(10, b"\x80" * 10 + b"\1"), "packed varint is too long",
        ),
        ("wire-type", "values as fixed64", w.varint(10 << 3 | 1) + bytes(8), "wrong wire type"),
    ):
        yield row(name, what, lambda _, changed=changed: w.v1_data(b"b", whole, changed), says)  # type: ignore[misc]
    yield row(
        "row-garbage", "the row of b is no message", lambda _: b"\xff\xff\xff", "",
        measured="clean error (garbage)",
    )
    yield row("row-cut", "the row of b ends too early", lambda value: value[:-3], "does not fit")
    yield row(
        "row-of-another", "the row of b names a", lambda _: w.v1_data(b"a", whole, proto),
        "values of another tensor", stricter="TensorFlow does not look",
    )
    newer = Fails(UnsupportedError, "written for newer readers")
    yield refused(
        28, "v1-min-consumer-9", "min_consumer is 9", file(versions=w.version_def(min_consumer=9)),
        newer,
    )
    yield refused(
        28, "v1-header-missing", "no header row", file(lambda rows: rows[1:]), corrupt("header row")
    )
    yield refused(
        28, "v1-header-garbage", "the header is no message", file(set_row(b"", lambda _: b"\xff")),
        corrupt("SlicesHeader"),
    )
    yield refused(
        28, "v1-header-is-v2", "a V2 index under a V1 name", {"x": bundle()["x.index"]},
        corrupt("index of a V2 checkpoint"),
    )
    yield refused(
        28, "v1-nothing-but-footer", "48 bytes of footer",
        {"x": bytes(40) + struct.pack("<Q", w.MAGIC)}, Fails(ChecksumError, "does not match"),
    )
    yield from _v1_sets()


_GARBAGE = "TensorFlow gives whatever was in memory for the slices of another shard"


def _v1_sets() -> Iterator[Case]:
    half = np.arange(4, dtype=np.float32).reshape(2, 2)
    top, bottom = [(0, 1), WHOLE], [(1, 1), WHOLE]

    def shard(pieces: Sequence[Any], whole: Any = half) -> bytes:
        return w.v1_table({"p": w.Sliced(whole, pieces)})

    def pair(first: bytes, second: bytes | None) -> Files:
        files = {"x-00000-of-00002": first}
        return files if second is None else {**files, "x-00001-of-00002": second}

    good = pair(shard([top]), shard([bottom]))
    for path in ("x-?????-of-00002", "x-00001-of-00002", "x"):
        yield harmless(
            28, f"v1-set{path[1:].translate(_PLAIN)}", f"two shards, asked for as {path}", good,
            values={"p": half}, path=path, stricter=_GARBAGE,
        )
    overlap = corrupt("slices overlap")
    where = "x-?????-of-00002"
    yield Case(
        28, "v1-set-overlap", "both shards have the first row",
        pair(shard([top]), shard([top, bottom])), {"p": overlap}, path=where,
    )
    yield Case(
        28, "v1-set-whole-twice", "both shards have all of it",
        pair(shard([[WHOLE, WHOLE]]), shard([[WHOLE, WHOLE]])), {"p": overlap}, path=where,
    )
    yield Case(
        28, "v1-set-shard-missing", "the second shard is missing", pair(shard([top]), None),
        {"p": corrupt("leave a hole")}, path=where, note="shard 1 of 2 is missing",
        stricter=_GARBAGE,
    )
    differ = corrupt("disagree about the tensor")
    yield Case(
        28, "v1-set-shapes-differ", "the shards give p two shapes",
        pair(shard([top]), shard([[(1, 1), WHOLE]], np.zeros((3, 2), np.float32))), {"p": differ},
        listing=differ, path=where,
    )
    junk = {"x-00000-of-00002": shard([top]), "x-00001-of-00002": b"junk"}
    yield refused(
        28, "v1-set-shard-junk", "the second shard is no table", junk,
        Fails(TruncatedError, "does not end as a table"), path=where,
    )


CASES: tuple[Case, ...] = (
    *files_and_footers(), *blocks(), *headers(), *entries(), *slices(), *values(),
    *kinds_of_files(), *folders(), *v1(),
)


# fmt: on

# What TensorFlow makes of them. Its worker is imported only here: no other test needs TensorFlow.


@dataclass(frozen=True)
class Outcome:
    """A case as TensorFlow reads it, and where that and ours cannot both stand."""

    case: Case
    tensorflow: str
    ours: str
    wrong: list[str]


def compared(folder: Path) -> list[Outcome]:
    """Hand every case to TensorFlow in a process of its own."""
    import signal

    import tf_oracle

    class Oracle(tf_oracle.TensorFlow):
        """One that says by which signal it died."""

        def _bury(self) -> tf_oracle.Refusal:
            self._process.join(60)
            code = self._process.exitcode
            died = super()._bury()
            name = signal.Signals(-code).name if code and code < 0 else f"exit {code}"
            return tf_oracle.Refusal(name, died.text)

    with Oracle() as oracle:
        return [_compared(case, str(case.write(folder / case.name)), oracle) for case in CASES]


def _compared(case: Case, path: str, oracle: Any) -> Outcome:  # noqa: C901
    from tf_oracle import Refusal, value_of

    if case.waits:
        return Outcome(case, "waits for ever", _ours(case), [])
    listing = oracle.listing(path)
    if isinstance(listing, Refusal):
        return Outcome(case, _short(listing), _ours(case), [])
    said, wrong = [], []
    for key, (dtype, _) in listing.items():
        name = key.decode("utf-8", "surrogateescape")
        got = oracle.get(path, key)
        if isinstance(got, Refusal):
            restored = oracle.restore(path, key, dtype)
            got = got if isinstance(restored, Refusal) else restored
        if isinstance(got, Refusal):
            said.append(f"{_named(name)}: {_short(got)}")
            continue
        expected = case.values.get(name)
        if callable(expected) or case.stricter:
            continue
        if expected is None or isinstance(expected, Fails):
            wrong.append(f"TensorFlow reads {name!r}, we do not")
        elif value_of(np.asarray(expected)) != got:
            wrong.append(f"{name!r} is another array in TensorFlow: {got}"[:300])
    missing = [
        _named(name)
        for name, v in case.values.items()
        if name.encode("utf-8", "surrogateescape") not in listing
    ]
    if not listing:
        said.append("lists nothing")
    elif missing:
        said.append(f"does not list {', '.join(missing)}")
    return Outcome(case, "; ".join(said) or "reads", _ours(case), wrong)


def _named(name: str) -> str:
    return name if name.isprintable() and len(name) < 12 else "a long or odd name"


def _short(refusal: Any) -> str:
    """The kind of a refusal and the beginning of its text."""
    text = " ".join(str(refusal).split())
    return text if len(text) < 110 else text[:107] + "..."


def _ours(case: Case) -> str:
    for what, fails in (("open", case.opening), ("list", case.listing)):
        if fails:
            return f"{what}: {fails.kind.__name__} {fails.says}".strip()
    failing = {name: value for name, value in case.values.items() if isinstance(value, Fails)}
    said = [
        f"{_named(name)}: {fails.kind.__name__} {fails.says}" for name, fails in failing.items()
    ]
    if len({(fails.kind, fails.says) for fails in failing.values()}) == 1 and len(said) > 1:
        said = ["all" + said[0][said[0].index(":") :]] if len(said) == len(case.values) else said
    return "; ".join(said) or "reads"


def as_table(outcomes: Sequence[Outcome]) -> str:
    """A row per case: group, name, what is changed, TensorFlow, this package."""
    rows = [("", "case", "change", "TensorFlow", "tfckpt_reader")]
    rows += [
        (str(o.case.group), o.case.name, o.case.change, o.tensorflow, o.ours) for o in outcomes
    ]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows
    )


def main() -> None:
    """Write every case to a folder of its own, or print the table."""
    if sys.argv[1:] != ["--table"]:
        for case in CASES:
            case.write(Path(sys.argv[1]) / case.name)
        return
    import tempfile

    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # paths in messages begin with the name of the case
        outcomes = compared(Path())
        os.chdir(here)
    print(as_table(outcomes))  # noqa: T201 - what was asked for
    for outcome in outcomes:
        for wrong in outcome.wrong:
            print(f"WRONG {outcome.case.name}: {wrong}")  # noqa: T201


if __name__ == "__main__":
    main()
