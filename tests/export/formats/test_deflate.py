"""Deflating on threads: one stream per array, which zlib and zipfile undo."""

from __future__ import annotations

import os
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import tfckpt_reader as tfckpt
from tfckpt_reader.export.formats import deflate
from tfckpt_reader.export.formats.deflate import Block, blocks, deflated

BLOCK = 1 << 14
RNG = np.random.default_rng(11)
STREAMS = {
    "empty": b"",
    "short": b"abc",
    "one block": bytes(RNG.integers(0, 3, BLOCK, np.uint8)),
    "one byte more": bytes(RNG.integers(0, 3, BLOCK + 1, np.uint8)),
    "three blocks": bytes(RNG.integers(0, 256, 2 * BLOCK + 12345, np.uint8)),
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many blocks without many bytes."""
    monkeypatch.setattr(deflate, "BLOCK", BLOCK)


def joined(streams: list[bytes]) -> list[bytes]:
    """Each stream deflated, by itself."""
    wanted = (block for stream in streams for block in blocks([stream]))
    found, data = [], b""
    for block in deflated(wanted):
        data += block.data
        if block.last:
            found.append(data)
            data = b""
    assert not data
    return found


def test_zlib_undoes_it() -> None:
    found = joined(list(STREAMS.values()))
    for data, stream in zip(found, STREAMS.values(), strict=True):
        machine = zlib.decompressobj(-15)
        assert machine.decompress(data) == stream
        assert machine.eof
        assert machine.unused_data == b""


def test_each_block_tells_its_size_and_sum() -> None:
    stream = STREAMS["three blocks"]
    found = list(deflated(blocks([stream])))
    assert [block.last for block in found] == [False, False, True]
    assert sum(block.size for block in found) == len(stream)
    begin = 0
    for block in found:
        assert block.crc32 == zlib.crc32(stream[begin : begin + block.size])
        begin += block.size


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 16))
def test_blocks_do_not_depend_on_the_pieces(pieces: list[bytes], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deflate, "BLOCK", size)
        whole = b"".join(pieces)
        found = [(bytes(block.data), block.last) for block in blocks(pieces)]
        assert found == [(bytes(block.data), block.last) for block in blocks([whole])]
        assert b"".join(data for data, _ in found) == whole
        assert all(len(data) == size for data, last in found if not last)
        assert [last for _, last in found] == [False] * (len(found) - 1) + [True]


def test_pieces_may_be_overwritten() -> None:
    buffer = bytearray(3)

    def pieces() -> Iterator[memoryview]:
        for letter in b"abc":
            buffer[:] = bytes([letter]) * 3
            yield memoryview(buffer)

    assert [bytes(block.data) for block in blocks(pieces())] == [b"aaabbbccc"]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_as_many_threads_as_you_like(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = joined(list(STREAMS.values()))
    monkeypatch.setattr(deflate, "processors", lambda: threads)
    assert joined(list(STREAMS.values())) == expected


def test_where_the_system_gives_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = joined(list(STREAMS.values()))

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert joined(list(STREAMS.values())) == expected


def test_few_blocks_are_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deflate, "processors", lambda: 2)
    taken = 0

    def wanted() -> Iterator[Block]:
        nonlocal taken
        for _ in range(50):
            taken += 1
            yield Block(b"x", last=True)

    for i, _ in enumerate(deflated(wanted())):
        assert taken <= i + 1 + 2 * 2


@pytest.mark.parametrize("after", [0, 7])
def test_no_thread_is_left(after: int) -> None:
    def wanted() -> Iterator[Block]:
        for _ in range(after):
            yield Block(b"x" * 1000, last=True)
        raise tfckpt.ChecksumError("c")

    before = threading.active_count()
    with pytest.raises(tfckpt.ChecksumError):
        list(deflated(wanted()))
    poured = deflated(Block(b"x", last=True) for _ in range(100))
    next(poured)
    poured.close()
    assert threading.active_count() == before


# -- in an archive ---------------------------------------------------------------------------------

TENSORS: dict[str, Any] = {
    "big": RNG.integers(0, 9, (3, 50_009), np.int32),
    "noise": RNG.integers(0, 256, BLOCK + 3, np.uint8),
    "scalar": np.array(1.5),
    "none": np.zeros((0, 2), np.float32),
    "s": w.Strings([b"ab\0", b"c" * 1000], (2,)),
    "t": w.Strings([b"ab", b"cd"], (2,)),
    "half": w.Typed(19, np.array([1, 2], np.float16)),
}


def loaded(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def test_an_archive_holds_the_same_compressed(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", TENSORS)
    stored = tfckpt.convert(tmp_path / "p", tmp_path / "stored.npz")
    done = tfckpt.convert(tmp_path / "p", tmp_path / "small.npz", compress=True)
    assert (done.arrays, done.nbytes) == (stored.arrays, stored.nbytes)
    expected, found = loaded(tmp_path / "stored.npz"), loaded(tmp_path / "small.npz")
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
    with zipfile.ZipFile(tmp_path / "small.npz") as archive:
        assert archive.testzip() is None
        for member in archive.infolist():
            assert member.compress_type == zipfile.ZIP_DEFLATED
            assert member.date_time == (1980, 1, 1, 0, 0, 0)
            assert not member.flag_bits & 0x08, "sizes belong in front of the data"
        sizes = {m.filename: (m.compress_size, m.file_size) for m in archive.infolist()}
    assert sizes["big.npy"][0] < sizes["big.npy"][1] / 4
    for packed, size in sizes.values():
        assert packed <= size + size // 256 + 64  # what the place of a header counts on


def test_it_is_the_same_file_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w.write_bundle(tmp_path / "p", TENSORS)
    contents = set()
    for threads in (1, 2, 5):
        monkeypatch.setattr(deflate, "processors", lambda threads=threads: threads)
        monkeypatch.setattr("time.time", lambda: 2e9)
        tfckpt.convert(tmp_path / "p", tmp_path / "o.npz", compress=True, force=True)
        contents.add((tmp_path / "o.npz").read_bytes())
    assert len(contents) == 1


@pytest.mark.parametrize("target", ["o.safetensors", "o/"])
def test_others_are_not_compressed(target: str, tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"a": np.zeros(1)})
    with pytest.raises(ValueError, match="compress needs --format npz or h5 or zarr"):
        tfckpt.convert(tmp_path / "p", f"{tmp_path}/{target}", compress=True)
    assert sorted(os.listdir(tmp_path)) == ["p.data-00000-of-00001", "p.index"]
