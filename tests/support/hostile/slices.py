"""Group 20: slices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import writers as w

from hostile.case import WHOLE, Case, Edit, Fails, corrupt
from hostile.good import (
    GRID,
    PIECE_KEYS,
    PIECES,
    SLICED,
    SLICED_VALUES,
    VALUES,
    bundle,
    set_entry,
    set_row,
)
from hostile.rows import harmless
from tfckpt_reader.errors import (
    ChecksumError,
    TruncatedError,
)

# Several arguments stand on a line: there are many cases.
# fmt: off


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
