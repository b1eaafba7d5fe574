"""Convert a checkpoint to a format that other programs load.

Rank 12: chooses the tensors, refuses what the format cannot hold, and hands the writer specs and
bytes. Each tensor's crc is checked on the way; a file takes its name only when it is whole.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfckpt_reader.checkpoint import open_location
from tfckpt_reader.dtypes import DataType
from tfckpt_reader.errors import TensorNotFoundError, UnsupportedError, count_of
from tfckpt_reader.export import npz
from tfckpt_reader.export.aside import written_aside
from tfckpt_reader.locate import locate
from tfckpt_reader.selection import select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tfckpt_reader.checkpoint import Checkpoint
    from tfckpt_reader.folder import Location
    from tfckpt_reader.spec import TensorSpec

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""Not a weight: the wiring of the Python objects that saved the checkpoint. Left out."""


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


def convert(  # noqa: PLR0913 - all but two by keyword, each an option of its own
    src: str | os.PathLike[str] | bytes | Location,
    dst: str | os.PathLike[str],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    force: bool = False,
    skip_unsupported: bool = False,
    raw: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Conversion:
    """Write the tensors of a checkpoint to a file. The end of its name tells the format: .npz.

    Memory stays bounded, whatever the size of the checkpoint: numbers are streamed; a string
    tensor, or a slab of a V1 tensor, is in memory whole.

    Args:
        src: The checkpoint, as for `open`.
        dst: The file to write.
        include: Globs; only tensors that match one are written. Default: all.
        exclude: Globs; tensors that match one are not written.
        force: Replace `dst` if it exists.
        skip_unsupported: Leave out what the format cannot hold, instead of refusing.
        raw: Store the bits of types that NumPy lacks, instead of the next wider type.
        on_progress: Called now and then with the bytes written and their total.

    Raises:
        ValueError: the name of `dst` ends in no known format.
        UnsupportedError: the format cannot hold some of them; all are named, nothing is written.
        TensorNotFoundError: no tensor is left to write.
        FileExistsError: `dst` exists, and not `force`.
        ChecksumError: a tensor is damaged; nothing is left of `dst`.
        CheckpointError: as for `open`.
        OSError: `dst` cannot be written.
    """
    target = os.fspath(dst)
    _require_target(target, force=force)
    location = locate(src)
    with open_location(location, mmap=False) as ckpt:
        specs, notes = _selected(ckpt, include, exclude)
        refused = npz.refusals(specs)
        if refused and not skip_unsupported:
            raise _refused(target, refused)
        specs = {name: spec for name, spec in specs.items() if name not in refused}
        total = sum(npz.stored_size(spec, raw=raw) for spec in specs.values())
        done = 0

        def wrote(size: int) -> None:
            nonlocal done
            done += size
            if on_progress is not None:
                on_progress(done, max(total, done))

        with written_aside(target) as file:
            npz.write(file, _members(ckpt, specs, notes, raw=raw), wrote)
        return Conversion(target, tuple(specs), refused, done, (*ckpt.notes, *notes))


def _require_target(target: str, *, force: bool) -> None:
    folder = os.path.dirname(target)
    if not target.endswith(".npz"):
        raise ValueError(f"{target}: unknown format; name a file that ends in .npz")
    if folder and not os.path.isdir(folder):
        raise FileNotFoundError(f"{target}: there is no folder {folder}")
    if os.path.isdir(target):
        raise IsADirectoryError(f"{target} is a folder; name a file")
    if os.path.exists(target) and not force:
        raise FileExistsError(f"{target} exists already; --force (force=True) replaces it")


def _selected(
    ckpt: Checkpoint, include: Sequence[str], exclude: Sequence[str]
) -> tuple[dict[str, TensorSpec], list[str]]:
    names = select(ckpt.specs, include, exclude)
    notes = []
    if OBJECT_GRAPH in names and OBJECT_GRAPH not in include:
        names.remove(OBJECT_GRAPH)
        notes.append(f"1 tensor left out: {OBJECT_GRAPH}, which holds no weights")
    unmatched = [pattern for pattern in include if not select(ckpt.specs, [pattern])]
    notes += [f"no tensor matches {pattern!r}" for pattern in unmatched]
    if not names:
        raise TensorNotFoundError(
            f"of {count_of(len(ckpt.specs), 'tensor')} none is left to write",
            file=ckpt.reader.path,
            advice="; ".join([*notes, "list them with: tfckpt ls"]),
        )
    return {name: ckpt.specs[name] for name in names}, notes


def _members(
    ckpt: Checkpoint, specs: dict[str, TensorSpec], notes: list[str], *, raw: bool
) -> Iterator[npz.Member]:
    for name, spec in specs.items():
        if spec.dtype is not DataType.STRING:
            yield npz.numeric_member(spec, ckpt.reader.stream(spec), raw=raw)
            continue
        members = npz.string_members(spec, ckpt.read(name, check=True))
        if len(members) > 1:
            stored = " and ".join(member.name for member in members)
            notes.append(f"{name}: strings of shape {list(spec.shape)}, stored as {stored}")
        yield from members


def _refused(target: str, refused: dict[str, str]) -> UnsupportedError:
    each = "; ".join(f"{name!r}: {why}" for name, why in refused.items())
    return UnsupportedError(
        f"{count_of(len(refused), 'tensor')} cannot be stored: {each}",
        file=target,
        advice="Leave them out with --exclude or --skip-unsupported; nothing was written",
    )
