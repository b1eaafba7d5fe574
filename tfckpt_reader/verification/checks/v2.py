"""Check a V2 bundle: its index and entries here, its data files in v2_shards and v2_data.

Data is read, never mapped. FORMAT 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tfckpt_reader.errors import (
    CheckpointError,
    CorruptCheckpointError,
    ErrorKind,
    UnsupportedError,
    located,
)
from tfckpt_reader.formats.v2.bundle import Bundle
from tfckpt_reader.formats.v2.index import Header, require_possible
from tfckpt_reader.objects.paths import OBJECT_GRAPH
from tfckpt_reader.paths.layout import guessed_shard_count, shard_path
from tfckpt_reader.storage.opening import open_file
from tfckpt_reader.table.table import Table
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.names import name_of
from tfckpt_reader.tensor.slices import is_slice_key, slice_key, slice_name
from tfckpt_reader.tensor.spec import WHOLE_AXIS
from tfckpt_reader.verification.checks.checked import Checked, kinds_of
from tfckpt_reader.verification.checks.fingerprint import check_fingerprint
from tfckpt_reader.verification.checks.table_blocks import check_names, check_table
from tfckpt_reader.verification.checks.v2_data import ScannedTensors, check_data
from tfckpt_reader.verification.checks.v2_shards import check_shards
from tfckpt_reader.verification.codes import reaches
from tfckpt_reader.verification.findings import code_of
from tfckpt_reader.verification.report import coverage_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tfckpt_reader.paths.layout import Location
    from tfckpt_reader.progress import Progress
    from tfckpt_reader.tensor.spec import Segment, TensorSpec
    from tfckpt_reader.verification.checks.table_blocks import Rows, TableContents
    from tfckpt_reader.verification.findings import Findings


@dataclass(frozen=True, slots=True)
class _Index:
    """Contents of an index."""

    bundle: Bundle
    segments: list[Segment]
    """By shard and offset."""
    all_known: bool
    """No segment is lost: all other bytes of the data files belong to no tensor."""
    tensors: ScannedTensors | None
    """Collector of anomalies, at level values."""
    checked: Checked


def check_v2(
    location: Location, findings: Findings, progress: Progress, level: str
) -> Iterator[Checked]:
    """Report defects of a bundle; yield all facts so far after each stage.

    So an error in one stage leaves the facts of those before it.
    """
    try:
        file = open_file(location.prefix + ".index")
        yield Checked(tables=(file,))
        table = Table(file)
    except (CorruptCheckpointError, UnsupportedError) as error:
        findings.add_error(code_of(error, "TFC101"), error)
        return
    contents = check_table(table, findings)
    if contents.is_sound:  # the fingerprint of a damaged index differs in any case
        check_fingerprint(file, findings)
    index = _check_index(location.prefix, table, contents, findings, level)
    yield index.checked
    yield from _check_files(index, findings, progress, level)


def _check_index(
    prefix: str, table: Table, contents: TableContents, findings: Findings, level: str
) -> _Index:
    """Report defects of the header and the entries. The rows are used up."""
    before, rows = findings.errors, contents.rows
    header, all_known = _check_header(prefix, table, contents, findings)
    bundle = Bundle(prefix, mapped=False, table=table, header=header, find=rows.get)
    specs, all_known = _check_entries(bundle, rows, findings, all_known=all_known)
    before_segments = findings.errors
    segments = _segments(bundle, specs, findings)
    names = kinds_of(specs)
    coverage = coverage_of(_files(bundle, segments), names)
    # Without a header the byte order is unknown, and so is every number.
    scans = reaches(level, "values") and header.present
    is_sound = contents.is_sound and findings.errors == before
    # The next stages need only the segments; of very many tensors, the rest takes much memory.
    rows.clear()
    return _Index(
        bundle,
        segments,
        all_known=all_known and findings.errors == before_segments,
        tensors=ScannedTensors(specs) if scans else None,
        checked=Checked(names, is_sound, coverage=coverage, tables=(table.source,)),
    )


def _check_files(
    index: _Index, findings: Findings, progress: Progress, level: str
) -> Iterator[Checked]:
    """Report entries with impossible positions, and defects of the data files."""
    bundle, before = index.bundle, findings.errors
    invalid = _check_positions(bundle, index.segments, findings)
    is_sound = index.checked.names_are_complete and findings.errors == before
    checked = replace(index.checked, names_are_complete=is_sound)
    count = len(checked.names)
    if not reaches(level, "sizes"):
        yield replace(checked, tensors=count)
        return
    all_known = index.all_known and findings.errors == before
    files, present, lost = check_shards(
        bundle, index.segments, invalid, findings, all_known=all_known
    )
    checked = replace(checked, data_files=files, lost_files=lost)
    yield checked
    count -= len({segment.name for segments in lost.values() for segment in segments})
    if not reaches(level, "data"):
        yield replace(checked, tensors=count)
        return
    nbytes, damaged = check_data(bundle, present, findings, progress, index.tensors)
    graph = _object_graph(bundle, present) if is_sound else None
    yield replace(checked, tensors=count, nbytes=nbytes, damaged=damaged, object_graph=graph)


def _check_header(
    prefix: str, table: Table, contents: TableContents, findings: Findings
) -> tuple[Header, bool]:
    """Return the header, guessed where it is lost; and whether rows are complete and readable."""
    path, value = table.source.name, contents.rows.get(b"")
    guess = Header(guessed_shard_count(prefix), present=False)
    if value is None:
        if contents.is_complete:
            findings.add("TFC201", "the index has no header row", file=path)
        return guess, contents.is_complete
    try:
        with located(path):
            header = Header.decode(value)
    except CheckpointError as error:
        findings.add_error(code_of(error, "TFC202"), error)
        return guess, contents.is_complete and error.kind is not ErrorKind.UNSUPPORTED
    if header.endianness not in (0, 1):
        what = "the header has an unknown byte order"
        findings.add("TFC202", what, file=path, expected="0 or 1", got=header.endianness)
    if header.num_shards < 1:
        what = "the header counts no shards"
        findings.add("TFC202", what, file=path, expected="1 or more", got=header.num_shards)
        return guess, contents.is_complete
    return header, contents.is_complete


def _check_entries(
    bundle: Bundle, rows: Rows, findings: Findings, *, all_known: bool
) -> tuple[list[TensorSpec], bool]:
    """Decode every entry, without the rows of slices; return them, and whether all are known.

    Rows of slices are removed before their turn: those of very many would fill the memory.
    """
    before = findings.errors
    specs: dict[bytes, TensorSpec] = {}
    without_row: set[bytes] = {b""}
    for is_late in (False, True):
        for key in [key for key in rows if key.startswith(b"\0") == is_late]:
            if key in without_row or key not in rows:
                continue
            with findings.collect("TFC203"):
                spec = specs[key] = bundle.spec_of(key, rows[key], rows.get)
                for tensor_slice in spec.slices:
                    its_key = slice_key(key, tensor_slice.extents)
                    specs.pop(its_key, None)
                    if tensor_slice.shard is None:
                        # No sound row: `Partitions.segment` gives the reason.
                        without_row.add(its_key)
                    else:
                        rows.pop(its_key, None)
    all_known = all_known and findings.errors == before
    for key in specs:
        if not is_slice_key(key):
            check_names([name_of(key)], bundle.path, findings)
        elif all_known:
            what = "looks like the row of a slice, but no tensor lists it"
            name = name_of(slice_name(key))
            findings.add("TFC205", what, file=bundle.path, tensor=name)
    return list(specs.values()), all_known


def _segments(bundle: Bundle, specs: Iterable[TensorSpec], findings: Findings) -> list[Segment]:
    """Return all segments by shard and offset; report slices that do not tile their tensor."""
    segments: list[Segment] = []
    for spec in specs:
        if not spec.slices:
            segments += bundle.segments(spec)
            continue
        with findings.collect("TFC204"):
            bundle.partitions.require_tiling(spec, spec.all_rows)
        if any(set(tensor_slice.extents) <= {WHOLE_AXIS} for tensor_slice in spec.slices):
            what = "is stored as one slice of the whole tensor, which TensorFlow cannot read"
            findings.add("TFC204", what, file=bundle.path, tensor=spec.name)
        for tensor_slice in spec.slices:
            with findings.collect("TFC204"):
                segments.append(bundle.partitions.segment(tensor_slice))
    return sorted(segments, key=lambda segment: (segment.shard, segment.offset))


def _files(bundle: Bundle, segments: list[Segment]) -> list[str]:
    used = sorted({segment.shard for segment in segments if segment.shard >= 0})
    count = bundle.header.num_shards
    return [bundle.path, *(shard_path(bundle.prefix, shard, count) for shard in used)]


def _check_positions(bundle: Bundle, segments: list[Segment], findings: Findings) -> set[int]:
    """Report entries with impossible numbers; return the numbers of their segments."""
    invalid: set[int] = set()
    beyond: set[int] = set()
    count = bundle.header.num_shards
    for number, segment in enumerate(segments):
        try:
            with located(bundle.path, tensor=segment.name):
                require_possible(segment)
        except CheckpointError as error:
            findings.add_error(code_of(error, "TFC203"), error)
            invalid.add(number)
            continue
        if bundle.header.present and segment.shard >= count:
            invalid.add(number)
            if segment.shard not in beyond:
                beyond.add(segment.shard)
                findings.add(
                    "TFC203",
                    "index entry: there is no such shard",
                    file=bundle.path,
                    tensor=segment.name,
                    expected=f"a shard below {count}",
                    got=segment.shard,
                )
    return invalid


def _object_graph(bundle: Bundle, segments: Sequence[Segment]) -> memoryview | None:
    """Return the stored object graph; None if it is absent, no single string, or damaged."""
    segment = next((segment for segment in segments if segment.name == OBJECT_GRAPH), None)
    if segment is None or segment.dtype is not DataType.STRING or segment.shape:
        return None
    from tfckpt_reader.formats.v2.lists import Strings

    try:
        data, front = Strings(bundle.shards).read(segment, check=True)
    except CheckpointError as error:  # reported when all data was checked
        if error.kind is ErrorKind.UNREACHABLE:
            raise
        return None
    return data[front.begin : front.end]
