"""The mapping that users hold: views and copies, checks, rows, closing, threads, forks."""

from __future__ import annotations

import gc
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from descriptors import file_descriptors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from reading import check_tensor
from strategies import numbers

import tfckpt_reader as tfckpt
from tfckpt_reader.encoding import checksum
from tfckpt_reader.formats.v2 import lists, segments
from tfckpt_reader.storage.local import File

DATA = ".data-00000-of-00001"
MATRIX = numbers((6, 4), "float32")


def tensors() -> dict[str, Any]:
    """`a`, `m` and `v` lie aligned; `u` does not."""
    return {
        "a": numbers((8,), "float64"),
        "m": MATRIX,
        "v": np.arange(16, dtype=np.uint8),
        "b": np.array([True, False, True]),
        "u": numbers((5,), "float32"),
        "s": w.Strings([b"x", b"", b"yz"], (3,)),
        "n": np.array(2.5),
        "p": w.Sliced(MATRIX, [[(0, 2), (0, 4)], [(2, 4), (0, 4)]]),
    }


def value(name: str) -> Any:
    tensor = tensors()[name]
    return w.typed(tensor.whole if isinstance(tensor, w.Sliced) else tensor)[1]


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    w.write_bundle(tmp_path / "model.ckpt-20000", tensors())
    return str(tmp_path / "model.ckpt-20000")


@pytest.fixture
def ckpt(prefix: str) -> Any:
    with tfckpt.open(prefix) as ckpt:
        yield ckpt


# A mapping


def test_mapping(ckpt: tfckpt.Checkpoint) -> None:
    names = sorted(tensors())
    assert isinstance(ckpt, Mapping)
    assert list(ckpt) == list(ckpt.keys()) == names
    assert len(ckpt) == len(names)
    assert "a" in ckpt
    assert "c" not in ckpt
    assert ckpt.get("c") is None
    assert ckpt.get("c", 5) == 5
    for name, array in ckpt.items():
        assert_array_equal(array, value(name))
    assert len(list(ckpt.values())) == len(names)
    assert bool(ckpt)


def test_keys_that_are_no_str(ckpt: tfckpt.Checkpoint) -> None:
    others: tuple[Any, ...] = (5, b"a", None, ("a",), 1.5)
    for other in others:
        assert other not in ckpt
        assert ckpt.get(other) is None
        with pytest.raises(KeyError):
            ckpt[other]


def test_equal_only_to_itself(prefix: str) -> None:
    """A comparison of contents would read every tensor."""
    with tfckpt.open(prefix) as first, tfckpt.open(prefix) as second:
        assert first == first  # noqa: PLR0124 - that is the question
        assert first != second
        assert first != dict.fromkeys(first)
        assert len({first, second}) == 2
        assert hash(first) == hash(first)


def test_missing_names_the_nearest(tmp_path: Path) -> None:
    names = ["bert/encoder/kernel", "bert/encoder/bias", "bert/pooler/kernel", "global_step"]
    w.write_bundle(tmp_path / "p", dict.fromkeys(names, MATRIX))
    with tfckpt.open(tmp_path / "p") as ckpt:
        for name, nearest in (
            ("kernel", "bert/encoder/kernel"),
            ("bert/encoder/kernel:0", "bert/encoder/kernel"),
            ("bert/encoder/biass", "bert/encoder/bias"),
            ("gobal_step", "global_step"),
        ):
            with pytest.raises(tfckpt.TensorNotFoundError) as caught:
                ckpt[name]
            text = str(caught.value)
            assert repr(name) in text
            assert nearest in text
            assert caught.value.file == f"{tmp_path}/p.index"
            assert not text.startswith(("'", '"'))
        with pytest.raises(tfckpt.TensorNotFoundError):
            ckpt.read("x")


def test_nearest_names_are_shortened(tmp_path: Path) -> None:
    """A damaged index can name a tensor with megabytes."""
    w.write_bundle(tmp_path / "p", {"k" * 1_000_000 + "/kernel": MATRIX})
    with tfckpt.open(tmp_path / "p") as ckpt, pytest.raises(tfckpt.TensorNotFoundError) as caught:
        ckpt["kernel"]
    assert "Nearest: kkk" in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("shape", [(1,) * 100, (0,) * 100])
@pytest.mark.parametrize("version", ["V1", "V2"])
def test_more_axes_than_numpy_has(tmp_path: Path, version: str, shape: tuple[int, ...]) -> None:
    """Every way to read it names the file and the tensor."""
    size = 4 * int(np.prod(shape))
    if version == "V1":
        whole = [(0, -1)] * len(shape)
        meta = w.v1_meta([w.v1_tensor(b"x", shape, 1, [whole])], None)
        row = w.v1_data(b"x", whole, w.bytes_field(5, bytes(size)) if size else b"")
        (tmp_path / "p").write_bytes(w.table([(b"", meta), (w.slice_key(b"x", whole), row)]))
    else:
        w.write_bundle(tmp_path / "p", {"x": w.Raw(1, shape, bytes(size))})
    with tfckpt.open(tmp_path / "p") as ckpt:
        for read in (ckpt.__getitem__, ckpt.read):
            with pytest.raises(tfckpt.UnsupportedError, match="NumPy") as caught:
                read("x")
            assert caught.value.tensor == "x"
            assert str(caught.value.file).startswith(f"{tmp_path}/p")


def test_repr(prefix: str) -> None:
    ckpt = tfckpt.open(prefix)
    assert repr(ckpt) == str(ckpt) == "<Checkpoint 'model.ckpt-20000' V2, 1 shard>"
    list(ckpt)
    assert repr(ckpt) == "<Checkpoint 'model.ckpt-20000' V2, 1 shard, 8 tensors>"
    ckpt.close()
    assert repr(ckpt).startswith("<Checkpoint 'model.ckpt-20000' V2")
    assert "closed" in repr(ckpt)


def test_repr_never_reads_and_never_raises(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"a": MATRIX}, edit_rows=lambda rows: [*rows, (b"a", b"\xff")])
    with tfckpt.open(tmp_path / "p") as ckpt:
        Path(f"{tmp_path}/p.index").unlink()
        Path(f"{tmp_path}/p{DATA}").unlink()
        assert repr(ckpt) == "<Checkpoint 'p' V2, 1 shard>"
    w.write_v1(tmp_path / "f", {"a": MATRIX})
    assert repr(tfckpt.open(tmp_path / "f")) == "<Checkpoint 'f' V1, 1 shard>"
    w.write_bundle(f"{tmp_path}/", {"a": MATRIX}, shards=2)
    assert "V2, 2 shards" in repr(tfckpt.open(f"{tmp_path}/"))


# Views


def base_of(array: Any) -> Any:
    """Return the object that an array is a view of, in the end."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array.obj if isinstance(array, memoryview) else array


def test_views_of_one_map(ckpt: tfckpt.Checkpoint) -> None:
    import mmap

    for name in ("a", "m", "v", "b"):
        first, second = ckpt[name], ckpt[name]
        assert np.shares_memory(first, second), name
        assert isinstance(base_of(first), mmap.mmap)
        assert base_of(first) is base_of(ckpt["a"])


def test_copies_where_they_must_be(ckpt: tfckpt.Checkpoint) -> None:
    assert (ckpt.specs["u"].offset or 0) % 4
    for name in ("u", "s", "p"):
        assert not np.shares_memory(ckpt[name], ckpt[name])
    for name in ("a", "u"):
        assert not np.shares_memory(ckpt.read(name), ckpt[name])


def test_every_array(ckpt: tfckpt.Checkpoint) -> None:
    for name, array in ckpt.items():
        for found in (array, ckpt.read(name)):
            assert type(found) is np.ndarray
            assert found.dtype == value(name).dtype
            assert found.dtype.isnative
            assert found.flags.c_contiguous
            assert found.flags.aligned
            assert_array_equal(found, value(name))
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[...] = array
    with pytest.raises(ValueError, match="WRITEABLE"):
        ckpt["m"].flags.writeable = True


def test_never_a_memmap(ckpt: tfckpt.Checkpoint) -> None:
    for name in ckpt:
        array: Any = ckpt[name]
        while isinstance(array, np.ndarray):
            assert not isinstance(array, np.memmap)
            array = array.base


def test_mmap_false(prefix: str) -> None:
    import mmap

    with tfckpt.open(prefix, mmap=False) as ckpt:
        for name in ckpt:
            assert_array_equal(ckpt[name], value(name))
            assert not np.shares_memory(ckpt[name], ckpt[name]) or value(name).dtype == object
            assert not isinstance(base_of(ckpt[name]), mmap.mmap)
            assert not ckpt[name].flags.writeable


# Closing


def test_closed(prefix: str) -> None:
    ckpt = tfckpt.open(prefix)
    specs = ckpt.specs
    ckpt.close()
    ckpt.close()
    calls: list[Callable[[], object]] = [
        lambda: ckpt["a"],
        lambda: ckpt.read("a"),
        lambda: "a" in ckpt,
        lambda: list(ckpt),
        lambda: len(ckpt),
        lambda: ckpt.specs,
        lambda: ckpt.reader,
        lambda: dict(ckpt),
        lambda: specs["a"],
        lambda: list(specs),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="closed") as caught:
            call()
        assert not isinstance(caught.value, tfckpt.CheckpointError)
        assert "model.ckpt-20000" in str(caught.value)
    assert ckpt.notes == ()
    assert ckpt.version == "V2"


@pytest.mark.parametrize("mmap", [True, False])
def test_arrays_outlive_it(prefix: str, mmap: bool) -> None:
    with tfckpt.open(prefix, mmap=mmap) as ckpt:
        kept = {name: ckpt[name] for name in ckpt}
    del ckpt
    gc.collect()
    os.unlink(prefix + DATA)
    for name, array in kept.items():
        assert_array_equal(array, value(name))
    assert float(kept["m"].sum()) == float(MATRIX.sum())


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="no list of descriptors here")
@pytest.mark.parametrize("listed", [True, False])
def test_close_gives_the_files_back(prefix: str, listed: bool) -> None:
    gc.collect()
    before = file_descriptors()
    ckpt = tfckpt.open(prefix)
    kept = ckpt["s"]
    if listed:
        list(ckpt)
        ckpt.specs["m"]
    assert file_descriptors() > before
    ckpt.close()
    gc.collect()
    assert file_descriptors() == before
    assert kept.tolist() == [b"x", b"", b"yz"]


def test_close_drops_the_reader(prefix: str) -> None:
    ckpt = tfckpt.open(prefix)
    dict(ckpt)
    reader = weakref.ref(ckpt.reader)
    ckpt.close()
    gc.collect()
    assert reader() is None


def test_the_map_goes_with_its_last_array(prefix: str) -> None:
    with tfckpt.open(prefix) as ckpt:
        array = ckpt["m"]
    the_map = weakref.ref(base_of(array))
    assert the_map() is not None
    del ckpt, array
    gc.collect()
    assert the_map() is None


def test_with_and_an_error(prefix: str) -> None:
    with pytest.raises(ZeroDivisionError), tfckpt.open(prefix) as ckpt:
        raise ZeroDivisionError
    with pytest.raises(ValueError, match="closed"):
        ckpt["a"]


# Checks


def damage(prefix: str, offset: int = 0) -> None:
    with open(prefix + DATA, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_checked_at_first_access(prefix: str) -> None:
    damage(prefix)
    for mmap in (True, False):
        with tfckpt.open(prefix, mmap=mmap) as ckpt:
            for _ in range(2):  # a failed check is not forgotten
                with pytest.raises(tfckpt.ChecksumError) as caught:
                    ckpt["a"]
            error = caught.value
            assert (error.file, error.offset, error.tensor) == (prefix + DATA, 0, "a")
            assert error.expected != error.got
            assert_array_equal(ckpt["m"], MATRIX)


def test_a_view_is_checked_once_and_a_copy_each_time(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    summed: list[int] = []
    real = checksum.crc32c

    def counting(data: Any, crc: int = 0) -> int:
        summed.append(len(data))
        return real(data, crc)

    for module in (segments, lists):
        monkeypatch.setattr(module, "crc32c", counting)
    for mmap in (True, False):
        with tfckpt.open(prefix, mmap=mmap) as ckpt:
            for name in ("a", "u", "p", "s"):
                ckpt[name]
                assert summed, name
                summed.clear()
                ckpt[name]
                assert bool(summed) == (not mmap or name != "a"), name


def test_each_reading_is_checked(prefix: str) -> None:
    """A file that another program overwrites in place, without a map."""
    with tfckpt.open(prefix, mmap=False) as ckpt:
        assert ckpt["a"][0] == 0
        damage(prefix)
        for read in (ckpt.__getitem__, ckpt.read):
            with pytest.raises(tfckpt.ChecksumError):
                read("a")


def test_rows_are_those_bytes_that_were_checked(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever overwrites the file between two passes would change what was checked."""
    real = File.readinto
    passes: list[int] = []

    def overwritten(file: File, offset: int, buffer: memoryview) -> None:
        if file.name.endswith(DATA):
            passes.append(offset)
            if len(passes) == 2:
                damage(prefix)
        real(file, offset, buffer)

    monkeypatch.setattr(File, "readinto", overwritten)
    with tfckpt.open(prefix, mmap=False) as ckpt:
        found = ckpt.read("a", rows=slice(0, 1), check=True)
    assert_array_equal(found, value("a")[:1])
    assert len(passes) == 1


@pytest.mark.parametrize("mmap", [True, False])
def test_rows_are_the_same_checked_or_not(prefix: str, mmap: bool) -> None:
    with tfckpt.open(prefix, mmap=mmap) as ckpt:
        for name, spec in ckpt.specs.items():
            for rows in (slice(0, 1), slice(1, None), slice(1, 1)) if spec.shape else ():
                checked = ckpt.read(name, rows=rows, check=True)
                assert_array_equal(checked, ckpt.read(name, rows=rows, check=False))


def test_other_readings_are_checked(prefix: str) -> None:
    with tfckpt.open(prefix, mmap=False) as ckpt:
        ckpt["a"]
        damage(prefix)
        with pytest.raises(tfckpt.ChecksumError):
            check_tensor(ckpt.reader, ckpt.specs["a"])


def test_check_false(prefix: str) -> None:
    damage(prefix)
    with tfckpt.open(prefix, check=False) as ckpt:
        assert_array_equal(ckpt["a"][1:], value("a")[1:])
        assert_array_equal(ckpt.read("a")[1:], value("a")[1:])
        for rows in (None, slice(0, 2)):
            with pytest.raises(tfckpt.ChecksumError):
                ckpt.read("a", rows=rows, check=True)
    with tfckpt.open(prefix) as ckpt:
        assert_array_equal(ckpt.read("a", check=False)[1:], value("a")[1:])
        assert_array_equal(ckpt.read("a", rows=slice(1, 3)), value("a")[1:3])
        with pytest.raises(tfckpt.ChecksumError):
            ckpt.read("a", rows=slice(1, 3), check=True)
        with pytest.raises(tfckpt.ChecksumError):
            ckpt["a"]


def test_check_false_keeps_bounds(prefix: str) -> None:
    """It is the crc alone that is left out."""
    os.truncate(prefix + DATA, 10)
    for mmap in (True, False):
        with tfckpt.open(prefix, check=False, mmap=mmap) as ckpt:
            for name in ("a", "m", "s", "p"):
                for read in (ckpt.__getitem__, ckpt.read):
                    with pytest.raises(tfckpt.TruncatedError):
                        read(name)


def test_file_cut_after_it_was_opened(prefix: str) -> None:
    """Where the map has not been touched yet, and where there is none: an error, never noise."""
    w.write_bundle(prefix, {"e": np.zeros(0), "t": numbers((100_000,))})
    for mmap in (True, False):
        for check in (True, False):
            w.write_bundle(prefix, {"e": np.zeros(0), "t": numbers((100_000,))})
            ckpt = tfckpt.open(prefix, mmap=mmap, check=check)
            reader: Any = ckpt.reader
            reader.shards.file(0)  # opened, its size known
            os.truncate(prefix + DATA, 5000)
            with pytest.raises(tfckpt.TruncatedError):
                ckpt["t"]
            with pytest.raises(tfckpt.TruncatedError):
                ckpt.read("t")


def test_claims_are_compared_before_allocation(tmp_path: Path) -> None:
    size = 1 << 43
    w.write_bundle(
        tmp_path / "p",
        {"t": numbers((2,), "float64")},
        edit_rows=lambda rows: w.edit_entry(rows, b"t", shape=(size // 8,), size=size),
    )
    with tfckpt.open(tmp_path / "p") as ckpt:
        with pytest.raises(tfckpt.TruncatedError):
            ckpt["t"]
        for rows in (None, slice(0, 1 << 39), slice(5, 6)):
            with pytest.raises(tfckpt.TruncatedError):
                ckpt.read("t", rows=rows)


# Reading into memory of one's own


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.none(), st.integers(-9, 9)),
    st.one_of(st.none(), st.integers(-9, 9)),
    st.sampled_from([None, 1]),
)
def test_rows_are_python_slices(
    ckpt: tfckpt.Checkpoint, start: int | None, stop: int | None, step: int | None
) -> None:
    rows = slice(start, stop, step)
    for name in ("m", "p", "s", "u"):
        found = ckpt.read(name, rows=rows)
        assert_array_equal(found, value(name)[rows])
        assert found.shape == value(name)[rows].shape
        assert found.flags.writeable


def test_rows_of_numpy_integers(ckpt: tfckpt.Checkpoint) -> None:
    rows = slice(np.int64(1), np.int32(3))
    assert_array_equal(ckpt.read("m", rows=rows), MATRIX[1:3])


def test_bad_rows(ckpt: tfckpt.Checkpoint) -> None:
    for rows in (slice(None, None, 2), slice(None, None, -1), slice(0, 4, 3)):
        with pytest.raises(ValueError, match="step"):
            ckpt.read("m", rows=rows)
    with pytest.raises(ValueError, match=r"step|zero"):
        ckpt.read("m", rows=slice(None, None, 0))
    for rows in (slice(None), slice(0, 1)):
        with pytest.raises(ValueError, match="scalar"):
            ckpt.read("n", rows=rows)
    with pytest.raises(TypeError):
        ckpt.read("m", rows=slice("a", None))


def test_read_is_owned(ckpt: tfckpt.Checkpoint) -> None:
    for name in ckpt:
        found = ckpt.read(name)
        assert found.flags.owndata or found.base is not None
        assert found.flags.writeable
        before = ckpt[name].tolist()
        found[...] = found[::-1].copy() if found.ndim else 0
        assert ckpt[name].tolist() == before


def test_out(ckpt: tfckpt.Checkpoint) -> None:
    for name in ("a", "m", "u", "n", "s", "p", "b"):
        expected = value(name)
        out = np.empty_like(expected)
        assert ckpt.read(name, out=out) is out
        assert_array_equal(out, expected)
    out = np.full((2, 4), -1, np.float32)
    assert ckpt.read("m", rows=slice(1, 3), out=out) is out
    assert_array_equal(out, MATRIX[1:3])


@pytest.mark.parametrize("name", ["m", "p"])
def test_out_of_any_layout(ckpt: tfckpt.Checkpoint, name: str) -> None:
    expected = value(name)
    around = np.full((8, 12), -1, np.float32)
    fortran = np.empty((6, 4), np.float32, order="F")
    unaligned = np.empty(6 * 16 + 1, np.uint8)[1:].view(np.float32).reshape(6, 4)
    for out in (around[1:7, 1:9:2], around[6:0:-1, 3::-1], fortran, unaligned, fortran.T.T):
        assert ckpt.read(name, out=out) is out
        assert_array_equal(out, expected)
    around[...] = -1
    ckpt.read(name, out=around[1:7, 1:9:2])
    assert around.sum() == expected.sum() - (8 * 12 - 24)


def test_out_that_does_not_fit(ckpt: tfckpt.Checkpoint) -> None:
    read_only = np.empty((6, 4), np.float32)
    read_only.flags.writeable = False
    bad: list[Any] = [
        np.empty((4, 6), np.float32),
        np.empty((6, 4, 1), np.float32),
        np.empty(24, np.float32),
        np.empty((6, 4), np.float64),
        np.empty((6, 4), np.int32),
        np.empty((6, 4), ">f4"),
        np.empty((6, 4), object),
        read_only,
    ]
    for out in bad:
        before = out.tobytes() if out.dtype != object else None
        with pytest.raises(ValueError, match="out must be"):
            ckpt.read("m", out=out)
        assert before is None or out.tobytes() == before
    with pytest.raises(ValueError, match="out must be"):
        ckpt.read("m", rows=slice(0, 2), out=np.empty((3, 4), np.float32))


# Threads and forks


def test_threads(prefix: str) -> None:
    """Many at once on one checkpoint, from the first access on; while it is closed, too."""
    for _ in range(5):
        ckpt = tfckpt.open(prefix)
        wrong: list[str] = []
        start = threading.Barrier(9)

        def work(ckpt: tfckpt.Checkpoint = ckpt, start: Any = start, wrong: Any = wrong) -> None:
            start.wait()
            for name in [*tensors()] * 3:
                try:
                    found, owned = ckpt[name], ckpt.read(name)
                except ValueError as error:
                    wrong.extend([] if "closed" in str(error) else [str(error)])
                    return
                expected = value(name).tolist()
                wrong.extend(name for each in (found, owned) if each.tolist() != expected)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        start.wait()
        ckpt.close()
        for thread in threads:
            thread.join()
        assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("mmap", [True, False])
def test_forked_child(prefix: str, mmap: bool) -> None:
    with tfckpt.open(prefix, mmap=mmap) as ckpt:
        before = ckpt["m"]
        with warnings.catch_warnings():  # newer Pythons warn where a test runner has threads
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            good = False
            try:
                good = before.tolist() == MATRIX.tolist() and all(
                    found.tolist() == value(name).tolist()
                    for name in tensors()
                    for found in (ckpt[name], ckpt.read(name))
                )
            finally:
                os._exit(0 if good else 1)
        for name in tensors():
            assert_array_equal(ckpt[name], value(name))
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0


# Opening


def test_keyword_only(prefix: str) -> None:
    opened: Any = tfckpt.open
    with pytest.raises(TypeError):
        opened(prefix, False)
    with tfckpt.open(prefix) as ckpt:
        read: Any = ckpt.read
        with pytest.raises(TypeError):
            read("a", slice(0, 1))


def test_notes(prefix: str) -> None:
    assert tfckpt.open(prefix).notes == ()
    noted = tfckpt.open(prefix + ".index")
    assert len(noted.notes) == 1
    noted.close()
    assert len(noted.notes) == 1


def test_damaged_block_elsewhere(tmp_path: Path) -> None:
    """A tensor in a sound block can be had; of one that is not there, that can still be said."""
    arrays = {f"t{i:02d}": np.array(i) for i in range(40)}
    w.write_bundle(tmp_path / "p", arrays, block_size=100)
    index = tmp_path / "p.index"
    content = bytearray(index.read_bytes())
    content[10] ^= 1
    with tfckpt.open(tmp_path / "p") as sound:
        assert sound["t39"] == 39
    content[10] ^= 1
    at = content.index(b"t20") if b"t20" in content else len(content) // 3
    content[at] ^= 1
    index.write_bytes(bytes(content))
    with tfckpt.open(tmp_path / "p") as ckpt:
        assert ckpt["t39"] == 39
        assert "t39x" not in ckpt
        with pytest.raises(tfckpt.TensorNotFoundError):
            ckpt["t39x"]
        with pytest.raises(tfckpt.ChecksumError):
            list(ckpt)
