"""Write TensorFlow checkpoint files by hand, byte by byte, for the tests.

Every byte is put together here, without protobuf and without the package under test, so that a
mistake in the reader cannot hide behind the same mistake in the writer. Good files come out of
`write_bundle` (V2) and `write_v1`; hostile ones are made by editing rows before they are sealed
(`edit_rows`), by placing blocks by hand (`seal`, `assemble`), or by giving `Raw` bytes for a
tensor. Nothing is checked: what is asked for is written, right or wrong.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, zip_longest
from pathlib import Path
from typing import Any, Literal, TypeAlias

import crc32c
import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Rows: TypeAlias = list[tuple[bytes, bytes]]
Extents: TypeAlias = Sequence[tuple[int, int]]  # (start, length) per axis, (0, -1): all of it

MAGIC = 0xDB4775248B80FB57
STRING, VARIANT = 7, 21
# NumPy's dtype names in the order of TensorFlow's numbers, "-" where there is none.
_NAMES = """
    - float32 float64 int32 uint8 int16 int8 object complex64 int64 bool - - - bfloat16 - - uint16
    complex128 float16 - - uint32 uint64 float8_e5m2 float8_e4m3fn float8_e4m3fnuz
    float8_e4m3b11fnuz float8_e5m2fnuz int4 uint4 int2 uint2 float4_e2m1fn
"""
DTYPES = {name: number for number, name in enumerate(_NAMES.split()) if name != "-"}
_LOW_BITS = {"int4": 0x0F, "uint4": 0x0F, "int2": 0x03, "uint2": 0x03, "float4_e2m1fn": 0x0F}


# Coding: varints, crcs, protobuf fields, ordered code.


def varint(n: int) -> bytes:
    """Encode base 128, low group first; a negative is its 64-bit two's complement, 10 bytes."""
    n &= (1 << 64) - 1
    groups = bytearray()
    while n >= 0x80:
        groups.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*groups, n])


def crc(data: bytes, value: int = 0) -> int:
    """CRC-32C of `data`, continuing the finished crc `value`."""
    return crc32c.crc32c(data, value)


def mask(value: int) -> int:
    """Rotate a crc right by 15 bits and add a constant: the form in which files store it."""
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    """The 4 bytes, little-endian, that a file stores for the crc of `data`."""
    return struct.pack("<I", mask(crc(data)))


def int_field(number: int, n: int) -> bytes:
    """Tag with wire type 0, then a varint; zero is written too."""
    return varint(number << 3) + varint(n)


def bytes_field(number: int, data: bytes) -> bytes:
    """Tag with wire type 2, varint length, then the bytes: a string or a message."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def fixed32_field(number: int, n: int) -> bytes:
    """Tag with wire type 5, then 4 bytes little-endian."""
    return varint(number << 3 | 5) + struct.pack("<I", n)


def _varint_at(data: bytes, start: int) -> tuple[int, int]:
    """The varint at an offset, and the offset after it."""
    end = next(i for i in count(start) if data[i] < 0x80) + 1
    return sum((byte & 0x7F) << 7 * i for i, byte in enumerate(data[start:end])), end


def split_fields(message: bytes) -> list[tuple[int, bytes]]:
    """Cut a message into pairs: field number, the bytes of the field with its tag."""
    fields, end = [], 0
    while end < len(message):
        start = end
        tag, end = _varint_at(message, start)
        size, after = _varint_at(message, end) if tag & 7 in (0, 2) else (0, end)
        end = {0: after, 1: end + 8, 2: after + size, 5: end + 4}[tag & 7]
        fields.append((tag >> 3, message[start:end]))
    return fields


def ordered_number(n: int) -> bytes:
    """One byte k, then `n` big-endian in the fewest k bytes (none for zero)."""
    size = (n.bit_length() + 7) // 8
    return bytes([size]) + n.to_bytes(size, "big")


def ordered_string(data: bytes) -> bytes:
    """The bytes with 00 as 00 ff and ff as ff 00, ended by 00 01."""
    escapes = {0x00: b"\0\xff", 0xFF: b"\xff\0"}
    return b"".join(escapes.get(byte, bytes([byte])) for byte in data) + b"\0\1"


def ordered_signed(n: int) -> bytes:
    """`size` bytes with 7 * size - 1 bits of two's complement after `size` bits telling size."""
    size = next(k for k in count(1) if (~n if n < 0 else n) < 1 << (7 * k - 1))
    head = (1 << size) - 1 << 7 * size
    return (n & ((1 << 8 * size) - 1) ^ head).to_bytes(size, "big")


def slice_key(name: bytes, extents: Extents) -> bytes:
    """Row key of one piece: 0, name, rank, then start and length per axis, all ordered code."""
    head = ordered_number(0) + ordered_string(name) + ordered_number(len(extents))
    return head + b"".join(ordered_signed(n) for extent in extents for n in extent)


# Table: sorted rows to blocks to a file.


def _shared(a: bytes, b: bytes) -> int:
    """Length of the common prefix."""
    pairs = enumerate(zip(a, b, strict=False))
    return next((i for i, (x, y) in pairs if x != y), min(len(a), len(b)))


class _Block:
    """A block being filled: entries of shared, unshared and value size, key rest, value."""

    def __init__(self, restart_interval: int) -> None:
        self.interval, self.contents, self.restarts = restart_interval, bytearray(), [0]
        self.keys: list[bytes] = []

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if len(self.keys) % self.interval:
            shared = _shared(self.keys[-1], key)
        elif self.keys:
            self.restarts.append(len(self.contents))
        self.keys.append(key)
        self.contents += varint(shared) + varint(len(key) - shared) + varint(len(value))
        self.contents += key[shared:] + value

    def size(self) -> int:
        return len(self.contents) + 4 * len(self.restarts) + 4

    def finish(self) -> bytes:
        n = len(self.restarts)
        return bytes(self.contents) + struct.pack(f"<{n + 1}I", *self.restarts, n)


def block(rows: Iterable[tuple[bytes, bytes]], *, restart_interval: int = 16) -> bytes:
    """Contents of a block: entries, u32le offset of every restart, u32le number of restarts."""
    building = _Block(restart_interval)
    for key, value in rows:
        building.add(key, value)
    return building.finish()


def seal(contents: bytes, *, compress: bool = False, kind: int | None = None) -> bytes:
    """A block as stored: contents (or their raw snappy form), type byte, masked crc of both."""
    if compress:  # imported by name: it has no types, and most tests do not need it
        contents = importlib.import_module("snappy").compress(contents)
    with_type = contents + bytes([int(compress) if kind is None else kind])
    return with_type + masked(with_type)


def handle(offset: int, size: int) -> bytes:
    """The handle of a block: varint offset, varint size without the trailer."""
    return varint(offset) + varint(size)


def footer(metaindex: tuple[int, int], index: tuple[int, int], *, magic: int = MAGIC) -> bytes:
    """The last 48 bytes: two handles, zeros up to byte 40, the magic number as u64le."""
    return (handle(*metaindex) + handle(*index)).ljust(40, b"\0") + struct.pack("<Q", magic)


def assemble(
    blocks: Iterable[tuple[bytes, bytes]],
    *,
    index: bytes | None = None,
    index_compress: bool = False,
    handle_suffix: bytes = b"",
) -> bytes:
    """A table file out of (separator, sealed block) pairs.

    `index` replaces the sealed index block; `handle_suffix` follows each handle in it.
    """
    rows, body = [], bytearray()
    for separator, sealed in blocks:
        rows.append((separator, handle(len(body), len(sealed) - 5) + handle_suffix))
        body += sealed
    metaindex = seal(block([]))
    if index is None:
        index = seal(block(rows, restart_interval=1), compress=index_compress)
    after = len(body) + len(metaindex)
    handles = (len(body), len(metaindex) - 5), (after, len(index) - 5)
    return bytes(body) + metaindex + index + footer(*handles)


def table(
    rows: Iterable[tuple[bytes, bytes]],
    *,
    block_size: int = 262144,
    restart_interval: int = 16,
    compress: bool = False,
    index_compress: bool = False,
    separators: Literal["short", "last"] = "short",
    handle_suffix: bytes = b"",
) -> bytes:
    """A table file of the rows as given, neither sorted nor checked, cut as TensorFlow cuts them.

    A block ends once it has `block_size` bytes, or before a row of twice as many. Index keys are
    shortened as TensorFlow does, or (`last`) the last key of each block.
    """
    blocks = [_Block(restart_interval)]
    for key, value in rows:
        full = blocks[-1].size() >= block_size or len(key) + len(value) >= 2 * block_size
        if full and blocks[-1].keys:
            blocks.append(_Block(restart_interval))
        blocks[-1].add(key, value)
    blocks = [each for each in blocks if each.keys]
    firsts = [each.keys[0] for each in blocks[1:]]
    sealed = []
    for each, after in zip_longest(blocks, firsts):
        last = each.keys[-1]
        separator = short_separator(last, after) if separators == "short" else last
        sealed.append((separator, seal(each.finish(), compress=compress)))
    return assemble(sealed, index_compress=index_compress, handle_suffix=handle_suffix)


def short_separator(last: bytes, after: bytes | None) -> bytes:
    """A key >= `last`, and < `after` (the next block's first key) unless that is None."""
    if after is None:
        at = len(last) - len(last.lstrip(b"\xff"))
        cut_here = at < len(last)
    else:
        at = _shared(last, after)
        cut_here = at < min(len(last), len(after)) and last[at] + 1 < after[at]
    return last[:at] + bytes([last[at] + 1]) if cut_here else last


# Protos of the index, and edits to its rows.


def shape_proto(shape: Sequence[int]) -> bytes:
    """TensorShapeProto: one dim (field 2) per axis; a zero-sized axis is an empty message."""
    return b"".join(bytes_field(2, int_field(1, n) if n else b"") for n in shape)


def slice_proto(extents: Extents, *, explicit_zeros: bool = False) -> bytes:
    """TensorSliceProto: one extent per axis; length -1 is absent, start 0 too unless asked for."""
    axes = []
    for start, length in extents:
        axis = int_field(1, start) if start or explicit_zeros else b""
        axes.append(axis + (int_field(2, length) if length != -1 else b""))
    return b"".join(bytes_field(1, axis) for axis in axes)


def version_def(
    producer: int = 1, min_consumer: int = 0, bad_consumers: Sequence[int] = ()
) -> bytes:
    """VersionDef, zeros absent, `bad_consumers` packed."""
    fields = int_field(1, producer) if producer else b""
    fields += int_field(2, min_consumer) if min_consumer else b""
    bad = b"".join(varint(n) for n in bad_consumers)
    return fields + (bytes_field(3, bad) if bad else b"")


def header(num_shards: int = 1, *, endianness: int = 0, **version: Any) -> bytes:
    """BundleHeaderProto, the value under the empty key; `version` as for `version_def`."""
    fields = int_field(1, num_shards) if num_shards else b""
    fields += int_field(2, endianness) if endianness else b""
    return fields + bytes_field(3, version_def(**version))


def _shape_field(number: int, shape: Sequence[int] | bytes) -> bytes:
    return bytes_field(number, shape if isinstance(shape, bytes) else shape_proto(shape))


def _slice_fields(number: int, slices: Iterable[Extents | bytes]) -> bytes:
    protos = (piece if isinstance(piece, bytes) else slice_proto(piece) for piece in slices)
    return b"".join(bytes_field(number, proto) for proto in protos)


_ENTRY: dict[str, tuple[int, Callable[[int, Any], bytes]]] = {
    "dtype": (1, int_field),
    "shape": (2, _shape_field),
    "shard": (3, int_field),
    "offset": (4, int_field),
    "size": (5, int_field),
    "crc": (6, fixed32_field),
    "slices": (7, _slice_fields),
}


def _entry_fields(values: Mapping[str, Any]) -> list[tuple[int, bytes]]:
    return [(_ENTRY[name][0], _ENTRY[name][1](_ENTRY[name][0], values[name])) for name in values]


def entry(dtype: int, shape: Sequence[int] | bytes | None, **fields: Any) -> bytes:
    """BundleEntryProto, zeros and Nones absent.

    `fields`: shard, offset and size in bytes, crc (masked, as stored), slices (each extents or
    the bytes of a TensorSliceProto). The shape may be the bytes of a TensorShapeProto.
    """
    given = {"dtype": dtype, "shape": shape, **fields}
    present = {name: value for name, value in given.items() if value not in (0, None)}
    return b"".join(data for _, data in sorted(_entry_fields(present)))


def replace_row(rows: Rows, key: bytes, value: bytes | None) -> Rows:
    """The rows with another value under `key`, or without it (None); KeyError if there is none."""
    if key not in dict(rows):
        raise KeyError(key)
    changed = [(k, value if k == key else v) for k, v in rows]
    return [(k, v) for k, v in changed if v is not None]


def edit_entry(rows: Rows, key: bytes, **fields: Any) -> Rows:
    """The rows with these fields of the entry under `key` set, even to zero; None removes one."""
    new = _entry_fields({name: value for name, value in fields.items() if value is not None})
    gone = {_ENTRY[name][0] for name in fields}
    kept = [field for field in split_fields(dict(rows)[key]) if field[0] not in gone]
    by_number = sorted(kept + new, key=lambda field: field[0])
    return replace_row(rows, key, b"".join(data for _, data in by_number))


# Tensors and their payloads.


@dataclass(frozen=True)
class Strings:
    """A string tensor, its elements in row-major order."""

    values: Sequence[bytes]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Typed:
    """An array stored under a dtype number of its own, such as int8 as 11 (qint8)."""

    dtype: int
    array: Array


@dataclass(frozen=True)
class Raw:
    """Bytes stored as they are, in V2; `crc` is masked, None for the right one."""

    dtype: int
    shape: tuple[int, ...]
    payload: bytes
    crc: int | None = None


@dataclass(frozen=True)
class Variants:
    """A variant tensor, in V2: per element its type name, metadata and TensorProtos."""

    values: Sequence[tuple[bytes, bytes, Sequence[bytes]]]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Sliced:
    """A tensor of which these pieces are stored; `shards` has one number per piece, or none."""

    whole: Array | Strings | Typed
    pieces: Sequence[Extents]
    shards: Sequence[int] = ()


Plain: TypeAlias = "Array | Strings | Typed"
Tensor: TypeAlias = "Plain | Raw | Variants | Sliced"


def typed(tensor: Plain) -> tuple[int, Array]:
    """Dtype number and array; strings become an object array."""
    if isinstance(tensor, Typed):
        return tensor.dtype, tensor.array
    if isinstance(tensor, Strings):
        array = np.empty(len(tensor.values), object)
        array[:] = tensor.values
        return STRING, array.reshape(tensor.shape)
    return DTYPES[tensor.dtype.name], tensor


def cut(array: Array, extents: Extents) -> Array:
    """The piece of the array that the extents name."""
    axes = (slice(start, None if size < 0 else start + size) for start, size in extents)
    where = (*axes, ...)
    return array[where]


def dense_payload(array: Array, *, big_endian: bool = False) -> bytes:
    """Row-major elements; a complex is two numbers, a sub-byte element the low bits of a byte."""
    native = array.astype(array.dtype.newbyteorder("=")).reshape(-1)
    width = native.itemsize // (2 if native.dtype.kind == "c" else 1)
    words = native.view(f"u{width}")
    if array.dtype.name in _LOW_BITS:
        words = words & _LOW_BITS[array.dtype.name]
    return words.astype(f"{'>' if big_endian else '<'}u{width}").tobytes()


def string_payload(values: Sequence[bytes], *, big_endian: bool = False) -> tuple[bytes, int]:
    """Varint lengths, masked crc of the lengths, all bytes; and the masked crc of the tensor.

    The crc sees a length as 4 bytes (8 from 2**32 on), and the checksum of the lengths as stored.
    """
    order, running = ">" if big_endian else "<", 0
    for size in map(len, values):
        running = crc(struct.pack(order + ("I" if size < 1 << 32 else "Q"), size), running)
    rest = struct.pack(order + "I", mask(running)) + b"".join(values)
    return b"".join(varint(len(v)) for v in values) + rest, mask(crc(rest, running))


def variant_payload(values: Sequence[tuple[bytes, bytes, Sequence[bytes]]]) -> tuple[bytes, int]:
    """Per element: varint length, VariantTensorDataProto, masked crc so far; and the last crc.

    The crc sees a length as 8 bytes little-endian, and goes on over each checksum as stored.
    """
    payload, running = b"", 0
    for type_name, metadata, tensors in values:
        proto = bytes_field(1, type_name) + (bytes_field(2, metadata) if metadata else b"")
        proto += b"".join(bytes_field(3, tensor) for tensor in tensors)
        running = crc(struct.pack("<Q", len(proto)) + proto, running)
        checksum = struct.pack("<I", mask(running))
        running = crc(checksum, running)
        payload += varint(len(proto)) + proto + checksum
    return payload, mask(running)


# dtype number: (TensorProto field, its wire type); any other integer is in int_val, 7.
_VALUE = {1: (5, 5), 2: (6, 1), 8: (9, 5), 18: (12, 1), 9: (10, 0), 10: (11, 0), 14: (13, 0)}
_VALUE |= {19: (13, 0), 22: (16, 0), 23: (17, 0)}


def tensor_proto(
    tensor: Plain | Sequence[bytes], *, packed: bool = True, label: bool = False
) -> bytes:
    """TensorProto with the typed field alone, as in V1; `label` adds dtype and shape."""
    if not isinstance(tensor, (np.ndarray, Strings, Typed)):
        tensor = Strings(tensor, (len(tensor),))
    dtype, array = typed(tensor)
    head = int_field(1, dtype) + bytes_field(2, shape_proto(array.shape)) if label else b""
    if dtype == STRING:
        return head + b"".join(bytes_field(8, value) for value in array.flat)
    number, wire = _VALUE.get(dtype, (7, 0))
    if dtype in (24, 25, 26, 27, 28, 33):  # float8 and float4: one bytes field, a byte each
        return head + bytes_field(18, dense_payload(array))
    if wire:
        data, width = dense_payload(array), {1: 8, 5: 4}[wire]
        numbers = [data[i : i + width] for i in range(0, len(data), width)]
    else:
        bits = array.reshape(-1).view("u2") if number == 13 else array.flat
        numbers = [varint(int(n)) for n in bits]
    if packed:
        return head + (bytes_field(number, b"".join(numbers)) if numbers else b"")
    return head + b"".join(varint(number << 3 | wire) + n for n in numbers)


# Bundle (V2): P.index and P.data-SSSSS-of-NNNNN.


@dataclass
class _Data:
    """Data shards being filled; a tensor that names none goes to the next in turn."""

    shards: list[bytearray]
    alignment: int
    filler: bytes
    big_endian: bool
    turn: int = 0

    def store(self, tensor: Plain | Raw | Variants, shard: int | None) -> bytes:
        """Append the tensor's bytes, fill up to the alignment, and return its entry."""
        if shard is None:
            shard, self.turn = self.turn % len(self.shards), self.turn + 1
        dtype, shape, payload, stored_crc = _encoded(tensor, big_endian=self.big_endian)
        data = self.shards[shard]
        place = {"shard": shard, "offset": len(data), "size": len(payload), "crc": stored_crc}
        data += payload
        data += self.filler * (-len(data) % self.alignment)
        return entry(dtype, shape, **place)


def _encoded(
    tensor: Plain | Raw | Variants, *, big_endian: bool
) -> tuple[int, tuple[int, ...], bytes, int]:
    """Dtype number, shape, payload, masked crc."""
    if isinstance(tensor, Raw):
        right = mask(crc(tensor.payload)) if tensor.crc is None else tensor.crc
        return tensor.dtype, tensor.shape, tensor.payload, right
    if isinstance(tensor, Variants):
        return VARIANT, tensor.shape, *variant_payload(tensor.values)
    dtype, array = typed(tensor)
    if dtype == STRING:
        return dtype, array.shape, *string_payload(list(array.flat), big_endian=big_endian)
    payload = dense_payload(array, big_endian=big_endian)
    return dtype, array.shape, payload, mask(crc(payload))


def _key(name: str | bytes) -> bytes:
    return name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name


def _bundle_rows(tensors: Mapping[Any, Tensor], data: _Data, placement: Mapping[Any, int]) -> Rows:
    """Store every tensor; the rows are sorted, and begin with the header."""
    rows = [(b"", header(len(data.shards), endianness=int(data.big_endian)))]
    for name, tensor in tensors.items():
        key = _key(name)
        if not isinstance(tensor, Sliced):
            rows.append((key, data.store(tensor, placement.get(name))))
            continue
        dtype, array = typed(tensor.whole)
        rows.append((key, entry(dtype, array.shape, slices=tensor.pieces)))
        for piece, shard in zip_longest(tensor.pieces, tensor.shards):
            stored = data.store(Typed(dtype, cut(array, piece)), shard)
            rows.append((slice_key(key, piece), stored))
    return sorted(rows)


def bundle_files(
    tensors: Mapping[Any, Tensor],
    *,
    shards: int = 1,
    placement: Mapping[Any, int] | None = None,
    big_endian: bool = False,
    alignment: int = 1,
    filler: bytes = b"\0",
    tail: bytes = b"",
    header: bytes | None = None,
    edit_rows: Callable[[Rows], Rows] | None = None,
    **layout: Any,
) -> dict[str, bytes]:
    """The files of a bundle by suffix: `.index` and every `.data-SSSSS-of-NNNNN`.

    Args:
        tensors: by name (str or bytes), their bytes stored in this order.
        shards: how many data files.
        placement: name to shard, for what is not `Sliced`; others go to the shards in turn.
        big_endian: numbers and string checksums are, and the header says so.
        alignment: each tensor is followed by fill up to a multiple of this many bytes.
        filler: the byte to fill with.
        tail: junk at the end of every data file.
        header: the value under the empty key, instead of the right one.
        edit_rows: last change to the sorted rows, header included; sealed as it returns them.
        layout: options of `table`.
    """
    data = _Data([bytearray() for _ in range(shards)], alignment, filler, big_endian)
    rows = _bundle_rows(tensors, data, placement or {})
    rows = rows if header is None else replace_row(rows, b"", header)
    files = {".index": table(edit_rows(rows) if edit_rows else rows, **layout)}
    for i, contents in enumerate(data.shards):
        files[f".data-{i:05d}-of-{shards:05d}"] = bytes(contents) + tail
    return files


def write_bundle(prefix: Path | str, tensors: Mapping[Any, Tensor], **options: Any) -> None:
    """Write the files of a bundle; the options are those of `bundle_files` and `table`."""
    for suffix, contents in bundle_files(tensors, **options).items():
        Path(f"{prefix}{suffix}").write_bytes(contents)


# V1: one table of SavedTensorSlices rows.


def v1_meta(tensors: Iterable[bytes], versions: bytes | None) -> bytes:
    """SavedTensorSlices of the empty key: SavedSliceMeta messages, VersionDef unless None."""
    meta = b"".join(bytes_field(1, tensor) for tensor in tensors)
    return bytes_field(1, meta + (b"" if versions is None else bytes_field(2, versions)))


def v1_tensor(name: bytes, shape: Sequence[int], dtype: int, slices: Sequence[Extents]) -> bytes:
    """SavedSliceMeta: name, full shape, type, slices."""
    head = bytes_field(1, name) + bytes_field(2, shape_proto(shape)) + int_field(3, dtype)
    return head + _slice_fields(4, slices)


def v1_data(name: bytes, extents: Extents, proto: bytes) -> bytes:
    """SavedTensorSlices of one slice: its name, extents and TensorProto."""
    piece = bytes_field(1, name) + bytes_field(2, slice_proto(extents)) + bytes_field(3, proto)
    return bytes_field(2, piece)


def v1_table(
    tensors: Mapping[Any, Plain | Sliced],
    *,
    versions: bytes | None = version_def(),
    packed: bool = True,
    edit_rows: Callable[[Rows], Rows] | None = None,
    **layout: Any,
) -> bytes:
    """A V1 file.

    `versions` is the bytes of a VersionDef, None for no such field; `edit_rows` has the last word
    on the sorted rows; `layout` has options of `table`.
    """
    metas, rows = {}, []
    for name, tensor in tensors.items():
        key = _key(name)
        dtype, array = typed(tensor.whole if isinstance(tensor, Sliced) else tensor)
        pieces = tensor.pieces if isinstance(tensor, Sliced) else [[(0, -1)] * array.ndim]
        metas[key] = v1_tensor(key, array.shape, dtype, pieces)
        for piece in pieces:
            proto = tensor_proto(Typed(dtype, cut(array, piece)), packed=packed)
            rows.append((slice_key(key, piece), v1_data(key, piece, proto)))
    rows = sorted([(b"", v1_meta((metas[key] for key in sorted(metas)), versions)), *rows])
    return table(edit_rows(rows) if edit_rows else rows, **layout)


def write_v1(path: Path | str, tensors: Mapping[Any, Plain | Sliced], **options: Any) -> None:
    """Write one V1 file; the options are those of `v1_table` and `table`."""
    Path(path).write_bytes(v1_table(tensors, **options))


def write_v1_shards(
    base: Path | str,
    tensors: Mapping[Any, Plain | Sliced],
    *,
    shards: int,
    placement: Mapping[Any, int] | None = None,
    **options: Any,
) -> None:
    """Write F-SSSSS-of-NNNNN, each a V1 file of its tensors and pieces, dealt as in a bundle."""
    files: list[dict[Any, Plain | Sliced]] = [{} for _ in range(shards)]
    turns = count()
    for name, tensor in tensors.items():
        if not isinstance(tensor, Sliced):
            home = (placement or {}).get(name)
            files[next(turns) % shards if home is None else home][name] = tensor
            continue
        homes = tensor.shards or [next(turns) % shards for _ in tensor.pieces]
        for home in set(homes):
            own = [piece for piece, at in zip(tensor.pieces, homes, strict=True) if at == home]
            files[home][name] = replace(tensor, pieces=own)
    for i, own_tensors in enumerate(files):
        write_v1(f"{base}-{i:05d}-of-{shards:05d}", own_tensors, **options)
