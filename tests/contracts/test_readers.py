"""The contract of readers; one subclass for each format and layout."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from reading import check_tensor
from strategies import NAMES, numbers, tilings

import tfckpt_reader as tfckpt
from tfckpt_reader.formats.reader import Reader

# The folder may be shared by all examples, and the contract by its subclasses: examples are the
# same in every run, and none is kept.
IN_A_CONTRACT = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    max_examples=25,
)
MATRIX = numbers((6, 4), "float32")
TEXTS = w.Strings([b"ab", b"", b"\xff\0", b"c" * 300], (4, 1))
PIECES = [[(0, 2), (0, -1)], [(2, 4), (0, 3)], [(2, 4), (3, 1)]]


def tensors() -> dict[str, Any]:
    return {
        "bool": np.array([[True], [False]]),
        "empty": np.zeros((3, 0, 2), np.int64),
        "matrix": MATRIX,
        "odd": np.array([1], np.int8),
        "scalar": np.array(2.5),
        "sliced": w.Sliced(MATRIX.astype(np.int32), PIECES),
        "sliced text": w.Sliced(TEXTS, [[(2, 2), (0, 1)], [(0, 2), (0, 1)]]),
        "text": TEXTS,
        "ü/\udcff": numbers((3,), "int16"),
    }


def array_of(tensor: Any) -> Any:
    return w.typed(tensor.whole if isinstance(tensor, w.Sliced) else tensor)[1]


def assert_same(found: Any, expected: Any) -> None:
    assert_array_equal(found, expected)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.flags.c_contiguous
    assert found.flags.aligned


class ReaderContract:
    """The contract of readers; a subclass writes the tensors."""

    def write(self, folder: Path, tensors: Mapping[Any, Any]) -> Path:
        raise NotImplementedError

    @pytest.fixture(params=[True, False], ids=["mapped", "read"])
    def ckpt(self, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
        path = self.write(tmp_path, tensors())
        with tfckpt.open(path, mmap=request.param) as ckpt:
            yield ckpt

    def test_reader(self, ckpt: tfckpt.Checkpoint) -> None:
        reader: Reader = ckpt.reader
        assert reader.version == ckpt.version
        assert reader.version in ("V1", "V2")
        assert Path(reader.path).exists()
        assert reader.shard_count >= 1
        assert list(reader.listing()) == sorted(
            tensors(), key=lambda name: name.encode("utf-8", "surrogateescape")
        )

    def test_lookup_like_listing(self, ckpt: tfckpt.Checkpoint) -> None:
        listing = ckpt.reader.listing()
        for name, spec in listing.items():
            assert ckpt.reader.lookup(name) == spec
        for name in ("", "matri", "matrix ", "matrix\0", "zzz", "\ud800", "\0"):
            assert ckpt.reader.lookup(name) is None

    def test_two_lookups_for_many_rows(
        self, ckpt: tfckpt.Checkpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A lookup decodes all slices of a tensor: two must do for row after row.

        The first decodes no more than its own rows need.
        """
        asked: list[str] = []
        lookup = ckpt.reader.lookup

        def counted(name: str, rows: slice | None = None) -> Any:
            asked.append(name)
            return lookup(name, rows)

        monkeypatch.setattr(ckpt.reader, "lookup", counted)
        right = MATRIX.astype(np.int32)
        for row in range(len(right)):
            assert_same(ckpt.read("sliced", rows=slice(row, row + 1)), right[row : row + 1])
        assert_same(ckpt["matrix"], MATRIX)
        assert_same(ckpt["sliced"], right)
        assert asked == ["sliced", "sliced", "matrix", "sliced"]
        ckpt.close()
        with pytest.raises(ValueError, match="closed"):
            ckpt.specs["sliced"]

    def test_specs(self, ckpt: tfckpt.Checkpoint) -> None:
        for name, spec in ckpt.specs.items():
            expected = array_of(tensors()[name])
            assert spec.name == name
            assert spec.shape == expected.shape
            assert spec.elements == expected.size
            assert str(spec.dtype) == ("string" if expected.dtype == object else expected.dtype)
            if expected.dtype != object:
                assert spec.nbytes == expected.nbytes
            assert bool(spec.slices) == name.startswith("sliced")
            if spec.slices:
                assert (spec.shard, spec.offset, spec.crc32c) == (None, None, None)
                assert sum(piece.elements for piece in spec.slices) == spec.elements

    def test_values(self, ckpt: tfckpt.Checkpoint) -> None:
        for name, tensor in tensors().items():
            for _ in range(2):
                assert_same(ckpt[name], array_of(tensor))
                assert not ckpt[name].flags.writeable
                owned = ckpt.read(name)
                assert_same(owned, array_of(tensor))
                assert owned.flags.writeable

    @pytest.mark.parametrize("check", [None, True, False])
    def test_rows(self, ckpt: tfckpt.Checkpoint, check: bool | None) -> None:
        for name, tensor in tensors().items():
            expected = array_of(tensor)
            if not expected.shape:
                continue
            for first in (None, 0, 1, 2, -1, 9, -9):
                for last in (None, 0, 1, 3, -1, 9, -9):
                    rows = slice(first, last)
                    assert_same(ckpt.read(name, rows=rows, check=check), expected[rows])

    def test_streams(self, ckpt: tfckpt.Checkpoint) -> None:
        for name, tensor in tensors().items():
            expected = array_of(tensor)
            if expected.dtype != object:
                pieces = [bytes(piece) for piece in ckpt.reader.chunks(ckpt.specs[name])]
                assert b"".join(pieces) == expected.tobytes()
                assert all(len(piece) % expected.itemsize == 0 for piece in pieces)

    def test_checks(self, ckpt: tfckpt.Checkpoint) -> None:
        for spec in ckpt.specs.values():
            check_tensor(ckpt.reader, spec)

    def test_threads(self, ckpt: tfckpt.Checkpoint) -> None:
        wrong: list[Any] = []

        def work() -> None:
            for name, tensor in tensors().items():
                both = (ckpt[name], ckpt.read(name))
                expected = array_of(tensor).tolist()
                wrong.extend(name for found in both if found.tolist() != expected)
            if list(ckpt) != sorted(tensors(), key=lambda n: n.encode("utf-8", "surrogateescape")):
                wrong.append(list(ckpt))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []

    @IN_A_CONTRACT
    @given(names=st.sets(NAMES, max_size=12))
    def test_any_names(self, tmp_path: Path, names: set[str]) -> None:
        stored = {name: np.array(i) for i, name in enumerate(sorted(names))}
        ckpt = tfckpt.open(self.write(tmp_path, stored))
        for name, value in stored.items():
            assert name in ckpt
            assert ckpt[name] == value
        keys = [name.encode("utf-8", "surrogateescape") for name in names]
        assert [name.encode("utf-8", "surrogateescape") for name in ckpt] == sorted(keys)

    @IN_A_CONTRACT
    @given(data=st.data(), shape=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
    def test_any_slices(self, tmp_path: Path, data: st.DataObject, shape: tuple[int, ...]) -> None:
        array = numbers(shape)
        pieces = data.draw(tilings(shape))
        with tfckpt.open(self.write(tmp_path, {"t": w.Sliced(array, pieces)})) as ckpt:
            assert_same(ckpt["t"], array)
            rows = slice(data.draw(st.integers(0, 4)), data.draw(st.integers(0, 4)))
            assert_same(ckpt.read("t", rows=rows), array[rows])
            streamed = b"".join(bytes(p) for p in ckpt.reader.chunks(ckpt.specs["t"]))
            assert streamed == array.tobytes()

    def test_a_large_tensor(self, tmp_path: Path) -> None:
        """Of more than a chunk; and the same in slices along both axes."""
        array = np.random.default_rng(0).integers(0, 1 << 20, (1001, 331), np.int32)
        cut = [[(0, 7), (0, -1)], [(7, 994), (0, 300)], [(7, 994), (300, 31)]]
        path = self.write(
            tmp_path, {"a": np.array([1], np.int8), "t": array, "u": w.Sliced(array, cut)}
        )
        for mmap in (True, False):
            with tfckpt.open(path, mmap=mmap) as ckpt:
                for name in ("t", "u"):
                    assert_same(ckpt[name], array)
                    assert_same(ckpt.read(name), array)
                    assert_same(ckpt.read(name, rows=slice(500, 777)), array[500:777])
                    streamed = b"".join(bytes(p) for p in ckpt.reader.chunks(ckpt.specs[name]))
                    assert streamed == array.tobytes()

    @pytest.mark.parametrize(("shape", "piece"), [((2, 0), (0, 1)), ((0, 2), (0, -1))])
    def test_no_elements_in_one_piece(
        self, tmp_path: Path, shape: tuple[int, int], piece: tuple[int, int]
    ) -> None:
        """Such a piece tiles nothing, and everything: the tensor keeps its own shape."""
        extents = [piece, (0, -1)] if piece[1] > 0 else [piece, (1, 1)]
        right = np.zeros(shape, np.float32)
        with tfckpt.open(self.write(tmp_path, {"p": w.Sliced(right, [extents])})) as ckpt:
            assert_same(ckpt["p"], right)
            assert_same(ckpt.read("p"), right)

    def test_overlap_and_hole(self, tmp_path: Path) -> None:
        stored = {
            "hole": w.Sliced(MATRIX, [[(0, 2), (0, -1)], [(3, 3), (0, -1)]]),
            "twice": w.Sliced(MATRIX, [[(0, 4), (0, -1)], [(3, 3), (0, -1)]]),
            "whole": MATRIX,
        }
        with tfckpt.open(self.write(tmp_path, stored)) as ckpt:
            assert list(ckpt) == ["hole", "twice", "whole"]
            assert_same(ckpt["whole"], MATRIX)
            for name, word, row in (("hole", "hole", 2), ("twice", "overlap", 3)):
                for read in (ckpt.__getitem__, ckpt.read):
                    with pytest.raises(tfckpt.CorruptCheckpointError, match=word) as caught:
                        read(name)
                    assert caught.value.tensor == name
                    assert f"axis 0 index {row}" in str(caught.value)
                with pytest.raises(tfckpt.CorruptCheckpointError):
                    list(ckpt.reader.chunks(ckpt.specs[name]))
                with pytest.raises(tfckpt.CorruptCheckpointError):
                    check_tensor(ckpt.reader, ckpt.specs[name])
                assert_same(ckpt.read(name, rows=slice(0, 2)), MATRIX[:2])


class TestV2(ReaderContract):
    def write(self, folder: Path, tensors: Mapping[Any, Any]) -> Path:
        w.write_bundle(folder / "p", tensors)
        return folder / "p"


class TestV2Shards(ReaderContract):
    def write(self, folder: Path, tensors: Mapping[Any, Any]) -> Path:
        w.write_bundle(folder / "p", tensors, shards=3, block_size=100, compress=True)
        return folder / "p"


class TestV2BigEndian(ReaderContract):
    def write(self, folder: Path, tensors: Mapping[Any, Any]) -> Path:
        w.write_bundle(folder / "p", tensors, big_endian=True, alignment=4, tail=b"junk")
        return folder / "p"


class TestV1(ReaderContract):
    def write(self, folder: Path, tensors: Mapping[Any, Any]) -> Path:
        w.write_v1(folder / "f", tensors)
        return folder / "f"


class TestV1Shards(ReaderContract):
    def write(self, folder: Path, tensors: Mapping[Any, Any]) -> Path:
        w.write_v1_shards(folder / "f", tensors, shards=3, block_size=100, compress=True)
        return folder / "f-?????-of-00003"
