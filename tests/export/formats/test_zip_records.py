"""The frame of a zip archive where sizes and counts pass 32 and 16 bits, read by zipfile."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from tfckpt_reader.export.formats import zip_records as archive

EDGE = 0xFFFFFFFF


class Sparse(io.RawIOBase):
    """A file of any size, of which only some pieces are there; the rest is zero."""

    def __init__(self, size: int, pieces: dict[int, bytes]) -> None:
        self.size, self.pieces, self.place = size, pieces, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = 0) -> int:
        self.place = offset + (0, self.place, self.size)[whence]
        return self.place

    def read(self, count: int = -1) -> bytes:
        count = self.size - self.place if count < 0 else min(count, self.size - self.place)
        found = bytearray(count)
        for begin, piece in self.pieces.items():
            low, high = max(begin, self.place), min(begin + len(piece), self.place + count)
            if low < high:
                found[low - self.place : high - self.place] = piece[low - begin : high - begin]
        self.place += count
        return bytes(found)


@pytest.mark.parametrize("size", [0, 1, EDGE - 1, EDGE, EDGE + 1, 1 << 40])
def test_sizes_and_offsets(size: int) -> None:
    pieces, members, end = {}, [], 0
    for name in ("a.npy", "é.npy", "c.npy"):
        member = archive.Member(name, end, size, 0x12345678)
        pieces[end] = archive.local_header(member)
        assert len(pieces[end]) == archive.local_size(name, size)
        members.append(member)
        end += len(pieces[end]) + size
    pieces[end] = archive.directory(members, end)
    with zipfile.ZipFile(Sparse(end + len(pieces[end]), pieces)) as found:
        infos = found.infolist()
        assert [info.filename for info in infos] == [member.name for member in members]
        for info, member in zip(infos, members, strict=True):
            assert (info.file_size, info.compress_size) == (size, size)
            assert (info.header_offset, info.CRC) == (member.offset, member.crc32)
            found.open(info).close()  # compares the local header's name


@pytest.mark.parametrize("size", [EDGE - (1 << 26), EDGE - 1, EDGE, 1 << 40])
@pytest.mark.parametrize("part", [0, 1, 2])
def test_sizes_of_what_is_deflated(size: int, part: int) -> None:
    """Its local header is placed before it is known how much smaller it becomes, or larger."""
    packed = (size // 4, size, size + size // 1000)[part]
    first = archive.Member("a.npy", 0, size, 0x12345678, packed)
    head = archive.local_header(first)
    assert len(head) == archive.local_size("a.npy", size, deflated=True)
    second = archive.Member("b.npy", len(head) + packed, 5, 0x9ABCDEF0, 9)
    end = second.offset + archive.local_size("b.npy", 5, deflated=True) + 9
    pieces = {0: head, second.offset: archive.local_header(second)}
    pieces[end] = archive.directory([first, second], end)
    with zipfile.ZipFile(Sparse(end + len(pieces[end]), pieces)) as found:
        infos = found.infolist()
        assert [(i.file_size, i.compress_size) for i in infos] == [(size, packed), (5, 9)]
        assert [(i.header_offset, i.CRC) for i in infos] == [
            (0, 0x12345678),
            (second.offset, second.crc32),
        ]
        for info in infos:
            assert info.compress_type == zipfile.ZIP_DEFLATED
            found.open(info).close()
    # What zipfile does not look at: the sizes in the local header, or in its field behind the name.
    packed_there, size_there, name_size, extra_size = struct.unpack("<2L2H", head[18:30])
    if extra_size:
        assert packed_there == size_there == EDGE
        size_there, packed_there = struct.unpack("<2Q", head[30 + name_size + 4 :])
    assert (packed_there, size_there) == (packed, size)


@pytest.mark.parametrize("count", [0, 1, 0xFFFE, 0xFFFF, 0x10000])
def test_counts(count: int) -> None:
    members = [archive.Member(f"{i}", 0, 0, 0) for i in range(count)]
    with zipfile.ZipFile(io.BytesIO(archive.directory(members, 0))) as found:
        assert len(found.infolist()) == count
