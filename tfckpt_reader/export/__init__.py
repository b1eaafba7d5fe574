"""Convert a checkpoint to a format of other programs.

A conversion is planned first, then written. Each tensor's crc is verified on the way; the
destination gets its name only when it is complete.
"""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tfckpt_reader.export.destination import Destination
from tfckpt_reader.export.formats.base import Settings
from tfckpt_reader.export.guard import public_name, require_outside
from tfckpt_reader.export.plan import Options, Plan, make_plan
from tfckpt_reader.export.sources import locate_source, open_source
from tfckpt_reader.export.transfer import Job
from tfckpt_reader.objects.totals import NAMES, bytes_by_role
from tfckpt_reader.paths.layout import Location, tensor_files
from tfckpt_reader.paths.unchanged import Unchanged, read_unchanged
from tfckpt_reader.progress import counter, no_progress
from tfckpt_reader.storage.filesystem import path_of
from tfckpt_reader.storage.writing.targets import tidy_place
from tfckpt_reader.text import count_of
from tfckpt_reader.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from tfckpt_reader.checkpoint import Checkpoint
    from tfckpt_reader.progress import Progress
    from tfckpt_reader.tensor.partitions import Partition

_DEFAULTS = Options()


@dataclass(frozen=True, slots=True)
class Array:
    """One array of the destination."""

    tensor: str
    """Name of its tensor."""
    name: str
    """Its own name."""
    dtype: str
    """Its type, in the format's spelling."""
    shape: tuple[int, ...]
    nbytes: int


@dataclass(frozen=True, slots=True)
class Conversion:
    """The result of `convert`."""

    path: str
    """The file or folder written."""
    written: tuple[str, ...]
    """Names of the tensors in it."""
    skipped: dict[str, str]
    """Selected tensors left out: name -> reason. Empty without `skip_unsupported`."""
    nbytes: int
    """Bytes of their values, as stored in the file."""
    notes: tuple[str, ...]
    """Surprises in storage or naming, and tensors left out, a line each."""
    arrays: tuple[Array, ...] = ()
    """Its arrays, with the tensors in the order of the checkpoint."""
    overflows: dict[str, int] = field(default_factory=dict)
    """Name of a tensor -> numbers made infinite by a cast."""
    underflows: dict[str, int] = field(default_factory=dict)
    """Name of a tensor -> numbers that a cast made zero or, as subnormals, less exact."""
    lost: tuple[str, ...] = ()
    """Weights left out by patterns or roles, not by exact names."""
    roles: dict[str, int] = field(default_factory=dict)
    """Role -> bytes of its tensors, as stored in the checkpoint."""
    roles_by: str = NAMES
    """Evidence for the roles: "all" if options needed them, else "names" alone."""


def convert(  # noqa: PLR0913 - all but two by keyword, each an option of its own
    src: str | os.PathLike[str] | bytes | Location,
    dst: str | os.PathLike[str],
    *,
    include: Sequence[str] = _DEFAULTS.include,
    exclude: Sequence[str] = _DEFAULTS.exclude,
    strip_prefix: str = _DEFAULTS.strip_prefix,
    rename: Sequence[str] = _DEFAULTS.rename,
    names: Mapping[str, str] | str | None = _DEFAULTS.names,
    only: str | Sequence[str] = _DEFAULTS.only,
    without: str | Sequence[str] = _DEFAULTS.without,
    ema: bool = _DEFAULTS.ema,
    allow_no_weights: bool = _DEFAULTS.allow_no_weights,
    cast: str | None = _DEFAULTS.cast,
    raw: bool = _DEFAULTS.raw,
    format: str | None = _DEFAULTS.format,  # noqa: A002 - its usual name
    compress: bool = _DEFAULTS.compress,
    flat: bool = _DEFAULTS.flat,
    chunk_size: int | None = _DEFAULTS.chunk_size,
    shards: int = _DEFAULTS.shards,
    partitions: Mapping[str, Partition] | None = None,
    force: bool = _DEFAULTS.force,
    skip_unsupported: bool = _DEFAULTS.skip_unsupported,
    dry_run: bool = _DEFAULTS.dry_run,
    on_progress: Progress | None = None,
    filesystem: object = None,
) -> Conversion:
    """Write the tensors of a checkpoint to a file or folder of another format, or a checkpoint.

    Memory does not grow with the checkpoint: numbers are streamed. Only one string tensor, or one
    slab of a V1 tensor, is in memory at a time.

    Args:
        src: The checkpoint, as for `open`; or an .npz or a .safetensors file, the index of several,
            or a folder of .npy files.
        dst: The file to write, or, ending in a slash, the folder; the prefix of a checkpoint. Its
            suffix selects the format: .npz, .safetensors, .h5, .zarr, .ckpt. Or the URL of one of
            the first four: it is written to the folder for temporary files, then sent.
        include: Globs, or regular expressions behind ``re:``, over whole names; only matching
            tensors are written. Default: all.
        exclude: The same; matching tensors are not written.
        strip_prefix: Removed from the beginning of names.
        rename: Rules ``REGEX=>REPLACEMENT``, applied one after another to the rest of the name.
        names: Name -> name in the destination; overrides both. Or "full_name" or "object_path": the
            kind of names that the rest begins with, as for `Checkpoint.renamed`.
        only: Only tensors of these roles: "weights", "optimizer", "averages" …, one or several.
        without: No tensors of these roles.
        ema: Write the moving average of each weight in its place, under its name, if it has one.
        allow_no_weights: Accept that weights are left out, even all of them.
        cast: "float32", "float16" or "bfloat16": the type of all floating-point numbers.
        raw: Store the bits of types that NumPy lacks, instead of the next wider type.
        format: "npz", "safetensors", "h5", "zarr", "npy" or "tf"; `dst` may then end in anything.
        compress: Deflate, on threads; an .npz, an .h5 or a .zarr only.
        flat: No groups: escape the ``/`` in names, as %2F; an .h5 or a .zarr only.
        chunk_size: Most bytes of a chunk, 1 KiB to 1 GiB; an .h5 or a .zarr only. Default: 4 MiB in
            a .zarr, 1 MiB in an .h5, which has no chunks without this or `compress`.
        shards: Data files of a checkpoint.
        partitions: Pattern -> slices, as for `save`, of matching tensors in a checkpoint; (0, 1)
            joins slices. Default: slices stay as they are.
        force: Replace `dst` if it exists; a folder only if nothing else is in it.
        skip_unsupported: Leave out unsupported tensors, instead of refusing.
        dry_run: Write nothing; return the result of writing.
        on_progress: Called now and then with the bytes read and their total.
        filesystem: As for `open`, of `src`.

    Raises:
        ValueError: the name of `dst` ends in no known format, or an option is invalid.
        UnsupportedError: the format cannot hold some of them, or two would have one name; all are
            named, nothing is written. Or patterns and roles leave no weight of a checkpoint that
            has some, and not `allow_no_weights`.
        TensorNotFoundError: no tensor is left to write.
        FileExistsError: `dst` exists, and not `force`; or it belongs to the checkpoint.
        ChecksumError: a tensor is damaged; nothing is left of `dst`.
        CorruptCheckpointError: a file of the checkpoint was changed meanwhile, also while it was
            read once more; nothing is left.
        CheckpointError: as for `open`.
        OSError: `dst` cannot be written.
    """
    options = Options(
        include=include,
        exclude=exclude,
        strip_prefix=strip_prefix,
        rename=rename,
        names=names,
        only=only,
        without=without,
        ema=ema,
        allow_no_weights=allow_no_weights,
        cast=cast,
        raw=raw,
        format=format,
        compress=compress,
        flat=flat,
        chunk_size=chunk_size,
        shards=shards,
        partitions=partitions or {},
        force=force,
        skip_unsupported=skip_unsupported,
        dry_run=dry_run,
    )
    return convert_with(src, dst, options, on_progress or no_progress, filesystem)


def convert_with(
    src: str | os.PathLike[str] | bytes | Location,
    dst: str | os.PathLike[str],
    options: Options,
    progress: Progress = no_progress,
    filesystem: object = None,
) -> Conversion:
    """Convert a checkpoint as `convert` does, with the options in one record."""
    destination = destination_for(dst, options)
    location = locate_source(src if isinstance(src, Location) else path_of(src, filesystem))
    return convert_opened([location], lambda: open_source(location), destination, options, progress)


def destination_for(dst: str | os.PathLike[str], options: Options) -> Destination:
    """Return the destination of a conversion, which may be written; raise as `convert` does."""
    settings = Settings(*(getattr(options, name) for name in Settings._fields))
    destination = Destination.of(path_of(dst), options.format, settings)
    destination.require_writable(force=options.force or options.dry_run)
    return destination


def convert_opened(
    locations: Sequence[Location],
    opened: Callable[[], AbstractContextManager[Checkpoint]],
    destination: Destination,
    options: Options,
    progress: Progress,
) -> Conversion:
    """Convert what was located; raise as `convert` does.

    Args:
        locations: The files to be read; the first is named as the source.
        opened: Opens them as one checkpoint.
        destination: From `destination_for`.
        options: As for `convert`.
        progress: Called with the bytes read and their total.
    """
    for location in locations:
        require_outside(location, destination.own_file)
    first, *others = locations
    left = [] if options.dry_run else tidy_place(destination.path)
    provenance = {"tool": f"tfckpt_reader {__version__}", "source": public_name(first)}

    def attempt(before: Unchanged) -> Conversion:
        with opened() as ckpt:
            with _no_collection():
                plan = make_plan(ckpt, destination, options, provenance)
            if not options.dry_run:
                on_read = counter(progress, sum(array.spec.nbytes or 0 for array in plan.arrays))
                job = Job(ckpt.reader, plan.arrays, on_read, provenance, options.compress)
                with destination.written(force=options.force) as output:
                    destination.format.write(output, job)
                    before.require()
            return _conversion(destination.path, plan, ckpt)

    more = [file for each in others for file in tensor_files(each)]
    done = read_unchanged(first, attempt, more)
    return replace(done, notes=(*left, *done.notes))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from looking for garbage: in a plan it takes a fifth of the time, for none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _conversion(path: str, plan: Plan, ckpt: Checkpoint) -> Conversion:
    overflows = {name: cast.overflows for name, cast in plan.casts.items() if cast.overflows}
    underflows = {name: cast.underflows for name, cast in plan.casts.items() if cast.underflows}
    changed = [
        f"{name}: {count_of(count, 'number')} too {size} for the type became {result}"
        for counts, size, result in (
            (overflows, "large", "infinite"),
            (underflows, "small", "zero or less exact"),
        )
        for name, count in counts.items()
    ]
    arrays = tuple(
        Array(array.spec.name, array.name, array.type_name, array.shape, array.nbytes)
        for array in plan.arrays
    )
    return Conversion(
        path,
        plan.written,
        plan.skipped,
        sum(array.nbytes for array in arrays),
        (*ckpt.notes, *plan.notes, *changed),
        arrays,
        overflows,
        underflows,
        plan.lost,
        bytes_by_role((ckpt.specs[name] for name in plan.written), plan.roles),
        plan.roles_by,
    )
