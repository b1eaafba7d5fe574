"""Facts about the files in which something is wrong, for the diagnosis.

Parses nothing itself but a footer. Little is read where the cause is another one: a search
for zeros goes backwards and ends at the first byte that is not, one for line feeds at the first
that contradicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.encoding.checksum import crc32c, mask
from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.storage.filesystem import is_file, modified_time
from tfckpt_reader.storage.local import File
from tfckpt_reader.storage.sniff import describe, read_head
from tfckpt_reader.storage.source import CHUNK, chunks
from tfckpt_reader.table.format import FOOTER_SIZE, MAGIC, Footer
from tfckpt_reader.verification.codes import ERROR
from tfckpt_reader.verification.diagnosis import Facts

if TYPE_CHECKING:
    from tfckpt_reader.tensor.spec import Segment
    from tfckpt_reader.verification.findings import Findings
    from tfckpt_reader.verification.report import Problem

_MOST_FILES = 100
_FEWEST_ZEROS = 64
"""Bytes: a few zeros may be a number."""
_SECTOR = 512
"""Fewest zeros at the end of a tensor of which the rest is there."""
_LARGEST_TABLE = 64 << 20
"""Bytes of an index that is read whole to undo what a text mode did."""
_ENOUGH_FOR_CRLF = 1 << 20
"""Bytes of weights in which a carriage return before a line feed is missed: there should be 16."""
_ENOUGH_PAIRS = 8
"""Line feeds that do not all have a carriage return before them by chance."""
_TABLE_CODES = ("TFC101", "TFC102", "TFC103", "TFC104", "TFC105")


def gather(findings: Findings, index: str) -> list[Facts]:
    """Return facts about each file that has an error and is there.

    Args:
        findings: What was found, and under `runs` what lies where.
        index: Path of the file with whose time others are compared.
    """
    by_file: dict[str, list[Problem]] = {}
    for problem in findings.problems:
        if problem.severity == ERROR and problem.file is not None:
            by_file.setdefault(problem.file, []).append(problem)
    found = []
    for path, errors in list(by_file.items())[:_MOST_FILES]:
        try:
            if is_file(path):
                runs = findings.runs.get(path)
                file = File(path)
                found.append(
                    _of_table(file, errors)
                    if runs is None
                    else _of_shard(file, runs, errors, index)
                )
        except (CheckpointError, OSError):  # it was there a moment ago
            continue
    return found


def _of_table(file: File, errors: list[Problem]) -> Facts:
    codes = {problem.code for problem in errors}
    if not codes.intersection(_TABLE_CODES):
        unread = codes.intersection(("TFC501", "TFC505"))
        return Facts(file.name, file.size, kind=_kind(file.name) if unread else None)
    zeros = _trailing_zeros(file, 0, file.size)
    no_end = "TFC101" in codes
    return Facts(
        file.name,
        file.size,
        kind=_kind(file.name) if no_end else None,
        zeros_from=file.size - zeros if no_end and zeros >= FOOTER_SIZE else None,
        newlines=_table_newlines(file),
    )


def _of_shard(file: File, runs: list[Segment], errors: list[Problem], index: str) -> Facts:
    with_bytes = [run for run in runs if run.nbytes > 0]
    needed = max((run.offset + run.nbytes for run in with_bytes), default=0)
    whole = [run for run in with_bytes if 0 <= run.offset <= file.size - run.nbytes]
    failing = _failing(whole, errors)
    return Facts(
        file.name,
        file.size,
        needed=needed,
        tensors=len(with_bytes),
        whole=len(whole),
        failing=len(failing),
        failing_share=_bytes_of(failing) / max(1, _bytes_of(whole)),
        kind=_kind(file.name) if len(failing) == len(whole) else None,
        zeros_from=_zeros_from(file, failing),
        newlines=_shard_newlines(file, needed, whole, failing),
        older=modified_time(index) - modified_time(file.name),
    )


def _bytes_of(runs: list[Segment]) -> int:
    return sum(run.nbytes for run in runs)


def _failing(runs: list[Segment], errors: list[Problem]) -> list[Segment]:
    """Return the runs whose bytes are wrong, in the order in which they lie."""
    crcs = {(problem.tensor, problem.offset) for problem in errors if problem.code == "TFC401"}
    names = {problem.tensor for problem in errors if problem.code == "TFC402"}
    return [run for run in runs if (run.name, run.offset) in crcs or run.name in names]


def _kind(path: str) -> tuple[str, str] | None:
    """Return what a file is instead; that it begins with zeros says nothing here."""
    head = read_head(path)
    return describe(head) if head.strip(b"\0") or not head else None


def _trailing_zeros(file: File, begin: int, end: int) -> int:
    """Return how many bytes at the end of a range are zero."""
    count = 0
    while begin < end:
        size = min(end - begin, CHUNK if count else _SECTOR)
        piece = bytes(file.read(end - size, size))
        rest = len(piece.rstrip(b"\0"))
        count += size - rest
        if rest:
            break
        end -= size
    return count


def _zeros_from(file: File, failing: list[Segment]) -> int | None:
    """Return from where on all failing runs are zero: all of them but the first wholly."""
    total, begin = 0, None
    for run in reversed(failing):
        end = run.offset + run.nbytes
        zeros = _trailing_zeros(file, run.offset, end)
        if zeros < run.nbytes and (run is not failing[0] or zeros < _SECTOR):
            return None
        total, begin = total + zeros, end - zeros
    return begin if total >= _FEWEST_ZEROS else None


def _table_newlines(file: File) -> str | None:
    """Tell whether a table was moved as text: undone, its footer and index block are sound."""
    if not FOOTER_SIZE <= file.size <= _LARGEST_TABLE:
        return None
    data = bytes(file.read(0, file.size))
    if b"\r\n" in data and _ends_as_table(data.replace(b"\r\n", b"\n")):
        return "added"
    missing = b"\r\n" not in data and _missing_bytes(data)
    return "removed" if missing and missing <= data.count(b"\n") else None


def _ends_as_table(data: bytes) -> bool:
    """Tell whether a table's footer and index block are whole, and end where it ends."""
    if _missing_bytes(data) != 0:
        return False
    footer = Footer.decode(data[-FOOTER_SIZE:])
    block = data[footer.index.offset : footer.index.end]
    return mask(crc32c(block[:-4])) == int.from_bytes(block[-4:], "little")


def _missing_bytes(data: bytes) -> int | None:
    """Return by how many bytes a table is shorter than its footer says; None if it has none."""
    if len(data) < FOOTER_SIZE or not data.endswith(MAGIC):
        return None
    try:
        footer = Footer.decode(data[-FOOTER_SIZE:])
    except CheckpointError:
        return None
    return footer.index.end + FOOTER_SIZE - len(data) if footer.is_canonical else None


def _shard_newlines(
    file: File, needed: int, whole: list[Segment], failing: list[Segment]
) -> str | None:
    if file.size == needed:
        return None
    feeds, pairs = _count_feeds(file, both=file.size > needed)
    if file.size > needed:
        extra = file.size - needed
        # Some tools leave alone what has a carriage return already, as some do by chance.
        is_text = pairs == feeds and (feeds == extra or feeds >= max(extra, _ENOUGH_PAIRS))
        return "added" if is_text else None
    is_tail = bool(failing) and whole[-len(failing) :] == failing
    enough = len(failing) < len(whole) or file.size >= _ENOUGH_FOR_CRLF
    gone = pairs == 0 and feeds >= needed - file.size
    return "removed" if is_tail and enough and gone else None


def _count_feeds(file: File, *, both: bool) -> tuple[int, int]:
    """Count line feeds, and those behind a carriage return.

    Ends early at a line feed without one (`both`), or with one.
    """
    feeds = pairs = 0
    last = b""
    for piece in chunks(file, 0, file.size):
        data = last + bytes(piece)
        feeds += data.count(b"\n", len(last))
        pairs += data.count(b"\r\n")
        if (pairs < feeds) if both else pairs:
            break
        last = data[-1:] if data.endswith(b"\r") else b""
    return feeds, pairs
