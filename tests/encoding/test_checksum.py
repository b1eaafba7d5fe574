"""CRC-32C and its mask."""

from __future__ import annotations

import zlib
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfckpt_reader.encoding.checksum import (
    CASTAGNOLI,
    IEEE,
    PartialChecksums,
    combine,
    crc32c,
    mask,
    unmask,
)

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


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_combine_is_the_crc_of_both(first: bytes, second: bytes) -> None:
    both = first + second
    assert combine(crc32c(first), crc32c(second), len(second)) == crc32c(both)
    zipped = combine(zlib.crc32(first), zlib.crc32(second), len(second), IEEE)
    assert zipped == zlib.crc32(both)


def test_combine_over_lengths_that_no_test_can_hold() -> None:
    crc, gigabyte = 0x12345678, 1 << 30
    by_steps = crc
    for _ in range(1 << 10):
        by_steps = combine(by_steps, 0, gigabyte)
    assert combine(crc, 0, gigabyte << 10) == by_steps


@given(
    st.lists(st.lists(st.binary(max_size=9), max_size=7), max_size=4),
    st.randoms(use_true_random=False),
)
def test_pieces_in_any_order(runs: list[list[bytes]], random: Random) -> None:
    pieces = [
        (number, len(b"".join(run[:i])), piece)
        for number, run in enumerate(runs)
        for i, piece in enumerate(run)
    ]
    random.shuffle(pieces)
    for polynomial, crc in ((CASTAGNOLI, crc32c), (IEEE, zlib.crc32)):
        sums = PartialChecksums(len(runs), polynomial)
        for number, first, piece in pieces:
            sums.add(number, first, len(piece), crc(piece))
        assert sums.sizes == [len(b"".join(run)) for run in runs]
        assert sums.crcs == [crc(b"".join(run)) for run in runs]


def test_only_what_comes_before_its_turn_is_kept() -> None:
    sums = PartialChecksums(2)
    for i in range(1, 1000):
        for number in (0, 1):
            sums.add(number, i - 1, 1, 7)
        assert not sums._early
    sums.add(1, 1001, 1, 7)
    assert (sums.sizes, len(sums._early)) == ([999, 999], 1)
    sums.add(1, 999, 2, 7)
    assert (sums.sizes, len(sums._early)) == ([999, 1002], 0)


def test_a_hole_is_never_passed() -> None:
    sums = PartialChecksums(1)
    sums.add(0, 0, 5, crc32c(b"first"))
    sums.add(0, 6, 4, crc32c(b"last"))
    assert (sums.sizes, sums.crcs) == ([5], [crc32c(b"first")])
