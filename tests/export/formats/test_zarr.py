"""The Zarr folder, read back by the zarr library: names as paths, types, strings, chunks."""

from __future__ import annotations

import json
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import writers as w
from conversions import (
    assert_same_bytes,
    contents,
    converted_to,
    large,
    refusal_of,
    some_tensors,
    zarr_arrays,
)
from hypothesis import given
from hypothesis import strategies as st
from project import CORPUS, FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.export.formats.zarr_metadata import METADATA
from tfckpt_reader.tensor.dtypes import DataType

zarr = pytest.importorskip("zarr", minversion="3.1", reason="the library reads what is written")

EVERY = FIXTURES / "every_dtype" / "model.ckpt"
BOTH = pytest.mark.parametrize("compress", [False, True], ids=["stored", "deflated"])
converted = partial(converted_to, ".zarr")
refusal = partial(refusal_of, ".zarr")


# -- names -----------------------------------------------------------------------------------------


def test_groups_are_the_folders_of_names(tmp_path: Path) -> None:
    names = ["a", "b/c", "b/d/e", "c", "g/c/c.0", "..x", "é/名", "w:0", "a%2Fb", "x" * 255]
    found = converted(tmp_path, {name: np.full(2, i) for i, name in enumerate(names)})
    assert {name: array[0] for name, array in found.items()} == {
        name: i for i, name in enumerate(names)
    }
    root = zarr.open_group(tmp_path / "out.zarr", mode="r", use_consolidated=False)
    assert {name for name, _ in root["b"].members()} == {"c", "d"}
    assert isinstance(root["b/d"], zarr.Group)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/a", "empty, or periods alone"),
        ("a//b", "empty, or periods alone"),
        ("a/../b", "empty, or periods alone"),
        ("...", "empty, or periods alone"),
        ("__x", "begin with __"),
        ("a/zarr.json", "reserves the name zarr.json"),
        ("Zarr.JSON", "reserves the name zarr.json"),
        ("a\0b", "a NUL or a backslash"),
        ("..\\b", "a NUL or a backslash"),
        ("a/" + "é" * 128, "longer than 255 bytes"),
    ],
)
def test_names_that_zarr_cannot_hold(name: str, reason: str, tmp_path: Path) -> None:
    text = refusal(tmp_path, {name: np.zeros(1), "good": np.zeros(1)})
    assert reason in text
    assert "--flat" in text
    if len(name) < 100:
        found = converted(tmp_path, {name: np.full(1, 7.0)}, flat=True)
        assert [unquote(each) for each in found] == [name]


def test_tensor_and_group_of_one_name(tmp_path: Path) -> None:
    tensors = {"a": np.zeros(1), "a/b": np.ones(1), "ab": np.ones(1), "A/c": np.ones(1)}
    text = refusal(tmp_path, tensors)
    assert "'a/b': 'a' is a tensor, so it cannot be a group too" in text
    assert "'A/c': 'A' is a tensor" in text  # where case is ignored
    assert set(converted(tmp_path, tensors, flat=True)) == {"a", "a%2Fb", "ab", "A%2Fc"}


anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
awkward = st.text("ab/.%\0\\_ 2F", min_size=1, max_size=8)


@given(st.dictionaries(st.one_of(anything, awkward), st.integers(0, 255), min_size=1, max_size=8))
def test_flat_names_come_back(numbers: dict[str, int]) -> None:
    numbers = {name: n for name, n in numbers.items() if name == name.lower()}
    with tempfile.TemporaryDirectory() as folder:
        tensors = {name: np.full(1, n, np.uint8) for name, n in numbers.items()}
        found = converted(Path(folder), tensors, flat=True) if tensors else {}
    assert {unquote(name): array[0] for name, array in found.items()} == numbers


# -- types -----------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("raw", [False, True])
def test_every_type_that_tensorflow_writes(raw: bool, compress: bool, tmp_path: Path) -> None:
    """The numbers and types of an .npz, and the type in TensorFlow where it is another."""
    done = tfckpt.convert(
        EVERY, tmp_path / "o.zarr", raw=raw, compress=compress, skip_unsupported=True
    )
    tfckpt.convert(EVERY, tmp_path / "o.npz", raw=raw, skip_unsupported=True)
    found, root = zarr_arrays(tmp_path / "o.zarr"), zarr.open_group(tmp_path / "o.zarr", mode="r")
    assert root.metadata.consolidated_metadata is not None
    with np.load(tmp_path / "o.npz") as expected, tfckpt.open(EVERY) as ckpt:
        names = [name for name in done.written if ckpt.specs[name].dtype != DataType.STRING]
        for name in names:
            assert_same_bytes(found[name], expected[name])
            kind = str(ckpt.specs[name].dtype)
            same = found[name].dtype.name == kind
            assert dict(root[name].attrs) == ({} if same else {"tensorflow_dtype": kind})
        assert dict(root.attrs) == {
            "source": "model.ckpt",
            "tool": f"tfckpt_reader {tfckpt.__version__}",
        }


@given(some_tensors())
def test_types_and_elements_come_back(tensors: dict[str, Any]) -> None:
    tensors = {f"t{i}": tensor for i, tensor in enumerate(tensors.values())}
    with tempfile.TemporaryDirectory() as folder:
        found = converted(Path(folder), tensors) if tensors else {}
    assert set(found) == set(tensors)
    for name, array in found.items():
        tensor = tensors[name]
        if isinstance(tensor, w.Strings):
            # The library drops the NULs at the end of a scalar.
            end = b"" if array.shape else b"\0"
            expected = [value.rstrip(end) if end else value for value in tensor.values]
            assert (array.shape, list(array.flat)) == (tuple(tensor.shape), expected)
        else:
            whole: Any = tensor.whole if isinstance(tensor, w.Sliced) else tensor
            assert_same_bytes(array, whole)


@BOTH
def test_strings(compress: bool, tmp_path: Path) -> None:
    many = [f"string {i}".encode() * (i % 7) for i in range(5003)]
    tensors = {
        "text": w.Strings([b"a\0b", b"", "é".encode(), b"x" * 5000], (2, 2)),
        "bytes": w.Strings([b"\xff", b"\0", b""], (3,)),
        "one": w.Strings([b"one"], ()),
        "none": w.Strings([], (0, 3)),
        "many": w.Strings(many, (5003,)),
        "large": w.Strings([bytes([65 + i]) * (1 << 20) for i in range(9)], (9,)),
    }
    found = converted(tmp_path, tensors, compress=compress)
    for name, tensor in tensors.items():
        assert found[name].shape == tuple(tensor.shape)
        assert list(found[name].flat) == list(tensor.values), name
    assert len(list((tmp_path / "out.zarr/large").glob("c.*"))) == 3


def test_a_scalar_that_ends_in_a_nul(tmp_path: Path) -> None:
    """It is stored whole, though the library does not return it so."""
    converted(tmp_path, {"a": w.Strings([b"x\0"], ())})
    assert (tmp_path / "out.zarr/a/c").read_bytes() == b"\1\0\0\0" + b"\2\0\0\0" + b"x\0"


# -- storage ---------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    "shape",
    [(700_001,), (3, 400_003), (70, 3, 2003), (2, 2, 300_007), (1, 1, 1, 600_000), (0, 5)],
    ids=str,
)
def test_chunks(shape: tuple[int, ...], compress: bool, tmp_path: Path) -> None:
    array = large("c16", int(np.prod(shape)), shape)
    assert_same_bytes(converted(tmp_path, {"a": array}, compress=compress)["a"], array)
    chunks = zarr.open_array(tmp_path / "out.zarr/a", mode="r").chunks
    assert np.prod(chunks) * array.itemsize <= 4 << 20


@pytest.mark.parametrize("size", [1 << 10, 100_000])
def test_chunks_of_a_size(size: int, tmp_path: Path) -> None:
    arrays = {"a": large("f4", 300_000, (300, 1000)), "s": np.array([b"x" * 99] * 500, object)}
    found = converted(tmp_path, arrays, chunk_size=size)
    assert_same_bytes(found["a"], arrays["a"])
    assert list(found["s"]) == list(arrays["s"])
    chunks = zarr.open_array(tmp_path / "out.zarr/a", mode="r").chunks
    assert size // 5 < np.prod(chunks) * 4 <= size


def test_any_shape_comes_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    for _ in range(10):
        shape = tuple(map(int, rng.integers(1, 90, rng.integers(1, 4))))
        array = large("f8", int(np.prod(shape)), shape)
        assert_same_bytes(converted(tmp_path, {"a": array})["a"], array)


def test_compression_saves_space(tmp_path: Path) -> None:
    converted(tmp_path, {"a": np.zeros(1 << 20)}, compress=True)
    assert sum(map(len, contents(tmp_path / "out.zarr").values())) < 1 << 16


def test_damage_leaves_nothing(tmp_path: Path) -> None:
    array, strings = large("f4", 1 << 20), w.Strings([b"text"] * 9, (9,))
    w.write_bundle(tmp_path / "m", {"a/b": array, "s/t": strings})
    data = tmp_path / "m.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with pytest.raises(tfckpt.ChecksumError):
        tfckpt.convert(tmp_path / "m", tmp_path / "o.zarr")
    assert sorted(os.listdir(tmp_path)) == ["m.data-00000-of-00001", "m.index"]


def test_a_slash_at_the_end(tmp_path: Path) -> None:
    done = tfckpt.convert(EVERY, f"{tmp_path}/o.zarr/", only="weights", skip_unsupported=True)
    assert done.path == f"{tmp_path}/o.zarr"
    assert (tmp_path / "o.zarr" / METADATA).exists()


# -- what is replaced ------------------------------------------------------------------------------


def test_only_what_a_conversion_wrote_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "out.zarr"
    converted(tmp_path, {"a/b": np.zeros(3), "c": np.zeros(())})
    assert set(converted(tmp_path, {"d": np.ones(3)})) == {"d"}
    for name in ("notes.txt", "d/c.0.txt", "e/c.0", "d/.hidden"):
        other = target / name
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(b"")
        with pytest.raises(FileExistsError, match="no conversion wrote"):
            converted(tmp_path, {"f": np.ones(3)})
        assert other.exists()
        other.unlink()
    (target / "e").rmdir()
    assert set(converted(tmp_path, {"f": np.ones(3)})) == {"f"}


@pytest.mark.parametrize(
    "text", [b"{}", b"[", b'{"attributes": {"tool": "other"}}', b"[1]", b"\xff"]
)
def test_a_folder_of_others_is_not_replaced(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "out.zarr").mkdir()
    (tmp_path / "out.zarr" / METADATA).write_bytes(text)
    with pytest.raises(FileExistsError, match="no conversion wrote"):
        converted(tmp_path, {"f": np.ones(3)})
    assert contents(tmp_path / "out.zarr") == {METADATA: text}


def test_the_metadata_is_strict_json(tmp_path: Path) -> None:
    converted(tmp_path, {"é\n": np.zeros(3, "c8"), "s": w.Strings([b"\xff"], (1,))})
    for name, data in contents(tmp_path / "out.zarr").items():
        if name.endswith(METADATA):
            json.loads(data)


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
        tfckpt.convert(prefix, tmp_path / "o.zarr", raw=True, force=True, flat=True)
        found = {unquote(name): array for name, array in zarr_arrays(tmp_path / "o.zarr").items()}
        with np.load(tmp_path / "o.npz") as expected:
            for name in set(expected.files) & set(found):
                if found[name].dtype != object:
                    assert_same_bytes(found[name], expected[name])
                    seen += 1
    assert seen > 100
