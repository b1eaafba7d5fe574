"""Checksums of stored bytes in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.encoding.checksum import Sums, crc32c
from tfckpt_reader.storage.workers import share

if TYPE_CHECKING:
    pass
WORTH_PARTS = 8 << 20
"""Bytes from which on the crc of what is in memory is worth threads, which take parts in turn; of
smaller ones, more time would go by in handing over than is won."""
_PART = 4 << 20


def crc_by_parts(data: memoryview) -> int:
    """Return the crc of many bytes, on as many threads as there are processors."""
    sums = Sums(1)

    def add(first: int) -> None:
        part = data[first : first + _PART]
        sums.add(0, first, len(part), crc32c(part))

    share(range(0, len(data), _PART), add)
    return sums.crcs[0]
