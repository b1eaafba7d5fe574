"""Write arrays as a NumPy .npz archive: a zip of .npy files, whose types `npy` tells.

Sees specs and bytes, never a checkpoint file.

Sizes are known beforehand, so places are too: the numbers are written where they belong on
threads, and the headers, which hold the crc-32 of what follows them, at the end. What is deflated
has no such size: its members are written one after another.
"""

from __future__ import annotations

import re
import zlib
from contextlib import closing
from itertools import chain
from typing import IO, TYPE_CHECKING

from tfckpt_reader.encoding.checksum import IEEE, combine
from tfckpt_reader.export.formats import npy
from tfckpt_reader.export.formats import zip_records as archive
from tfckpt_reader.export.transfer import at, contents, require_size
from tfckpt_reader.export.transfer import write as transport
from tfckpt_reader.storage.atomic import write_at

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from tfckpt_reader.export.arrays import Stored
    from tfckpt_reader.export.formats.deflate import Block
    from tfckpt_reader.formats.reader import Reader
    from tfckpt_reader.tensor.spec import TensorSpec

_ABSOLUTE = re.compile(r"/|\\|[A-Za-z]:")
_END = ".npy"


def why_refused(name: str, spec: TensorSpec, names: Container[str]) -> str | None:
    """Say why an archive cannot hold a tensor, or NumPy not tell it from another; None if it can.

    Args:
        name: What it shall be called.
        spec: The tensor.
        names: Of all that shall be in the archive.
    """
    why = npy.why_not_held(spec)
    if why is not None:
        return why
    if name.endswith(_END) and name.removesuffix(_END) in names:
        return f"NumPy cannot tell it from {name.removesuffix(_END)}"
    parts = npy.parts(name, spec)
    for part in parts:
        if part != name and (part in names or part + _END in names):
            return f"NumPy could not tell {part}, which strings may need, from a tensor"
    return _why_unsafe(parts[-1], name)


def _why_unsafe(member: str, name: str) -> str | None:
    try:
        size = len(member.encode("utf-8"))
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if "\0" in name:
        return "its name holds a NUL"
    if ".." in re.split(r"[/\\]", name):
        return "its name climbs out of its folder with .."
    if _ABSOLUTE.match(name):
        return "its name is an absolute path"
    if size + len(_END) > archive.LONGEST_NAME:
        return f"the name of its file is longer than {archive.LONGEST_NAME} bytes"
    return None


def write(
    file: IO[bytes],
    reader: Reader,
    arrays: Sequence[Stored],
    wrote: Callable[[int], None],
) -> None:
    """Write the archive, stored; `wrote` is told the bytes read."""
    fd, begins, end = file.fileno(), [], 0
    for stored in arrays:
        begins.append(end + _before(stored))
        end = begins[-1] + stored.nbytes
    crcs = transport(at(fd, begins), reader, arrays, wrote, crc=IEEE)
    write_at(fd, archive.directory(_headed(fd, arrays, begins, crcs), end), end)


def _before(stored: Stored) -> int:
    """Return the bytes before an array: the local header of its member, and the .npy header."""
    head = len(npy.header(stored))
    return archive.local_size(stored.name + _END, head + stored.nbytes) + head


def _headed(
    fd: int, arrays: Sequence[Stored], begins: Sequence[int], crcs: Sequence[int]
) -> Iterator[archive.Member]:
    """Write what stands before each array, and yield its member."""
    for stored, begin, crc in zip(arrays, begins, crcs, strict=True):
        head = npy.header(stored)
        crc32 = combine(zlib.crc32(head), crc, stored.nbytes, IEEE)
        place, size = begin - _before(stored), len(head) + stored.nbytes
        member = archive.Member(stored.name + _END, place, size, crc32)
        write_at(fd, archive.local_header(member) + head, place)
        yield member


def write_deflated(
    file: IO[bytes],
    reader: Reader,
    arrays: Sequence[Stored],
    wrote: Callable[[int], None],
) -> None:
    """Write the archive, compressed; `wrote` is told the bytes read."""
    from tfckpt_reader.export.formats.deflate import deflated  # its threads take a while to import

    fd, members, end = file.fileno(), [], 0
    with closing(deflated(_blocks(reader, arrays, wrote))) as packed:
        for stored in arrays:
            name, expected = stored.name + _END, len(npy.header(stored)) + stored.nbytes
            place, end = end, end + archive.local_size(name, expected, deflated=True)
            begin, size, crc = end, 0, 0
            for block in packed:
                write_at(fd, block.data, end)
                crc, size = combine(crc, block.crc32, block.size, IEEE), size + block.size
                end += len(block.data)
                if block.last:
                    break
            require_size(stored, size - expected + stored.nbytes)
            member = archive.Member(name, place, size, crc, end - begin)
            write_at(fd, archive.local_header(member), place)
            members.append(member)
    write_at(fd, archive.directory(members, end), end)


def _blocks(
    reader: Reader, arrays: Sequence[Stored], wrote: Callable[[int], None]
) -> Iterator[Block]:
    from tfckpt_reader.export.formats.deflate import blocks

    for stored in arrays:
        yield from blocks(chain([npy.header(stored)], contents(reader, stored, wrote)))
