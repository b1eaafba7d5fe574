"""Data files that are missing, and those under another name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from defects import DATA, FLOATS, INDEX, WORDS, bundle, good

import tfckpt_reader as tfckpt

STRINGS = {"s": WORDS, "t": w.Strings([b"a" * 300, b"\0"], (2,))}


def moved(folder: Path, tensors: dict[str, Any], name: str = "q") -> Path:
    """Give the data file of a bundle another name than its index."""
    prefix = bundle(folder, tensors)
    Path(f"{prefix}{DATA}").rename(folder / f"{name}{DATA}")
    return prefix


@pytest.mark.parametrize("tensors", [good(), STRINGS], ids=["numbers", "strings"])
def test_data_under_another_name_is_recognised(tensors: dict[str, Any], tmp_path: Path) -> None:
    prefix = moved(tmp_path, tensors)
    (line,) = tfckpt.verify(prefix).diagnosis
    assert f"{tmp_path / 'q'}{DATA} has the size and the checksums" in line
    with tfckpt.open(prefix) as ckpt, pytest.raises(tfckpt.CheckpointNotFoundError) as read:
        ckpt["s"]
    with pytest.raises(tfckpt.CheckpointNotFoundError) as written:
        tfckpt.convert(prefix, tmp_path / "out.npz")
    for error in (read.value, written.value):
        assert f"q{DATA} has its size and checksums" in str(error)
        assert "copy" not in str(error)


def test_a_file_of_the_same_size_is_not_the_one(tmp_path: Path) -> None:
    prefix = moved(tmp_path, good())
    other = tmp_path / f"q{DATA}"
    other.write_bytes(bytes(other.stat().st_size))
    with tfckpt.open(prefix) as ckpt, pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
        ckpt["f"]
    assert "copy or download it too" in str(caught.value)


def test_a_damaged_index_gives_the_plain_advice(tmp_path: Path) -> None:
    tensors = {f"n{i:03}": FLOATS for i in range(200)}
    prefix = bundle(tmp_path, tensors, block_size=500)
    Path(f"{prefix}{DATA}").unlink()
    index = Path(f"{prefix}{INDEX}")
    contents = bytearray(index.read_bytes())
    contents[len(contents) // 2] ^= 1
    index.write_bytes(contents)
    with tfckpt.open(prefix) as ckpt, pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
        ckpt["n000"]
    assert "copy or download it too" in str(caught.value)


def test_each_of_several_data_files(tmp_path: Path) -> None:
    tensors = {"a": FLOATS, "b": np.arange(9, dtype=np.int64)}
    prefix = bundle(tmp_path, tensors, shards=2, placement={"a": 0, "b": 1})
    for number in range(2):
        end = f".data-{number:05d}-of-00002"
        Path(f"{prefix}{end}").rename(tmp_path / f"other{end}")
    with tfckpt.open(prefix) as ckpt:
        for name, number in (("a", 0), ("b", 1)):
            with pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
                ckpt[name]
            assert f"other.data-{number:05d}-of-00002 has its size" in str(caught.value)
