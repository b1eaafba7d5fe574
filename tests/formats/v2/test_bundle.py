"""V2 bundles: headers, entries that disagree with the files, and slices that disagree with them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from numpy.testing import assert_array_equal
from reading import check_tensor
from strategies import numbers

import tfckpt_reader as tfckpt
from tfckpt_reader.formats.v2.bundle import Bundle

DATA = ".data-00000-of-00001"
PIECES = [[(0, 2), (0, -1)], [(2, 2), (0, -1)]]
GRID = numbers((4, 3))


def opened(folder: Path, tensors: dict[Any, Any], **options: Any) -> tfckpt.Checkpoint:
    w.write_bundle(folder / "p", tensors, **options)
    return tfckpt.open(folder / "p")


def entry_edit(key: bytes, **fields: Any) -> Callable[[w.Rows], w.Rows]:
    return lambda rows: w.edit_entry(rows, key, **fields)


def assert_refused(ckpt: tfckpt.Checkpoint, name: str, kind: type[Exception]) -> Any:
    """By every way to read it; return the error of the first."""
    with pytest.raises(kind) as first:
        ckpt[name]
    with pytest.raises(kind):
        ckpt.read(name)
    if ckpt.specs[name].shape:
        with pytest.raises(kind):
            ckpt.read(name, rows=slice(0, 1))
    with pytest.raises(kind):
        check_tensor(ckpt.reader, ckpt.specs[name])
    assert isinstance(first.value, tfckpt.CheckpointError)
    assert first.value.tensor == name
    return first.value


def test_specs_tell_places(tmp_path: Path) -> None:
    tensors = {"a": GRID, "b": w.Strings([b"xy"], (1,)), "c": w.Sliced(GRID, PIECES)}
    with opened(tmp_path, tensors) as ckpt:
        a, b, c = ckpt.specs.values()
        assert (a.shard, a.offset, a.nbytes) == (0, 0, GRID.nbytes)
        assert a.crc32c == w.crc(GRID.tobytes())
        assert (b.shard, b.offset, b.nbytes) == (0, GRID.nbytes, 7)
        assert (c.nbytes, c.shard, c.offset, c.crc32c) == (GRID.nbytes, None, None, None)
        assert [(p.shard, p.offset, p.nbytes) for p in c.slices] == [
            (0, GRID.nbytes + 7, 24),
            (0, GRID.nbytes + 31, 24),
        ]
        assert c.slices[1].crc32c == w.crc(GRID[2:].tobytes())


def test_only_the_index_is_touched(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"a": GRID, "b": w.Sliced(GRID, PIECES)})
    Path(f"{tmp_path}/p{DATA}").unlink()
    with tfckpt.open(tmp_path / "p") as ckpt:
        assert list(ckpt) == ["a", "b"]
        assert ckpt.specs["b"].shape == (4, 3)
        error = assert_refused(ckpt, "a", tfckpt.CheckpointNotFoundError)
        assert error.file == f"{tmp_path}/p{DATA}"
        assert_refused(ckpt, "b", tfckpt.CheckpointNotFoundError)


# Headers


@pytest.mark.parametrize(
    "edit",
    [
        lambda _: [],
        lambda rows: w.replace_row(rows, b"", b"\xff\xff"),
        lambda rows: w.replace_row(rows, b"", b"\x08"),
    ],
    ids=["no row", "no message", "cut"],
)
def test_bad_headers(tmp_path: Path, edit: Callable[[w.Rows], w.Rows]) -> None:
    with pytest.raises(tfckpt.CorruptCheckpointError) as caught:
        opened(tmp_path, {"a": GRID}, edit_rows=edit)
    assert caught.value.file == f"{tmp_path}/p.index"


@pytest.mark.parametrize("shards", [1, 3])
def test_no_header(tmp_path: Path, shards: int) -> None:
    """The data files tell the count, which is noted; the byte order nobody tells."""
    tensors = {"a": GRID, "b": GRID + 1, "c": np.arange(3, dtype=np.uint8)}
    edit = lambda rows: w.replace_row(rows, b"", None)  # noqa: E731
    with opened(tmp_path, tensors, shards=shards, edit_rows=edit) as ckpt:
        assert list(ckpt) == ["a", "b", "c"]
        for name in ("a", "b"):
            for read in (ckpt.__getitem__, ckpt.read):
                with pytest.raises(tfckpt.CorruptCheckpointError, match="byte order"):
                    read(name)
        assert_array_equal(ckpt["c"], tensors["c"])
        assert any("no header" in note for note in ckpt.notes)


def test_unknown_endianness_is_little(tmp_path: Path) -> None:
    for endianness in (2, 7, -1):
        with opened(tmp_path, {"a": GRID}, header=w.header(endianness=endianness)) as ckpt:
            assert_array_equal(ckpt["a"], GRID)


def test_reader_of_its_own(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"a": GRID}, shards=1)
    bundle = Bundle(str(tmp_path / "p"), mapped=False)
    assert (bundle.version, bundle.shard_count) == ("V2", 1)
    assert bundle.path == f"{tmp_path}/p.index"
    spec = bundle.lookup("a")
    assert spec is not None
    assert_array_equal(bundle.array(spec, check=True), GRID)
    with pytest.raises(tfckpt.CheckpointNotFoundError):
        Bundle(str(tmp_path / "q"))


# Entries


@pytest.mark.parametrize(
    ("fields", "kind", "word"),
    [
        ({"size": 44}, tfckpt.CorruptCheckpointError, "size"),
        ({"size": 52}, tfckpt.CorruptCheckpointError, "size"),
        ({"size": 0}, tfckpt.CorruptCheckpointError, "size"),
        ({"size": -48}, tfckpt.CorruptCheckpointError, "size"),
        ({"shape": (5, 3)}, tfckpt.CorruptCheckpointError, "size"),
        ({"shape": (1 << 40, 1)}, tfckpt.CorruptCheckpointError, "size"),
        ({"dtype": 2}, tfckpt.CorruptCheckpointError, "size"),
        ({"offset": -8}, tfckpt.CorruptCheckpointError, "negative"),
        ({"shard": -1}, tfckpt.CorruptCheckpointError, "negative"),
        ({"offset": 1}, tfckpt.TruncatedError, "ends before"),
        ({"offset": 1 << 62}, tfckpt.TruncatedError, "ends before"),
        ({"offset": (1 << 63) - 1}, tfckpt.TruncatedError, "ends before"),
        ({"shard": 1}, tfckpt.CorruptCheckpointError, "no such shard"),
        ({"shard": 77}, tfckpt.CorruptCheckpointError, "no such shard"),
        ({"shard": (1 << 31) - 1}, tfckpt.CorruptCheckpointError, "no such shard"),
        ({"crc": 0}, tfckpt.ChecksumError, "crc"),
        ({"crc": None}, tfckpt.ChecksumError, "crc"),
        ({"shape": (1 << 40, 1), "size": 1 << 42}, tfckpt.TruncatedError, "ends before"),
        ({"shape": (1 << 40, 0)}, tfckpt.CorruptCheckpointError, "size"),
    ],
)
def test_entries_that_lie(
    tmp_path: Path, fields: dict[str, Any], kind: type[Exception], word: str
) -> None:
    with opened(tmp_path, {"a": GRID, "z": GRID[:0]}, edit_rows=entry_edit(b"a", **fields)) as ckpt:
        assert list(ckpt) == ["a", "z"]
        if word == "crc":  # rows are read unchecked unless asked
            assert_array_equal(ckpt.read("a", rows=slice(1, 2)), GRID[1:2])
            for read in (ckpt.__getitem__, ckpt.read):
                with pytest.raises(kind):
                    read("a")
            with pytest.raises(kind):
                ckpt.read("a", rows=slice(1, 2), check=True)
            assert_array_equal(ckpt.read("a", check=False), GRID)
            return
        assert word in str(assert_refused(ckpt, "a", kind))


@pytest.mark.parametrize("dtype", [w.STRING, w.VARIANT])
@pytest.mark.parametrize("count", [1 << 20, 1 << 40, 1 << 62])
def test_more_elements_than_bytes(tmp_path: Path, dtype: int, count: int) -> None:
    """A claimed count is compared with the bytes before memory is set aside."""
    payload = w.string_payload([b"a", b"b"])[0]
    with opened(
        tmp_path, {"t": w.Raw(dtype, (2,), payload)}, edit_rows=entry_edit(b"t", shape=(count,))
    ) as ckpt:
        assert ckpt.specs["t"].shape == (count,)
        assert_refused(ckpt, "t", tfckpt.CorruptCheckpointError)


def test_two_entries_on_one_range(tmp_path: Path) -> None:
    tensors = {"a": GRID, "b": GRID + 1}
    crc = w.mask(w.crc(GRID.tobytes()))
    with opened(tmp_path, tensors, edit_rows=entry_edit(b"b", offset=0, crc=crc)) as ckpt:
        assert_array_equal(ckpt["a"], GRID)
        assert_array_equal(ckpt["b"], GRID)


def test_repeated_and_unknown_fields(tmp_path: Path) -> None:
    """Of a singular field given twice the last counts; what is unknown is skipped."""

    def edit(rows: w.Rows) -> w.Rows:
        value = dict(rows)[b"a"]
        return w.replace_row(rows, b"a", w.int_field(1, 9) + value + w.bytes_field(77, b"new"))

    with opened(tmp_path, {"a": GRID}, edit_rows=edit) as ckpt:
        assert_array_equal(ckpt["a"], GRID, strict=True)


def test_duplicate_keys(tmp_path: Path) -> None:
    """The first counts, listed or looked up, and it is noted."""
    for size in (262144, 1):

        def edit(rows: w.Rows) -> w.Rows:
            return [rows[0], rows[1], (rows[1][0], w.entry(1, (9,), size=36)), *rows[2:]]

        tensors = {"a": GRID, "b": GRID}
        with opened(tmp_path, tensors, edit_rows=edit, block_size=size, separators="last") as ckpt:
            assert ckpt.specs["a"].shape == (4, 3)
            assert list(ckpt) == ["a", "b"]
            assert ckpt.specs["a"].shape == (4, 3)
            assert any("twice" in note for note in ckpt.notes)
            assert_array_equal(ckpt["a"], GRID)


def test_unsorted_keys(tmp_path: Path) -> None:
    def edit(rows: w.Rows) -> w.Rows:
        return [rows[0], *reversed(rows[1:])]

    tensors = {f"t{i}": GRID for i in range(5)}
    with (
        opened(tmp_path, tensors, edit_rows=edit) as ckpt,
        pytest.raises(tfckpt.CorruptCheckpointError, match="order"),
    ):
        list(ckpt)


# Slices

KEYS = [w.slice_key(b"t", each) for each in PIECES]


def sliced(folder: Path, edit: Callable[[w.Rows], w.Rows]) -> tfckpt.Checkpoint:
    return opened(folder, {"t": w.Sliced(GRID, PIECES), "u": GRID}, edit_rows=edit)


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (lambda rows: w.replace_row(rows, KEYS[0], None), "no row"),
        (entry_edit(KEYS[0], shape=(1, 3), size=12), "disagrees"),
        (entry_edit(KEYS[0], shape=(2, 4), size=32), "disagrees"),
        (entry_edit(KEYS[0], shape=(6,)), "disagrees"),
        (entry_edit(KEYS[0], dtype=1), "disagrees"),
        (entry_edit(KEYS[0], slices=[[(0, 2), (0, -1)]]), "disagrees"),
        (entry_edit(KEYS[0], size=12), "size"),
        (entry_edit(KEYS[0], size=20), "size"),
    ],
    ids=["lost", "fewer", "more", "rank", "dtype", "in slices", "short", "uneven"],
)
def test_slice_rows_that_disagree(
    tmp_path: Path, edit: Callable[[w.Rows], w.Rows], word: str
) -> None:
    with sliced(tmp_path, edit) as ckpt:
        assert set(ckpt) >= {"t", "u"}
        assert word in str(assert_refused(ckpt, "t", tfckpt.CorruptCheckpointError))
        assert_array_equal(ckpt["u"], GRID)
        assert_array_equal(ckpt.read("t", rows=slice(2, 4)), GRID[2:])


@pytest.mark.parametrize(
    "pieces",
    [
        [[(0, 2)], [(2, 2)]],
        [[(0, 2), (0, -1), (0, -1)], PIECES[1]],
        [[(0, 5), (0, -1)]],
        [[(3, 2), (0, -1)], PIECES[0]],
        [[(0, 1 << 62), (0, -1)]],
    ],
    ids=["rank 1", "rank 3", "longer", "behind", "2^62"],
)
def test_slices_that_do_not_fit(tmp_path: Path, pieces: list[Any]) -> None:
    with (
        sliced(tmp_path, entry_edit(b"t", slices=pieces)) as ckpt,
        pytest.raises(tfckpt.CorruptCheckpointError) as caught,
    ):
        ckpt["t"]
    assert (caught.value.tensor, caught.value.file) == ("t", f"{tmp_path}/p.index")


def test_a_scalar_in_a_slice(tmp_path: Path) -> None:
    with opened(tmp_path, {"t": w.Sliced(np.array(2.5), [[]])}) as ckpt:
        spec = ckpt.specs["t"]
        assert len(spec.slices) == 1
        assert ckpt["t"] == ckpt.read("t") == 2.5
        assert b"".join(ckpt.reader.chunks(spec)) == np.array(2.5, "<f8").tobytes()
        check_tensor(ckpt.reader, spec)


def test_full_shape_that_slices_do_not_fill(tmp_path: Path) -> None:
    """However large it claims to be, nothing is set aside for it."""
    with sliced(tmp_path, entry_edit(b"t", shape=(1 << 40, 3))) as ckpt:
        assert ckpt.specs["t"].shape == (1 << 40, 3)
        with pytest.raises(tfckpt.CorruptCheckpointError, match="hole"):
            ckpt["t"]
        with pytest.raises(tfckpt.CorruptCheckpointError, match="hole"):
            ckpt.read("t")


def test_slice_whose_bytes_are_not_there(tmp_path: Path) -> None:
    with sliced(tmp_path, entry_edit(KEYS[0], offset=1 << 40)) as ckpt:
        assert_refused(ckpt, "t", tfckpt.TruncatedError)
        assert_array_equal(ckpt.read("t", rows=slice(2, 4)), GRID[2:])


def test_damaged_slice(tmp_path: Path) -> None:
    """Checked with the whole; of rows, if asked, the pieces that hold some."""
    w.write_bundle(tmp_path / "p", {"t": w.Sliced(GRID, PIECES)})
    data = Path(f"{tmp_path}/p{DATA}")
    data.write_bytes(b"\xff" + data.read_bytes()[1:])
    with tfckpt.open(tmp_path / "p") as ckpt:
        for read in (ckpt.__getitem__, ckpt.read):
            with pytest.raises(tfckpt.ChecksumError) as caught:
                read("t")
            assert (caught.value.file, caught.value.offset) == (str(data), 0)
        with pytest.raises(tfckpt.ChecksumError):
            ckpt.read("t", rows=slice(0, 1), check=True)
        with pytest.raises(tfckpt.ChecksumError):
            list(ckpt.reader.chunks(ckpt.specs["t"]))
        assert_array_equal(ckpt.read("t", rows=slice(2, 4), check=True), GRID[2:])
        assert_array_equal(ckpt.read("t", rows=slice(1, 4)), GRID[1:])


def test_tensor_named_like_a_slice(tmp_path: Path) -> None:
    """A key that begins with 00 is a slice's row only if some tensor has that slice."""
    stray = w.slice_key(b"gone", [(0, 2)])
    with opened(tmp_path, {stray: GRID, b"\x00x": GRID + 1, "t": w.Sliced(GRID, PIECES)}) as ckpt:
        names = [stray.decode(errors="surrogateescape"), "\x00x", "t"]
        assert all(name in ckpt for name in names)
        assert not any(key.decode(errors="surrogateescape") in ckpt for key in KEYS)
        assert set(ckpt) == set(names)
        assert_array_equal(ckpt["\x00x"], GRID + 1)


# Rows


def test_rows_read_only_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = numbers((1000, 100))
    w.write_bundle(tmp_path / "p", {"t": array})
    reads: list[int] = []
    real = getattr(os, "preadv", None)
    if real is None:
        pytest.skip("no preadv here")

    def counting(fd: int, buffers: Any, offset: int) -> int:
        reads.append(sum(map(len, buffers)))
        return int(real(fd, buffers, offset))

    with tfckpt.open(tmp_path / "p", mmap=False) as ckpt:
        list(ckpt)
        ckpt.read("t", rows=slice(0, 0))
        monkeypatch.setattr(os, "preadv", counting)
        assert_array_equal(ckpt.read("t", rows=slice(500, 502)), array[500:502])
        assert sum(reads) == 800
        reads.clear()
        ckpt.read("t", rows=slice(500, 502), check=True)
        assert array.nbytes <= sum(reads) <= array.nbytes + 800


def test_rows_of_text_and_variants(tmp_path: Path) -> None:
    texts = w.Strings([b"%d" % i for i in range(12)], (4, 3))
    values: list[tuple[bytes, bytes, list[bytes]]] = [(b"k", b"%d" % i, []) for i in range(6)]
    with opened(tmp_path, {"s": texts, "v": w.Variants(values, (3, 2))}) as ckpt:
        found = ckpt.read("s", rows=slice(1, 3))
        assert found.tolist() == [[b"3", b"4", b"5"], [b"6", b"7", b"8"]]
        variants = ckpt.read("v", rows=slice(2, 3))
        assert [[v.metadata for v in row] for row in variants] == [[b"4", b"5"]]


@pytest.mark.parametrize("tail", [b"", b"more"])
def test_text_without_elements_or_bytes_has_a_crc(tmp_path: Path, tail: bytes) -> None:
    """As TensorFlow has it, also where the data file ends there."""
    nothing = w.Raw(w.STRING, (0,), b"")
    with opened(tmp_path, {"s": nothing}, tail=tail) as ckpt:
        assert ckpt["s"].shape == (0,)
    with (
        opened(tmp_path, {"s": replace(nothing, crc=5)}, tail=tail) as ckpt,
        pytest.raises(tfckpt.ChecksumError),
    ):
        ckpt["s"]


def test_variant_damage_is_located(tmp_path: Path) -> None:
    """An error inside a message: its offset is the file's."""
    bad = w.bytes_field(1, b"k") + w.bytes_field(3, w.int_field(1, 1) + b"\x2a\x7f")
    running = w.crc(len(bad).to_bytes(8, "little") + bad)
    checksum = w.mask(running).to_bytes(4, "little")
    payload = w.varint(len(bad)) + bad + checksum
    raw = w.Raw(w.VARIANT, (), payload, crc=w.mask(w.crc(checksum, running)))
    with opened(tmp_path, {"a": np.zeros(100), "t": raw}) as ckpt:
        with pytest.raises(tfckpt.CorruptCheckpointError) as caught:
            ckpt["t"]
        error = caught.value
        assert (error.file, error.tensor) == (f"{tmp_path}/p{DATA}", "t")
        assert error.offset is None or error.offset >= 800


def test_big_endian_text(tmp_path: Path) -> None:
    texts = w.Strings([b"ab", b"", b"c" * 300], (3,))
    with opened(tmp_path, {"s": texts, "n": w.Strings([], (0,))}, big_endian=True) as ckpt:
        assert ckpt["s"].tolist() == list(texts.values)
        assert ckpt["n"].shape == (0,)
    little = w.string_payload(list(texts.values))
    raw = w.Raw(w.STRING, (3,), little[0], crc=little[1])
    with opened(tmp_path, {"s": raw}, big_endian=True) as ckpt, pytest.raises(tfckpt.ChecksumError):
        ckpt["s"]
