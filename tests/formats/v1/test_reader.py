"""V1 files: rows that are not what their header says, and shards that disagree."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from reading import check_tensor
from strategies import numbers

import tfckpt_reader as tfckpt
from tfckpt_reader.formats.v1.reader import V1

GRID = numbers((4, 3), "float32")
PIECES = [[(0, 2), (0, -1)], [(2, 2), (0, -1)]]
WHOLE = [(0, -1), (0, -1)]
KEY = w.slice_key(b"t", WHOLE)


def opened(folder: Path, tensors: dict[Any, Any], **options: Any) -> tfckpt.Checkpoint:
    w.write_v1(folder / "f", tensors, **options)
    return tfckpt.open(folder / "f")


def row_edit(key: bytes, value: bytes | None) -> Callable[[w.Rows], w.Rows]:
    return lambda rows: w.replace_row(rows, key, value)


def assert_refused(ckpt: tfckpt.Checkpoint, name: str, *words: str) -> tfckpt.CheckpointError:
    with pytest.raises(tfckpt.CorruptCheckpointError) as first:
        ckpt[name]
    with pytest.raises(tfckpt.CorruptCheckpointError):
        ckpt.read(name)
    with pytest.raises(tfckpt.CorruptCheckpointError):
        check_tensor(ckpt.reader, ckpt.specs[name])
    assert all(word in str(first.value) for word in words)
    assert first.value.tensor == name
    return first.value


def test_annotated_row(tmp_path: Path) -> None:
    """The bytes of FORMAT 4.1."""
    meta = w.v1_meta([w.v1_tensor(b"x", (2,), 1, [[(0, -1)]])], w.version_def())
    value = bytes.fromhex("12 13 0a 01 78 12 02 0a 00 1a 0a 2a 08 00 00 80 3f 00 00 00 40")
    rows = [(b"", meta), (bytes.fromhex("00 78 00 01 01 01 80 7f"), value)]
    (tmp_path / "f").write_bytes(w.table(rows))
    with tfckpt.open(tmp_path / "f") as ckpt:
        assert ckpt["x"].tolist() == [1.0, 2.0]
        assert (ckpt.version, ckpt.reader.shard_count) == ("V1", 1)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("versions", [w.version_def(), w.version_def(9), b"", None])
def test_forms(tmp_path: Path, packed: bool, versions: bytes | None) -> None:
    tensors = {
        "b": np.array([True, False]),
        "c": np.array([1 + 2j, -3j], np.complex64),
        "d": np.array([1.5, -0.0]),
        "f": GRID,
        "h": np.array([1.5, np.inf], np.float16),
        "i": np.array([-1, 1 << 30], np.int32),
        "l": np.array([-(1 << 63), (1 << 63) - 1]),
        "z": np.array([1 + 2j], np.complex128),
    }
    with opened(tmp_path, tensors, packed=packed, versions=versions) as ckpt:
        for name, array in tensors.items():
            assert_array_equal(ckpt[name], array, strict=True)
            assert ckpt[name].tobytes() == array.tobytes()
            assert ckpt.specs[name].nbytes == array.nbytes


def test_specs(tmp_path: Path) -> None:
    tensors = {"s": w.Strings([b"ab"], (1,)), "t": GRID, "u": w.Sliced(GRID, PIECES)}
    with opened(tmp_path, tensors) as ckpt:
        s, t, u = ckpt.specs.values()
        assert (s.nbytes, s.offset, s.crc32c, s.slices) == (None, None, None, ())
        assert (t.nbytes, t.shard, t.offset, t.crc32c, t.slices) == (48, 0, None, None, ())
        assert (u.nbytes, u.shard) == (48, None)
        assert [(str(p), p.shard, p.nbytes) for p in u.slices] == [
            ("0,2:-", 0, None),
            ("2,2:-", 0, None),
        ]


def test_large_rows_are_views(tmp_path: Path) -> None:
    """Of a plain block, where the bytes happen to be aligned; correct either way."""
    tensors = {name: numbers((400_000,), "float32") + i for i, name in enumerate("abcd")}
    with opened(tmp_path, tensors) as ckpt:
        for name, array in tensors.items():
            assert_array_equal(ckpt[name], array, strict=True)
            assert ckpt[name].flags.aligned
            assert not ckpt[name].flags.writeable
    kept = ckpt_values(tmp_path / "f")
    (tmp_path / "f").unlink()
    assert_array_equal(kept["c"], tensors["c"], strict=True)


def ckpt_values(path: Path) -> dict[str, Any]:
    with tfckpt.open(path) as ckpt:
        return dict(ckpt)


# Headers


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (lambda _: [], "header"),
        (row_edit(b"", None), "header"),
        (row_edit(b"", b"\xff"), "message"),
        (row_edit(b"", b""), "V2"),
        (row_edit(b"", bytes.fromhex("08 01 1a 02 08 01")), "V2"),
    ],
    ids=["no row", "no header", "no message", "empty", "of V2"],
)
def test_bad_headers(tmp_path: Path, edit: Callable[[w.Rows], w.Rows], word: str) -> None:
    with pytest.raises(tfckpt.CorruptCheckpointError, match=word) as caught:
        opened(tmp_path, {"t": GRID}, edit_rows=edit)
    assert caught.value.file == str(tmp_path / "f")


def meta_edit(*tensors: bytes) -> Callable[[w.Rows], w.Rows]:
    return row_edit(b"", w.v1_meta(tensors, w.version_def()))


@pytest.mark.parametrize(
    "meta",
    [
        w.v1_tensor(b"t", (-4, 3), 1, [WHOLE]),
        w.v1_tensor(b"t", (1 << 40, 1 << 40), 1, [WHOLE]),
        w.v1_tensor(b"t", (4, 3), 1, [[(0, -1)]]),
        w.v1_tensor(b"t", (4, 3), 1, [[(0, 5), (0, -1)]]),
        w.v1_tensor(b"t", (4, 3), 1, [[(4, 1), (0, -1)]]),
        w.v1_tensor(b"t", (4, 3), 1, [[(1 << 62, 1 << 62), (0, -1)]]),
        w.v1_tensor(b"t", (4, 3), 1, [])
        + w.bytes_field(4, w.bytes_field(1, w.int_field(1, 1)) * 2),
    ],
    ids=["negative", "overflow", "rank", "long", "behind", "huge", "start alone"],
)
def test_impossible_headers(tmp_path: Path, meta: bytes) -> None:
    """Told of that tensor; the others can be had by name."""
    other = w.v1_tensor(b"z", (4, 3), 1, [WHOLE])
    with opened(tmp_path, {"t": GRID, "z": GRID}, edit_rows=meta_edit(meta, other)) as ckpt:
        assert_array_equal(ckpt["z"], GRID)
        for touch in (lambda: ckpt["t"], lambda: list(ckpt)):
            with pytest.raises(tfckpt.CorruptCheckpointError) as caught:
                touch()
            assert (caught.value.file, caught.value.tensor) == (str(tmp_path / "f"), "t")


def test_header_without_slices(tmp_path: Path) -> None:
    """TensorFlow opens such a file with nothing in it (FORMAT 4.5)."""
    with opened(
        tmp_path, {"t": GRID}, edit_rows=meta_edit(w.v1_tensor(b"t", (4, 3), 1, []))
    ) as ckpt:
        assert list(ckpt) == ["t"]
        assert_refused(ckpt, "t")


@pytest.mark.parametrize("count", [1 << 40, 1 << 62])
def test_header_that_claims_much(tmp_path: Path, count: int) -> None:
    """Nothing is set aside for a shape that the file cannot fill."""
    for slices in ([[(0, -1)]], [[(0, 5)], [(5, count - 5)]]):
        meta = w.v1_tensor(b"t", (count,), 1, slices)
        edit = meta_edit(meta)
        with opened(tmp_path, {"t": numbers((5,), "float32")}, edit_rows=edit) as ckpt:
            assert ckpt.specs["t"].shape == (count,)
            assert_refused(ckpt, "t")
            with pytest.raises(tfckpt.CorruptCheckpointError):
                ckpt.read("t", rows=slice(0, 1 << 39))


def test_tensor_listed_twice(tmp_path: Path) -> None:
    meta = w.v1_tensor(b"t", (4, 3), 1, [WHOLE])
    with opened(tmp_path, {"t": GRID}, edit_rows=meta_edit(meta, meta)) as ckpt:
        assert list(ckpt) == ["t"]
        assert_refused(ckpt, "t", "overlap")


# Rows


@pytest.mark.parametrize(
    ("row", "word"),
    [
        (None, "no row"),
        (b"\xff", ""),
        (b"", "number of values"),
        (w.v1_data(b"other", WHOLE, w.tensor_proto(GRID)), "another tensor"),
        (w.v1_data(b"t", WHOLE, w.tensor_proto(GRID[:3])), "number of values"),
        (
            w.v1_data(b"t", WHOLE, w.tensor_proto(GRID) + w.tensor_proto(GRID[:1])),
            "number of values",
        ),
        (w.v1_data(b"t", WHOLE, w.tensor_proto(GRID.astype(np.float64))), "number of values"),
        (w.v1_data(b"t", WHOLE, w.bytes_field(4, GRID.tobytes())), "number of values"),
        (w.v1_data(b"t", WHOLE, w.bytes_field(5, GRID.tobytes()[:-1])), "even"),
        (w.v1_data(b"t", WHOLE, w.int_field(5, 1)), ""),
        (w.v1_data(b"t", WHOLE, b"\x2a\x7f"), "fit"),
    ],
    ids=[
        *("lost", "no message", "empty", "of another", "fewer", "more", "other field", "content"),
        *("uneven", "wire type", "cut"),
    ],
)
def test_rows_that_do_not_fit(tmp_path: Path, row: bytes | None, word: str) -> None:
    with opened(tmp_path, {"t": GRID, "z": GRID}, edit_rows=row_edit(KEY, row)) as ckpt:
        assert list(ckpt) == ["t", "z"]
        error = assert_refused(ckpt, "t", word)
        assert error.file == str(tmp_path / "f")
        with pytest.raises(tfckpt.CorruptCheckpointError):
            ckpt.read("t", rows=slice(0, 1))
        assert_array_equal(ckpt["z"], GRID)


def test_values_in_several_runs(tmp_path: Path) -> None:
    """Packed and single occurrences of the field are one list."""
    parts = [
        w.tensor_proto(GRID.reshape(-1)[a:b], packed=b % 2 == 0)
        for a, b in ((0, 4), (4, 7), (7, 12))
    ]
    row = w.v1_data(b"t", WHOLE, b"".join(parts))
    with opened(tmp_path, {"t": GRID}, edit_rows=row_edit(KEY, row)) as ckpt:
        assert_array_equal(ckpt["t"], GRID, strict=True)


def test_empty_tensor_needs_no_row(tmp_path: Path) -> None:
    tensors: dict[str, w.Plain] = {
        "t": np.zeros((0, 3), np.float32),
        "s": w.Strings([], (2, 0)),
    }
    with opened(tmp_path, tensors, edit_rows=row_edit(KEY, None)) as ckpt:
        for name, tensor in tensors.items():
            expected = w.typed(tensor)[1]
            assert_array_equal(ckpt[name], expected, strict=True)
            assert ckpt.read(name, rows=slice(0, 1)).shape == expected[:1].shape
            check_tensor(ckpt.reader, ckpt.specs[name])


def test_extra_row_is_ignored(tmp_path: Path) -> None:
    stray = (w.slice_key(b"zzz", [(0, -1)]), w.v1_data(b"zzz", [(0, -1)], b""))
    with opened(tmp_path, {"t": GRID}, edit_rows=lambda rows: [*rows, stray]) as ckpt:
        assert list(ckpt) == ["t"]
        assert "zzz" not in ckpt


# Shards


def shards(folder: Path, *files: dict[Any, Any]) -> tfckpt.Checkpoint:
    for i, tensors in enumerate(files):
        w.write_v1(folder / f"f-{i:05d}-of-{len(files):05d}", tensors)
    return tfckpt.open(folder / f"f-?????-of-{len(files):05d}")


def test_slices_in_several_shards(tmp_path: Path) -> None:
    first, second = w.Sliced(GRID, PIECES[:1]), w.Sliced(GRID, PIECES[1:])
    with shards(tmp_path, {"t": second, "a": GRID}, {"t": first}) as ckpt:
        assert list(ckpt) == ["a", "t"]
        assert_array_equal(ckpt["t"], GRID, strict=True)
        assert {str(p): p.shard for p in ckpt.specs["t"].slices} == {"0,2:-": 1, "2,2:-": 0}
        assert ckpt.specs["a"].shard == 0


def test_order_of_files_does_not_matter(tmp_path: Path) -> None:
    shards(
        tmp_path, {"t": w.Sliced(GRID, PIECES[:1])}, {"t": w.Sliced(GRID, PIECES[1:]), "u": GRID}
    )
    files = sorted(str(path) for path in tmp_path.iterdir())
    for order in (files, files[::-1]):
        reader = V1("any", order)
        for name, spec in reader.listing().items():
            assert name in ("t", "u")
            assert_array_equal(reader.array(spec, check=True), GRID)


@pytest.mark.parametrize("other", [GRID[:3], GRID.astype(np.float64), GRID.reshape(3, 4)])
def test_shards_that_disagree(tmp_path: Path, other: Any) -> None:
    with (
        shards(tmp_path, {"t": w.Sliced(GRID, PIECES[:1])}, {"t": other, "z": GRID}) as ckpt,
        pytest.raises(tfckpt.CorruptCheckpointError, match="disagree") as caught,
    ):
        list(ckpt)
    assert caught.value.tensor == "t"
    assert_array_equal(tfckpt.open(tmp_path / "f-00000-of-00002")["z"], GRID)


def test_same_tensor_in_two_shards(tmp_path: Path) -> None:
    with shards(tmp_path, {"t": GRID}, {"t": GRID, "z": GRID}) as ckpt:
        assert_refused(ckpt, "t", "overlap")
        assert_array_equal(ckpt["z"], GRID)


def test_shard_with_a_slice_is_lost(tmp_path: Path) -> None:
    shards(
        tmp_path, {"t": w.Sliced(GRID, PIECES[:1]), "u": GRID}, {"t": w.Sliced(GRID, PIECES[1:])}
    )
    (tmp_path / "f-00001-of-00002").unlink()
    with tfckpt.open(tmp_path / "f-?????-of-00002") as ckpt:
        assert_refused(ckpt, "t", "hole")
        assert_array_equal(ckpt.read("t", rows=slice(0, 2)), GRID[:2])
        assert_array_equal(ckpt["u"], GRID)


@pytest.mark.parametrize("content", [None, b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_damaged_shard(tmp_path: Path, content: bytes | None) -> None:
    """Cut, empty or a pointer: an error, and not a checkpoint without what was in it."""
    shards(tmp_path, {"t": GRID}, {"u": GRID})
    path = tmp_path / "f-00001-of-00002"
    path.write_bytes(path.read_bytes()[:-60] if content is None else content)
    for spelled in ("f-?????-of-00002", "f-00000-of-00002", "f-00001-of-00002", "f", ""):
        with pytest.raises(tfckpt.CheckpointError) as caught:
            tfckpt.open(tmp_path / spelled)
        assert "f-00001-of-00002" in str(caught.value)


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=200), st.booleans())
def test_any_integers(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], packed: bool
) -> None:
    array = np.array(values, np.int64)
    with opened(tmp_path_factory.getbasetemp(), {"t": array}, packed=packed) as ckpt:
        assert_array_equal(ckpt["t"], array, strict=True)


@pytest.mark.parametrize(
    ("number", "stored"), [(7, w.bytes_field(8, b"")), (1, w.fixed32_field(5, 0))]
)
def test_memory_for_values_stored_one_by_one(tmp_path: Path, number: int, stored: bytes) -> None:
    """Nothing is kept of an occurrence but its value: a compressed row can have very many."""
    count, whole = 50_000, [(0, -1)]
    meta = w.v1_meta([w.v1_tensor(b"x", (count,), number, [whole])], None)
    row = w.v1_data(b"x", whole, stored * count)
    (tmp_path / "f").write_bytes(w.table([(b"", meta), (w.slice_key(b"x", whole), row)]))
    with tfckpt.open(tmp_path / "f") as ckpt:
        spec = ckpt.specs["x"]
        tracemalloc.start()
        found = ckpt["x"]
        check_tensor(ckpt.reader, spec)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert found.tolist() == [b"" if number == 7 else 0.0] * count
    assert peak < 40 * count


def test_rows_unfold_in_proportion_to_the_file(tmp_path: Path) -> None:
    """Compressed, a small file can hold very many values; TensorFlow compresses no V1 file."""
    count, whole = 1 << 20, [(0, -1)]
    meta = w.v1_meta([w.v1_tensor(name, (count,), 9, [whole]) for name in (b"x", b"y")], None)
    proto = w.bytes_field(10, b"\1" * count)
    rows = [(w.slice_key(name, whole), w.v1_data(name, whole, proto)) for name in (b"x", b"y")]
    (tmp_path / "f").write_bytes(w.table([(b"", meta), *rows], compress=True))
    with tfckpt.open(tmp_path / "f") as ckpt:
        for _ in range(5):  # a row counts once
            assert ckpt["x"].sum() == count
        with pytest.raises(tfckpt.UnsupportedError, match="unfold"):
            ckpt["y"]
        assert ckpt["x"].sum() == count
    assert [problem.code for problem in tfckpt.verify(tmp_path / "f").problems] == ["TFC901"]
    (tmp_path / "f").write_bytes(w.table([(b"", meta), *rows]))
    with tfckpt.open(tmp_path / "f") as ckpt:
        assert sum(int(ckpt[name].sum()) for name in ckpt) == 2 * count
