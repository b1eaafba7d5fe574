"""The HDF5 file, read back by h5py: names as paths, types, strings, chunks."""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import writers as w
from conversions import (
    assert_same_bytes,
    converted_to,
    hdf5_arrays,
    large,
    refusal_of,
    some_tensors,
)
from hypothesis import given
from hypothesis import strategies as st
from project import CORPUS, FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.tensor.dtypes import DataType

h5py = pytest.importorskip("h5py", reason="the format is written and read by h5py")

EVERY = FIXTURES / "every_dtype" / "model.ckpt"
BOTH = pytest.mark.parametrize("compress", [False, True], ids=["stored", "deflated"])
converted = partial(converted_to, ".h5")
refusal = partial(refusal_of, ".h5")


# -- names -----------------------------------------------------------------------------------------


def test_groups_are_the_folders_of_names(tmp_path: Path) -> None:
    names = ["a", "b/c", "b/d/e", "..", "b/../x", "é/名", "w:0", "a%2Fb", "x" * 60_000]
    found = converted(tmp_path, {name: np.full(2, i) for i, name in enumerate(names)})
    assert {name: array[0] for name, array in found.items()} == {
        name: i for i, name in enumerate(names)
    }
    with h5py.File(tmp_path / "out.h5") as file:
        assert set(file["b"]) == {"c", "d", ".."}
        assert isinstance(file["b/d"], h5py.Group)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/a", "a part of its name is empty"),
        ("a/", "a part of its name is empty"),
        ("a//b", "a part of its name is empty"),
        (".", "a part of its name is '.'"),
        ("a/./b", "a part of its name is '.'"),
        ("a\0b", "its name contains a NUL"),
        ("a/" + "x" * 60_001, "longer than 60,000 bytes"),
    ],
)
def test_names_that_hdf5_cannot_hold(name: str, reason: str, tmp_path: Path) -> None:
    text = refusal(tmp_path, {name: np.zeros(1), "good": np.zeros(1)})
    assert reason in text
    assert "--flat" in text
    if len(name) < 1000:
        found = converted(tmp_path, {name: np.full(1, 7.0)}, flat=True)
        assert [unquote(each) for each in found] == [name]


def test_tensor_and_group_of_one_name(tmp_path: Path) -> None:
    tensors = {"a": np.zeros(1), "a/b": np.ones(1), "a/b/c": np.full(1, 2.0), "ab": np.ones(1)}
    text = refusal(tmp_path, tensors)
    assert "'a/b': 'a' is a tensor, so it cannot be a group too; " in text
    assert text.endswith("--flat (flat=True) stores names without groups")
    assert "'a/b/c': 'a' is a tensor" in text
    assert "'ab'" not in text
    found = converted(tmp_path, tensors, flat=True)
    assert list(found) == ["a", "a%2Fb", "a%2Fb%2Fc", "ab"]
    assert set(converted(tmp_path, tensors, skip_unsupported=True)) == {"a", "ab"}
    assert set(converted(tmp_path, tensors, rename=["^a$=>a/a"], exclude=["a/*/c"])) == {
        *("a/a", "a/b", "ab")
    }


anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
awkward = st.text("ab/.%\0 2F", min_size=1, max_size=8)


@given(st.dictionaries(st.one_of(anything, awkward), st.integers(0, 255), min_size=1, max_size=8))
def test_flat_names_come_back(numbers: dict[str, int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tensors = {name: np.full(1, n, np.uint8) for name, n in numbers.items()}
        found = converted(Path(folder), tensors, flat=True)
    assert {unquote(name): array[0] for name, array in found.items()} == numbers


def test_deep_names(tmp_path: Path) -> None:
    name = "/".join(["x"] * 300)
    assert set(converted(tmp_path, {name: np.zeros(1), "y/z": np.zeros(1)})) == {name, "y/z"}


# -- types -----------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("raw", [False, True])
def test_every_type_that_tensorflow_writes(raw: bool, compress: bool, tmp_path: Path) -> None:
    """The numbers and types of an .npz, and the type in TensorFlow where it is another."""
    done = tfckpt.convert(
        EVERY, tmp_path / "o.h5", raw=raw, compress=compress, skip_unsupported=True
    )
    tfckpt.convert(EVERY, tmp_path / "o.npz", raw=raw, skip_unsupported=True)
    found = hdf5_arrays(tmp_path / "o.h5")
    with np.load(tmp_path / "o.npz") as expected, tfckpt.open(EVERY) as ckpt:
        names = [name for name in done.written if ckpt.specs[name].dtype != DataType.STRING]
        for name in names:
            assert_same_bytes(found[name], expected[name])
        with h5py.File(tmp_path / "o.h5") as file:
            for name in names:
                kind = str(ckpt.specs[name].dtype)
                same = found[name].dtype.name == kind
                assert dict(file[name].attrs) == ({} if same else {"tensorflow_dtype": kind})
                assert file[name].dtype.byteorder in "<=|"
            assert dict(file.attrs) == {
                "source": "model.ckpt",
                "tool": f"tfckpt_reader {tfckpt.__version__}",
            }


def test_the_type_after_a_cast(tmp_path: Path) -> None:
    found = converted(tmp_path, {"a": np.array([1.5, -2.0])}, cast="bfloat16", raw=True)
    assert found["a"].tolist() == [0x3FC0, 0xC000]
    with h5py.File(tmp_path / "out.h5") as file:
        assert dict(file["a"].attrs) == {"tensorflow_dtype": "bfloat16"}


@given(some_tensors())
def test_names_types_and_elements_come_back(tensors: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = converted(Path(folder), tensors, flat=True) if tensors else {}
    assert {unquote(name) for name in found} == set(tensors)
    for stored, array in found.items():
        tensor = tensors[unquote(stored)]
        if isinstance(tensor, w.Strings):
            elements = [bytes(element) for element in array.flat]
            assert (array.shape, elements) == (tuple(tensor.shape), list(tensor.values))
        else:
            whole: Any = tensor.whole if isinstance(tensor, w.Sliced) else tensor
            assert_same_bytes(array, whole)


def test_strings(tmp_path: Path) -> None:
    tensors = {
        "text": w.Strings([b"a", b"", "é".encode(), b"\xff" * 5000], (2, 2)),
        "nul": w.Strings([b"a\0b", b"\0", b""], (3,)),
        "one": w.Strings([b"one"], ()),
        "none": w.Strings([], (0, 3)),
    }
    found = converted(tmp_path, tensors)
    assert found["text"].tolist() == [[b"a", b""], ["é".encode(), b"\xff" * 5000]]
    assert [element.tobytes() for element in found["nul"]] == [b"a\0b", b"\0", b""]
    assert found["nul"][0].dtype == np.uint8
    assert found["one"].tolist() == b"one"
    assert found["none"].shape == (0, 3)
    with h5py.File(tmp_path / "out.h5") as file:
        assert h5py.check_string_dtype(file["text"].dtype).length is None


def test_axes_beyond_those_of_hdf5(tmp_path: Path) -> None:
    tensors = {"most": np.zeros((1,) * 32), "more": w.Raw(1, (1,) * 33, bytes(4))}
    assert "33 axes" in refusal(tmp_path, tensors)
    assert found_shape(tmp_path, tensors) == (1,) * 32


def found_shape(folder: Path, tensors: dict[Any, Any]) -> tuple[int, ...]:
    return converted(folder, tensors, skip_unsupported=True)["most"].shape


# -- storage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [(700_001,), (3, 150_003), (70, 3, 1003), (2, 2, 70_007), (1, 1, 1, 300_000), (0, 5)],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["u1", "c16"])
def test_deflated_chunks(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    array = large(dtype, int(np.prod(shape)), shape)
    assert_same_bytes(converted(tmp_path, {"a": array}, compress=True)["a"], array)
    with h5py.File(tmp_path / "out.h5") as file:
        chunks = file["a"].chunks
        if array.size:
            assert file["a"].compression == "gzip"
            assert file["a"].shuffle
            assert np.prod(chunks) * array.itemsize <= 1 << 20


@BOTH
def test_chunks_of_a_size(compress: bool, tmp_path: Path) -> None:
    array = large("f4", 300_007, (300_007,))
    found = converted(tmp_path, {"a": array, "b": array[:3]}, chunk_size=10_000, compress=compress)
    assert_same_bytes(found["a"], array)
    with h5py.File(tmp_path / "out.h5") as file:
        assert 2_000 < file["a"].chunks[0] * 4 <= 10_000
        assert (file["a"].compression == "gzip") == compress
        assert file["b"].chunks == (3,)


@pytest.mark.parametrize("size", [0, 1023, (1 << 30) + 1, -5])
def test_impossible_chunks(size: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a chunk has 1,024 to 1,073,741,824 bytes, not"):
        converted(tmp_path, {"a": np.zeros(3)}, chunk_size=size)


def test_compression_saves_space(tmp_path: Path) -> None:
    converted(tmp_path, {"a": np.zeros(1 << 20), "small": np.zeros(3)}, compress=True)
    assert (tmp_path / "out.h5").stat().st_size < 1 << 16


@BOTH
def test_no_clock_is_in_the_file(compress: bool, tmp_path: Path) -> None:
    files = []
    for _ in range(2):
        tfckpt.convert(
            EVERY, tmp_path / "o.h5", compress=compress, skip_unsupported=True, force=True
        )
        files.append((tmp_path / "o.h5").read_bytes())
        time.sleep(1.1 * (len(files) == 1))  # HDF5 counts seconds
    assert files[0] == files[1]


def test_damaged_strings_and_chunks(tmp_path: Path) -> None:
    """Found while HDF5's file is open: it is closed and removed."""
    array, strings = large("f4", 1 << 20), w.Strings([b"text"] * 9, (9,))
    cases: list[dict[str, Any]] = [{"a": array}, {"a": strings, "z": array}]
    for tensors in cases:
        w.write_bundle(tmp_path / "m", tensors)
        data = tmp_path / "m.data-00000-of-00001"
        content = bytearray(data.read_bytes())
        content[len(content) // 2] ^= 1
        data.write_bytes(content)
        with pytest.raises(tfckpt.ChecksumError):
            tfckpt.convert(tmp_path / "m", tmp_path / "o.h5", compress=True)
        assert not list(tmp_path.glob("*o.h5*"))


def test_where_h5py_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(tfckpt.UnsupportedError, match=r"pip install h5py"):
        tfckpt.convert(EVERY, tmp_path / "o.h5")
    assert list(tmp_path.iterdir()) == []


# -- checkpoints of others -------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus of real checkpoints at {CORPUS}")
def test_the_corpus(tmp_path: Path) -> None:
    seen = 0
    for index in sorted(CORPUS.glob("files/*/*.index")):
        prefix = index.with_suffix("")
        try:
            tfckpt.convert(prefix, tmp_path / "o.npz", raw=True, force=True)
        except tfckpt.CheckpointError:
            continue
        tfckpt.convert(prefix, tmp_path / "o.h5", raw=True, force=True, flat=True)
        found = {unquote(name): array for name, array in hdf5_arrays(tmp_path / "o.h5").items()}
        with np.load(tmp_path / "o.npz") as expected:
            for name in set(expected.files) & set(found):
                if found[name].dtype != object:
                    assert_same_bytes(found[name], expected[name])
                    seen += 1
    assert seen > 100
