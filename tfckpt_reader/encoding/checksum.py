"""CRC-32C (Castagnoli), and the mask under which TensorFlow stores it.

Independent of the data. A crc is stored masked (rotated and shifted by a constant), because the
crc of bytes with their own crc in them is a constant and would hide damage. FORMAT 2.6; TensorFlow
``core/lib/hash/crc32c.h``.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING

import crc32c as _library

if TYPE_CHECKING:
    from collections.abc import Callable

crc32c: Callable[..., int] = _library.crc32c
"""``crc32c(data, crc=0)``: continue a crc over `data`, any contiguous buffer. The library's own
function, since it is called for each tensor, however small."""
CASTAGNOLI, IEEE = 0x82F63B78, 0xEDB88320
"""The polynomials of CRC-32C, and of the CRC-32 of zip files; bit 31 is the constant term."""
_MASK_DELTA = 0xA282EAD8
_U32 = 0xFFFFFFFF


def mask(crc: int) -> int:
    """Return the form in which a crc is stored."""
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & _U32


def unmask(masked: int) -> int:
    """Return the crc of a stored, masked one."""
    rotated = (masked - _MASK_DELTA) & _U32
    return ((rotated >> 17) | (rotated << 15)) & _U32


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
            self._early[number, first] = size, crc
            while found := self._early.pop((number, self.sizes[number]), None):
                size, crc = found
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
