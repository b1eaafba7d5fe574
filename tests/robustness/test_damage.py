"""Damage: whatever is flipped or cut, the right answer or a CheckpointError comes out.

Single flips and truncations of whole files first, which the checksums must catch; then flips under
a right checksum, where any answer is allowed that is an array of its spec's shape, and no error
but ours. `outcome` is also what a fuzzer may call.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import writers as w
from numpy.typing import NDArray

import tfckpt_reader as tfckpt
from tfckpt_reader import CheckpointError, TensorNotFoundError, TruncatedError

Files: TypeAlias = dict[str, bytes]
Answer: TypeAlias = "tuple[str, tuple[int, ...], object]"
Outcome: TypeAlias = "dict[str, Answer | CheckpointError] | CheckpointError"
DATA = ".data-00000-of-00001"


class Disk:
    """A folder with one checkpoint, `p`, at a time; a file that stays the same is left there."""

    def __init__(self, folder: Path) -> None:
        self.prefix = str(folder / "p")
        self._there: dict[str, bytes] = {}

    def put(self, files: Mapping[str, bytes]) -> str:
        for suffix in self._there.keys() - files.keys():
            Path(self.prefix + suffix).unlink()
        for suffix, contents in files.items():
            if self._there.get(suffix) != contents:
                Path(self.prefix + suffix).write_bytes(contents)
        self._there = dict(files)
        return self.prefix


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def answer(array: NDArray[Any]) -> Answer:
    """A value that can be compared: dtype, shape, contents."""
    if array.dtype != object:
        return array.dtype.name, array.shape, array.tobytes()
    elements = [
        (v.type_name, v.metadata, tuple(answer(tensor) for tensor in v.tensors))
        if isinstance(v, tfckpt.Variant)
        else bytes(v)
        for v in array.flat
    ]
    return "object", array.shape, tuple(elements)


def outcome(
    files: Mapping[str, bytes],
    disk: Disk | None = None,
    *,
    mmap: bool = False,
    names: Iterable[str] = (),
) -> Outcome:
    """Open and read a checkpoint made of these files; a suffix "" is a V1 file.

    With `names`, those tensors are asked for; else all are listed. Returns for each its value or
    the error it ended in, or the one error that hid them all. Any exception that is no
    CheckpointError leaves this function, and is a finding.
    """
    if disk is None:
        with tempfile.TemporaryDirectory() as folder:
            return outcome(files, Disk(Path(folder)), mmap=mmap, names=names)
    try:
        with tfckpt.open(disk.put(files), mmap=mmap) as ckpt:
            return {name: _read(ckpt, name) for name in names or list(ckpt)}
    except CheckpointError as error:
        return _told(error)


def _read(ckpt: tfckpt.Checkpoint, name: str) -> Answer | CheckpointError:
    try:
        spec, array = ckpt.specs[name], ckpt[name]
        found = answer(array)
        owned = ckpt.read(name)
    except CheckpointError as error:
        return _told(error)
    assert array.shape == spec.shape
    assert array.size == 0 or answer(owned) == found
    return found


def _told(error: CheckpointError) -> CheckpointError:
    """Every error must find words."""
    assert error.problem
    assert error.problem in str(error)
    return error


def assert_right_or_error(found: Outcome, right: Mapping[str, object]) -> None:
    """No name is lost or invented, no value differs; a lost name is wrong, whatever is raised."""
    if isinstance(found, CheckpointError):
        return
    assert set(found) == set(right)
    for name, value in found.items():
        assert not isinstance(value, TensorNotFoundError), f"{name} was lost without a word"
        assert isinstance(value, CheckpointError) or value == right[name]


def damaged(outcome: Outcome) -> set[str]:
    """Names that ended in an error; {"*"} where nothing could be listed."""
    if isinstance(outcome, CheckpointError):
        return {"*"}
    return {name for name, value in outcome.items() if isinstance(value, CheckpointError)}


def tensors() -> dict[str, Any]:
    """One of each: numbers, strings, pieces, nothing at all."""
    grid = np.arange(12, dtype=np.int16).reshape(3, 4)
    return {
        "bool": np.array(True),
        "empty": np.zeros((0, 2), np.float64),
        "float": np.array([1.5, -2], np.float32),
        "grid": w.Sliced(grid, [[(0, 2), (0, -1)], [(2, 1), (0, 3)], [(2, 1), (3, 1)]]),
        "text": w.Strings([b"ab", b"", b"\xff\0c"], (3,)),
    }


def variants() -> dict[str, Any]:
    number = w.tensor_proto(np.array([3], np.int64), label=True)
    return tensors() | {
        "variant": w.Variants([(b"kind", b"meta", [number]), (b"k", b"", [])], (2,))
    }


KINDS: dict[str, Files] = {
    "V2": w.bundle_files(variants()),
    "V2 of many blocks": w.bundle_files(tensors(), block_size=1, restart_interval=2),
    "V2 with all else": w.bundle_files(
        tensors(), block_size=90, compress=True, big_endian=True, alignment=8, tail=b"\0\0"
    ),
    "V1": {"": w.v1_table(tensors())},
    "V1 of many blocks": {"": w.v1_table(tensors(), block_size=1, compress=True)},
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def right_answers(kind: str) -> dict[str, Any]:
    found = outcome(KINDS[kind])
    assert not isinstance(found, CheckpointError)
    return found


def index_suffix(kind: str) -> str:
    return "" if kind.startswith("V1") else ".index"


def flip(contents: bytes, at: int, mask: int) -> bytes:
    return contents[:at] + bytes([contents[at] ^ mask]) + contents[at + 1 :]


def each_flip(contents: bytes, *masks: int) -> Iterator[bytes]:
    """Each byte changed: by all the masks, or by one bit that differs from byte to byte."""
    for at in range(len(contents)):
        for mask in masks or (1 << at % 8,):
            yield flip(contents, at, mask)


@each_kind
def test_undamaged(kind: str) -> None:
    found = right_answers(kind)
    expected = {
        name: answer(w.typed(t.whole if isinstance(t, w.Sliced) else t)[1])
        for name, t in tensors().items()
    }
    assert {name: found[name] for name in expected} == expected
    assert outcome(KINDS[kind], names=list(found)) == found


def parts_of(table: bytes) -> tuple[range, range, range]:
    """Return where the metaindex, the handles in the footer and their padding are."""
    at, numbers = len(table) - 48, []
    for _ in range(4):
        number, at = w._varint_at(table, at)
        numbers.append(number)
    metaindex = range(numbers[0], numbers[0] + numbers[1] + 5)
    return metaindex, range(len(table) - 48, at), range(at, len(table) - 8)


@each_kind
def test_flips_in_the_index(kind: str, disk: Disk) -> None:
    """One bit of each byte: a crc tells every change of a byte alike."""
    files, suffix, right = KINDS[kind], index_suffix(kind), right_answers(kind)
    metaindex, handles, padding = parts_of(files[suffix])
    for at, contents in enumerate(each_flip(files[suffix])):
        for names in ((), right) if kind == "V2 of many blocks" else ((),):
            found = outcome(files | {suffix: contents}, disk, names=names)
            assert_right_or_error(found, right)
            if at in metaindex or at in padding:
                assert found == right
            elif at not in handles and kind.startswith("V2") and not names:
                assert isinstance(found, tfckpt.CorruptCheckpointError)


@each_kind
def test_flips_in_the_footer(kind: str, disk: Disk) -> None:
    """No crc covers it: each bit of each byte of the handles, and some of the rest."""
    files, suffix, right = KINDS[kind], index_suffix(kind), right_answers(kind)
    table = files[suffix]
    _, handles, padding = parts_of(table)
    for at in (*handles, *padding[::9], *range(len(table) - 8, len(table), 3)):
        for mask in (*(1 << bit for bit in range(8)), 0xFF):
            assert_right_or_error(outcome(files | {suffix: flip(table, at, mask)}, disk), right)


@pytest.mark.slow
@each_kind
def test_all_flips_in_the_index(kind: str, disk: Disk) -> None:
    """Each bit of each byte, and all of them."""
    files, suffix, right = KINDS[kind], index_suffix(kind), right_answers(kind)
    for contents in each_flip(files[suffix], *(1 << bit for bit in range(8)), 0xFF):
        assert_right_or_error(outcome(files | {suffix: contents}, disk), right)


@each_kind
def test_truncated_index(kind: str, disk: Disk) -> None:
    files, suffix = KINDS[kind], index_suffix(kind)
    for size in range(len(files[suffix])):
        found = outcome(files | {suffix: files[suffix][:size]}, disk)
        assert isinstance(found, tfckpt.CorruptCheckpointError)
        assert found.file == disk.prefix + suffix


@each_kind
def test_index_with_junk_behind(kind: str, disk: Disk) -> None:
    """A footer is found from the end: behind junk there is none."""
    files, suffix = KINDS[kind], index_suffix(kind)
    for junk in (b"\0", b"\0" * 48, files[suffix][-48:-1]):
        found = outcome(files | {suffix: files[suffix] + junk}, disk)
        assert isinstance(found, tfckpt.CorruptCheckpointError)


V2_KINDS = [kind for kind in KINDS if kind.startswith("V2")]


def owners(files: Files, disk: Disk) -> dict[int, str]:
    """Offset in the data file -> the tensor that has it, by the specs of the sound files."""
    with tfckpt.open(disk.put(files)) as ckpt:
        places = [
            (name, part.offset or 0, part.nbytes or 0)
            for name, spec in ckpt.specs.items()
            for part in (spec.slices or (spec,))
        ]
    return {at: name for name, offset, size in places for at in range(offset, offset + size)}


@pytest.mark.parametrize("kind", V2_KINDS)
@pytest.mark.parametrize("mmap", [True, False])
def test_flips_in_the_data(kind: str, mmap: bool, disk: Disk) -> None:
    files, right = KINDS[kind], right_answers(kind)
    owner = owners(files, disk)
    for at, contents in enumerate(each_flip(files[DATA])):
        found = outcome(files | {DATA: contents}, disk, mmap=mmap)
        assert_right_or_error(found, right)
        assert damaged(found) == ({owner[at]} if at in owner else set())
        assert not isinstance(found, CheckpointError)
        for name in damaged(found):
            assert isinstance(found[name], tfckpt.CorruptCheckpointError)


@pytest.mark.parametrize("kind", V2_KINDS)
@pytest.mark.parametrize("mmap", [True, False])
def test_truncated_data(kind: str, mmap: bool, disk: Disk) -> None:
    files, right = KINDS[kind], right_answers(kind)
    owner, whole = owners(files, disk), len(files[DATA])
    for size in range(whole):
        found = outcome(files | {DATA: files[DATA][:size]}, disk, mmap=mmap)
        assert_right_or_error(found, right)
        assert not isinstance(found, CheckpointError)
        lost = {owner[at] for at in range(size, whole) if at in owner}
        assert damaged(found) - {"empty"} == lost
        assert all(isinstance(found[name], TruncatedError) for name in damaged(found))


# Under a right checksum: hostile rather than damaged.


def edited_rows(rows: w.Rows) -> Iterator[w.Rows]:
    """Every value flipped and cut at each byte, and keys changed, in order again."""
    for i, (key, value) in enumerate(rows):
        changes = [(key, changed) for changed in each_flip(value)]
        changes += [(key, value[:size]) for size in range(len(value))]
        changes += [(changed, value) for changed in each_flip(key)]
        for change in changes:
            yield sorted([*rows[:i], change, *rows[i + 1 :]])


def rows_of(write: Callable[..., object], tensors: Mapping[str, Any]) -> w.Rows:
    kept: w.Rows = []

    def keep(rows: w.Rows) -> w.Rows:
        kept.extend(rows)
        return rows

    write(tensors, edit_rows=keep)
    return kept


def assert_ours(files: Files, disk: Disk) -> None:
    """`outcome` lets only our errors out, and requires arrays to be as specified."""
    found = outcome(files, disk)
    assert isinstance(found, (dict, CheckpointError))


def test_sealed_flips_of_v2_rows(disk: Disk) -> None:
    for rows in edited_rows(rows_of(w.bundle_files, variants())):
        assert_ours(KINDS["V2"] | {".index": w.table(rows)}, disk)


def test_sealed_flips_of_v1_rows(disk: Disk) -> None:
    for rows in edited_rows(rows_of(w.v1_table, tensors())):
        assert_ours({"": w.table(rows)}, disk)


@pytest.mark.parametrize("version", ["V2", "V1"])
def test_sealed_flips_of_a_block(version: str, disk: Disk) -> None:
    """The contents of the data block, and of the index block."""
    rows = rows_of(w.bundle_files if version == "V2" else w.v1_table, tensors())
    files, suffix = KINDS[version], ".index" if version == "V2" else ""
    contents, last = w.block(rows), rows[-1][0]
    for changed in each_flip(contents):
        assert_ours(files | {suffix: w.assemble([(last, w.seal(changed))])}, disk)
    sealed = w.seal(contents)
    index = w.block([(last, w.handle(0, len(sealed) - 5))], restart_interval=1)
    for changed in each_flip(index, 0x01, 0x04, 0x40, 0x80, 0xFF):
        assert_ours(files | {suffix: w.assemble([(last, sealed)], index=w.seal(changed))}, disk)


def test_sealed_flips_of_a_snappy_stream(disk: Disk) -> None:
    import snappy

    stream = snappy.compress(w.block(rows_of(w.bundle_files, tensors())))
    for changed in each_flip(stream):
        index = w.assemble([(b"z", w.seal(changed, kind=1))])
        assert_ours(KINDS["V2"] | {".index": index}, disk)


def test_sealed_flips_of_payloads(disk: Disk) -> None:
    """Strings and variants under a right crc: nobody believes their lengths."""
    strings = w.string_payload([b"ab", b"", b"\xff\0c"])[0]
    number = w.tensor_proto(np.array([3, 5], np.int64), label=True)
    variant = w.variant_payload([(b"kind", b"meta", [number]), (b"k", b"", [])])[0]
    for dtype, shape, payload in ((w.STRING, (3,), strings), (w.VARIANT, (2,), variant)):
        cut = [payload[:size] for size in range(len(payload))]
        for changed in (*each_flip(payload, 0x01, 0x80, 0xFF), *cut):
            assert_ours(w.bundle_files({"t": w.Raw(dtype, shape, changed)}), disk)


def test_sealed_flips_of_string_lengths(disk: Disk) -> None:
    """The lengths under a checksum of their own that fits them."""
    lengths = b"".join(map(w.varint, (2, 0, 300)))
    for changed in each_flip(lengths, 0x01, 0x40, 0x80):
        sizes, at = [], 0
        while at < len(changed) and any(byte < 0x80 for byte in changed[at:]):
            size, at = w._varint_at(changed, at)
            sizes.append(size)
        summed = b"".join(size.to_bytes(4, "little") for size in sizes)
        rest = w.masked(summed) + bytes(302)
        raw = w.Raw(w.STRING, (len(sizes),), changed + rest, crc=w.mask(w.crc(summed + rest)))
        assert_ours(w.bundle_files({"t": raw}), disk)


def test_sealed_flips_inside_a_variant(disk: Disk) -> None:
    """Each flip of the message, with the checksums that fit it."""
    content = w.int_field(1, 3) + w.bytes_field(2, w.shape_proto((1,)))
    labelled = [
        w.tensor_proto(np.array([[3, -5]], np.int64), label=True),
        w.tensor_proto(np.array([1.5], np.float32), label=True, packed=False),
        w.tensor_proto(w.Strings([b"a", b""], (2,)), label=True),
        content + w.bytes_field(4, b"\1\0\0\0"),
    ]
    message = w.bytes_field(1, b"k") + b"".join(w.bytes_field(3, tensor) for tensor in labelled)
    for changed in each_flip(message, 0x01, 0x80):
        assert_ours(w.bundle_files({"t": sealed_variant(changed)}), disk)


def sealed_variant(message: bytes) -> w.Raw:
    running = w.crc(len(message).to_bytes(8, "little") + message)
    checksum = w.mask(running).to_bytes(4, "little")
    payload = w.varint(len(message)) + message + checksum
    return w.Raw(w.VARIANT, (), payload, crc=w.mask(w.crc(checksum, running)))
