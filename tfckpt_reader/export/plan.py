"""The plan of a conversion: its options, the tensors to write, their names and their encodings.

Reads no numbers and writes nothing. All refusals are collected and reported at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from tfckpt_reader.errors import TensorNotFoundError, UnsupportedError
from tfckpt_reader.export.elements import CAST_TYPES, Cast, is_floating
from tfckpt_reader.export.presence import missing_files
from tfckpt_reader.export.rename import collisions, renamed
from tfckpt_reader.export.transfer import OutputArray
from tfckpt_reader.objects.bookkeeping import bookkeeping
from tfckpt_reader.objects.object_graph import OBJECT_GRAPH
from tfckpt_reader.tensor.names import select
from tfckpt_reader.text import count_of, quoted, shortened

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from tfckpt_reader.checkpoint import Checkpoint
    from tfckpt_reader.errors import CheckpointNotFoundError
    from tfckpt_reader.export.destination import Destination
    from tfckpt_reader.export.formats.base import Format
    from tfckpt_reader.tensor.spec import TensorSpec


@dataclass(frozen=True, slots=True)
class Options:
    """Options of `convert`, under the names of its keyword arguments, and their defaults.

    The docstring of `convert` documents each.

    Raises:
        ValueError: no float can be cast to `cast`.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    strip_prefix: str = ""
    rename: Sequence[str] = ()
    names: Mapping[str, str] | None = None
    cast: str | None = None
    raw: bool = False
    format: str | None = None
    compress: bool = False
    force: bool = False
    skip_unsupported: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.cast is not None and self.cast not in CAST_TYPES:
            raise ValueError(f"cannot cast to {self.cast!r}, only to {', '.join(CAST_TYPES)}")


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to write, and everything left out."""

    written: tuple[str, ...]
    """Names of the tensors to write."""
    arrays: Sequence[OutputArray]
    skipped: dict[str, str]
    """Name -> reason for leaving it out."""
    notes: Sequence[str]
    casts: dict[str, Cast]
    """Name -> its cast, if it has one."""


def make_plan(
    ckpt: Checkpoint, destination: Destination, options: Options, provenance: Mapping[str, str]
) -> Plan:
    """Select and name the tensors, and choose the encoding of each.

    Raises:
        TensorNotFoundError: no tensor is left.
        UnsupportedError: some cannot be stored, or would share a name; all are named.
        CheckpointNotFoundError: data files that they need are missing.
        ValueError: an option is invalid.
    """
    path, to = destination
    selected, notes = _selected(ckpt, options)
    listed = options.names or {}
    notes += [
        f"there is no tensor {quoted(name)} to rename" for name in listed if name not in ckpt.specs
    ]
    names, without_effect = renamed(selected, options.strip_prefix, options.rename, listed)
    skipped = _refusals(selected, names, to, ())
    held = {name: spec for name, spec in selected.items() if name not in skipped}
    skipped |= _refusals(held, names, to, {to.collision_key(names[name]) for name in held})
    specs = {name: spec for name, spec in selected.items() if name not in skipped}
    refused = {} if options.skip_unsupported else skipped
    colliding = collisions({name: names[name] for name in specs}, to.collision_key)
    missing = missing_files(ckpt.reader, specs.values(), chosen=bool(options.include))
    if refused or colliding:
        raise _error(path, refused, colliding, missing)
    if missing is not None:
        raise missing
    casts = _casts(specs, options.cast)
    arrays: list[OutputArray] = []
    for name, spec in specs.items():
        arrays += _arrays(ckpt, spec, names[name], to, casts.get(name), raw=options.raw)
    reason = to.refusal_of_all(arrays, provenance)
    if reason:
        raise UnsupportedError(reason, file=path, advice="Leave some out with --exclude")
    notes += [*without_effect, *_split_strings(arrays)]
    return Plan(tuple(specs), arrays, skipped, notes, casts)


def _selected(ckpt: Checkpoint, options: Options) -> tuple[dict[str, TensorSpec], list[str]]:
    names = select(ckpt.specs, options.include, options.exclude)
    left_out: dict[str, list[str]] = {}
    for name in names:
        contents = bookkeeping(name, ckpt.specs[name].dtype)
        if contents is not None and name not in options.include:
            left_out.setdefault(contents, []).append(name)
    notes = [_left_out(contents, each) for contents, each in left_out.items()]
    patterns = (*options.include, *options.exclude)
    unmatched = [pattern for pattern in patterns if not select(ckpt.specs, [pattern])]
    notes += [f"no tensor matches {pattern!r}" for pattern in unmatched]
    kept = set(names).difference(*left_out.values())
    if not kept:
        raise _nothing_left(ckpt, notes, is_empty=len(names) == len(ckpt.specs))
    return {name: ckpt.specs[name] for name in names if name in kept}, notes


def _left_out(contents: str, names: list[str]) -> str:
    counted = f"{count_of(len(names), 'tensor')} left out"
    if names == [OBJECT_GRAPH]:
        return f"{counted}: {OBJECT_GRAPH}, which holds no weights"
    return f"{counted}: {contents}: {shortened(', '.join(names))}"


def _nothing_left(ckpt: Checkpoint, notes: list[str], *, is_empty: bool) -> TensorNotFoundError:
    """Return the error about a selection, or a checkpoint (`is_empty`), without any weights."""
    if is_empty:
        problem = "this checkpoint has no weights: there is nothing to write"
        return TensorNotFoundError(problem, file=ckpt.reader.path, advice="; ".join(notes) or None)
    return TensorNotFoundError(
        f"of {count_of(len(ckpt.specs), 'tensor')} none is left to write",
        file=ckpt.reader.path,
        advice="; ".join([*notes, "list them with: tfckpt ls"]),
    )


def _refusals(
    specs: Mapping[str, TensorSpec], names: Mapping[str, str], to: Format, keys: Container[str]
) -> dict[str, str]:
    """Return the tensors refused by a format: name -> reason."""
    reasons = {name: to.refusal(names[name], spec, keys) for name, spec in specs.items()}
    return {name: reason for name, reason in reasons.items() if reason}


def _error(
    path: str,
    refused: dict[str, str],
    colliding: dict[str, str],
    missing: CheckpointNotFoundError | None,
) -> UnsupportedError:
    reasons, advice = refused | colliding, ["Nothing was written"]
    if refused:
        advice.append("Leave unsupported tensors out with --exclude or --skip-unsupported")
    if colliding:
        advice.append("Give colliding tensors other names with --rename or --map, or --exclude one")
    if missing is not None:
        advice.append(f"Besides, {missing}")
    return UnsupportedError(
        f"{count_of(len(reasons), 'tensor')} cannot be stored: "
        + "; ".join(f"{name!r}: {reason}" for name, reason in reasons.items()),
        file=path,
        advice=". ".join(advice),
    )


def _casts(specs: Mapping[str, TensorSpec], cast: str | None) -> dict[str, Cast]:
    if cast is None:
        return {}
    target = CAST_TYPES[cast]
    return {
        name: Cast(spec.dtype, target)
        for name, spec in specs.items()
        if spec.dtype is not target and is_floating(spec.dtype)
    }


def _arrays(
    ckpt: Checkpoint, spec: TensorSpec, name: str, to: Format, cast: Cast | None, *, raw: bool
) -> tuple[OutputArray, ...]:
    encoding = to.encoding(spec.dtype if cast is None else cast.target, raw=raw)
    if encoding is None:
        return to.string_arrays(name, spec, partial(ckpt.read, spec.name, check=True))
    dtype, encode = encoding.after(cast)
    return (OutputArray(name, to.type_names[dtype], spec.shape, dtype.itemsize, spec, encode),)


def _split_strings(arrays: Sequence[OutputArray]) -> list[str]:
    """Return a note for each tensor of strings in two arrays."""
    return [
        f"{one.spec.name}: strings of shape {list(one.spec.shape)}, "
        f"stored as {one.name} and {other.name}"
        for one, other in pairwise(arrays)
        if one.spec is other.spec
    ]
