"""Convert a checkpoint to a format that other programs load.

Plans first, then writes. Each tensor's crc is checked on the way; a file takes its name
only when it is whole.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tfckpt_reader.checkpoint import open_location
from tfckpt_reader.export.destination import Target
from tfckpt_reader.export.guard import name_of, require_outside, require_unchanged, seen
from tfckpt_reader.export.plan import FORMATS, Options, Plan, make_plan
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.text import count_of
from tfckpt_reader.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tfckpt_reader.paths.layout import Location


@dataclass(frozen=True, slots=True)
class Array:
    """One array of the target."""

    tensor: str
    """Name of the tensor that it comes from."""
    name: str
    """Its own name."""
    dtype: str
    """Its type, as the format spells it."""
    shape: tuple[int, ...]
    nbytes: int


@dataclass(frozen=True, slots=True)
class Conversion:
    """What `convert` did."""

    path: str
    """The file or folder that was written."""
    written: tuple[str, ...]
    """Names of the tensors in it."""
    skipped: dict[str, str]
    """Selected, but not written: name -> why. Empty unless it was asked to skip."""
    nbytes: int
    """Bytes of their values, as stored in the file."""
    notes: tuple[str, ...]
    """What is stored otherwise than one would expect, and what was left out, a line each."""
    arrays: tuple[Array, ...] = ()
    """What is in it, in the order in which the checkpoint lists the tensors."""
    overflows: dict[str, int] = field(default_factory=dict)
    """Numbers that a cast made infinite, by the names of their tensors."""


def convert(  # noqa: PLR0913 - all but two by keyword, each an option of its own
    src: str | os.PathLike[str] | bytes | Location,
    dst: str | os.PathLike[str],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    strip_prefix: str = "",
    rename: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    cast: str | None = None,
    raw: bool = False,
    format: str | None = None,  # noqa: A002 - what it is called everywhere
    compress: bool = False,
    force: bool = False,
    skip_unsupported: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Conversion:
    """Write the tensors of a checkpoint to an .npz or a .safetensors file, or a folder of .npy.

    Memory stays bounded, whatever the size of the checkpoint: numbers are streamed; a string
    tensor, or a slab of a V1 tensor, is in memory whole.

    Args:
        src: The checkpoint, as for `open`.
        dst: The file to write, or, ending in a slash, the folder. Its end tells the format.
        include: Globs, or regular expressions behind ``re:``, over whole names; only tensors that
            match one are written. Default: all.
        exclude: The same; tensors that match one are not written.
        strip_prefix: Taken off the names that begin with it.
        rename: Rules ``REGEX=>REPLACEMENT``, applied one after another to what is left.
        names: Name -> name in the target; wins over both.
        cast: "float32", "float16" or "bfloat16": store all floating-point numbers as that.
        raw: Store the bits of types that the format lacks, instead of the next wider type.
        format: "npz", "safetensors" or "npy"; `dst` may then end in anything.
        compress: Deflate, on threads; an .npz only.
        force: Replace `dst` if it exists; a folder only if nothing else is in it.
        skip_unsupported: Leave out what the format cannot hold, instead of refusing.
        dry_run: Write nothing; return what would be written.
        on_progress: Called now and then with the bytes read and their total.

    Raises:
        ValueError: the name of `dst` ends in no known format, or an option makes no sense.
        UnsupportedError: the format cannot hold some of them, or two would have one name; all are
            named, nothing is written.
        TensorNotFoundError: no tensor is left to write.
        FileExistsError: `dst` exists, and not `force`; or it belongs to the checkpoint.
        ChecksumError: a tensor is damaged; nothing is left of `dst`.
        CorruptCheckpointError: a file of the checkpoint was changed meanwhile; nothing is left.
        CheckpointError: as for `open`.
        OSError: `dst` cannot be written.
    """
    target = Target.of(os.fspath(dst), format, compress=compress)
    target.require_writable(force=force or dry_run)
    options = Options(include, exclude, strip_prefix, rename, names, cast, raw, skip_unsupported)
    location = locate(src)
    require_outside(location, target.path)
    about = {"tool": f"tfckpt_reader {__version__}", "source": name_of(location)}
    before = seen(location)
    with open_location(location, mmap=False) as ckpt:
        plan = make_plan(ckpt, target.path, FORMATS[target.kind], options, about)
        if not dry_run:
            progress = _progress(plan, on_progress)
            with target.written() as write:
                write(ckpt.reader, plan.arrays, progress, about)
                require_unchanged(location, before)
        return _conversion(target.path, plan, ckpt.notes)


def _progress(plan: Plan, tell: Callable[[int, int], None] | None) -> Callable[[int], None]:
    done, total = 0, sum(stored.spec.nbytes or 0 for stored in plan.arrays)

    def wrote(size: int) -> None:
        nonlocal done
        done += size
        if tell is not None:
            tell(done, max(total, done))

    return wrote


def _conversion(target: str, plan: Plan, notes: tuple[str, ...]) -> Conversion:
    overflows = {name: cast.overflows for name, cast in plan.casts.items() if cast.overflows}
    lines = [
        f"{name}: {count_of(count, 'number')} too large for the type became infinite"
        for name, count in overflows.items()
    ]
    arrays = tuple(
        Array(stored.spec.name, stored.name, stored.kind, stored.shape, stored.nbytes)
        for stored in plan.arrays
    )
    return Conversion(
        target,
        tuple(plan.targets),
        plan.skipped,
        sum(array.nbytes for array in arrays),
        (*notes, *plan.notes, *lines),
        arrays,
        overflows,
    )
