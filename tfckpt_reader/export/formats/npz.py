"""The NumPy .npz archive: a zip of .npy files.

Knows specs and bytes, no checkpoint.

Stored, sizes are known beforehand, and so are offsets: numbers are written on threads, and the
headers, with the crc-32 of the bytes behind them, at the end. A compressed size is not known
beforehand: then members are written one after another.
"""

from __future__ import annotations

import re
from contextlib import closing
from functools import lru_cache
from itertools import chain
from typing import IO, TYPE_CHECKING

from tfckpt_reader.encoding.checksum import CHECKSUMS, IEEE
from tfckpt_reader.encoding.partial_checksums import combine
from tfckpt_reader.export.formats import npy, zip_records
from tfckpt_reader.export.sinks import FileSink
from tfckpt_reader.export.transfer import array_bytes, require_size, write_arrays
from tfckpt_reader.storage.writing.offsets import write_at

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from tfckpt_reader.export.transfer import Job, OutputArray
    from tfckpt_reader.tensor.spec import TensorSpec

_SUFFIX = ".npy"
_ABSOLUTE = re.compile(r"/|\\|[A-Za-z]:")


class Npz(npy.NpyFormat):
    """A NumPy archive."""

    suffix = ".npz"
    settings = frozenset({"compress"})

    def name_refusal(self, name: str, spec: TensorSpec, keys: Container[str]) -> str | None:
        """Return the reason against a name: unsafe, or NumPy confuses it with another."""
        if name.endswith(_SUFFIX) and name.removesuffix(_SUFFIX) in keys:
            return f"NumPy cannot tell it from {name.removesuffix(_SUFFIX)}"
        possible = npy.possible_names(name, spec)
        for each in possible:
            if each != name and (each in keys or each + _SUFFIX in keys):
                return f"its strings may need the name {each}, which NumPy confuses with a tensor's"
        longest, most = possible[-1] + _SUFFIX, zip_records.LONGEST_NAME
        reasons = {
            "its name contains a NUL": "\0" in name,
            "its name climbs out of its folder with ..": ".." in name
            and ".." in re.split(r"[/\\]", name),
            "its name is an absolute path": _ABSOLUTE.match(name),
            f"the name of its file is longer than {most} bytes": len(longest.encode()) > most,
        }
        return next((reason for reason, applies in reasons.items() if applies), None)

    def write(self, output: IO[bytes], job: Job) -> None:
        """Write the archive."""
        if job.compress:
            _write_deflated(output.fileno(), job)
        else:
            _write_stored(output, job)


def _write_stored(output: IO[bytes], job: Job) -> None:
    offsets, end = [], 0
    for array in job.arrays:
        offsets.append(end + _header_size(array))
        end = offsets[-1] + array.nbytes
    fd = output.fileno()
    crcs = write_arrays(job, FileSink(output.name, offsets, fd, end), crc=IEEE)
    members = _write_headers(fd, job.arrays, offsets, crcs)
    write_at(fd, zip_records.directory(members, end), end)


def _header_size(array: OutputArray) -> int:
    """Return the bytes before an array: the local header of its member, and the .npy header."""
    head = len(npy.header(array))
    return zip_records.local_size(array.name + _SUFFIX, head + array.nbytes) + head


def _write_headers(
    fd: int, arrays: Sequence[OutputArray], offsets: Sequence[int], crcs: Sequence[int]
) -> Iterator[zip_records.Member]:
    """Write the headers before each array, and yield its member."""
    for array, offset, crc in zip(arrays, offsets, crcs, strict=True):
        head = npy.header(array)
        crc32 = _crc_before(head, array.nbytes) ^ crc
        begin, size = offset - _header_size(array), len(head) + array.nbytes
        member = zip_records.Member(array.name + _SUFFIX, begin, size, crc32)
        write_at(fd, zip_records.local_header(member) + head, begin)
        yield member


@lru_cache(maxsize=1024)
def _crc_before(head: bytes, size: int) -> int:
    """Return the crc of a header and `size` zeros: with that of as many bytes by xor, that of both.

    Small arrays are many, and often have the same header.
    """
    return combine(CHECKSUMS[IEEE](head), 0, size, IEEE)


def _write_deflated(fd: int, job: Job) -> None:
    # Slow to import: it has threads.
    from tfckpt_reader.export.formats.deflate import blocks, deflated

    members, end = [], 0
    streams = (chain([npy.header(array)], array_bytes(job, array)) for array in job.arrays)
    with closing(deflated(chain.from_iterable(map(blocks, streams)))) as packed:
        for array in job.arrays:
            name, expected = array.name + _SUFFIX, len(npy.header(array)) + array.nbytes
            head, end = end, end + zip_records.local_size(name, expected, deflated=True)
            begin, size, crc = end, 0, 0
            for block in packed:
                write_at(fd, block.data, end)
                crc, size = combine(crc, block.crc32, block.size, IEEE), size + block.size
                end += len(block.data)
                if block.last:
                    break
            require_size(array, size - expected + array.nbytes)
            member = zip_records.Member(name, head, size, crc, end - begin)
            write_at(fd, zip_records.local_header(member), head)
            members.append(member)
    write_at(fd, zip_records.directory(members, end), end)
