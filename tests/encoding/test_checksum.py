"""CRC-32C and its mask."""

from __future__ import annotations

import subprocess
import sys
import zlib

import crc32c as library
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfckpt_reader.encoding.checksum import CASTAGNOLI, CHECKSUMS, IEEE, crc32c, mask, unmask

# RFC 3720, B.4, whose hex is in the order of transmission; and FORMAT 2.6.
READ_COMMAND = bytes.fromhex(
    "01c00000000000000000000000000000"
    "14000000000004000000001400000018"
    "28000000000000000200000000000000"
)
RFC_3720 = [
    (bytes(32), "aa36918a"),
    (b"\xff" * 32, "43aba862"),
    (bytes(range(32)), "4e79dd46"),
    (bytes(range(31, -1, -1)), "5cdb3f11"),
    (READ_COMMAND, "563a96d9"),
]
MASKED = [
    (b"", 0x00000000, 0xA282EAD8),
    (b"123456789", 0xE3069283, 0xC78AB0E5),
    (b"a", 0xC1D04330, 0x28E46E78),
    (b"foo", 0xCFC4AE1D, 0xFEBE8A61),
    (bytes(32), 0x8A9136AA, 0x0FD7FFFA),
    (b"\xff" * 32, 0x62A8AB43, 0xF909B029),
]


@pytest.mark.parametrize(("data", "code"), RFC_3720)
def test_rfc_vectors(data: bytes, code: str) -> None:
    assert crc32c(data) == int.from_bytes(bytes.fromhex(code), "little")


@pytest.mark.parametrize(("data", "crc", "masked"), MASKED)
def test_vectors(data: bytes, crc: int, masked: int) -> None:
    assert crc32c(data) == crc
    assert mask(crc) == masked
    assert unmask(masked) == crc


@given(data=st.binary(max_size=300), cut=st.integers(0, 300))
def test_libraries_agree(data: bytes, cut: int) -> None:
    """Whichever is in use, also over parts, and over views that begin anywhere."""
    view = memoryview(bytearray(b"x" + data))[1:]
    for polynomial, theirs in ((CASTAGNOLI, library.crc32c), (IEEE, zlib.crc32)):
        ours = CHECKSUMS[polynomial]
        assert ours(data[cut:], ours(data[:cut])) == ours(view) == theirs(data)


@pytest.mark.parametrize("absent", [False, True])
def test_the_fast_library_is_optional(*, absent: bool) -> None:
    code = "import sys\n"
    code += "sys.modules['fastcrc'] = None\n" if absent else ""
    code += "from tfckpt_reader.encoding.checksum import crc32c; print(hex(crc32c(b'123456789')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0xe3069283\n"


def bit_by_bit(data: bytes, crc: int = 0) -> int:
    """The definition: reflected polynomial 0x82f63b78, all ones before and after."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@given(st.binary(max_size=300), st.binary(max_size=50))
def test_crc_extends(head: bytes, tail: bytes) -> None:
    assert crc32c(head + tail) == crc32c(tail, crc32c(head)) == bit_by_bit(tail, bit_by_bit(head))


@given(st.integers(0, 0xFFFFFFFF))
def test_unmask_undoes_mask(crc: int) -> None:
    assert unmask(mask(crc)) == crc
    assert mask(unmask(crc)) == crc
    assert 0 <= mask(crc) <= 0xFFFFFFFF
    assert mask(crc) != crc


def test_any_buffer() -> None:
    data = bytes(range(100))
    expected = bit_by_bit(data)
    for buffer in (data, bytearray(data), memoryview(data), memoryview(bytearray(data))):
        assert crc32c(buffer) == expected
    assert crc32c(np.frombuffer(data, np.uint8).data) == expected
    assert crc32c(memoryview(data)[10:20]) == bit_by_bit(data[10:20])
