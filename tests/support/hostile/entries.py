"""Groups 13 to 19: the header and the entries."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import writers as w

from hostile.case import DATA, Case, Fails, corrupt
from hostile.good import GOOD, VALUES, append, bundle, set_entry, set_row
from hostile.rows import bad_entry, harmless, refused
from tfckpt_reader.errors import (
    CheckpointNotFoundError,
    ChecksumError,
    TensorNotFoundError,
    TruncatedError,
    UnsupportedError,
)

# Several arguments stand on a line: there are many cases.
# fmt: off


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
    negative, size = corrupt("position is negative"), corrupt("size does not fit")
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
    yield harmless(
        18, "empty-past-end", "an empty tensor 1 byte past the end of the file",
        bundle(set_entry("e", offset=13), empties), values=empties,
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
