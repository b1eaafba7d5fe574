"""Groups 5 to 12: blocks."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import writers as w

from hostile.case import Case, Fails, Files, corrupt
from hostile.good import (
    GOOD,
    VALUES,
    bundle,
    entry_bytes,
    good_rows,
    one_block,
    plain_entries,
    raw_block,
    two_blocks,
    with_index,
)
from hostile.rows import harmless, refused, second_block
from tfckpt_reader.errors import (
    ChecksumError,
    TensorNotFoundError,
)

# Several arguments stand on a line: there are many cases.
# fmt: off


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
