"""The reader: types of results, partitioned tensors, paths; `tests/tensorflow` compares them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from numpy.testing import assert_array_equal
from project import FIXTURES

import tfckpt_reader.compat as train


def test_types_of_results(tmp_path: Path) -> None:
    tensors: dict[str, Any] = {
        "array": np.arange(6, dtype=np.int16).reshape(2, 3),
        "number": np.array(1.5, np.float32),
        "string": w.Strings([b"a\xff"], ()),
        "strings": w.Strings([b"", b"b"], (2,)),
    }
    w.write_bundle(tmp_path / "p", tensors)
    reader = train.load_checkpoint(tmp_path / "p")
    array = reader.get_tensor("array")
    array += 1  # owned and writable
    assert_array_equal(reader.get_tensor(b"array"), tensors["array"], strict=True)
    assert type(reader.get_tensor("number")) is np.float32
    assert reader.get_tensor("string") == b"a\xff"
    assert reader.get_tensor("strings").tolist() == [b"", b"b"]
    assert reader.get_variable_to_shape_map()["array"] == [2, 3]
    assert reader.get_variable_to_dtype_map()["strings"] == "string"
    for wrong in (None, 5):
        with pytest.raises(TypeError, match="Expected binary or unicode string"):
            reader.get_tensor(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("write", [w.write_bundle, w.write_v1])
def test_partitioned_tensors(tmp_path: Path, write: Any) -> None:
    whole = np.arange(20, dtype=np.float32).reshape(5, 4)
    write(tmp_path / "p", {"v": w.Sliced(whole, [[(0, 2), (0, 4)], [(2, 3), (0, 4)]])})
    assert_array_equal(train.load_variable(tmp_path / "p", "v:0"), whole, strict=True)
    text = train.load_checkpoint(tmp_path / "p").debug_string()
    if write is w.write_v1:
        assert text == b"v (DT_FLOAT) [5,4], 2 slices\n"
    else:
        assert [line.rpartition(b" ")[2] for line in text.splitlines()] == [b"[2,4]", b"[3,4]"]


def test_one_shard_of_v1_is_read_alone() -> None:
    shards = FIXTURES / "v1_sharded"
    names = [name for name, _ in train.list_variables(shards / "model.ckpt-00000-of-00002")]
    assert names == ["first/bias", "first/kernel"]
    assert len(train.list_variables(shards / "model.ckpt-?????-of-00002")) == 4
    with pytest.raises(train.NotFoundError, match=r"Name .*-\?{5}-of-00002 instead"):
        train.list_variables(shards / "model.ckpt")


def test_missing_shards_of_v1_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    w.write_v1_shards(tmp_path / "p", {"a": np.arange(3), "b": np.arange(4)}, shards=2)
    (tmp_path / "p-00001-of-00002").unlink()
    assert train.list_variables(tmp_path / "p-?????-of-00002") == [("a", [3])]
    assert "shard 1 of 2 is missing" in caplog.text


@pytest.mark.parametrize("path", ["saver_tf1/model.ckpt-*", "saver_tf1/model.ckpt-[1]"])
def test_globs_are_not_expanded(path: str) -> None:
    with pytest.raises(train.NotFoundError):
        train.list_variables(FIXTURES / path)


def test_a_folder_that_is_a_prefix_too(tmp_path: Path) -> None:
    """TensorFlow's functions take the folder, its reader the prefix."""
    w.write_bundle(tmp_path / "p", {"v": np.arange(3)})
    (tmp_path / "p").mkdir()
    assert train.NewCheckpointReader(tmp_path / "p").has_tensor("v")
    with pytest.raises(ValueError, match="Couldn't find 'checkpoint' file"):
        train.load_checkpoint(tmp_path / "p")
