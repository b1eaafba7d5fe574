"""Group 28: V1."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import writers as w

from hostile.case import _PLAIN, WHOLE, Case, Edit, Fails, Files, corrupt
from hostile.files import _hundred_axes
from hostile.good import GOOD, GRID, PIECES, VALUES, bundle, set_row
from hostile.rows import harmless, refused
from tfckpt_reader.errors import (
    ChecksumError,
    TruncatedError,
    UnsupportedError,
)

# Several arguments stand on a line: there are many cases.
# fmt: off


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
