"""An index entry or header of any bytes: the spec an own parser of protobuf gives, or our error.

Besides: whatever spec comes out is possible (shape, slices), and its entry written anew is read as
the same spec.
"""

from __future__ import annotations

import functools
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import harness
import writers as w

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.formats.v2.bundle import Bundle

_FOLDER = functools.lru_cache(harness.Folder)
_SCALARS = {3: "shard", 4: "offset", 5: "size"}


def one(data: bytes) -> None:
    choices = harness.Choices(data)
    kind = choices.below(4)
    if kind == 3:
        _header(choices)
        return
    value = choices.rest() if kind == 0 else _entry(choices, edits=kind == 2)
    expected = _parsed_entry(value)
    try:
        spec = _bundle().spec_of(b"x", value, _nothing)
    except CheckpointError:
        assert expected is None or not expected.possible()
        return
    assert all(size >= 0 for size in spec.shape)
    assert prod(spec.shape) < 1 << 63
    assert len(spec.shape) <= 254
    for piece in spec.slices:
        whole = zip(piece.start, piece.shape, spec.shape, strict=True)
        assert all(0 <= start <= start + size <= all_of for start, size, all_of in whole)
    if expected is not None:
        assert (int(spec.dtype), spec.shape) == (expected.dtype, tuple(expected.dims))
        assert [piece.extents for piece in spec.slices] == expected.slices
        if not expected.slices:
            found = (spec.shard, spec.offset, spec.nbytes, w.mask(spec.crc32c or 0))
            assert found == (*(expected.numbers.get(n, 0) for n in (3, 4, 5)), expected.crc)
    stored = {"crc": None if spec.slices else w.mask(spec.crc32c or 0)}
    for name in ("shard", "offset"):
        stored[name] = getattr(spec, name)
    if not spec.slices:
        stored["size"] = spec.nbytes
    slices = [piece.extents for piece in spec.slices] or None
    again = w.entry(int(spec.dtype), spec.shape, slices=slices, **stored)
    assert _bundle().spec_of(b"x", again, _nothing) == spec


def _nothing(_key: bytes) -> None:
    """No row of a slice is there."""


@functools.lru_cache
def _bundle() -> Bundle:
    files = w.bundle_files({})
    _FOLDER().fill({f"b{suffix}": contents for suffix, contents in files.items()})
    return Bundle(str(Path(_FOLDER().path) / "b"))


def _header(choices: harness.Choices) -> None:
    """A header of any bytes: a bundle, or our error; also for one without a header."""
    _bundle()
    path = Path(_FOLDER().path)
    value = choices.rest()
    rows = [(b"", value)] if value else []
    (path / "h.index").write_bytes(w.table([*rows, (b"x", w.entry(1, (2,), size=8))]))
    try:
        bundle = Bundle(str(path / "h"))
    except CheckpointError:
        assert harness.wire_fields(value) is None or 3 in {
            n for n, _, _ in harness.wire_fields(value) or []
        }
        return
    found = harness.wire_fields(value) if value else None
    if found is not None:
        counts = [harness.signed(v, 32) for n, wire, v in found if (n, wire) == (1, 0)]
        assert bundle.header.num_shards == (counts[-1] if counts else 0)
    assert list(bundle.listing()) == ["x"]


@dataclass
class _Entry:
    """What an entry says, by the rules of protobuf: of a scalar the last, messages merged."""

    dtype: int = 0
    dims: list[int] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)
    crc: int = 0
    slices: list[tuple[tuple[int, int], ...]] = field(default_factory=list)

    def possible(self) -> bool:
        """Return whether a reader must accept it."""
        if self.dtype not in range(1, 34) or len(self.dims) > 254 or min(self.dims, default=0) < 0:
            return False
        if prod(self.dims) >= 1 << 63:
            return False
        return all(
            len(extents) == len(self.dims)
            and all(
                (start, length) == (0, -1) or (start >= 0 and length > 0 and start + length <= size)
                for (start, length), size in zip(extents, self.dims, strict=True)
            )
            for extents in self.slices
        )


def _parsed_entry(value: bytes) -> _Entry | None:
    """The entry; None where the bytes are no message, or have groups."""
    entry = _Entry()
    for number, wire, found in harness.wire_fields(value) or [(0, 0, 0)]:
        if number == 0 or (wire == 2 and number in (2, 7) and harness.wire_fields(found) is None):
            return None if value else entry
        if (number, wire) == (1, 0):
            entry.dtype = harness.signed(found, 32)
        elif (number, wire) == (2, 2):
            dims = _dims(found)
            if dims is None:
                return None
            entry.dims += dims
        elif number in _SCALARS and wire == 0:
            entry.numbers[number] = harness.signed(found, 32 if number == 3 else 64)
        elif (number, wire) == (6, 5):
            (entry.crc,) = struct.unpack("<I", found)
        elif (number, wire) == (7, 2):
            extents = _extents(found)
            if extents is None:
                return None
            entry.slices.append(extents)
    return entry


def _dims(message: bytes) -> list[int] | None:
    sizes = []
    for number, wire, found in harness.wire_fields(message) or []:
        if (number, wire) == (2, 2):
            inner = harness.wire_fields(found)
            if inner is None:
                return None
            sizes.append(
                ([harness.signed(v, 64) for n, wire, v in inner if (n, wire) == (1, 0)] or [0])[-1]
            )
    return sizes


def _extents(message: bytes) -> tuple[tuple[int, int], ...] | None:
    extents = []
    for number, wire, found in harness.wire_fields(message) or []:
        if (number, wire) == (1, 2):
            inner = harness.wire_fields(found)
            if inner is None:
                return None
            starts = [harness.signed(v, 64) for n, wire, v in inner if (n, wire) == (1, 0)] or [0]
            lengths = [harness.signed(v, 64) for n, wire, v in inner if (n, wire) == (2, 0)] or [-1]
            extents.append((starts[-1], lengths[-1]))
    return tuple(extents)


def _entry(choices: harness.Choices, *, edits: bool) -> bytes:
    """Fields in any order, most of them right."""
    fields: list[bytes] = []
    while choices and len(fields) < 12:
        number = choices.below(10)
        if number in (2, 7):
            sizes = [choices.below(6) for _ in range(choices.below(5))]
            if choices.below(8) == 1:
                sizes = [choices.number() for _ in range(choices.below(5))]
            pairs = list(zip(sizes[::2], sizes[1::2], strict=False))
            message = w.shape_proto(sizes) if number == 2 else w.slice_proto(pairs)
            fields.append(w.bytes_field(number, message))
        elif number == 6:
            fields.append(w.fixed32_field(6, choices.number() & 0xFFFFFFFF))
        elif number == 1:
            fields.append(w.int_field(1, choices.below(40)))
        elif number == 0:
            fields.append(w.varint(choices.below(128)) + choices.some(8))
        else:
            fields.append(w.int_field(number, choices.number()))
    value = b"".join(fields)
    for _ in range(1 + choices.below(3) if edits else 0):
        value = harness.edited(value, choices)
    return value


def seeds() -> Iterator[bytes]:
    whole = w.entry(1, (2, 3), shard=1, offset=8, size=24, crc=77)
    sliced = w.entry(9, (4, 5), slices=[[(0, 2), (0, -1)], [(2, 2), (0, 5)]])
    for value in (b"", whole, sliced, w.entry(7, (), size=5), w.entry(1, (0, 7))):
        yield b"\0" + value
    yield (
        b"\0"
        + whole
        + sliced
        + whole
        + w.bytes_field(100, b"unknown")
        + w.bytes_field(2, b"\x18\1")
    )
    yield b"\0" + w.entry(1, (1 << 32, 1 << 32)) + b"\x0b\x08\1\x0c"
    yield b"\0" + w.entry(1, (-5,), size=-1, offset=-8, shard=-1)
    yield bytes([1, 1, 1, 2, 2, 4, 5, 0, 7, 4, 0, 2, 0, 5, 0, 5, 1, 4, 6, 1, 9, 3, 1, 1])
    yield bytes([2, 1, 3, 2, 3, 1, 2, 3, 0, 4, 1, 30, 5, 1, 36, 0, 9, 3, 1, 2, 3, 1, 4, 0, 5])
    for value in (b"", w.header(), w.header(2, endianness=1), w.header(0, min_consumer=9)):
        yield b"\3" + value
    yield b"\3" + w.header(1, producer=-1, bad_consumers=(3, 1)) + w.int_field(1, -1)


if __name__ == "__main__":
    harness.main("entries")
