"""Segments that claim the same bytes: read while it costs little, refused in proportion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import writers as w

import tfckpt_reader as tfckpt
from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.table.table import Table

DATA = ".data-00000-of-00001"
COUNT = 30_000


def overlapping(prefix: Path, entry: bytes, data: bytes, count: int) -> str:
    """Write an index of `count` tensors on the same bytes."""
    rows = [(b"", w.header()), *((b"n%04d" % i, entry) for i in range(count))]
    Path(f"{prefix}.index").write_bytes(w.table(rows))
    Path(f"{prefix}{DATA}").write_bytes(data)
    return str(prefix)


def strings_of(count: int) -> tuple[bytes, bytes]:
    data, crc = w.string_payload([b""] * count)
    return w.entry(7, (count,), size=len(data), crc=crc), data


def numbers_of(size: int) -> tuple[bytes, bytes]:
    data = bytes(size)
    return w.entry(4, (size,), size=size, crc=w.mask(w.crc(data))), data


@pytest.mark.parametrize("made", [strings_of, numbers_of])
def test_overlaps_are_refused_together(made: object, tmp_path: Path) -> None:
    entry, data = strings_of(COUNT) if made is strings_of else numbers_of(COUNT)
    prefix = overlapping(tmp_path / "x", entry, data, 60)
    with pytest.raises(UnsupportedError, match="overlaps"):
        tfckpt.convert(prefix, tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()
    assert not tfckpt.verify(prefix).ok
    with tfckpt.open(prefix) as ckpt:
        assert len(ckpt["n0000"]) == COUNT


def test_one_tensor_may_be_read_forever(tmp_path: Path) -> None:
    entry, data = strings_of(COUNT)
    with tfckpt.open(overlapping(tmp_path / "x", entry, data, 1)) as ckpt:
        for _ in range(60):
            assert len(ckpt["n0000"]) == COUNT


def test_strings_count_by_their_lengths(tmp_path: Path) -> None:
    """The size in the entry is that of the lengths; the strings reach to the end of the file."""
    data, crc = w.string_payload([b"a" * 100_000])
    entry = w.entry(7, (), size=3, crc=crc)
    ckpt = tfckpt.open(overlapping(tmp_path / "x", entry, data, 60))
    with pytest.raises(UnsupportedError, match="overlaps"):
        [ckpt[name] for name in ckpt]


@pytest.mark.parametrize("dtype", [4, 7])
def test_slices_on_the_same_bytes(dtype: int, tmp_path: Path) -> None:
    count, each = 200, 20_000
    payload = (
        w.string_payload([b""] * each) if dtype == 7 else (bytes(each), w.mask(w.crc(bytes(each))))
    )
    data, crc = payload
    pieces = [[(i * each, each)] for i in range(count)]
    rows = [
        (w.slice_key(b"p", p), w.entry(dtype, (each,), size=len(data), crc=crc)) for p in pieces
    ]
    full = (b"p", w.entry(dtype, (count * each,), slices=pieces))
    Path(tmp_path / "x.index").write_bytes(w.table([(b"", w.header()), *rows, full]))
    Path(f"{tmp_path / 'x'}{DATA}").write_bytes(data)
    with tfckpt.open(tmp_path / "x") as ckpt:
        with pytest.raises(UnsupportedError, match="overlaps"):
            ckpt["p"]
        with pytest.raises(UnsupportedError, match="overlaps"):
            ckpt.read("p", rows=slice(0, None))
        assert len(ckpt.read("p", rows=slice(each, 2 * each))) == each
    assert not tfckpt.verify(tmp_path / "x").ok


def test_slices_are_looked_up_in_key_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices listed in turn from both ends of the index: each block is read a few times."""
    count = 400
    order = [i // 2 if i % 2 else count - 1 - i // 2 for i in range(count)]
    values = np.arange(count, dtype=np.float32)
    pieces = tuple(((i, 1),) for i in order)
    w.write_bundle(tmp_path / "x", {"p": w.Sliced(values, pieces)}, block_size=2000)
    blocks: list[object] = []
    read_block = Table.read_block

    def counted(table: Table, *args: object) -> object:
        blocks.append(args)
        return read_block(table, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Table, "read_block", counted)
    with tfckpt.open(tmp_path / "x") as ckpt:
        assert (ckpt["p"] == values).all()
    assert len(set(blocks)) > 4
    assert len(blocks) <= 3 * len(set(blocks))
