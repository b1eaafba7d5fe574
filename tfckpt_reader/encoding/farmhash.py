"""Fingerprint64, the hash of a SavedModel's files in its ``fingerprint.pb``.

Independent of the data. It is FarmHash's 64-bit hash "na", promised never to change. Strings of up
to 64 bytes are mixed in one go, longer ones 64 bytes at a time into a state of seven numbers. All
arithmetic is modulo 2^64. TensorFlow ``tsl/platform/fingerprint.h``;
https://github.com/google/farmhash.

Each step needs the previous one, so neither NumPy nor threads help: about 30 MB/s.
"""

from __future__ import annotations

from struct import iter_unpack, unpack_from

_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
"""Primes between 2^63 and 2^64."""
_U64 = (1 << 64) - 1
_SEED = 81


def fingerprint64(data: bytes | memoryview) -> int:
    """Return the hash of a buffer, in linear time."""
    size = len(data)
    if size > 64:
        return _long(data)
    if size > 16:
        return _medium(data)
    return _short(bytes(data))


def _rotate(value: int, count: int) -> int:
    """Cut a number to 64 bits and rotate it right."""
    value &= _U64
    return (value >> count | value << 64 - count) & _U64


def _fold(value: int) -> int:
    """Mix the upper bits of a number into its lower ones ("ShiftMix")."""
    value &= _U64
    return value ^ value >> 47


def _mix(u: int, v: int, factor: int) -> int:
    """Return a hash of two numbers ("HashLen16")."""
    a = _fold((u ^ v) * factor)
    return _fold((v ^ a) * factor) * factor & _U64


def _u64(data: bytes | memoryview, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 8], "little")


def _short(data: bytes) -> int:
    """Hash up to 16 bytes."""
    size = len(data)
    factor = _K2 + 2 * size
    if size >= 8:
        a, b = (_u64(data, 0) + _K2) & _U64, _u64(data, size - 8)
        c = (_rotate(b, 37) * factor + a) & _U64
        d = (_rotate(a, 25) + b) * factor & _U64
        return _mix(c, d, factor & _U64)
    if size >= 4:
        first, last = unpack_from("<I", data)[0], unpack_from("<I", data, size - 4)[0]
        return _mix(size + (first << 3), last, factor & _U64)
    if size:
        y, z = data[0] + (data[size >> 1] << 8), size + (data[-1] << 2)
        return _fold(y * _K2 ^ z * _K0) * _K2 & _U64
    return _K2


def _medium(data: bytes | memoryview) -> int:
    """Hash 17 to 64 bytes."""
    size = len(data)
    factor = (_K2 + 2 * size) & _U64
    a = _u64(data, 0) * (_K1 if size <= 32 else _K2)
    b, c, d = _u64(data, 8), _u64(data, size - 8) * factor, _u64(data, size - 16) * _K2
    y = (_rotate(a + b, 43) + _rotate(c, 30) + d) & _U64
    z = (a + _rotate(b + _K2, 18) + c) & _U64
    if size <= 32:
        return _mix(y, z, factor)
    z = _mix(y, z, factor)
    e, f = _u64(data, 16) * factor, _u64(data, 24)
    g, h = (y + _u64(data, size - 32)) * factor, (z + _u64(data, size - 24)) * factor
    y = (_rotate(e + f, 43) + _rotate(g, 30) + h) & _U64
    return _mix(y, (e + _rotate(f + a, 18) + g) & _U64, factor)


def _long(data: bytes | memoryview) -> int:
    """Hash more than 64 bytes: all blocks before the one with the last byte, then the last 64."""
    size = len(data)
    x, y = _SEED * _K2 + _u64(data, 0) & _U64, _SEED * _K1 + 113 & _U64
    state: tuple[int, ...] = (x, y, _fold(y * _K2 + 113) * _K2 & _U64, 0, 0, 0, 0)
    whole = (size - 1) // 64 * 64
    state = _rounds(memoryview(data)[:whole], state, _K1, 1)
    x, y, z, v, v2, w, w2 = state
    factor = _K1 + ((z & 0xFF) << 1)
    w += (size - 1) & 63
    v += w
    w += v
    state = _rounds(memoryview(data)[size - 64 :], (x, y, z, v, v2, w, w2), factor & _U64, 9)
    x, y, z, v, v2, w, w2 = state
    left = _mix(v, w, factor & _U64) + _fold(y) * _K0 + z
    return _mix(left & _U64, (_mix(v2, w2, factor & _U64) + x) & _U64, factor & _U64)


def _rounds(
    blocks: memoryview, state: tuple[int, ...], factor: int, weight: int
) -> tuple[int, ...]:
    """Mix whole blocks of 64 bytes into the state.

    The last block has its own factor and weight. This is the inner loop: where `& _U64` is left
    out, a number may grow by a few bits until the next one.
    """
    u64 = _U64
    x, y, z, v, v2, w, w2 = state
    for a, b, c, d, e, f, g, h in iter_unpack("<8Q", blocks):
        t = (x + y + v + b) & u64
        x = (t >> 37 | t << 27) & u64
        x = (x * factor & u64) ^ (w2 * weight & u64)
        t = (y + v2 + g) & u64
        y = ((t >> 42 | t << 22) & u64) * factor + v * weight + f
        t = (z + w) & u64
        z = ((t >> 33 | t << 31) & u64) * factor & u64
        # Each half of the block updates a pair: its sum, and a mixture.
        v = (v2 * factor + a) & u64
        t = (x + w + v + d) & u64
        t = t >> 21 | t << 43
        whole = v + b + c
        v2 = (t & u64) + v
        v = (whole + d) & u64
        t = whole & u64
        v2 = v2 + (t >> 44 | t << 20) & u64
        w = (z + w2 + e) & u64
        t = (y + c + w + h) & u64
        t = t >> 21 | t << 43
        whole = w + f + g
        w2 = (t & u64) + w
        w = (whole + h) & u64
        t = whole & u64
        w2 = w2 + (t >> 44 | t << 20) & u64
        y &= u64
        x, z = z, x
    return x, y, z, v, v2, w, w2
