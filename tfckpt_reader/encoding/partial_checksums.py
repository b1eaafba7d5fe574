"""Crcs of runs of bytes out of the crcs of their parts, which may be computed on any thread.

Independent of the data. The crc of two adjacent runs follows from the crc of each: in the
arithmetic of polynomials, more bytes are a multiplication.
"""

from __future__ import annotations

import threading
from functools import lru_cache

from tfckpt_reader.encoding.checksum import CASTAGNOLI


def combine(crc: int, more: int, size: int, polynomial: int = CASTAGNOLI) -> int:
    """Return the crc of two adjacent runs of bytes from the crc of each.

    Args:
        crc: That of the first.
        more: That of the second.
        size: Bytes in the second.
        polynomial: `CASTAGNOLI`, or `IEEE` for the crc of zip files.
    """
    return _times(crc, _zeros(size, polynomial), polynomial) ^ more


class PartialChecksums:
    """The crcs of numbered runs of bytes whose parts arrive in any order, on any thread.

    Only parts that arrive early are stored: if they arrive nearly in order, these are few.

    Args:
        count: The number of runs.
        polynomial: As for `combine`.
    """

    def __init__(self, count: int, polynomial: int = CASTAGNOLI) -> None:
        self.sizes = [0] * count
        """Bytes of each run without a gap, from its beginning."""
        self.crcs = [0] * count
        """The crc of those bytes."""
        self._polynomial = polynomial
        self._early: dict[tuple[int, int], tuple[int, int]] = {}
        self._lock = threading.Lock()

    def add(self, number: int, first: int, size: int, crc: int) -> None:
        """Add the crc of `size` bytes of a run, `first` bytes after its beginning."""
        if not size:
            return  # another part may begin at the same byte
        with self._lock:
            if first != self.sizes[number]:
                self._early[number, first] = size, crc
                return
            self._append(number, size, crc)
            while self._early and (found := self._early.pop((number, self.sizes[number]), None)):
                self._append(number, *found)

    def _append(self, number: int, size: int, crc: int) -> None:
        if self.sizes[number]:
            crc = combine(self.crcs[number], crc, size, self._polynomial)
        self.crcs[number] = crc
        self.sizes[number] += size


@lru_cache(maxsize=1024)
def _zeros(size: int, polynomial: int) -> int:
    """Return the factor of a crc for `size` more zero bytes: x to the power 8 * size."""
    power, square = 1 << 31, 1 << 23
    while size:
        if size & 1:
            power = _times(power, square, polynomial)
        square = _times(square, square, polynomial)
        size >>= 1
    return power


def _times(a: int, b: int, polynomial: int) -> int:
    """Multiply polynomials over two elements, modulo `polynomial`; bit 31 is the constant term."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ polynomial if b & 1 else b >> 1
    return product
