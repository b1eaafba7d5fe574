"""Check the data files of a bundle: presence, size, and bytes without an owner.

Reads only unclaimed bytes. Files are read, never mapped.
"""

from __future__ import annotations

from itertools import groupby
from math import gcd
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError, ErrorKind
from tfckpt_reader.paths.layout import shard_counts, shard_path
from tfckpt_reader.storage.filesystem import size_of
from tfckpt_reader.storage.source import chunks
from tfckpt_reader.text import count_of, quoted
from tfckpt_reader.verification.checks.checked import DataFile
from tfckpt_reader.verification.findings import code_of_data

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from tfckpt_reader.formats.v2.bundle import Bundle
    from tfckpt_reader.storage.source import ByteSource
    from tfckpt_reader.tensor.spec import Segment
    from tfckpt_reader.verification.findings import Findings


def check_shards(
    bundle: Bundle,
    segments: Sequence[Segment],
    invalid: Collection[int],
    findings: Findings,
    *,
    all_known: bool,
) -> tuple[dict[str, DataFile], list[Segment], dict[str, list[Segment]]]:
    """Report defects of the data files, apart from the bytes of tensors.

    Args:
        bundle: The checkpoint.
        segments: Contents of the data files according to the index, by position.
        invalid: Numbers of segments with an entry reported already.
        findings: Collects the defects.
        all_known: `segments` is complete: all other bytes belong to no tensor.

    Returns:
        The files by path; the valid segments within the limits of their file, by position; the
        segments without a file, by its path.
    """
    used = {segment.shard for segment in segments}
    _check_shard_names(bundle, used if all_known else None, findings)
    files: dict[str, DataFile] = {}
    present: list[Segment] = []
    lost: dict[str, list[Segment]] = {}
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
            lost.setdefault(error.file or "", []).extend(own)
            continue
        files[file.name] = DataFile(file, own)
        present.extend(_within(bundle, valid, findings))
        end, gaps = _check_overlaps(file, own, findings)
        if all_known:
            alignment = gcd(*(segment.offset for segment in own))
            try:
                _check_unclaimed(file, end, gaps, alignment, findings)
            except CheckpointError as error:
                findings.add_error(code_of_data(error), error)
    return files, present, lost


def _check_shard_names(bundle: Bundle, used: set[int] | None, findings: Findings) -> None:
    """Report another count of shards in the names, and with `used` the files without a tensor."""
    there, count = shard_counts(bundle.prefix), bundle.header.num_shards
    if count not in there and there:
        what = "the names of the data files give another number of shards"
        got = ", ".join(map(str, sorted(there)))
        findings.add("TFC307", what, file=bundle.path, expected=count, got=got)
    if used is None:
        return
    for n, shards in sorted(there.items()):
        others = sorted(shards - used if n == count or count not in there else shards)
        for path in (shard_path(bundle.prefix, shard, n) for shard in others):
            is_ours = n == count and not size_of(path)  # a worker that had nothing to save
            if not is_ours:
                findings.add("TFC308", "it holds no tensor of this checkpoint", file=path)


def _report_lost_shard(error: CheckpointError, segments: list[Segment], findings: Findings) -> None:
    if error.kind in (ErrorKind.NOT_FOUND, ErrorKind.INCOMPLETE, ErrorKind.UNREADABLE):
        error.problem += f", with {count_of(len(segments), 'tensor')}"
    else:
        error.tensor = segments[0].name
    findings.add_error(code_of_data(error), error)


def _within(bundle: Bundle, segments: list[Segment], findings: Findings) -> Iterator[Segment]:
    """Yield segments within the limits of their file; report the others."""
    for segment in segments:
        try:
            bundle.shards.file_of(segment)
            yield segment
        except CheckpointError as error:
            findings.add_error(code_of_data(error), error)


def _check_overlaps(
    file: ByteSource, segments: list[Segment], findings: Findings
) -> tuple[int, list[range]]:
    """Report overlaps; return the end of the last segment, and the gaps before it."""
    end, before = 0, ""
    gaps: list[range] = []
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
        if segment.end > end:
            end, before = segment.end, segment.name
    return end, gaps


def _check_unclaimed(
    file: ByteSource, end: int, gaps: list[range], alignment: int, findings: Findings
) -> None:
    """Report bytes after the last tensor, other non-zero gaps, and all zero ones as one remark."""
    rest = file.size - end
    if 0 < rest < alignment and file.size % alignment == 0:
        gaps = [*gaps, range(end, file.size)]  # padding, as between all others
    elif rest > 0:
        what = f"{count_of(rest, 'byte')} after the last tensor"
        findings.add("TFC306", what, file=file.name, offset=end)
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
