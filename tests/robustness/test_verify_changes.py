"""`verify` finds every flipped bit, every cut, every byte inserted or removed."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from defects import (
    FLOATS,
    GRID,
    INTS,
    WORDS,
    codes,
    put,
    shown,
)

import tfckpt_reader as tfckpt
from tfckpt_reader import verify


def small_files(kind: str) -> dict[str, bytes]:
    """One of each kind of byte in few of them: rows, footer, numbers, strings, padding, pieces."""
    some: dict[str, Any] = {
        "b": np.array([True, False, True]),
        "f": FLOATS[:2],
        "s": w.Strings([b"ab", b""], (2,)),
    }
    if kind == "V2":
        return w.bundle_files(some, alignment=2)
    if kind == "V2 blocks":
        variant = w.Variants([(b"T", b"m", [])], ())
        return w.bundle_files({"f": FLOATS[:1], "v": variant}, block_size=1, shards=2)
    if kind == "V2 snappy":
        pieces = w.Sliced(GRID[:2, :2], [[(0, 1), (0, -1)], [(1, 1), (0, -1)]])
        return w.bundle_files({"g": pieces}, compress=True, index_compress=True)
    if kind == "V2 big-endian":
        return w.bundle_files({"i": INTS[:1], "s": w.Strings([b"a"], ())}, big_endian=True)
    if kind == "V1":
        return {"": w.v1_table({"f": FLOATS[:2], "s": w.Strings([b"a"], ())})}
    return {"": w.v1_table({"g": w.Sliced(INTS, [[(0, 2)], [(2, 1)]])}, block_size=1)}


KINDS = ("V2", "V2 blocks", "V2 snappy", "V2 big-endian", "V1", "V1 blocks")
QUICK = ("V2", "V1")
SMALL = [
    pytest.param(kind, suffix, marks=[] if kind in QUICK else [pytest.mark.slow])
    for kind in KINDS
    for suffix, contents in small_files(kind).items()
    if contents
]


@pytest.fixture
def fast_folder() -> Iterator[Path]:
    """A folder in memory where there is one: these tests write thousands of files."""
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a private folder in it
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        yield Path(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_small_checkpoint_is_sound(kind: str, tmp_path: Path) -> None:
    report = verify(put(tmp_path, small_files(kind)))
    assert [c for c in codes(report) if c != "TFC305"] == [], shown(report)
    assert report.ok


@pytest.mark.parametrize(("kind", "suffix"), SMALL)
def test_every_bit_is_found(kind: str, suffix: str, fast_folder: Path) -> None:
    files = small_files(kind)
    prefix = put(fast_folder, files)
    missed, strange = [], []
    for place in range(8 * len(files[suffix])):
        contents = bytearray(files[suffix])
        contents[place >> 3] ^= 1 << (place & 7)
        Path(f"{prefix}{suffix}").write_bytes(contents)
        report = verify(prefix)
        if report.ok:
            missed.append(divmod(place, 8))
        elif not any(p.file == f"{prefix}{suffix}" for p in report.problems):
            strange.append(shown(report))
    assert missed == [], f"(byte, bit) of {len(files[suffix])} bytes"
    assert strange == []


@pytest.mark.parametrize(("kind", "suffix"), SMALL)
def test_every_truncation_is_found(kind: str, suffix: str, fast_folder: Path) -> None:
    files = small_files(kind)
    prefix = put(fast_folder, files)
    code = "TFC302" if suffix.startswith(".data") else "TFC101"
    for size in range(len(files[suffix])):
        Path(f"{prefix}{suffix}").write_bytes(files[suffix][:size])
        report = verify(prefix)
        assert not report.ok
        assert set(codes(report)) - {"TFC305"} == {code}, f"{size}: {shown(report)}"


@pytest.mark.parametrize(("kind", "suffix"), SMALL)
def test_every_byte_put_in_or_left_out_is_found(kind: str, suffix: str, fast_folder: Path) -> None:
    files = small_files(kind)
    prefix = put(fast_folder, files)
    whole = files[suffix]
    for place in range(len(whole) + 1):
        for changed in (whole[:place] + b"\0" + whole[place:], whole[:place] + whole[place + 1 :]):
            if changed != whole:
                Path(f"{prefix}{suffix}").write_bytes(changed)
                assert not verify(prefix).ok, place


def with_rows(kind: str, folder: Path, edit: Callable[[w.Rows], w.Rows]) -> Path:
    """A checkpoint of that kind, its rows edited and sealed again."""
    plain: dict[str, Any] = {"f": FLOATS[:2], "s": w.Strings([b"a"], ())}
    pieces: dict[str, Any] = {"g": w.Sliced(INTS, [[(0, 2)], [(2, 1)]])}
    if kind.startswith("V1"):
        tensors = plain if kind == "V1" else pieces
        return put(folder, {"": w.v1_table(tensors, edit_rows=edit)})
    tensors = {**pieces, "s": WORDS} if kind == "V2 snappy" else plain
    tensors["v"] = w.Variants([(b"T", b"m", [])], ())
    return put(folder, w.bundle_files(tensors, edit_rows=edit))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["V2", "V2 snappy", "V1", "V1 blocks"])
def test_sealed_nonsense_never_raises(kind: str, fast_folder: Path) -> None:
    """Every bit of every row under right crcs: a report comes out; what it calls sound reads."""
    original: w.Rows = []

    def take(rows: w.Rows) -> w.Rows:
        original[:] = rows
        return rows

    with_rows(kind, fast_folder, take)
    for number, (key, value) in enumerate(original):
        for place in range(8 * len(value)):
            changed = bytearray(value)
            changed[place >> 3] ^= 1 << (place & 7)
            rows = [*original[:number], (key, bytes(changed)), *original[number + 1 :]]
            prefix = with_rows(kind, fast_folder, lambda _, rows=rows: rows)  # type: ignore[misc]
            report = verify(prefix)
            assert shown(report)
            if report.ok:
                with tfckpt.open(prefix) as ckpt:
                    assert len(dict(ckpt)) >= report.tensors - 1  # a stray slice is counted


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_mapped(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = put(tmp_path, small_files(kind))
    mapped = []
    really = mmap.mmap

    def record(fileno: int, *arguments: Any, **more: Any) -> Any:
        mapped.append(fileno)
        return really(fileno, *arguments, **more)

    monkeypatch.setattr(mmap, "mmap", record)
    assert verify(prefix).ok
    assert set(mapped) <= {-1}  # memory of its own
