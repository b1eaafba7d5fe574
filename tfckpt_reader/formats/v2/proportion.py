"""The proportion of what tensors claim to what the data files hold.

Knows no element. A writer gives each segment bytes of its own. A small index can claim the same
bytes for very many segments; reading all of them would take a time, memory and disk space out of
all proportion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Collection

    from tfckpt_reader.formats.v2.shards import Shards
    from tfckpt_reader.tensor.spec import Segment

_MOST_TIMES = 4
"""Limit on the bytes of segments read together, as a multiple of the size of their files."""
_FREE = 1 << 20
"""Bytes that may overlap in any files, however small."""


def require_proportion(shards: Shards, segments: Collection[Segment]) -> None:
    """Refuse segments to be read together that claim the same bytes again and again.

    Raises:
        UnsupportedError: their sizes add up to far more than their files hold.
        CheckpointError: one of the files is missing.
    """
    total = sum([segment.nbytes for segment in segments])
    if total > _FREE:
        one_each = {segment.shard: segment for segment in segments}.values()
        _require(shards, total, sum(shards.file_of(segment).size for segment in one_each))


class Claims:
    """The claims of segments read one after another; each counts once.

    Args:
        shards: The data files.
    """

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._sizes: dict[int, int] = {}
        self._claims: dict[tuple[str, int], int] = {}
        self._total = 0

    def add(self, segment: Segment, nbytes: int) -> None:
        """Count a segment of `nbytes`.

        Raises:
            UnsupportedError: with the segments before, it claims far more than their files hold.
        """
        if segment.shard not in self._sizes:
            self._sizes[segment.shard] = self._shards.file_of(segment).size
        place = segment.name, segment.offset
        self._total += nbytes - self._claims.get(place, 0)
        self._claims[place] = nbytes
        if self._total > _FREE:
            _require(self._shards, self._total, sum(self._sizes.values()))


def _require(shards: Shards, total: int, there: int) -> None:
    if total > _MOST_TIMES * there + _FREE:
        problem = f"its tensors claim {total:,} bytes of {there:,}: so many overlaps are not read"
        raise UnsupportedError(problem, file=f"{shards.prefix}.index")
