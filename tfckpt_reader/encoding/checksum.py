"""CRC-32C (Castagnoli), and the mask under which TensorFlow stores it.

Independent of the data. A crc is stored masked (rotated and shifted by a constant), because the
crc of bytes with their own crc in them is a constant and would hide damage. FORMAT 2.6; TensorFlow
``core/lib/hash/crc32c.h``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CASTAGNOLI, IEEE = 0x82F63B78, 0xEDB88320
"""The polynomials of CRC-32C, and of the CRC-32 of zip files; bit 31 is the constant term."""


def _functions() -> dict[int, Callable[..., int]]:
    try:
        from fastcrc import crc32  # optional: it starts and sums in a fraction of the time
    except ImportError:
        import zlib

        import crc32c

        return {CASTAGNOLI: crc32c.crc32c, IEEE: zlib.crc32}
    return {CASTAGNOLI: crc32.iscsi, IEEE: crc32.iso_hdlc}


CHECKSUMS = _functions()
"""Polynomial -> ``checksum(data, crc=0)``, which continues a crc over any contiguous buffer."""
crc32c = CHECKSUMS[CASTAGNOLI]
"""The library's own function, since it is called for each tensor, however small."""
_MASK_DELTA = 0xA282EAD8
_U32 = 0xFFFFFFFF


def mask(crc: int) -> int:
    """Return the form in which a crc is stored."""
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & _U32


def unmask(masked: int) -> int:
    """Return the crc of a stored, masked one."""
    rotated = (masked - _MASK_DELTA) & _U32
    return ((rotated >> 17) | (rotated << 15)) & _U32
