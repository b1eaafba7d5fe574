"""Views of small tensors after a listing: the arrays, and the errors, of the careful way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from numpy.testing import assert_array_equal
from strategies import numbers

import tfckpt_reader as tfckpt
from tfckpt_reader.formats.v2.segments import Numbers

DATA = ".data-00000-of-00001"
SMALL = {
    "a": numbers((8,), "float64"),
    "b": np.array([True, False, True]),  # what follows lies unaligned
    "c": numbers((5,), "float32"),
    "d": numbers((2, 3, 4), "int16"),
    "e": np.zeros((0, 3), np.float32),
    "f": np.array(2.5),
    "g": numbers((3000,), "float32"),
    "h": np.arange(300, dtype=np.uint8),
    "i": np.array([1 + 2j]),
}


def opened(folder: Path, **options: Any) -> tfckpt.Checkpoint:
    w.write_bundle(folder / "p", SMALL, **options)
    return tfckpt.open(folder / "p")


@pytest.mark.parametrize("options", [{}, {"shards": 3}, {"big_endian": True}], ids=str)
@pytest.mark.parametrize("mmap", [True, False])
def test_as_before_a_listing(tmp_path: Path, options: dict[str, Any], *, mmap: bool) -> None:
    w.write_bundle(tmp_path / "p", SMALL, **options)
    with (
        tfckpt.open(tmp_path / "p", mmap=mmap) as before,
        tfckpt.open(tmp_path / "p", mmap=mmap) as ckpt,
    ):
        assert list(ckpt) == list(SMALL)
        for _ in range(2):  # the first opens the file
            for name, array in SMALL.items():
                found = ckpt[name]
                assert_array_equal(found, array)
                assert (found.dtype, found.shape) == (array.dtype, array.shape)
                flags, others = found.flags, before[name].flags
                assert (flags.writeable, flags.aligned, flags.c_contiguous) == (False, True, True)
                assert flags.owndata == others.owndata


def test_most_take_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    careful: list[str] = []
    real = Numbers.array

    def counting(self: Numbers, segment: Any, *, check: bool) -> Any:
        careful.append(segment.name)
        return real(self, segment, check=check)

    monkeypatch.setattr(Numbers, "array", counting)
    array = numbers((4,), "float32")
    w.write_bundle(tmp_path / "p", {f"t{i:03d}": array for i in range(100)})
    with tfckpt.open(tmp_path / "p") as ckpt:
        for name in ckpt:
            assert_array_equal(ckpt[name], array)
        assert careful == ["t000"]  # it opens the file
        assert list(ckpt.load()) == list(ckpt)
        assert careful == ["t000"]


def test_damage(tmp_path: Path) -> None:
    """The same error as the careful way gives; unless the user wants no check."""
    w.write_bundle(tmp_path / "p", SMALL)
    data = Path(f"{tmp_path}/p{DATA}")
    data.write_bytes(b"\xff" + data.read_bytes()[1:])
    with tfckpt.open(tmp_path / "p") as before, tfckpt.open(tmp_path / "p") as ckpt:
        list(ckpt)
        assert_array_equal(ckpt["c"], SMALL["c"])
        for _ in range(2):
            with pytest.raises(tfckpt.ChecksumError) as wanted:
                before["a"]
            with pytest.raises(tfckpt.ChecksumError) as caught:
                ckpt["a"]
            assert str(caught.value) == str(wanted.value)
    with tfckpt.open(tmp_path / "p", check=False) as ckpt:
        list(ckpt)
        assert_array_equal(ckpt["c"], SMALL["c"])
        assert ckpt["a"][0] != SMALL["a"][0]
        assert_array_equal(ckpt["a"][1:], SMALL["a"][1:])


@pytest.mark.parametrize(
    "fields",
    [
        {"size": 60},
        {"size": 72},
        {"offset": 1 << 40},
        {"offset": (1 << 63) - 1},
        {"offset": 1},
        {"shard": 1},
        {"shape": (9,)},
        {"dtype": 1},
        {"crc": 0},
    ],
    ids=str,
)
def test_rows_that_disagree(tmp_path: Path, fields: dict[str, Any]) -> None:
    edit = lambda rows: w.edit_entry(rows, b"a", **fields)  # noqa: E731
    with opened(tmp_path, edit_rows=edit) as ckpt:
        with pytest.raises(tfckpt.CorruptCheckpointError) as wanted:
            ckpt["a"]
        assert_array_equal(ckpt["f"], SMALL["f"])
        assert list(ckpt) == list(SMALL)
        with pytest.raises(type(wanted.value)) as caught:
            ckpt["a"]
        assert str(caught.value) == str(wanted.value)


def test_without_a_header(tmp_path: Path) -> None:
    edit = lambda rows: w.replace_row(rows, b"", None)  # noqa: E731
    with opened(tmp_path, edit_rows=edit) as ckpt:
        assert_array_equal(ckpt["h"], SMALL["h"])
        list(ckpt)
        with pytest.raises(tfckpt.CorruptCheckpointError, match="byte order"):
            ckpt["a"]


def test_kept_after_close(tmp_path: Path) -> None:
    with opened(tmp_path) as ckpt:
        list(ckpt)
        first, second = ckpt["a"], ckpt["a"]
        assert np.shares_memory(first, second)
    assert_array_equal(first, SMALL["a"])
