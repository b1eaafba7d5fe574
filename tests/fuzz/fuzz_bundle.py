"""A good bundle with some fields changed: only our errors, and never a wrong array.

A tensor whose entry and bytes were left alone has its right value, looked up or listed, and is
there; all ways to read one tensor agree.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from reading import check_tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import harness
import numpy as np
import writers as w
from numpy.typing import NDArray

import tfckpt_reader
from tfckpt_reader.errors import CheckpointError

_FOLDER = functools.lru_cache(harness.Folder)
_FLOATS = np.arange(6, dtype=np.float32).reshape(2, 3)
_LABELLED = w.tensor_proto(np.array([1, 2], np.int32), label=True)
GOOD: dict[str, Any] = {
    "a": _FLOATS,
    "b/c": np.arange(4) - 2,
    "b/d": w.Strings([b"", b"xy", b"\xff\0", b"z" * 130], (2, 2)),
    "p": w.Sliced(
        np.arange(20, dtype=np.int16).reshape(4, 5), [[(0, 2), (0, -1)], [(2, 2), (0, 5)]]
    ),
    "q": w.Typed(w.DTYPES["float16"], np.array([1, -2, 0.5], np.float16)),
    "t": np.array([True, False, True]),
    "u": w.Typed(30, np.array([1, 15, 0], np.uint8)),
    "v": w.Variants([(b"tensorflow::TensorList", b"\1", [_LABELLED]), (b"", b"", [])], (2,)),
    "z": np.zeros((0, 3)),
}
_FIELDS = ("dtype", "shape", "shard", "offset", "size", "crc", "slices")


class Damage:
    """Edits to the files of a bundle, and the names of the tensors they can have touched."""

    def __init__(self, choices: harness.Choices) -> None:
        self.choices = choices
        self.touched: set[str] = set()

    def owner(self, key: bytes) -> set[str]:
        """Return the owner of a row: a slice's row is its tensor's; the header is everybody's."""
        if not key:
            return set(GOOD)
        return {name for name in GOOD if name.encode() == key or key[1:].startswith(name.encode())}

    def rows(self, rows: w.Rows) -> w.Rows:
        """Change entries, and seldom the order or number of rows."""
        choices = self.choices
        for _ in range(choices.below(4)):
            key, value = choices.pick(rows)
            kind = choices.below(8)
            self.touched |= self.owner(key)
            if kind < 4 and key:
                name = choices.pick(_FIELDS)
                try:
                    rows = w.edit_entry(rows, key, **{name: self._field(name)})
                except (KeyError, IndexError, StopIteration):
                    continue
            elif kind < 6:
                rows = [(k, harness.edited(v, choices) if k == key else v) for k, v in rows]
            elif kind == 6:
                rows = [(k, choices.pick(rows)[1] if k == key else v) for k, v in rows]
            else:
                rows = self._rearranged(rows, key, value)
        return rows

    def _field(self, name: str) -> Any:
        choices = self.choices
        if name == "shape":
            return [
                choices.number() if choices.below(4) == 3 else choices.below(7)
                for _ in range(choices.below(4))
            ]
        if name == "slices":
            pairs = [(choices.below(4), choices.below(6) - 1) for _ in range(2 * choices.below(3))]
            return [pairs[i : i + 2] for i in range(0, len(pairs), 2)]
        if name == "dtype":
            return choices.below(40)
        if name == "crc":
            return choices.number() & 0xFFFFFFFF
        return choices.number() if choices.flag() else choices.below(64)

    def _rearranged(self, rows: w.Rows, key: bytes, value: bytes) -> w.Rows:
        """Drop, double, rename or misplace a row: the table is then another, or none."""
        kind = self.choices.below(4)
        if kind == 0:
            return [row for row in rows if row[0] != key]
        self.touched |= set(GOOD)
        if kind == 1:
            return sorted([*rows, (key, self.choices.pick(rows)[1])], key=lambda row: row[0])
        if kind == 2:
            return sorted([*(r for r in rows if r[0] != key), (self.choices.some(6), value)])
        return [*rows, (key, value)]

    def files(self, files: dict[str, bytes], places: dict[str, set[str]]) -> dict[str, bytes]:
        """Flip, cut or remove files; crcs stay as they are."""
        for _ in range(self.choices.below(3)):
            suffix = self.choices.pick(sorted(files))
            if suffix == ".index":
                self.touched |= set(GOOD)
            else:
                self.touched |= places[suffix]
            files[suffix] = harness.edited(files[suffix], self.choices)
        return files


def one(data: bytes) -> None:
    choices = harness.Choices(data)
    options: dict[str, Any] = {
        "shards": 1 + choices.below(2),
        "big_endian": choices.below(4) == 3,
        "compress": choices.flag(),
        "block_size": choices.pick((1, 60, 1 << 18)),
        "restart_interval": choices.pick((16, 1, 3)),
        "separators": choices.pick(("short", "last")),
    }
    good = {n: t for n, t in GOOD.items() if not options["big_endian"] or n not in ("u", "v")}
    damage = Damage(choices)
    files = w.bundle_files(good, edit_rows=damage.rows, **options)
    shards = [suffix for suffix in files if suffix != ".index"]
    files = damage.files(files, {suffix: _homes(good, shards, suffix) for suffix in shards})
    _FOLDER().fill({f"x{suffix}": contents for suffix, contents in files.items()})
    _check(good.keys() - damage.touched, damage, mmap=choices.flag())


def _homes(good: dict[str, Any], shards: list[str], suffix: str) -> set[str]:
    """Names of the tensors that have bytes in a data file; they are dealt to the files in turn."""
    turns: list[str] = []
    for name, tensor in good.items():
        turns += [name] * (len(tensor.pieces) if isinstance(tensor, w.Sliced) else 1)
    return {name for turn, name in enumerate(turns) if shards[turn % len(shards)] == suffix}


def _check(untouched: set[str], damage: Damage, *, mmap: bool) -> None:
    path = Path(_FOLDER().path) / "x"
    try:
        ckpt = tfckpt_reader.open(path, mmap=mmap)
    except CheckpointError:
        assert not untouched
        return
    looked_up: dict[str, Any] = {}
    for name in GOOD:
        looked_up[name] = _read(lambda name=name: ckpt[name])  # type: ignore[misc]
        if name in untouched:
            _assert_right(name, looked_up[name])
    try:
        names = list(ckpt)
    except CheckpointError:
        assert damage.touched
        return
    assert names == sorted(names, key=lambda name: name.encode("utf-8", "surrogateescape"))
    for name in untouched:
        assert name in names
    turn = damage.choices.below(4)
    for at, name in enumerate(names):
        array = _read(lambda name=name: ckpt[name])  # type: ignore[misc]
        if name in looked_up:
            assert _same(array, looked_up[name])
        if name in untouched:
            _assert_right(name, array)
        if array is not None and at % 4 == turn:
            _assert_all_ways_agree(ckpt, name, array)


def _read(get: Callable[[], NDArray[Any]]) -> NDArray[Any] | None:
    try:
        return get()
    except CheckpointError:
        return None


def _same(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    if one is None or other is None:
        return one is other
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype != object:
        return one.tobytes() == other.tobytes()
    return repr(one.tolist()) == repr(other.tolist())


def _assert_right(name: str, array: NDArray[Any] | None) -> None:
    assert array is not None
    tensor = GOOD[name]
    if isinstance(tensor, w.Variants):
        assert [v.type_name.encode() for v in array] == [v[0] for v in tensor.values]
        assert array[0].tensors[0].tolist() == [1, 2]
        return
    right = w.typed(tensor.whole if isinstance(tensor, w.Sliced) else tensor)[1]
    assert array.shape == right.shape
    if array.dtype == object:
        assert array.tolist() == right.tolist()
    else:
        assert w.dense_payload(array) == w.dense_payload(right)


def _assert_all_ways_agree(ckpt: tfckpt_reader.Checkpoint, name: str, array: NDArray[Any]) -> None:
    """What has been read once is read by every other way, and the same."""
    assert array.flags.c_contiguous
    assert array.flags.aligned
    assert _same(ckpt.read(name), array)
    assert _same(ckpt.read(name, check=False), array)
    if array.ndim:
        for rows in (slice(0, 1), slice(1, 3), slice(-1, None)):
            assert _same(ckpt.read(name, rows=rows), array[rows])
    spec = ckpt.specs[name]
    assert spec.shape == array.shape
    check_tensor(ckpt.reader, spec)
    if spec.dtype.itemsize:
        stream = b"".join(bytes(piece) for piece in ckpt.reader.chunks(spec))
        width = array.dtype.itemsize // (2 if array.dtype.kind == "c" else 1)
        assert stream == array.reshape(-1).view(f"u{width}").astype(f"<u{width}").tobytes()


def seeds() -> Iterator[bytes]:
    for layout in range(6):
        yield bytes([layout & 1, layout, layout >> 1, layout, layout, layout, 0, 0, 1])
    for row in range(13):
        for field in range(7):
            if (row + field) % 4 == 0:
                yield bytes(
                    [row & 1, 0, 0, row, 0, 0, 1, row, 0, field, field, 1, row, 2, 3, 4, 0, 1]
                )
    for kind in range(4, 8):
        yield bytes([1, 0, 1, 1, 2, 0, 2, kind, kind, 3, 2, 9, 4, kind, 5, 1, 8, 30, 0, 0])
    for file in range(3):
        yield bytes([1, 3, 0, 0, 1, 0, 0, 1, file, 5, file, 1, 0])


if __name__ == "__main__":
    harness.main("bundle")
