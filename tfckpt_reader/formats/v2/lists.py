"""Segments whose elements differ in length: strings and variants.

Knows no index, no key and no slice. The bytes are decoded in ``tensor.strings`` and
``tensor.variant``. FORMAT 3.5, 3.8.

All bytes of a segment are read even for a few rows: only the elements before tell where one begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.checksum import crc32c
from tfckpt_reader.errors import enough_memory, located
from tfckpt_reader.formats.v2.proportion import Claims
from tfckpt_reader.tensor.dense import empty
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.strings import StringLengths, require_room, string_lengths, strings
from tfckpt_reader.tensor.tensor_proto import check_variant, decode_variant, room_of
from tfckpt_reader.tensor.variant import variant_messages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tfckpt_reader.formats.v2.shards import Shards
    from tfckpt_reader.tensor.spec import Segment


class ElementLists:
    """Operations shared by strings and variants.

    Args:
        shards: The data files.
    """

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._claims = Claims(shards)

    def require_present(self, segment: Segment) -> None:
        """Make sure that the file can hold so many elements."""
        with located(self._shards.file_of(segment).name, segment.offset, segment.name):
            require_room(segment.dtype, segment.elements, segment.nbytes)

    def array(self, segment: Segment, *, check: bool) -> NDArray[Any]:
        """Return all elements, read-only, in an array of its own."""
        self.require_present(segment)
        with located(self._shards.prefix + ".index", tensor=segment.name):
            out = empty(segment.shape, segment.dtype)
        self.fill(segment, range(segment.shape[0] if segment.shape else 1), out, check=check)
        out.flags.writeable = False
        return out

    def fill(self, segment: Segment, rows: range, out: NDArray[Any], *, check: bool) -> None:
        """Write some rows along axis 0 into `out`."""
        self._fill(segment, segment.elements_before(rows.start), out.reshape(-1), check=check)

    def _fill(self, segment: Segment, first: int, flat: NDArray[Any], *, check: bool) -> None:
        """Write the elements from number `first` on into a flat array."""
        raise NotImplementedError

    def stored(self, segment: Segment) -> memoryview:
        """Return the bytes that the elements take, as they are stored, after a check."""
        size = self.check(segment)
        source = self._shards.file_of(segment)
        with located(source.name, segment.offset, segment.name), enough_memory(source.name):
            return source.read(segment.offset, size)

    def check(self, segment: Segment) -> int:
        """Check all elements and the crc, without making an array.

        Returns:
            The bytes that the elements take.
        """
        raise NotImplementedError


class Strings(ElementLists):
    """Strings: their lengths, a crc of these, and their bytes."""

    def read(self, segment: Segment, *, check: bool) -> tuple[memoryview, StringLengths]:
        """Return the bytes of a segment and its decoded lengths.

        An entry's size need not be what the strings take: TensorFlow goes by the lengths.
        """
        source, offset = self._shards.file_of(segment), segment.offset
        self._claims.add(segment, segment.nbytes)
        with located(source.name, offset, segment.name), enough_memory(source.name):
            data = source.read(offset, min(segment.nbytes + 4, source.size - offset))
            big_endian = self._shards.big_endian
            front = string_lengths(
                data, segment.elements, segment.nbytes, check=check, big_endian=big_endian
            )
            if front.end > len(data):
                if offset + front.end <= source.size:  # otherwise reading raises
                    self._claims.add(segment, front.end)
                data = source.read(offset, front.end)
        if check:
            crc = crc32c(data[front.begin : front.end], front.crc)
            self._shards.require_crc(segment, crc)
        return data, front

    def _fill(self, segment: Segment, first: int, flat: NDArray[Any], *, check: bool) -> None:
        data, front = self.read(segment, check=check)
        flat[:] = strings(data, front, first, len(flat))

    def check(self, segment: Segment) -> int:
        """Check the lengths and the crcs; return the bytes that the strings take."""
        return self.read(segment, check=True)[1].end


class Variants(ElementLists):
    """Variants: messages, each with its length before it and its crc behind."""

    def read(self, segment: Segment, *, check: bool) -> tuple[list[memoryview], int]:
        """Return the messages of a segment, and the bytes they take."""
        source, offset = self._shards.file_of(segment), segment.offset
        self._claims.add(segment, segment.nbytes)
        with located(source.name, offset, segment.name), enough_memory(source.name):
            data = source.read(offset, segment.nbytes)
            messages, end, crc = variant_messages(data, segment.elements, check=check)
        if check:
            self._shards.require_crc(segment, crc)
        return messages, end

    def _fill(self, segment: Segment, first: int, flat: NDArray[Any], *, check: bool) -> None:
        messages, _ = self.read(segment, check=check)
        with located(self._shards.file_of(segment).name, tensor=segment.name):
            room = room_of(segment.nbytes)
            for i, message in enumerate(messages[first : first + len(flat)]):
                flat[i] = decode_variant(message, room)

    def check(self, segment: Segment) -> int:
        """Check each message and the crcs; return the bytes that the messages take."""
        messages, end = self.read(segment, check=True)
        with located(self._shards.file_of(segment).name, tensor=segment.name):
            for message in messages:
                check_variant(message)
        return end


LISTS: dict[DataType, type[ElementLists]] = {
    DataType.STRING: Strings,
    DataType.VARIANT: Variants,
}
"""The layout of each dtype without a fixed size."""
