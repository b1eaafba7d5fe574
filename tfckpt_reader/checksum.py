"""CRC-32C (Castagnoli), and the mask under which TensorFlow stores it.

Rank 1: knows not what is summed.

A crc is stored masked (rotated and shifted by a constant) because the crc of bytes that contain
their own crc is a constant, which would hide damage. FORMAT 2.6; TensorFlow
``core/lib/hash/crc32c.h``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Buffer

_MASK_DELTA = 0xA282EAD8
_U32 = 0xFFFFFFFF


def crc32c(data: Buffer, crc: int = 0) -> int:
    """Return the crc of what `crc` was the crc of, followed by `data` (any contiguous buffer)."""
    extended: int = _library().crc32c(data, crc)
    return extended


@cache
def _library() -> Any:
    import crc32c

    return crc32c


def mask(crc: int) -> int:
    """Return the form in which a crc is stored."""
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & _U32


def unmask(masked: int) -> int:
    """Return the crc that is stored as `masked`."""
    rotated = (masked - _MASK_DELTA) & _U32
    return ((rotated >> 17) | (rotated << 15)) & _U32
