"""Check that a bundle's data files exist, are large enough, and hold no byte without an owner.

Reads only bytes that no tensor claims. Files are read, never mapped.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from math import gcd
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError, ErrorKind
from tfckpt_reader.paths.layout import shard_counts, shard_path, size_of
from tfckpt_reader.storage.source import chunks
from tfckpt_reader.text import count_of, quoted
from tfckpt_reader.verification.checks.checked import DataFile
from tfckpt_reader.verification.findings import code_of_data

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tfckpt_reader.formats.v2.bundle import Bundle
    from tfckpt_reader.storage.source import ByteSource
    from tfckpt_reader.tensor.spec import Segment
    from tfckpt_reader.verification.findings import Findings


@dataclass(frozen=True, slots=True)
class CheckedShards:
    """The data files of a bundle, and the segments in them."""

    files: dict[str, DataFile]
    """By path."""
    present: list[Segment]
    """Valid segments that lie wholly within their file, by position."""
    lost: set[str]
    """Names of tensors whose file is not there."""


def check_shards(
    bundle: Bundle,
    segments: Sequence[Segment],
    invalid: Collection[int],
    findings: Findings,
    *,
    all_known: bool,
) -> CheckedShards:
    """Report defects of the data files, apart from the bytes of tensors.

    Args:
        bundle: The checkpoint.
        segments: Contents of the data files according to the index, by position.
        invalid: Numbers of segments with an entry that is reported already.
        findings: Collects the defects.
        all_known: Whether `segments` is complete, so that the other bytes belong to no tensor.
    """
    _check_shard_names(bundle, {segment.shard for segment in segments}, all_known, findings)
    checked = CheckedShards({}, [], set())
    for shard, group in groupby(enumerate(segments), key=lambda item: item[1].shard):
        items = list(group)
        own = [segment for _, segment in items]
        valid = [segment for number, segment in items if number not in invalid]
        if shard < 0:
            continue
        try:
            file = bundle.shards.file(shard)
        except CheckpointError as error:
            if valid:
                _report_lost_shard(error, own, findings)
            checked.lost.update(segment.name for segment in own)
            continue
        checked.files[file.name] = DataFile(file, own)
        for segment in valid:
            try:
                bundle.shards.source(segment)
                checked.present.append(segment)
            except CheckpointError as error:
                findings.add_error(code_of_data(error), error)
        try:
            _check_unclaimed(file, own, all_known, findings)
        except CheckpointError as error:
            findings.add_error(code_of_data(error), error)
    return checked


def _check_shard_names(
    bundle: Bundle,
    used: set[int],
    all_known: bool,  # noqa: FBT001 - private
    findings: Findings,
) -> None:
    count = bundle.header.num_shards
    there = shard_counts(bundle.prefix)
    if count not in there and there:
        findings.add(
            "TFC307",
            "the data files are named for another number of shards",
            file=bundle.path,
            expected=count,
            got=", ".join(str(n) for n in sorted(there)),
        )
    for n, shards in sorted(there.items()) if all_known else ():
        others = sorted(shards - used if n == count or count not in there else shards)
        for path in (shard_path(bundle.prefix, shard, n) for shard in others):
            is_ours = n == count and not size_of(path)  # a worker that had nothing to save
            if not is_ours:
                findings.add("TFC308", "no tensor of this checkpoint lies in it", file=path)


def _report_lost_shard(error: CheckpointError, segments: list[Segment], findings: Findings) -> None:
    if error.kind in (ErrorKind.NOT_FOUND, ErrorKind.UNREADABLE):
        error.problem += f", with {count_of(len(segments), 'tensor')}"
    else:
        error.tensor = segments[0].name
    findings.add_error(code_of_data(error), error)


def _check_unclaimed(
    file: ByteSource,
    segments: list[Segment],
    all_known: bool,  # noqa: FBT001 - private
    findings: Findings,
) -> None:
    """Report overlaps; and if all segments are known, holes and bytes after the last tensor."""
    end = 0
    before, gaps = "", []
    for segment in (segment for segment in segments if segment.nbytes > 0):
        if segment.offset < end:
            findings.add(
                "TFC303",
                f"begins inside tensor {quoted(before)}",
                file=file.name,
                offset=segment.offset,
                tensor=segment.name,
                expected=f"an offset from {end} on",
                got=segment.offset,
            )
        elif min(segment.offset, file.size) > end:
            gaps.append(range(end, min(segment.offset, file.size)))
        if segment.offset + segment.nbytes > end:
            end, before = segment.offset + segment.nbytes, segment.name
    if not all_known:
        return
    rest, alignment = file.size - end, gcd(*(segment.offset for segment in segments))
    if rest > 0:
        if rest < alignment and file.size % alignment == 0:
            gaps.append(range(end, file.size))  # padding, as between all others
        else:
            what = f"{count_of(rest, 'byte')} after the last tensor"
            findings.add("TFC306", what, file=file.name, offset=end)
    _check_gaps(file, gaps, findings)


def _check_gaps(file: ByteSource, gaps: list[range], findings: Findings) -> None:
    """Report each gap that is not zero, and all zero ones as a single remark."""
    zero = []
    for gap in gaps:
        blocks = map(bytes, chunks(file, gap.start, len(gap)))
        if all(block.count(0) == len(block) for block in blocks):
            zero.append(gap)
            continue
        what = f"{count_of(len(gap), 'byte')} that no tensor claims, not zero"
        findings.add("TFC304", what, file=file.name, offset=gap.start)
    if zero:
        places = f" in {len(zero):,} places" if len(zero) > 1 else ""
        what = f"{count_of(sum(map(len, zero)), 'byte')}{places} that no tensor claims, all zero"
        findings.add("TFC305", what, file=file.name, offset=zero[0].start)
