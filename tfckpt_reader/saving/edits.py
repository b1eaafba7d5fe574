"""Checkpoints out of others: merged, or with some tensors replaced.

Knows no bytes: each is a conversion from a reader that stands for several.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from tfckpt_reader.checkpoint import Checkpoint
from tfckpt_reader.errors import TensorNotFoundError
from tfckpt_reader.export import convert_opened, destination_for
from tfckpt_reader.export.plan import Options
from tfckpt_reader.export.sources import locate_source, open_source
from tfckpt_reader.export.sources.arrays import ArrayReader
from tfckpt_reader.export.sources.numpy_files import npy_file
from tfckpt_reader.paths.layout import Location
from tfckpt_reader.paths.unchanged import Guard
from tfckpt_reader.progress import no_progress
from tfckpt_reader.saving.combined import Combined
from tfckpt_reader.saving.replacement import Replacement
from tfckpt_reader.text import nearest, quoted, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tfckpt_reader.export import Conversion
    from tfckpt_reader.formats.reader import Reader
    from tfckpt_reader.progress import Progress

    Path = str | os.PathLike[str]

FORMAT = "tf"


def merge(
    sources: Sequence[Path],
    dst: Path,
    options: Options | None = None,
    progress: Progress = no_progress,
) -> Conversion:
    """Write the tensors of several checkpoints into one.

    Args:
        sources: Checkpoints of different tensors, or the parts of a save that was not merged, in
            their order: slices of one tensor are joined.
        dst: Prefix of the checkpoint to write.
        options: As for `convert`.
        progress: As for `convert`.

    Raises:
        UnsupportedError: a tensor is in more than one; all are named.
        Exception: as for `convert`.
    """

    def union(ckpts: Sequence[Checkpoint]) -> Reader:
        return Combined([each.reader for each in ckpts], [each.specs.listed for each in ckpts])

    return combine(sources, dst, union, options, progress)


def replace(
    source: Path,
    values: Mapping[str, Path],
    dst: Path,
    options: Options | None = None,
    progress: Progress = no_progress,
) -> Conversion:
    """Write a checkpoint with other values for some tensors.

    Args:
        source: The checkpoint.
        values: Name of a tensor -> .npy file, of the same shape. Its numbers are stored in the
            tensor's type, which must hold them exactly.
        dst: Prefix of the checkpoint to write.
        options: As for `convert`.
        progress: As for `convert`.

    Raises:
        TensorNotFoundError: there is no tensor of that name.
        ValueError: the array has another shape, or numbers that the type does not hold.
        Exception: as for `convert`.
    """

    def replaced(ckpts: Sequence[Checkpoint]) -> Reader:
        (ckpt,) = ckpts
        arrays = {}
        for name, path in values.items():
            if name not in ckpt.specs:
                alike = ", ".join(map(shortened, nearest(name, list(ckpt.specs))))
                raise TensorNotFoundError(
                    f"there is no tensor {quoted(name)} to replace",
                    file=ckpt.reader.path,
                    advice=f"Nearest: {alike}" if alike else None,
                )
            arrays[name] = Replacement(npy_file(os.fspath(path)), ckpt.specs[name])
        others = {n: spec for n, spec in ckpt.specs.items() if n not in arrays}
        new = ArrayReader(Location("npy", ckpt.reader.prefix), arrays)
        specs = {name: arrays[name].spec for name in arrays}
        return Combined([ckpt.reader, new], [others, specs])

    return combine([source], dst, replaced, options, progress)


def combine(
    sources: Sequence[Path],
    dst: Path,
    reader_of: Callable[[Sequence[Checkpoint]], Reader],
    options: Options | None,
    progress: Progress,
) -> Conversion:
    """Convert several checkpoints as one.

    Args:
        sources: Their paths.
        dst: The destination.
        reader_of: Returns the reader that stands for all.
        options: As for `convert`; the format is a checkpoint.
        progress: As for `convert`.
    """
    options = options or Options(format=FORMAT)
    destination = destination_for(dst, options)
    locations = [locate_source(source) for source in sources]

    @contextmanager
    def opened() -> Iterator[Checkpoint]:
        with ExitStack() as stack:
            ckpts = [stack.enter_context(open_source(each)) for each in locations]
            notes = tuple(note for each in locations for note in each.notes)
            guard = Guard(locations[0]._replace(notes=notes))
            with guard:
                reader = reader_of(ckpts)
            yield Checkpoint(reader, guard, check=True)

    return convert_opened(locations, opened, destination, options, progress)
