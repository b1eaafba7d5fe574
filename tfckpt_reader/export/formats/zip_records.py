"""The records of a zip archive: local headers and the central directory.

Independent of the content of the members. They are stored or deflated; all have the same time, so
that equal members make equal archives. PKWARE's APPNOTE.TXT 4.3, and 4.5.3 for 64-bit sizes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_STORED, _DEFLATED = 0, 8
"""Compression methods."""
LONGEST_NAME = 0xFFFF
"""Bytes of a member's name in UTF-8."""
_LIMIT = 0xFFFFFFFF
"""Larger or equal sizes and offsets take 64 bits, in an extra field."""
_MOST_MEMBERS = 0xFFFF
_UTF8 = 1 << 11
_VERSION, _VERSION_64 = 20, 45
_MIDNIGHT, _FIRST_OF_1980 = 0, 0x21
_UNIX, _REGULAR = 3, 0o600 << 16
"""Unix permissions: the owner may read and write an unpacked member."""
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")


class Member(NamedTuple):
    """A member of the archive, with its final sizes."""

    name: str
    offset: int
    """Offset of its local header."""
    size: int
    """Uncompressed bytes."""
    crc32: int
    """Of the uncompressed bytes."""
    deflated: int | None = None
    """Compressed bytes; None for a stored member."""

    @property
    def packed(self) -> int:
        """Bytes behind the local header, compressed or not."""
        return self.size if self.deflated is None else self.deflated


def _is_wide(size: int, *, deflated: bool) -> bool:
    """Return whether a local header needs 64-bit sizes, before the compressed size is known.

    Incompressible data grows by 5 bytes in 16 thousand or fewer: less than by 1 in 256.
    """
    return size + (size >> 8) + 64 >= _LIMIT if deflated else size >= _LIMIT


def local_size(name: str, size: int, *, deflated: bool = False) -> int:
    """Return the size of the local header for a member of `size` uncompressed bytes."""
    return _LOCAL.size + len(name.encode()) + (20 if _is_wide(size, deflated=deflated) else 0)


def local_header(member: Member) -> bytes:
    """Return the record before a member's bytes."""
    sizes, extra = (member.packed, member.size), b""
    if _is_wide(member.size, deflated=member.deflated is not None):
        sizes, extra = (_LIMIT, _LIMIT), struct.pack("<2H2Q", 1, 16, member.size, member.packed)
    name, fields = member.name.encode(), _fields(member, *sizes, extra)
    return _LOCAL.pack(b"PK\3\4", *fields, len(name), len(extra)) + name + extra


def _fields(member: Member, packed: int, size: int, extra: bytes) -> tuple[int, ...]:
    """Return the fields of both headers of a member, from its version to its sizes."""
    version = _VERSION_64 if extra else _VERSION
    flags = 0 if member.name.isascii() else _UTF8
    method = _STORED if member.deflated is None else _DEFLATED
    return version, flags, method, _MIDNIGHT, _FIRST_OF_1980, member.crc32, packed, size


def directory(members: Iterable[Member], offset: int) -> bytes:
    """Return the central directory, which ends the archive, for the `offset` behind the members."""
    entries, count = bytearray(), 0
    for member in members:
        entries += _entry(member)
        count += 1
    size, end = len(entries), b""
    if count >= _MOST_MEMBERS or max(offset, size) >= _LIMIT:
        fields = _VERSION_64, _VERSION_64, 0, 0, count, count, size, offset
        end = _END_64.pack(b"PK\6\6", _END_64.size - 12, *fields)
        end += _LOCATOR_64.pack(b"PK\6\7", 0, offset + size, 1)
    count, size, offset = min(count, _MOST_MEMBERS), min(size, _LIMIT), min(offset, _LIMIT)
    return bytes(entries + end + _END.pack(b"PK\5\6", 0, 0, count, count, size, offset, 0))


def _entry(member: Member) -> bytes:
    numbers = member.size, member.packed, member.offset
    wide = [n for n in numbers if n >= _LIMIT]
    size, packed, offset = (min(n, _LIMIT) for n in numbers)
    extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    name, fields = member.name.encode(), _fields(member, packed, size, extra)
    made_by, rest = _UNIX << 8 | fields[0], (len(name), len(extra), 0, 0, 0, _REGULAR, offset)
    return _CENTRAL.pack(b"PK\1\2", made_by, *fields, *rest) + name + extra
