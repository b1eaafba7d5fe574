"""A string or variant tensor of any bytes: what an own decoder gives, or our error.

Checksums are right, wrong or absent; big-endian bundles too. Rows of a tensor are its rows.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import harness
import writers as w

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.tensor.strings import string_lengths, strings
from tfckpt_reader.tensor.tensor_proto import decode_variant
from tfckpt_reader.tensor.variant import variant_messages


def one(data: bytes) -> None:
    choices = harness.Choices(data)
    if choices.below(3) == 2:
        _variants(choices)
    else:
        _strings(choices)


def _strings(choices: harness.Choices) -> None:  # noqa: PLR0915
    big_endian, check = choices.flag(), choices.flag()
    kind = choices.below(3)
    if kind == 0:
        count, payload = choices.below(300), choices.rest()
    else:
        values = [choices.some(140) for _ in range(choices.below(12))]
        count, payload = len(values), w.string_payload(values, big_endian=big_endian)[0]
    if kind == 2:
        # Lengths that say anything, under their right checksum.
        lengths = [choices.number() % (1 << 64) for _ in range(count)]
        payload = _lengths(lengths, big_endian=big_endian) + choices.rest()
        for _ in range(choices.below(3)):
            payload = harness.edited(payload, choices)
    expected = _decoded(payload, count, check=check, big_endian=big_endian)
    view = memoryview(payload)
    try:
        front = string_lengths(view, count, check=check, big_endian=big_endian)
    except CheckpointError:
        assert expected is None
        return
    if not count and len(payload) < 4:
        return  # no strings in too few bytes for their checksum: there is only one answer
    assert expected is not None
    lengths, begin = expected
    assert (list(front.lengths), front.begin, front.end) == (lengths, begin, begin + sum(lengths))
    if front.end > len(payload):
        return
    ends = [begin + sum(lengths[: i + 1]) for i in range(count)]
    values = [payload[end - size : end] for end, size in zip(ends, lengths, strict=True)]
    first = choices.below(count + 1)
    some = choices.below(count - first + 1)
    assert list(strings(view, front, 0, count)) == values
    assert list(strings(view, front, first, some)) == values[first : first + some]
    order = ">" if big_endian else "<"
    summed = b"".join(struct.pack(order + ("I" if n < 1 << 32 else "Q"), n) for n in lengths)
    assert front.crc == w.crc(payload[begin - 4 : begin], w.crc(summed))


def _lengths(lengths: list[int], *, big_endian: bool) -> bytes:
    order = ">" if big_endian else "<"
    summed = b"".join(struct.pack(order + ("I" if n < 1 << 32 else "Q"), n) for n in lengths)
    checksum = struct.pack(order + "I", w.mask(w.crc(summed)))
    return b"".join(map(w.varint, lengths)) + checksum


def _decoded(
    payload: bytes, count: int, *, check: bool, big_endian: bool
) -> tuple[list[int], int] | None:
    """The lengths, and where the strings begin; None where they do not fit, or are not theirs."""
    lengths, at = [], 0
    for _ in range(count):
        for end in range(at, min(at + 10, len(payload) - 4)):
            if payload[end] < 128:
                value = sum((byte & 127) << 7 * i for i, byte in enumerate(payload[at : end + 1]))
                lengths.append(value % (1 << 64))
                at = end + 1
                break
        else:
            return None
    if at + 4 > len(payload):
        return None
    if check and not _lengths(lengths, big_endian=big_endian).endswith(payload[at : at + 4]):
        return None
    return lengths, at + 4


def _variants(choices: harness.Choices) -> None:
    values = []
    for _ in range(choices.below(4)):
        tensors = [choices.some(40) for _ in range(choices.below(3))]
        values.append((choices.some(9), choices.some(9), tensors))
    payload, masked = w.variant_payload(values)
    count, check = len(values), choices.flag()
    edits = choices.below(4)
    before = payload
    for _ in range(edits):
        payload = harness.edited(payload, choices)
    if edits == 3:
        count = choices.below(300)
    try:
        messages, end, crc = variant_messages(memoryview(payload), count, check=check)
    except CheckpointError:
        assert payload != before or count != len(values)
        return
    assert end <= len(payload)
    assert len(messages) == count
    if payload == before and count == len(values):
        assert (end, w.mask(crc)) == (len(payload), masked)
    for message, (type_name, metadata, tensors) in zip(messages, values, strict=False):
        try:
            variant = decode_variant(message)
        except CheckpointError:
            continue
        if payload == before:
            assert variant.type_name == type_name.decode("utf-8", "surrogateescape")
            assert variant.metadata == metadata
            assert len(variant.tensors) == len(tensors)


def seeds() -> Iterator[bytes]:
    for big_endian in (0, 1):
        for values in ([], [b""], [b"ab", b"", b"x" * 200]):
            payload = w.string_payload(values, big_endian=bool(big_endian))[0]
            yield bytes([0, big_endian, 1, 0, len(values), 0]) + payload
    yield bytes([0, 0, 0, 0, 2, 0, 0x82, 0x80, 0, 0, 1, 2, 3, 4]) + b"ab"
    yield bytes([0, 1, 1, 1, 3, 2]) + b"ab" + bytes([0, 1]) + b"c" + bytes([1, 1])
    yield bytes([0, 0, 1, 2, 2, 1, 97, 1, 98, 1, 24, 1, 27, 5]) + b"abcdefgh"
    import numpy as np

    labelled = w.tensor_proto(np.array([1, 2], np.float32), label=True)
    packed = bytes([1, len(labelled)]) + labelled + b"\4list\3abc"
    yield bytes([2, 1]) + packed + bytes([1, 0])
    yield bytes([2, 2]) + packed + packed + bytes([1, 2, 3, 0, 4, 9, 1, 1])
    yield bytes([2, 1, 1, 12, 8, 1, 18, 4, 18, 2, 8, 2, 34, 2, 1, 1, 1, 65, 0, 1, 0])


if __name__ == "__main__":
    harness.main("strings")
