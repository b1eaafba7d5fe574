"""Many tensors at once against one by one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from numpy.typing import NDArray
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.formats import loading

PREFIXES = sorted(str(path)[: -len(".index")] for path in FIXTURES.rglob("*.index"))


@pytest.mark.parametrize("large", [1, 1 << 18])
@pytest.mark.parametrize("path", [*PREFIXES, str(FIXTURES / "v1" / "model.ckpt")])
def test_all_are_those_read_one_by_one(
    path: str, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_LARGE", large)
    with tfckpt.open(path) as ckpt:
        try:
            expected = {name: ckpt.read(name) for name in ckpt}
        except tfckpt.CheckpointError as error:
            with pytest.raises(type(error)):
                ckpt.load()
            return
        loaded = ckpt.load()
    assert list(loaded) == list(expected)
    for name, array in loaded.items():
        assert array.dtype == expected[name].dtype
        assert array.flags.writeable
        if array.dtype != object:
            assert array.tobytes() == expected[name].tobytes()
        else:
            assert repr(array.tolist()) == repr(expected[name].tolist())


@pytest.mark.parametrize("refused", [False, True])
def test_arrays_have_memory_of_their_own(
    tmp_path: Path, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if refused:
        monkeypatch.setattr(loading, "huge_pages", lambda _: None)
    wanted: dict[str, NDArray[Any]] = {
        "large": np.arange(1 << 20, dtype=np.int32).reshape(4, -1),
        "odd": np.arange((1 << 21) + 3).astype(np.uint8),
        "small": np.arange(3),
    }
    w.write_bundle(tmp_path / "p", wanted)
    with tfckpt.open(tmp_path / "p") as ckpt:
        loaded = ckpt.load()
        for name, array in loaded.items():
            np.testing.assert_array_equal(array, wanted[name], strict=True)
            assert array.flags.c_contiguous
            assert array.flags.aligned
            array[:] = 0
            np.testing.assert_array_equal(ckpt[name], wanted[name])
    assert not any(array.any() for array in loaded.values())


def test_missing_bytes_are_found_before_memory_is_filled(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"a": np.zeros(1 << 20)})
    os.truncate(tmp_path / "p.data-00000-of-00001", 100)
    with pytest.raises(tfckpt.TruncatedError) as caught:
        tfckpt.open(tmp_path / "p").load()
    assert caught.value.tensor == "a"


def test_names(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"a": np.arange(3), "b": np.ones(2), "c": np.zeros(1)})
    ckpt = tfckpt.open(tmp_path / "p")
    assert list(ckpt.load(["c", "a"])) == ["c", "a"]
    assert list(ckpt.load(iter(["b"]))) == ["b"]
    assert ckpt.load([]) == {}
    with pytest.raises(tfckpt.TensorNotFoundError, match="'d'"):
        ckpt.load(["a", "d"])
    ckpt.close()
    with pytest.raises(ValueError, match="closed"):
        ckpt.load()


@pytest.mark.parametrize("large", [1, 1 << 18])
def test_each_crc_is_compared(tmp_path: Path, large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_LARGE", large)
    w.write_bundle(tmp_path / "p", {"a": np.arange(3), "b": np.arange(4)})
    data = tmp_path / "p.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(tfckpt.ChecksumError) as caught:
        tfckpt.open(tmp_path / "p").load()
    assert caught.value.tensor == "b"
    assert tfckpt.open(tmp_path / "p", check=False).load()["a"][2] == 2
