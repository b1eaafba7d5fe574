"""Gather facts about the files with errors, for the diagnosis.

Parses nothing but a footer. Little is read where the cause is another one: a search for zeros goes
backwards and ends at the first other byte, one for line feeds ends at the first contradiction.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from tfckpt_reader.encoding.checksum import crc32c, mask
from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.formats.v2.lost import Contents
from tfckpt_reader.storage.filesystem import is_file, modified_time
from tfckpt_reader.storage.opening import open_file
from tfckpt_reader.storage.sniff import HEAD_SIZE, describe, describe_text, looks_like_table
from tfckpt_reader.storage.source import CHUNK, chunks
from tfckpt_reader.table.format import FOOTER_SIZE, MAGIC, Footer
from tfckpt_reader.verification.codes import CODES, DAMAGED_TABLE, ERROR
from tfckpt_reader.verification.diagnosis import Facts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tfckpt_reader.storage.source import ByteSource
    from tfckpt_reader.table.format import BlockHandle
    from tfckpt_reader.tensor.spec import Segment
    from tfckpt_reader.verification.checks.checked import Checked, DataFile
    from tfckpt_reader.verification.report import Problem

_MOST_FILES = 100
_OTHER_KINDS = ("not-a-table", "fingerprint", "graph")
"""Names of the codes for files that may be of another kind."""
_FEWEST_ZEROS = 64
"""Bytes: a few zeros may be a number."""
_SECTOR = 512
"""Fewest zeros at the end of a tensor with other bytes before them."""
_LARGEST_TABLE = 64 << 20
"""Bytes of the largest index to be read whole, to undo a text mode."""
_ENOUGH_FOR_CRLF = 1 << 20
"""Bytes of weights with about 16 line feeds behind a carriage return: none at all is evidence."""
_ENOUGH_FLOATS = 1024
"""Bytes of floats, of which half should be above 127."""
_ENOUGH_OF_EACH = 1 << 14
"""Bytes of weights, of which each value from 0 to 255 should be many."""
_CHARACTERS = {13: "a carriage return", 10: "a line feed", 9: "a tab", 0: "a zero"}
_MOST_ABSENT = 3
_SMALL, _SAMPLES = range(16, 1 << 16), 8
"""Bytes of a tensor to look for at other offsets, and number of such tensors."""
_FARTHEST, _MOST_SUMMED = 1 << 16, 1 << 28
"""Bytes by which it may have moved, and bytes to sum in search of it."""
_ENOUGH_PAIRS = 8
"""This many line feeds do not all follow a carriage return by chance."""


def gather(problems: Sequence[Problem], checked: Checked, index: str) -> list[Facts]:
    """Return facts about each existing file with an error.

    Args:
        problems: All problems of a checkpoint.
        checked: Facts from the checks, with the files open for them.
        index: Path of the file with the time to compare.
    """
    by_file: dict[str, set[str]] = {}
    for problem in problems:
        if problem.severity == ERROR and problem.file is not None:
            by_file.setdefault(problem.file, set()).add(CODES[problem.code].name)
    foreign_index = any("other-index" in names for names in by_file.values())
    damaged, tables = set(checked.damaged), {source.name: source for source in checked.tables}
    gathered = []
    for path, names in list(by_file.items())[:_MOST_FILES]:
        file = checked.data_files.get(path)
        try:
            if file is not None:
                fact = _of_shard(file, damaged, index, foreign_index=foreign_index)
                others = checked.data_files if 0 < fact.whole == fact.failing else {}
                gathered.append(replace(fact, holds=_held_by(file.source, others)))
            elif is_file(path):
                gathered.append(_of_table(tables.get(path) or open_file(path), names))
        except (CheckpointError, OSError):  # it has just vanished, or cannot be read
            continue
    return gathered


def _held_by(source: ByteSource, others: Mapping[str, DataFile]) -> str | None:
    """Return another data file with contents that are in this one, if there is one."""
    contents = (
        (path, Contents().add(file.segments))
        for path, file in others.items()
        if path != source.name and file.source.size == source.size
    )
    fits = (path for path, each in islice(contents, _SAMPLES) if each.are_in(source.name))
    return next(fits, None)


def _of_table(source: ByteSource, names: set[str]) -> Facts:
    no_end = "not-a-table" in names
    is_table = no_end or not names.isdisjoint(DAMAGED_TABLE)
    zeros = _trailing_zeros(source, 0, source.size) if no_end else 0
    return Facts(
        source.name,
        source.size,
        kind=None if names.isdisjoint(_OTHER_KINDS) else _kind(source),
        begins_as_table=looks_like_table(_head(source)),
        zeros_from=source.size - zeros if zeros >= FOOTER_SIZE else None,
        newlines=_table_newlines(source) if is_table else None,
        text=_text(source) if is_table or not names.isdisjoint(_OTHER_KINDS) else None,
    )


def _of_shard(file: DataFile, damaged: set[Segment], index: str, *, foreign_index: bool) -> Facts:
    source = file.source
    segments = [segment for segment in file.segments if segment.nbytes > 0]
    needed = max((segment.end for segment in segments), default=0)
    whole = [s for s in segments if 0 <= s.offset <= source.size - s.nbytes]
    failing = [segment for segment in whole if segment in damaged]
    return Facts(
        source.name,
        source.size,
        needed=needed,
        tensors=len(segments),
        whole=len(whole),
        failing=len(failing),
        failing_share=sum(s.nbytes for s in failing) / max(1, sum(s.nbytes for s in whole)),
        kind=_kind(source) if len(failing) == len(whole) else None,
        zeros_from=_zeros_from(source, failing),
        newlines=_shard_newlines(source, needed, whole, failing),
        moved=_moved_by(source, segments, source.size - needed) if failing else None,
        absent=_absent_character(source, failing, len(whole)),
        text=_text_of_shard(source, failing if whole else segments, len(whole)),
        older=modified_time(index) - modified_time(source.name),
        foreign_index=foreign_index,
    )


def _head(source: ByteSource) -> bytes:
    return bytes(source.read(0, min(HEAD_SIZE, source.size)))


def _kind(source: ByteSource) -> tuple[str, str] | None:
    """Return the real kind of a file and advice; zeros at its beginning are no evidence here."""
    head = _head(source)
    return describe(head) if head.strip(b"\0") or not head else None


def _text_of_shard(source: ByteSource, failing: list[Segment], whole: int) -> str | None:
    """Return how a data file became text, if most of its tensors are wrong; strings may be text."""
    if len(failing) <= whole / 2 or not any(segment.dtype.itemsize for segment in failing):
        return None
    floats = sum(s.nbytes for s in failing if "float" in s.dtype.numpy_name)
    return _text(source, low=floats >= _ENOUGH_FLOATS)


def _moved_by(source: ByteSource, segments: list[Segment], extra: int) -> int | None:
    """Return how far a small tensor is from its place, in a file with `extra` bytes, or too few.

    Bytes that were inserted, or removed, moved what is behind them.
    """
    step, budget = (1 if extra > 0 else -1), _MOST_SUMMED
    small = [s for s in segments if s.dtype.itemsize and s.nbytes in _SMALL]
    for segment in small[-_SAMPLES:] if 0 < abs(extra) <= _FARTHEST else ():
        begin = max(0, segment.offset + min(0, extra))
        end = min(source.size, segment.end + max(0, extra))
        window = bytes(source.read(begin, max(0, end - begin)))
        for moved in range(extra, 0, -step):
            at = segment.offset + moved - begin
            budget -= segment.nbytes
            if budget < 0:
                return None
            stored = window[at : at + segment.nbytes] if at >= 0 else b""
            if len(stored) == segment.nbytes and crc32c(stored) == segment.crc32c:
                return moved
    return None


def _absent_character(source: ByteSource, failing: list[Segment], whole: int) -> str | None:
    """Return the character that is nowhere in many wrong bytes of weights, if there is one."""
    floats = [s for s in failing if "float" in s.dtype.numpy_name]
    if len(failing) <= whole / 2 or sum(s.nbytes for s in floats) < _ENOUGH_OF_EACH:
        return None
    absent = set(range(256)).difference(source.read(0, min(source.size, CHUNK)))
    names = (name for byte, name in _CHARACTERS.items() if byte in absent)
    return next(names, None) if len(absent) <= _MOST_ABSENT else None


def _text(source: ByteSource, *, low: bool = True) -> str | None:
    return describe_text(bytes(source.read(0, min(source.size, CHUNK))), low=low)


def _trailing_zeros(source: ByteSource, begin: int, end: int) -> int:
    count = 0
    while begin < end:
        size = min(end - begin, CHUNK if count else _SECTOR)
        window = bytes(source.read(end - size, size))
        rest = len(window.rstrip(b"\0"))
        count += size - rest
        if rest:
            break
        end -= size
    return count


def _zeros_from(source: ByteSource, failing: list[Segment]) -> int | None:
    """Return where the zeros begin if they fill all failing segments, or the end of the first.

    None if they do not, or are too few.
    """
    total, begin = 0, None
    for segment in reversed(failing):
        end = segment.end
        zeros = _trailing_zeros(source, segment.offset, end)
        if zeros < segment.nbytes and (segment is not failing[0] or zeros < _SECTOR):
            return None
        total, begin = total + zeros, end - zeros
    return begin if total >= _FEWEST_ZEROS else None


def _table_newlines(source: ByteSource) -> str | None:
    """Detect a table transferred as text: undoing it makes footer and index block sound."""
    if not FOOTER_SIZE <= source.size <= _LARGEST_TABLE:
        return None
    data = bytes(source.read(0, source.size))
    undone = data.replace(b"\r\n", b"\n")
    index = _index_block(undone)
    if index is None:
        return None
    missing = index.end + FOOTER_SIZE - len(undone)
    if undone == data:
        return "removed" if 0 < missing <= data.count(b"\n") else None
    block = undone[index.offset : index.end]
    is_sound = mask(crc32c(block[:-4])) == int.from_bytes(block[-4:], "little")
    return "added" if is_sound and not missing else None


def _index_block(data: bytes) -> BlockHandle | None:
    """Return the index block's handle in a canonical footer; None without one."""
    if len(data) < FOOTER_SIZE or not data.endswith(MAGIC):
        return None
    try:
        footer = Footer.decode(data[-FOOTER_SIZE:])
    except CheckpointError:
        return None
    return footer.index_handle if footer.is_canonical else None


def _shard_newlines(
    source: ByteSource, needed: int, whole: list[Segment], failing: list[Segment]
) -> str | None:
    if source.size == needed:
        return None
    feeds, pairs = _count_feeds(source, both=source.size > needed)
    if source.size > needed:
        extra = source.size - needed
        # Some tools leave existing pairs alone, and some pairs occur by chance.
        is_text = pairs == feeds and (feeds == extra or feeds >= max(extra, _ENOUGH_PAIRS))
        return "added" if is_text else None
    is_tail = bool(failing) and whole[-len(failing) :] == failing
    gone = pairs == 0 and feeds >= needed - source.size
    return "removed" if is_tail and gone and source.size >= _ENOUGH_FOR_CRLF else None


def _count_feeds(source: ByteSource, *, both: bool) -> tuple[int, int]:
    """Count line feeds, and those behind a carriage return.

    Ends early at a line feed without one (`both`), or with one.
    """
    feeds = pairs = 0
    last = b""
    for window in chunks(source, 0, source.size):
        data = last + bytes(window)
        feeds += data.count(b"\n", len(last))
        pairs += data.count(b"\r\n")
        if (pairs < feeds) if both else pairs:
            break
        last = data[-1:] if data.endswith(b"\r") else b""
    return feeds, pairs
