"""Groups 1 to 4: the file and its footer."""

from __future__ import annotations

from collections.abc import Iterator

import writers as w

from hostile.case import Case, Fails, Files, corrupt
from hostile.good import bundle, footer_of, index_edit, with_index
from hostile.rows import harmless, refused, second_block
from tfckpt_reader.errors import (
    ChecksumError,
    TruncatedError,
)

# Several arguments stand on a line: there are many cases.
# fmt: off


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
