"""Lazy tensors: NumPy's results over random indices, few bytes read, pickled without data."""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal
from project import FIXTURES
from random_tensors import examples
from strategies import numbers

import tfckpt_reader as tfckpt
from tfckpt_reader.errors import CheckpointNotFoundError, CorruptCheckpointError, ErrorKind
from tfckpt_reader.lazy import LazyTensor
from tfckpt_reader.storage.local import File

MATRIX = numbers((6, 4), "float32")
WHOLE = (0, -1)
CUT = [[(0, 2), (0, 4)], [(2, 4), (0, 3)], [(2, 4), (3, 1)]]
TENSORS: dict[str, Any] = {
    "scalar": np.array(2.5),
    "empty": np.zeros((0, 3), "int64"),
    "no_columns": np.zeros((3, 0), "int16"),
    "vector": np.arange(17, dtype="uint8"),
    "cube": numbers((5, 3, 4), "int32"),
    "bools": np.array([True, False, True, True]),
    "complex": numbers((3, 2), "float32").astype("complex64"),
    "strings": w.Strings([b"x", b"", b"yz", b"\0", b"long" * 50, b"z"], (3, 2)),
    "string": w.Strings([b"one"], ()),
    "cut": w.Sliced(MATRIX, CUT),
}
FOLDERS = [
    folder
    for folder in ("every_dtype", "sliced", "multi_shard", "strings", "v1", "v1_sliced")
    if importlib.util.find_spec("ml_dtypes") or folder != "every_dtype"
]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("lazy") / "model.ckpt-1"
    w.write_bundle(path, TENSORS)
    return str(path)


@cache
def checkpoints_of(folder: str) -> list[str]:
    """All tensors of a fixture, as a list of (path, name)."""
    files = sorted((FIXTURES / folder).rglob("*"))
    prefixes = [str(f).removesuffix(".index") for f in files if f.suffix == ".index"]
    return prefixes or [str(f) for f in files if f.is_file() and ".meta" not in f.name][:1]


def same(got: Any, wanted: Any) -> None:
    assert type(got) is type(wanted)
    if isinstance(wanted, np.ndarray):
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        if wanted.dtype != object:
            got, wanted = (each.copy().reshape(-1).view("u1") for each in (got, wanted))
        assert_array_equal(got, wanted)
    elif isinstance(wanted, np.generic):
        assert got.tobytes() == wanted.tobytes()
    else:
        assert got == wanted


def compare(tensor: LazyTensor, whole: Any, index: Any) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # NumPy 1 only warns of an index out of bounds where another leaves no elements.
            warnings.filterwarnings("error", "Out of bound index", DeprecationWarning)
            wanted = whole[index]
    except DeprecationWarning:
        with pytest.raises(IndexError):
            tensor[index]
        return
    except (IndexError, ValueError, TypeError) as error:
        # Of two faults, either may come first.
        kinds = (IndexError, ValueError, TypeError) if "0)" in repr(index) else type(error)
        with pytest.raises(kinds):
            tensor[index]
        return
    same(tensor[index], wanted)


def indices(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    number = st.integers(-8, 8)
    part = st.one_of(
        number,
        st.builds(slice, *[st.none() | number] * 3),
        st.just(...),
        st.none(),
        st.lists(number, max_size=4),
        st.booleans(),
        number.map(np.int16),
        st.lists(number, min_size=1, max_size=4).map(lambda each: np.array([each])),
        st.just(1.5),
    )
    anything = part | st.lists(part, max_size=4).map(tuple)
    if not shape:
        return anything
    return st.one_of(
        anything,
        hnp.basic_indices(shape, allow_newaxis=True),
        hnp.arrays("bool", shape[0]),
        hnp.arrays("bool", shape),
    )


@pytest.mark.parametrize("name", TENSORS)
def test_an_index_takes_what_numpy_takes(prefix: str, name: str) -> None:
    with tfckpt.open(prefix) as ckpt:
        whole, tensor = ckpt[name], ckpt.lazy(name)

        @examples(80)
        @given(indices(whole.shape))
        def run(index: Any) -> None:
            compare(tensor, whole, index)

        run()
        same(np.asarray(tensor), np.array(whole))


@pytest.mark.parametrize("folder", FOLDERS)
def test_fixtures_over_random_indices(folder: str) -> None:
    opened = [tfckpt.open(path) for path in checkpoints_of(folder)]
    tensors = [ckpt.lazy(name) for ckpt in opened for name in ckpt]
    wholes = [ckpt[name] for ckpt in opened for name in ckpt]

    @examples(60)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(tensors) - 1))
        whole = wholes[number]
        compare(tensors[number], whole, data.draw(indices(whole.shape)))

    run()


def test_it_describes_itself(prefix: str) -> None:
    with tfckpt.open(prefix) as ckpt:
        for name in TENSORS:
            tensor, whole = ckpt.lazy(name), ckpt[name]
            assert (tensor.name, tensor.shape, tensor.dtype) == (name, whole.shape, whole.dtype)
            assert (tensor.ndim, tensor.size, tensor.nbytes) == (
                whole.ndim,
                whole.size,
                whole.nbytes,
            )
            if whole.ndim:
                assert len(tensor) == len(whole)
        with pytest.raises(TypeError, match="unsized"):
            len(ckpt.lazy("scalar"))
        assert repr(ckpt.lazy("cube")) == "<LazyTensor 'cube' int32 [5, 3, 4]>"
        with pytest.raises(tfckpt.TensorNotFoundError):
            ckpt.lazy("cubes")


def test_numpy_makes_an_array_of_it(prefix: str) -> None:
    with tfckpt.open(prefix) as ckpt:
        tensor = ckpt.lazy("cube")
        assert np.asarray(tensor).flags.writeable
        same(np.asarray(tensor, dtype="float64"), ckpt["cube"].astype("float64"))
        same(tensor.__array__("int32"), np.array(ckpt["cube"]))
        same(tensor.__array__(copy=True), np.array(ckpt["cube"]))
        with pytest.raises(ValueError, match="'cube' is read from a file"):
            tensor.__array__(copy=False)
        rows: Any = tensor
        assert [row.tolist() for row in rows] == ckpt["cube"].tolist()


@pytest.fixture
def bytes_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    read: list[int] = []
    original = File.readinto

    def counting(self: File, offset: int, buffer: memoryview) -> None:
        if not self.name.endswith(".index"):
            read.append(len(buffer))
        original(self, offset, buffer)

    monkeypatch.setattr(File, "readinto", counting)
    return read


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (5, [1]),
        (-1, [1]),
        (slice(7, 9), [2]),
        (slice(9, 6, -1), [3]),
        ((slice(2, 4), 3), [2]),
        (slice(0, 0), []),
        (slice(None, None, 4), [1] * 3),
        (slice(None, None, -5), [1] * 2),
        ([3, 5, 4], [3]),
        ([-2], [1]),
    ],
)
def test_only_the_wanted_rows_are_read(
    tmp_path: Path, bytes_read: list[int], index: Any, rows: list[int]
) -> None:
    big = np.arange(10 << 16, dtype="float64").reshape(10, 1 << 16)  # half a megabyte a row
    w.write_bundle(
        tmp_path / "p", {"w": big, "cut": w.Sliced(big, [[(0, 5), WHOLE], [(5, 5), WHOLE]])}
    )
    with tfckpt.open(tmp_path / "p") as ckpt:
        for name in ("w", "cut"):
            bytes_read.clear()
            same(ckpt.lazy(name)[index], big[index])
            assert sum(bytes_read) == sum(rows) * big[0].nbytes
            assert len(rows) == 1 or max(bytes_read, default=0) <= big[0].nbytes


def test_a_crc_is_compared_when_all_rows_are_read(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"v": np.arange(64, dtype="uint8")})
    data = tmp_path / "p.data-00000-of-00001"
    data.write_bytes(b"\1" + data.read_bytes()[1:])
    with tfckpt.open(tmp_path / "p") as ckpt:
        tensor = ckpt.lazy("v")
        for index in (..., slice(None), slice(None, None, -1), (...,)):
            with pytest.raises(tfckpt.ChecksumError):
                tensor[index]
        assert tensor[0] == 1
    with tfckpt.open(tmp_path / "p", check=False) as ckpt:
        assert ckpt.lazy("v")[...][0] == 1


# -- pickling ----------------------------------------------------------------------------------


def loaded(data: bytes) -> Any:
    return pickle.loads(data)  # noqa: S301 - our own


def again(value: Any) -> Any:
    return loaded(pickle.dumps(value))


IN_ANOTHER_PROCESS = """
import pickle, sys
import numpy as np
value = pickle.load(sys.stdin.buffer)
pickle.dump({name: np.asarray(value[name]) for name in value}, sys.stdout.buffer)
"""


@pytest.mark.parametrize("relative", [False, True])
def test_another_process_reads_the_same(
    prefix: str, relative: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(prefix).parent)
    with tfckpt.open(os.path.basename(prefix) if relative else prefix) as ckpt:
        for value in (ckpt, {name: ckpt.lazy(name) for name in ckpt}):
            done = subprocess.run(
                [sys.executable, "-c", IN_ANOTHER_PROCESS],
                input=pickle.dumps(value),
                capture_output=True,
                check=True,
                cwd="/",
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            arrays = loaded(done.stdout)
            assert arrays.keys() == set(ckpt)
            for name, array in arrays.items():
                same(array, np.array(ckpt[name]))


@pytest.mark.parametrize("folder", ["sliced", "multi_shard", "strings", "v1", "v1_sliced"])
def test_fixtures_pickle(folder: str) -> None:
    for path in checkpoints_of(folder):
        with tfckpt.open(path) as ckpt, again(ckpt) as other:
            assert dict(other.specs) == dict(ckpt.specs) == again(dict(ckpt.specs))
            assert other.notes == ckpt.notes
            for name in ckpt:
                same(np.asarray(again(ckpt.lazy(name))), np.array(ckpt[name]))


def test_options_go_along(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"v": np.arange(64, dtype="uint8")})
    data = tmp_path / "p.data-00000-of-00001"
    data.write_bytes(b"\1" + data.read_bytes()[1:])
    with tfckpt.open(tmp_path / "p", check=False, mmap=False) as ckpt, again(ckpt) as other:
        assert other["v"][0] == 1
        assert other["v"].flags.owndata == ckpt["v"].flags.owndata
    with again(tfckpt.open(tmp_path / "p")) as other, pytest.raises(tfckpt.ChecksumError):
        other["v"]


def test_an_empty_base_name_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w.write_bundle(f"{tmp_path}/", {"v": np.arange(3)})
    monkeypatch.chdir(tmp_path.parent)
    with tfckpt.open(f"{tmp_path.name}/.index") as ckpt, again(ckpt) as other:
        same(other["v"], ckpt["v"])


def test_a_closed_checkpoint_does_not_pickle(prefix: str) -> None:
    ckpt = tfckpt.open(prefix)
    tensor = ckpt.lazy("cube")
    ckpt.close()
    for value in (ckpt, tensor):
        with pytest.raises(ValueError, match=r"'model.ckpt-1' is closed"):
            pickle.dumps(value)
    with pytest.raises(ValueError, match=r"'model.ckpt-1' is closed"):
        tensor[0]


def test_what_no_path_stands_for_does_not_pickle(tmp_path: Path) -> None:
    from tfckpt_reader.export.sources import locate_source, open_source

    np.savez(tmp_path / "a.npz", v=np.arange(3))
    with (
        open_source(locate_source(tmp_path / "a.npz")) as ckpt,
        pytest.raises(TypeError, match="can be pickled"),
    ):
        pickle.dumps(ckpt)


def test_other_files_are_an_error(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"v": np.arange(3)})
    with tfckpt.open(tmp_path / "p") as ckpt:
        pickled = [pickle.dumps(ckpt), pickle.dumps(ckpt.lazy("v"))]
    w.write_bundle(tmp_path / "p", {"v": np.arange(4)})
    for each in pickled:
        with pytest.raises(CorruptCheckpointError, match="changed") as caught:
            loaded(each)
        assert caught.value.kind is ErrorKind.CHANGED
    (tmp_path / "p.data-00000-of-00001").unlink()
    for each in pickled:
        with pytest.raises(CheckpointNotFoundError, match="this process sees no such file"):
            loaded(each)


def test_another_tensor_in_files_of_the_same_state_is_an_error(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"v": np.array([1, 2])})
    files = [tmp_path / "p.index", tmp_path / "p.data-00000-of-00001"]
    times = [(f.stat().st_atime_ns, f.stat().st_mtime_ns) for f in files]
    with tfckpt.open(tmp_path / "p") as ckpt:
        pickled = pickle.dumps(ckpt.lazy("v"))
    w.write_bundle(tmp_path / "p", {"v": np.array([1, 3])})
    for file, time in zip(files, times, strict=True):
        os.utime(file, ns=time)
    with pytest.raises(CorruptCheckpointError, match="tensor 'v': the checkpoint has changed"):
        loaded(pickled)


def test_an_unknown_dtype_pickles() -> None:
    for number in (999, 101, 0):
        there = again(tfckpt.DataType.unknown(number))
        assert (int(there), str(there)) == (number, str(tfckpt.DataType.unknown(number)))
    assert again(tfckpt.DataType.BFLOAT16) is tfckpt.DataType.BFLOAT16
    with pytest.raises(ValueError, match="not a valid DataType"):
        tfckpt.DataType("float32")  # type: ignore[call-arg, arg-type]


def test_errors_pickle() -> None:
    for kind in (tfckpt.ChecksumError, tfckpt.TensorNotFoundError, CheckpointNotFoundError):
        error = again(kind("wrong", file="f", offset=3, tensor="t", expected=1, advice="Do"))
        assert type(error) is kind
        assert str(error) == "f: byte 3: tensor 't': wrong (expected 1). Do"
        assert error.kind is kind.kind


# -- tokens ------------------------------------------------------------------------------------


def test_tokens_are_plain_and_differ_where_bytes_do(tmp_path: Path) -> None:
    tensors = {**TENSORS, "other": TENSORS["vector"]}
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        w.write_bundle(tmp_path / folder / "p", tensors)
    with tfckpt.open(tmp_path / "a" / "p") as ckpt, tfckpt.open(tmp_path / "b" / "p") as copy:
        tokens = [ckpt.lazy(name).__dask_tokenize__() for name in ckpt]
        assert len(set(map(repr, tokens))) == len(tokens)
        assert tokens == [again(ckpt.lazy(name)).__dask_tokenize__() for name in ckpt]
        assert copy.lazy("cube").__dask_tokenize__() != ckpt.lazy("cube").__dask_tokenize__()
        before = ckpt.lazy("cube").__dask_tokenize__()
    w.write_bundle(tmp_path / "a" / "p", {**tensors, "cube": tensors["cube"] + 1})
    with tfckpt.open(tmp_path / "a" / "p") as ckpt:
        assert ckpt.lazy("cube").__dask_tokenize__() != before


def test_a_token_of_v1_has_the_states_of_its_files() -> None:
    (path,) = checkpoints_of("v1")
    with tfckpt.open(path) as ckpt:
        name = next(iter(ckpt))
        assert str(os.stat(path).st_mtime_ns) in repr(ckpt.lazy(name).__dask_tokenize__())


# -- URLs --------------------------------------------------------------------------------------


def test_what_lies_behind_a_url_pickles() -> None:
    fsspec = pytest.importorskip("fsspec")
    import uuid

    folder = f"lazy-{uuid.uuid4().hex}"
    store = fsspec.filesystem("memory")
    for suffix, data in w.bundle_files({"v": MATRIX}).items():
        store.pipe_file(f"/{folder}/p{suffix}", data)
    places: list[tuple[str, Any]] = [(f"memory://{folder}/p", None), (f"{folder}/p", store)]
    for path, filesystem in places:
        with tfckpt.open(path, filesystem=filesystem) as ckpt:
            pickled = pickle.dumps(ckpt.lazy("v"))
            same(loaded(pickled)[2:4], MATRIX[2:4])
            token = ckpt.lazy("v").__dask_tokenize__()
            assert loaded(pickled).__dask_tokenize__() == token
    with pytest.raises(CheckpointNotFoundError):
        tfckpt.open("absent", filesystem=store)
    store.pipe_file(f"/{folder}/p.data-00000-of-00001", bytes(96))
    with pytest.raises(CorruptCheckpointError, match="changed"):
        loaded(pickled)
