"""Ranges that are fetched ahead: all of them, in few requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from strategies import Memory

from tfckpt_reader.storage.ahead import GAP, ahead, merged

SIZE = 300 << 20
RANGES = st.lists(
    st.tuples(st.integers(-5, SIZE + 5), st.integers(-5, 40 << 20)).map(
        lambda pair: range(pair[0], pair[0] + pair[1])
    ),
    max_size=20,
)


class Distant(Memory):
    """A source that records which ranges were fetched together."""

    def __init__(self) -> None:
        super().__init__(b"")
        self.together: list[Sequence[range]] = []
        self.inside = 0

    @contextmanager
    def near(self, ranges: Sequence[range]) -> Iterator[None]:
        self.together.append(ranges)
        self.inside += 1
        yield
        self.inside -= 1


def test_of_a_local_file_nothing() -> None:
    source = Memory(b"0123")
    assert list(ahead(source, [3, 1], lambda n: range(n, n + 1))) == [3, 1]
    assert source.reads == []


@given(RANGES)
def test_each_item_within_its_group(ranges: list[range]) -> None:
    source = Distant()
    for each in ahead(source, ranges, lambda each: each):
        assert source.inside == 1
        assert each in source.together[-1]
    assert source.inside == 0
    assert [each for group in source.together for each in group] == ranges
    for group in source.together:
        assert len(group) == 1 or sum(map(len, group)) <= 64 << 20


@given(RANGES)
def test_merged(ranges: list[range]) -> None:
    found = list(merged(ranges, SIZE))
    inside = [each for each in ranges if 0 <= each.start < each.stop <= SIZE]
    for each in inside:
        assert any(span.start <= each.start and each.stop <= span.stop for span in found)
    for before, after in pairwise(found):
        assert after.start - before.stop > GAP
    ends = {each.start for each in inside}, {each.stop for each in inside}
    assert all(span.start in ends[0] and span.stop in ends[1] for span in found)
