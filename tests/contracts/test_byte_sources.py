"""The contract of byte sources; one subclass for each implementation."""

from __future__ import annotations

import gc
import mmap
import os
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from descriptors import file_descriptors
from processes import in_child
from strategies import Memory

import tfckpt_reader as tfckpt
from tfckpt_reader.errors import ErrorKind
from tfckpt_reader.storage import local as storage
from tfckpt_reader.storage.filesystem import path_of
from tfckpt_reader.storage.local import File
from tfckpt_reader.storage.opening import open_file
from tfckpt_reader.storage.source import ByteSource, chunks

CONTENT = os.urandom(1 << 14)
POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX only")


class Contract:
    """The contract of any byte source; a subclass makes one."""

    def make(self, path: Path) -> ByteSource:
        raise NotImplementedError

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "file"
        path.write_bytes(CONTENT)
        return path

    @pytest.fixture
    def source(self, path: Path) -> ByteSource:
        return self.make(path)

    def test_name_and_size(self, path: Path, source: ByteSource) -> None:
        assert source.name == str(path)
        assert source.size == len(CONTENT)

    @pytest.mark.parametrize(
        ("offset", "size"), [(0, 0), (0, 1), (0, 1 << 14), (4095, 2), (1, 4096), (1 << 14, 0)]
    )
    def test_read(self, source: ByteSource, offset: int, size: int) -> None:
        found = source.read(offset, size)
        assert isinstance(found, memoryview)
        assert (found.format, found.ndim, found.itemsize) == ("B", 1, 1)
        assert found == CONTENT[offset : offset + size]
        assert found.readonly

    @pytest.mark.parametrize("offset", [0, 1, 4095, 4096, (1 << 14) - 7])
    def test_readinto(self, source: ByteSource, offset: int) -> None:
        buffer = bytearray(b"#" * 9)
        source.readinto(offset, memoryview(buffer)[1:8])
        assert buffer == b"#" + CONTENT[offset : offset + 7] + b"#"
        source.readinto(offset, memoryview(bytearray()))

    @pytest.mark.parametrize(
        ("offset", "size"),
        [
            (-1, 1),
            (0, (1 << 14) + 1),
            (1 << 14, 1),
            (1 << 62, 1),
            (-5, 5),
            (1 << 70, 0),
            (3, 1 << 70),
        ],
    )
    def test_past_the_end(self, source: ByteSource, offset: int, size: int) -> None:
        with pytest.raises(tfckpt.TruncatedError) as caught:
            source.read(offset, size)
        assert (caught.value.file, caught.value.offset) == (source.name, offset)
        if 0 <= size < 1 << 20:
            buffer = bytearray(b"#" * size)
            with pytest.raises(tfckpt.TruncatedError):
                source.readinto(offset, memoryview(buffer))
            assert buffer == b"#" * size

    def test_negative_size(self, source: ByteSource) -> None:
        with pytest.raises(tfckpt.TruncatedError):
            source.read(10, -1)

    def test_empty_file(self, tmp_path: Path) -> None:
        empty = tmp_path / "empty"
        empty.write_bytes(b"")
        source = self.make(empty)
        assert source.size == 0
        assert bytes(source.read(0, 0)) == b""
        source.readinto(0, memoryview(bytearray()))
        with pytest.raises(tfckpt.TruncatedError):
            source.read(0, 1)

    def test_threads(self, source: ByteSource) -> None:
        wrong: list[int] = []

        def work(seed: int) -> None:
            buffer = bytearray(100)
            for i in range(200):
                offset = (seed * 7919 + i * 104729) % (len(CONTENT) - 100)
                source.readinto(offset, memoryview(buffer))
                if bytes(source.read(offset, 100)) != buffer or buffer != CONTENT[offset:][:100]:
                    wrong.append(offset)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []

    def test_chunks(self, source: ByteSource) -> None:
        assert b"".join(map(bytes, chunks(source, 100, 5000))) == CONTENT[100:5100]


class FileContract(Contract):
    """The contract of sources that are files."""

    def test_views_outlive_the_file(self, path: Path) -> None:
        source = self.make(path)
        view = source.read(100, 200)
        del source
        gc.collect()
        assert view == CONTENT[100:300]

    @POSIX
    def test_unlinked(self, path: Path, source: ByteSource) -> None:
        path.unlink()
        assert source.read(0, 100) == CONTENT[:100]

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
            self.make(tmp_path / "missing")
        assert caught.value.file == str(tmp_path / "missing")

    @pytest.mark.parametrize("cut", [0, 1, 100, 5000])
    def test_cut_before_it_is_read(self, path: Path, source: ByteSource, cut: int) -> None:
        """Never fewer bytes than were asked for."""
        os.truncate(path, cut)
        with pytest.raises(tfckpt.TruncatedError) as caught:
            source.read(0, len(CONTENT))
        assert caught.value.file == str(path)
        with pytest.raises(tfckpt.TruncatedError):
            source.read(8000, 100)
        with pytest.raises(tfckpt.TruncatedError):
            source.readinto(8000, memoryview(bytearray(100)))

    def test_grown(self, path: Path, source: ByteSource) -> None:
        with path.open("ab") as file:
            file.write(b"more")
        assert source.read(len(CONTENT) - 4, 4) == CONTENT[-4:]
        with pytest.raises(tfckpt.TruncatedError):
            source.read(len(CONTENT), 4)

    def test_directory(self, tmp_path: Path) -> None:
        with pytest.raises(tfckpt.CheckpointError, match="not a regular file"):
            self.make(tmp_path)

    @POSIX
    def test_pipe_and_device(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", Path("/dev/null")):
            with pytest.raises(tfckpt.CheckpointError, match="not a regular file") as caught:
                self.make(path)
            assert caught.value.file == str(path)

    def test_impossible_names(self, tmp_path: Path) -> None:
        for name in ("a\0b", "x" * 5000, f"{tmp_path}/file/inside"):
            with pytest.raises(tfckpt.CheckpointError):
                self.make(Path(name))

    @POSIX
    def test_symlinks(self, path: Path, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(path)
        assert self.make(tmp_path / "link").read(0, 9) == CONTENT[:9]
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        with pytest.raises(tfckpt.CheckpointError):
            self.make(tmp_path / "loop")

    def test_bytes_in_a_name(self, tmp_path: Path) -> None:
        if sys.platform in ("win32", "darwin"):
            pytest.skip("names are Unicode here")
        name = os.fsencode(tmp_path) + b"/\xff\xfe"
        Path(os.fsdecode(name)).write_bytes(b"odd")
        assert self.make(Path(os.fsdecode(name))).read(0, 3).tobytes() == b"odd"

    @POSIX
    def test_descriptors_are_closed(self, path: Path) -> None:
        gc.collect()
        before = file_descriptors()
        sources = [self.make(path) for _ in range(5)]
        views = [source.read(0, 10) for source in sources]
        assert file_descriptors() >= before + 5
        del sources
        gc.collect()
        assert views[0] == CONTENT[:10]
        del views
        gc.collect()
        assert file_descriptors() == before

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
    def test_fork(self, source: ByteSource) -> None:
        before = source.read(0, 10)

        def child() -> bool:
            buffer = bytearray(5000)
            source.readinto(5000, memoryview(buffer))
            return (
                before == CONTENT[:10]
                and source.read(300, 900) == CONTENT[300:1200]
                and buffer == CONTENT[5000:10000]
            )

        assert in_child(child)
        assert source.read(300, 900) == CONTENT[300:1200]


class TestRead(FileContract):
    def make(self, path: Path) -> ByteSource:
        return File(str(path))

    def test_copies(self, path: Path, source: ByteSource) -> None:
        found = source.read(0, 100)
        with path.open("r+b") as file:
            file.write(bytes(100))
        assert found == CONTENT[:100]


class TestMapped(FileContract):
    def make(self, path: Path) -> ByteSource:
        return File(str(path), mapped=True)

    def test_views_of_one_map(self, path: Path, source: ByteSource) -> None:
        first, second = source.read(0, 100), source.read(50, 100)
        assert isinstance(first.obj, mmap.mmap)
        assert first.obj is second.obj
        with path.open("r+b") as file:
            file.write(bytes(100))
        assert first == bytes(100)

    def test_where_there_is_no_map(
        self, source: ByteSource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_args: object, **_kwargs: object) -> object:
            raise OSError(12, "no more maps")

        with monkeypatch.context() as patch:
            patch.setattr(mmap, "mmap", refuse)
            assert source.read(10, 100) == CONTENT[10:110]
        assert not isinstance(source.read(10, 100).obj, mmap.mmap)


@cache
def file_without_preadv() -> type[File]:
    """The class as it is where `os.preadv` is missing."""
    code = compile(Path(storage.__file__).read_text("utf-8"), storage.__file__, "exec")
    namespace: dict[str, Any] = {"__name__": storage.__name__}
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(os, "preadv", raising=False)
        exec(code, namespace)  # noqa: S102 - our own module
    found: type[File] = namespace["File"]
    return found


class TestWithoutPreadv(FileContract):
    """As on Windows: one seek and one read at a time, under a lock."""

    def make(self, path: Path) -> ByteSource:
        return file_without_preadv()(str(path))

    def test_it_is_another(self) -> None:
        assert (file_without_preadv()._pread is not File._pread) or not hasattr(os, "preadv")


class TestMemory(Contract):
    """The tests' own source keeps the contract too, or tests built on it mean little."""

    def make(self, path: Path) -> ByteSource:
        return Memory(path.read_bytes(), str(path))


class RemoteContract(Contract):
    """The contract of objects in stores, whose names are URLs."""

    def test_name_and_size(self, path: Path, source: ByteSource) -> None:
        assert source.name != str(path)
        assert source.name.endswith("://file")
        assert source.size == len(CONTENT)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
            self.make(tmp_path / "missing")
        assert str(caught.value.file).endswith("://missing")

    def test_cut_before_it_is_read(self, path: Path, source: ByteSource) -> None:
        path.write_bytes(CONTENT[:100])
        with pytest.raises(tfckpt.CorruptCheckpointError) as caught:
            source.read(0, len(CONTENT))
        assert caught.value.kind is ErrorKind.CHANGED


class TestObstore(RemoteContract):
    def make(self, path: Path) -> ByteSource:
        stores = pytest.importorskip("obstore.store")
        return open_file(path_of(path.name, stores.LocalStore(path.parent)))

    def test_another_in_its_place(self, path: Path, source: ByteSource) -> None:
        path.write_bytes(CONTENT[::-1])
        os.utime(path, ns=(0, 1))
        with pytest.raises(tfckpt.CorruptCheckpointError) as caught:
            source.read(0, 1)
        assert caught.value.kind is ErrorKind.CHANGED


class TestFsspec(RemoteContract):
    def make(self, path: Path) -> ByteSource:
        fsspec = pytest.importorskip("fsspec")
        files = fsspec.filesystem("dir", path=str(path.parent), target_protocol="file")
        return open_file(path_of(path.name, files))
