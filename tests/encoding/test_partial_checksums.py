"""The crcs of parts, put together in any order, against the crc of the whole."""

from __future__ import annotations

import zlib
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tfckpt_reader.encoding.checksum import CASTAGNOLI, IEEE, crc32c
from tfckpt_reader.encoding.partial_checksums import PartialChecksums, combine


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
