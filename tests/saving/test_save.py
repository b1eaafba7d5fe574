"""Saving arrays: right bytes whatever their layout, and nothing at all where it cannot be."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import crc32c
import numpy as np
import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from random_tensors import ALL, QUANTISED, Plan, plans, save_rows
from tf_oracle import value_of

import tfckpt_reader as tfckpt
from tfckpt_reader.tensor.dtypes import BY_NUMBER


def contents(prefix: Path) -> dict[str, bytes]:
    return {
        path.name.removeprefix(prefix.name): path.read_bytes() for path in prefix.parent.iterdir()
    }


def saved(folder: Path, **tensors: Any) -> tfckpt.Checkpoint:
    tfckpt.save(folder / "x", tensors)
    return tfckpt.open(folder / "x")


def expected(plan: Plan) -> dict[str, w.Tensor]:
    """The tensors as the tests' own writer takes them."""
    return {
        name: w.Sliced(w.Typed(item.dtype, item.array), item.pieces)
        if item.sliced
        else w.Typed(item.dtype, item.array)
        for name, item in plan.tensors.items()
    }


def given_tensors(plan: Plan) -> dict[str, Any]:
    """The arrays as users have them: quantised numbers in TensorFlow's own NumPy types."""
    return {
        name: item.array.view([(str(BY_NUMBER[item.dtype]), item.array.dtype)])
        if item.dtype in QUANTISED and item.array.ndim
        else item.array
        for name, item in plan.tensors.items()
        if item.dtype not in QUANTISED or item.array.ndim
    }


@pytest.mark.parametrize("big_endian", [False, True])
@given(plan=plans(ALL))
def test_the_bytes_of_another_writer(
    tmp_path_factory: pytest.TempPathFactory, plan: Plan, *, big_endian: bool
) -> None:
    pytest.importorskip("ml_dtypes")
    prefix = tmp_path_factory.mktemp("saved") / "x"
    tensors = given_tensors(plan)
    cut = {
        name: [row[1].rpartition(" ")[2] for row in save_rows(name, item)]
        for name, item in plan.tensors.items()
        if item.sliced and name in tensors
    }
    tfckpt.save(prefix, tensors, partitions=cut, big_endian=big_endian)
    wanted = {name: tensor for name, tensor in expected(plan).items() if name in tensors}
    assert contents(prefix) == w.bundle_files(wanted, big_endian=big_endian)


LAYOUTS: dict[str, Any] = {
    "transposed": lambda a: a.T,
    "strided": lambda a: a[::2, 1::3],
    "reversed": lambda a: a[::-1, ::-1],
    "fortran": np.asfortranarray,
    "broadcast": lambda a: np.broadcast_to(a[0], a.shape),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "big-endian, transposed": lambda a: a.astype(a.dtype.newbyteorder(">")).T,
    "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
    "subclass": lambda a: np.ma.masked_array(a, a == 0),
    "empty": lambda a: a[:0],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f4", "c8", "c16", "i2", "u8", "f2", "?", "bfloat16", "int4"])
def test_arrays_of_any_layout(tmp_path: Path, layout: str, dtype: str) -> None:
    pytest.importorskip("ml_dtypes")
    array = LAYOUTS[layout](np.arange(60).reshape(6, 10).astype("i1").astype(dtype))
    ckpt = saved(tmp_path, x=array)
    assert ckpt["x"].dtype == array.dtype.newbyteorder("=")
    assert value_of(ckpt["x"]) == value_of(np.array(array).astype(array.dtype.newbyteorder("=")))


def test_a_large_array_of_any_layout(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 1 << 60, (3001, 503))
    ckpt = saved(tmp_path, plain=array, transposed=array.T, swapped=array.astype(">i8"))
    assert np.array_equal(ckpt["plain"], array)
    assert np.array_equal(ckpt["transposed"], array.T)
    assert np.array_equal(ckpt["swapped"], array)


def test_what_numpy_makes_arrays_of(tmp_path: Path) -> None:
    ckpt = saved(
        tmp_path, f=1.5, i=3, b=True, s="né", raw=b"\xff\0x", l=[[1, 2], [3, 4]], u=["a", "bc"]
    )
    found = {name: (str(ckpt.specs[name].dtype), ckpt[name].tolist()) for name in ckpt}
    assert found == {
        "f": ("float64", 1.5),
        "i": ("int64", 3),
        "b": ("bool", True),
        "s": ("string", "né".encode()),
        "raw": ("string", b"\xff\0x"),
        "l": ("int64", [[1, 2], [3, 4]]),
        "u": ("string", [b"a", b"bc"]),
    }


def test_a_checkpoint_keeps_its_types(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "in", {"q": w.Typed(11, np.arange(3, dtype="i1"))})
    with tfckpt.open(tmp_path / "in") as ckpt:
        tfckpt.save(tmp_path / "out", ckpt)
    assert str(tfckpt.open(tmp_path / "out").specs["q"].dtype) == "qint8"


def test_over_itself(tmp_path: Path) -> None:
    tfckpt.save(tmp_path / "x", {"a": np.arange(5), "b": np.arange(9.0)})
    with tfckpt.open(tmp_path / "x") as ckpt:
        tfckpt.save(tmp_path / "x", ckpt, shards=2)
    assert tfckpt.open(tmp_path / "x")["b"].tolist() == list(range(9))


def test_each_array_is_let_go(tmp_path: Path) -> None:
    import weakref

    alive: list[weakref.ref[Any]] = []

    def tensors() -> Iterator[tuple[str, Any]]:
        for i in range(5):
            array = np.full(1000, i)
            alive.append(weakref.ref(array))
            yield str(i), array
            del array
            assert sum(ref() is not None for ref in alive[:-1]) <= 1

    tfckpt.save(tmp_path / "x", tensors())
    assert len(alive) == 5


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_shards_are_of_one_size(tmp_path: Path, shards: int) -> None:
    tfckpt.save(tmp_path / "x", {str(i): np.zeros(100) for i in range(10)}, shards=shards)
    sizes = {p.stat().st_size for p in tmp_path.iterdir() if ".data-" in p.name}
    assert sizes == {8000 // shards}


OBJECTS = np.empty(2, object)
OBJECTS[:] = [b"good", 7]
REFUSED: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "objects": ({"x": OBJECTS}, {}, tfckpt.UnsupportedError, "'?x'?.*not int"),
    "dates": ({"x": np.zeros(1, "M8[s]")}, {}, tfckpt.UnsupportedError, "no type for .*datetime"),
    "fields": ({"x": np.zeros(1, "i4,f4")}, {}, tfckpt.UnsupportedError, "no type for"),
    "longdouble": ({"x": np.zeros(1, "g")}, {}, tfckpt.UnsupportedError, "no type for"),
    "empty name": ({"": 1}, {}, ValueError, "cannot be the name"),
    "surrogates": ({"\ud800": 1}, {}, ValueError, "cannot be the name"),
    "a name twice": ([("a", 1), ("a", 2)], {}, ValueError, "two rows with the key b'a'"),
    "no shards": ({"a": 1}, {"shards": 0}, ValueError, "one shard or more"),
    "no such tensor": ({"a": 1}, {"partitions": {"b": (0, 2)}}, ValueError, "no tensor 'b'"),
    "no such axis": ({"a": [1]}, {"partitions": {"a": (1, 1)}}, ValueError, "no axis 1"),
    "too many": ({"a": [1]}, {"partitions": {"a": (0, 2)}}, ValueError, "make no 2 slices"),
    "empty tensor": (
        {"a": np.zeros((2, 0))},
        {"partitions": {"a": (0, 2)}},
        ValueError,
        "without elements",
    ),
    "a hole": ({"a": [1, 2, 3]}, {"partitions": {"a": ["0,1", "2,1"]}}, ValueError, "make up"),
    "an overlap": ({"a": [1, 2]}, {"partitions": {"a": ["0,2", "1,1"]}}, ValueError, "make up"),
    "outside": ({"a": [1, 2]}, {"partitions": {"a": ["0,2", "2,1"]}}, ValueError, "outside"),
    "no slice": ({"a": [1, 2]}, {"partitions": {"a": ["x"]}}, ValueError, "no slice"),
    "other rank": ({"a": [1, 2]}, {"partitions": {"a": ["0,1:-", "1,1:-"]}}, ValueError, "rank"),
    "variants": (
        {"v": np.array([tfckpt.Variant("t", b"", ())], object)},
        {"big_endian": True},
        tfckpt.UnsupportedError,
        "variants",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_nothing_is_left_of_what_is_refused(tmp_path: Path, case: str) -> None:
    tensors, options, error, text = REFUSED[case]
    with pytest.raises(error, match=text):
        tfckpt.save(tmp_path / "x", tensors, **options)
    assert not os.listdir(tmp_path)


def test_an_iterator_that_fails(tmp_path: Path) -> None:
    def tensors() -> Iterator[tuple[str, Any]]:
        yield "a", 1
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        tfckpt.save(tmp_path / "x", tensors())
    assert not os.listdir(tmp_path)


def test_a_prefix_of_any_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tfckpt.save(b"\xff", {"a": 1})  # type: ignore[arg-type]
    tfckpt.save("./", {"a": 2})
    assert sorted(map(os.fsencode, os.listdir(tmp_path)))[:2] == [
        b".data-00000-of-00001",
        b".index",
    ]
    assert tfckpt.open(os.fsdecode(b"\xff"))["a"] == 1
    assert tfckpt.open("./.index")["a"] == 2
    with pytest.raises(ValueError, match="has a name"):
        tfckpt.save("", {"a": 1})


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tfckpt.save(tmp_path / "no" / "x", {"a": 1})


@given(cuts=st.integers(1, 9), size=st.integers(9, 30))
def test_slices_along_an_axis(
    tmp_path_factory: pytest.TempPathFactory, cuts: int, size: int
) -> None:
    prefix = tmp_path_factory.mktemp("cut") / "x"
    array = np.arange(4 * size).reshape(4, size)
    tfckpt.save(prefix, {"x": array}, partitions={"x": (1, cuts)})
    with tfckpt.open(prefix) as ckpt:
        assert np.array_equal(ckpt["x"], array)
        lengths = [each.shape[1] for each in ckpt.specs["x"].slices] or [size]
        assert len(lengths) == cuts
        assert sorted(lengths, reverse=True) == lengths
        assert max(lengths) - min(lengths) <= 1


def test_an_array_that_changes_meanwhile(tmp_path: Path) -> None:
    """Its values are some of those it had, and each checksum is that of the written bytes."""
    array, stop = np.zeros(4_000_000), threading.Event()

    def change() -> None:
        while not stop.is_set():
            np.add(array, 1, out=array)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        for i in range(5):
            tfckpt.save(tmp_path / f"x-{i}", {"large": array, "small": array[:1000]})
    finally:
        stop.set()
        changing.join()
    for i in range(5):
        assert not tfckpt.verify(tmp_path / f"x-{i}").problems


@pytest.mark.slow
def test_beyond_4_gib(tmp_path: Path) -> None:
    """One tensor of more than 4 GiB, of no memory, and one behind it."""
    large = np.broadcast_to(np.arange(1 << 20, dtype="u1"), (4100, 1 << 20))
    tfckpt.save(tmp_path / "x", {"large": large, "last": np.arange(3)})
    with tfckpt.open(tmp_path / "x") as ckpt:
        assert ckpt.specs["last"].offset == 4100 << 20
        assert ckpt["last"].tolist() == [0, 1, 2]
        assert ckpt.read("large", rows=slice(-1, None)).tolist() == large[-1:].tolist()
        assert ckpt.specs["large"].crc32c == crc32c.crc32c(large.tobytes())
    assert tfckpt.verify(tmp_path / "x").ok
