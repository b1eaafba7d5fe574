"""Convert a checkpoint to a format that other programs load.

Rank 12: plans first, then writes. Each tensor's crc is checked on the way; a file takes its name
only when it is whole.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfckpt_reader.checkpoint import open_location
from tfckpt_reader.errors import count_of
from tfckpt_reader.export.aside import written_aside
from tfckpt_reader.export.plan import FORMATS, Format, Options, Plan, make_plan
from tfckpt_reader.locate import locate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tfckpt_reader.checkpoint import Checkpoint
    from tfckpt_reader.folder import Location


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
    """The file that was written."""
    written: tuple[str, ...]
    """Names of the tensors in it."""
    skipped: dict[str, str]
    """Selected, but not written: name -> why. Empty unless it was asked to skip."""
    nbytes: int
    """Bytes of their values, as stored in the file."""
    notes: tuple[str, ...]
    """What is stored otherwise than one would expect, and what was left out, a line each."""
    arrays: tuple[Array, ...] = ()
    """What is in the file, in the order in which the checkpoint lists the tensors."""


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
    force: bool = False,
    skip_unsupported: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Conversion:
    """Write the tensors of a checkpoint to an .npz or a .safetensors file, as its name ends.

    Memory stays bounded, whatever the size of the checkpoint: numbers are streamed; a string
    tensor, or a slab of a V1 tensor, is in memory whole.

    Args:
        src: The checkpoint, as for `open`.
        dst: The file to write.
        include: Globs, or regular expressions behind ``re:``, over whole names; only tensors that
            match one are written. Default: all.
        exclude: The same; tensors that match one are not written.
        strip_prefix: Taken off the names that begin with it.
        rename: Rules ``REGEX=>REPLACEMENT``, applied one after another to what is left.
        names: Name -> name in the target; wins over both.
        cast: "float32", "float16" or "bfloat16": store all floating-point numbers as that.
        raw: Store the bits of types that the format lacks, instead of the next wider type.
        force: Replace `dst` if it exists.
        skip_unsupported: Leave out what the format cannot hold, instead of refusing.
        dry_run: Write nothing; return what would be written.
        on_progress: Called now and then with the bytes read and their total.

    Raises:
        ValueError: the name of `dst` ends in no known format, or an option makes no sense.
        UnsupportedError: the format cannot hold some of them, or two would have one name; all are
            named, nothing is written.
        TensorNotFoundError: no tensor is left to write.
        FileExistsError: `dst` exists, and not `force`; or it is the checkpoint itself.
        ChecksumError: a tensor is damaged; nothing is left of `dst`.
        CheckpointError: as for `open`.
        OSError: `dst` cannot be written.
    """
    target = os.fspath(dst)
    kind = _require_target(target, force=force or dry_run)
    options = Options(include, exclude, strip_prefix, rename, names, cast, raw, skip_unsupported)
    location = locate(src)
    with open_location(location, mmap=False) as ckpt:
        if os.path.exists(target) and os.path.samefile(target, ckpt.reader.path):
            raise FileExistsError(f"{target} is the checkpoint itself; name another file")
        plan = make_plan(ckpt, target, FORMATS[kind], options)
        if not dry_run:
            _write(ckpt, target, FORMATS[kind], plan, on_progress)
        return _conversion(target, plan, ckpt.notes)


def _write(
    ckpt: Checkpoint,
    target: str,
    to: Format,
    plan: Plan,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    done, total = 0, sum(stored.spec.nbytes or 0 for stored in plan.arrays)

    def wrote(size: int) -> None:
        nonlocal done
        done += size
        if on_progress is not None:
            on_progress(done, max(total, done))

    with written_aside(target) as file:
        to.write(file, ckpt.reader, plan.arrays, wrote)


def _conversion(target: str, plan: Plan, notes: tuple[str, ...]) -> Conversion:
    overflows = [
        f"{name}: {count_of(cast.overflows, 'number')} too large for the type became infinite"
        for name, cast in plan.casts.items()
        if cast.overflows
    ]
    arrays = tuple(
        Array(stored.spec.name, stored.name, stored.kind, stored.shape, stored.nbytes)
        for stored in plan.arrays
    )
    nbytes = sum(array.nbytes for array in arrays)
    all_notes = (*notes, *plan.notes, *overflows)
    return Conversion(target, tuple(plan.targets), plan.skipped, nbytes, all_notes, arrays)


def _require_target(target: str, *, force: bool) -> str:
    """Return the key in `FORMATS` of a target that may be written."""
    folder = os.path.dirname(target)
    kind = next((end for end in FORMATS if target.endswith(end)), None)
    if kind is None:
        ends = " or ".join(FORMATS)
        raise ValueError(f"{target}: unknown format; name a file that ends in {ends}")
    if folder and not os.path.isdir(folder):
        raise FileNotFoundError(f"{target}: there is no folder {folder}")
    if os.path.isdir(target):
        raise IsADirectoryError(f"{target} is a folder; name a file")
    if os.path.exists(target) and not force:
        raise FileExistsError(f"{target} exists already; --force (force=True) replaces it")
    return kind
