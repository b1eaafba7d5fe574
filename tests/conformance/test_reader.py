"""8.5, 8.6 and 8.8 of the format's specification: readers, savers and the keys of objects.

As TensorFlow's own tests pin them down. The object graph counts as far as keys go.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from conformance import FORMATS, opened
from numpy.testing import assert_array_equal
from project import FIXTURES
from strategies import numbers

import tfckpt_reader as tfckpt
from tfckpt_reader.paths.state_file import read_state


def test_case_57_not_found(tmp_path: Path) -> None:
    with pytest.raises(tfckpt.CheckpointNotFoundError):
        tfckpt.open(tmp_path / "no such folder" / "")
    with opened(tmp_path, {"var1": numbers((2,))}) as ckpt:
        with pytest.raises(tfckpt.TensorNotFoundError) as caught:
            ckpt["var5"]
        assert isinstance(caught.value, KeyError)
        assert "var5" in str(caught.value)


def test_case_58_by_directory(tmp_path: Path) -> None:
    tensors = {
        "var1": numbers((1, 10), "float32"),
        "var2": numbers((10, 10), "float32"),
        "var3": numbers((100, 1), "float32"),
        "useful_scope/var4": numbers((9, 9), "float32"),
    }
    w.write_bundle(tmp_path / "model-0", tensors)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model-0"\n')
    for path in (tmp_path, str(tmp_path), f"{tmp_path}/", os.fsencode(tmp_path)):
        with tfckpt.open(path) as ckpt:
            found = [(name, spec.shape) for name, spec in ckpt.specs.items()]
            assert found == [(name, tensors[name].shape) for name in sorted(tensors)]
            for name, array in tensors.items():
                assert_array_equal(ckpt[name], array, strict=True)


@FORMATS
def test_case_59_reader(tmp_path: Path, open_new: Callable[..., tfckpt.Checkpoint]) -> None:
    tensors = {"v0": np.array([[1, 2, 3], [4, 5, 6]], np.float32), "v1": numbers((3, 2, 1))}
    with open_new(tmp_path, tensors) as ckpt:
        assert "v0" in ckpt
        assert "v3" not in ckpt
        found = {name: (str(s.dtype), list(s.shape)) for name, s in ckpt.specs.items()}
        assert found == {"v0": ("float32", [2, 3]), "v1": ("int32", [3, 2, 1])}
        assert_array_equal(ckpt["v1"], tensors["v1"], strict=True)
        with pytest.raises(tfckpt.TensorNotFoundError, match="v3"):
            ckpt["v3"]
    with pytest.raises(tfckpt.CheckpointNotFoundError):
        tfckpt.open(tmp_path / "non_existent")


@FORMATS
def test_case_60_partitions(tmp_path: Path, open_new: Callable[..., tfckpt.Checkpoint]) -> None:
    array = numbers((10, 3), "float32")
    five = w.Sliced(array, [[(2 * i, 2), (0, 3)] for i in (3, 0, 4, 1, 2)])
    with open_new(tmp_path, {"v": five}) as ckpt:
        assert_array_equal(ckpt["v"], array, strict=True)
        for parts in (5, 3, 2):
            for rows in np.array_split(np.arange(10), parts):
                part = slice(int(rows[0]), int(rows[-1]) + 1)
                assert_array_equal(ckpt.read("v", rows=part), array[part], strict=True)


# 8.6 Savers


@pytest.mark.parametrize("name", ["path", "path-5", "path-00000005"])
@FORMATS
def test_case_63_round_trip(
    tmp_path: Path, name: str, open_new: Callable[..., tfckpt.Checkpoint]
) -> None:
    tensors = {"v0": np.array(10, np.float32), "v1": np.array(20, np.float32)}
    write: Any = w.write_bundle if open_new is opened else w.write_v1
    write(tmp_path / name, tensors)
    with tfckpt.open(tmp_path / name) as ckpt:
        assert {key: float(value) for key, value in ckpt.items()} == {"v0": 10.0, "v1": 20.0}


def test_case_64_sharded(tmp_path: Path) -> None:
    tensors = {"v0": np.array(10, np.int32), "v1": np.array(20, np.int32)}
    w.write_v1_shards(tmp_path / "path", tensors, shards=2)
    (tmp_path / "path.meta").write_bytes(b"")
    pattern = f"{tmp_path}/path-?????-of-00002"
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{pattern}"\n')
    names = ["-?????-of-00002", "-?????-of-?????", "-00000-of-00002", "-00001-of-00002", ".meta"]
    for name in names:
        with tfckpt.open(f"{tmp_path}/path{name}") as ckpt:
            assert {key: int(value) for key, value in ckpt.items()} == {"v0": 10, "v1": 20}
            assert ckpt.version == "V1"
    assert tfckpt.latest_checkpoint(tmp_path) == pattern


def test_case_64_sharded_v2(tmp_path: Path) -> None:
    w.write_bundle(
        tmp_path / "path", {"v0": np.array(10, np.int32), "v1": np.array(20, np.int32)}, shards=2
    )
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "path"\n')
    assert tfckpt.latest_checkpoint(tmp_path) == str(tmp_path / "path")
    with tfckpt.open(tmp_path / "path") as ckpt:
        assert {key: int(value) for key, value in ckpt.items()} == {"v0": 10, "v1": 20}


@FORMATS
@pytest.mark.parametrize("parts", [1, 2, 10])
def test_case_65_partitions_differ(
    tmp_path: Path, parts: int, open_new: Callable[..., tfckpt.Checkpoint]
) -> None:
    array = numbers((10, 16), "float32")
    stored: Any = array
    if parts > 1:
        size = 10 // parts
        stored = w.Sliced(array, [[(i * size, size), (0, 16)] for i in range(parts)])
    with open_new(tmp_path, {"v": stored}) as ckpt:
        assert_array_equal(ckpt["v"], array, strict=True)
        assert_array_equal(ckpt.read("v", rows=slice(2, 4)), array[2:4], strict=True)
        assert_array_equal(ckpt["v"][:, 1:4], array[:, 1:4], strict=True)


def test_case_66_keys_of_a_dict(tmp_path: Path) -> None:
    with opened(tmp_path, {"save_prefix/v0": np.array(10, np.float32)}) as ckpt:
        assert ckpt["save_prefix/v0"] == 10
        with pytest.raises(tfckpt.TensorNotFoundError, match="save_prefix/v0"):
            ckpt["v0"]


def test_case_67_kept_checkpoints(tmp_path: Path) -> None:
    lines = [f'all_model_checkpoint_paths: "s{i}"\n' for i in (2, 3, 1)]
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "s1"\n' + "".join(lines))
    for i in (1, 2, 3):
        w.write_bundle(
            tmp_path / f"s{i}", {"v": np.array(i, np.int32), "w": np.array(i, np.int32)}, shards=2
        )
        (tmp_path / f"s{i}.meta").write_bytes(b"")
    assert len(list(tmp_path.glob("s1*"))) == 4
    state = read_state(str(tmp_path / "checkpoint"))
    assert (state.newest, state.kept) == ("s1", ("s2", "s3", "s1"))
    for name in state.kept:
        with tfckpt.open(tmp_path / name) as ckpt:
            assert ckpt["v"] == ckpt["w"] == int(name[1:])
    assert tfckpt.latest_checkpoint(tmp_path) == str(tmp_path / "s1")


def test_case_69_invalid_path(tmp_path: Path) -> None:
    for name in ("not/a/checkpoint", "not-?????-of-00002", "not.index", "not.data-00000-of-00001"):
        with pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
            tfckpt.open(tmp_path / name)
        assert "not" in (caught.value.file or "")


@FORMATS
def test_case_71_absent_key(tmp_path: Path, open_new: Callable[..., tfckpt.Checkpoint]) -> None:
    with open_new(tmp_path, {"a": numbers((2,))}) as ckpt:
        for read in (ckpt.__getitem__, ckpt.read, ckpt.specs.__getitem__):
            with pytest.raises(tfckpt.TensorNotFoundError, match="'b'"):
                read("b")


# 8.8 Object graph: as far as keys go


def test_case_79_escaped_keys() -> None:
    """TensorFlow wrote children named `plain`, `a/b`, `a.b`, `.ATTRIBUTES` and `ß`."""
    with tfckpt.open(FIXTURES / "hash_table_tf2" / "ckpt") as ckpt:
        ending = "/.ATTRIBUTES/VARIABLE_VALUE"
        found = {
            name.removesuffix(ending).removeprefix("by_name/"): int(value)
            for name, value in ckpt.items()
            if name.startswith("by_name/")
        }
    assert set(found) == {"plain", "a.Sb", "a..b", "..ATTRIBUTES", "ß"}


def test_case_80_keys_of_the_root(tmp_path: Path) -> None:
    names = ["/.ATTRIBUTES/v1", "/.ATTRIBUTES/v2", "child/.ATTRIBUTES/v1", "child/.ATTRIBUTES/v2"]
    with opened(tmp_path, {name: np.array(i, np.int32) for i, name in enumerate(names)}) as ckpt:
        assert list(ckpt) == names
        assert [int(ckpt[name]) for name in names] == [0, 1, 2, 3]


def test_case_82_many_saves(tmp_path: Path) -> None:
    for step in range(1, 11):
        w.write_bundle(tmp_path / f"ckpt-{step}", {"v": np.array(step, np.int64)})
    text = 'model_checkpoint_path: "ckpt-10"\nall_model_checkpoint_paths: "ckpt-10"\n'
    (tmp_path / "checkpoint").write_text(text)
    assert len(list(tmp_path.glob("*.index"))) == 10
    assert tfckpt.open(tmp_path)["v"] == 10
    assert [int(tfckpt.open(tmp_path / f"ckpt-{step}")["v"]) for step in (1, 5, 9)] == [1, 5, 9]


def test_case_83_kinds_of_path(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "ckpt", {"v": np.array(4, np.int64)})
    for path in (tmp_path / "ckpt", f"{tmp_path}/ckpt", os.fsencode(tmp_path / "ckpt")):
        assert tfckpt.open(path)["v"] == 4
    model = tmp_path / "model"
    (model / "variables").mkdir(parents=True)
    (model / "saved_model.pb").write_bytes(b"")
    w.write_bundle(model / "variables" / "variables", {"v": np.array(5, np.int64)})
    assert tfckpt.open(model)["v"] == 5
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    with pytest.raises(tfckpt.CheckpointNotFoundError):
        tfckpt.open(wrong)


def test_case_86_many_shards(tmp_path: Path) -> None:
    """As written with a largest shard of 4 bytes: an element each, the object graph last."""
    floats, ints = np.array([0, 1, 2, 3], np.float32), np.array([[4], [5], [6], [7]], np.int32)
    tensors = {
        "a": w.Sliced(floats, [[(i, 1)] for i in range(4)], shards=range(4)),
        "b": w.Sliced(ints, [[(i, 1), (0, 1)] for i in range(4)], shards=range(4, 8)),
        "_CHECKPOINTABLE_OBJECT_GRAPH": w.Strings([b"graph"], ()),
    }
    home = {"_CHECKPOINTABLE_OBJECT_GRAPH": 7}
    with opened(tmp_path, tensors, shards=8, placement=home) as ckpt:
        assert_array_equal(ckpt["a"], floats, strict=True)
        assert_array_equal(ckpt["b"], ints, strict=True)
        assert [str(found) for found in ckpt.specs["a"].slices] == ["0,1", "1,1", "2,1", "3,1"]
        assert [found.shard for found in ckpt.specs["b"].slices] == [4, 5, 6, 7]
        assert ckpt["_CHECKPOINTABLE_OBJECT_GRAPH"].item() == b"graph"
    with opened(tmp_path, {"a": w.Sliced(floats, [[(0, 2)], [(2, 2)]])}, shards=2) as ckpt:
        assert_array_equal(ckpt["a"], floats, strict=True)
