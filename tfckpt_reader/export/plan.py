"""The plan of a conversion: the tensors to write, their names and their encodings.

Reads no numbers and writes nothing. All refusals are collected and reported at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tfckpt_reader.errors import TensorNotFoundError, UnsupportedError
from tfckpt_reader.export.arrays import OutputArray
from tfckpt_reader.export.elements import CAST_TYPES, Cast, is_floating
from tfckpt_reader.export.rename import Rule, collisions, renamed
from tfckpt_reader.objects.object_graph import OBJECT_GRAPH
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.names import select
from tfckpt_reader.text import count_of, shortened

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from tfckpt_reader.checkpoint import Checkpoint
    from tfckpt_reader.export.destination import Destination
    from tfckpt_reader.export.formats.base import Format
    from tfckpt_reader.export.options import Options
    from tfckpt_reader.tensor.spec import TensorSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to write, and everything left out."""

    written: tuple[str, ...]
    """Names of the tensors to write."""
    arrays: tuple[OutputArray, ...]
    skipped: dict[str, str]
    """Name -> reason for leaving it out."""
    notes: tuple[str, ...]
    casts: dict[str, Cast]
    """Name -> its cast, if it has one."""


def make_plan(
    ckpt: Checkpoint, destination: Destination, options: Options, provenance: Mapping[str, str]
) -> Plan:
    """Select and name the tensors, and choose the encoding of each.

    Raises:
        TensorNotFoundError: no tensor is left.
        UnsupportedError: some cannot be stored, or would share a name; all are named.
        ValueError: an option is invalid.
    """
    path, to = destination
    selected, notes = _selected(ckpt, options)
    rules = [Rule.parse(text) for text in options.rename]
    listed = options.names or {}
    notes += [f"there is no tensor {name!r} to rename" for name in listed if name not in ckpt.specs]
    names, without_effect = renamed(
        selected, strip_prefix=options.strip_prefix, rules=rules, listed=listed
    )
    skipped = _refusals(selected, names, to, ())
    held = {name: spec for name, spec in selected.items() if name not in skipped}
    skipped |= _refusals(held, names, to, {to.collision_key(names[name]) for name in held})
    specs = {name: spec for name, spec in selected.items() if name not in skipped}
    refused = {} if options.skip_unsupported else skipped
    colliding = collisions({name: names[name] for name in specs}, to.collision_key)
    if refused or colliding:
        raise _error(path, refused, colliding)
    casts = _casts(specs, options)
    arrays: list[OutputArray] = []
    for name, spec in specs.items():
        arrays += _arrays(ckpt, spec, names[name], to, casts.get(name), raw=options.raw)
    reason = to.refusal_of_all(arrays, provenance)
    if reason:
        raise UnsupportedError(reason, file=path, advice="Leave some out with --exclude")
    notes += [*without_effect, *_split_strings(arrays)]
    return Plan(tuple(specs), tuple(arrays), skipped, tuple(notes), casts)


def _selected(ckpt: Checkpoint, options: Options) -> tuple[dict[str, TensorSpec], list[str]]:
    names = select(ckpt.specs, options.include, options.exclude)
    notes = []
    if OBJECT_GRAPH in names and OBJECT_GRAPH not in options.include:
        names.remove(OBJECT_GRAPH)
        notes.append(f"1 tensor left out: {OBJECT_GRAPH}, which holds no weights")
    states = [name for name in names if _is_iterator_state(ckpt.specs[name])]
    states = [name for name in states if name not in options.include]
    if states:
        names = [name for name in names if name not in set(states)]
        counted = count_of(len(states), "tensor")
        notes.append(
            f"{counted} left out: state of tf.data iterators: {shortened(', '.join(states))}"
        )
    patterns = (*options.include, *options.exclude)
    unmatched = [pattern for pattern in patterns if not select(ckpt.specs, [pattern])]
    notes += [f"no tensor matches {pattern!r}" for pattern in unmatched]
    if not names:
        raise TensorNotFoundError(
            f"of {count_of(len(ckpt.specs), 'tensor')} none is left to write",
            file=ckpt.reader.path,
            advice="; ".join([*notes, "list them with: tfckpt ls"]),
        )
    return {name: ckpt.specs[name] for name in names}, notes


def _is_iterator_state(spec: TensorSpec) -> bool:
    """Return whether a tensor is the saved state of a tf.data iterator: messages, no numbers."""
    return spec.dtype is DataType.VARIANT and spec.name.endswith(("_STATE", "-state"))


def _refusals(
    specs: Mapping[str, TensorSpec], names: Mapping[str, str], to: Format, keys: Container[str]
) -> dict[str, str]:
    """Return the tensors refused by a format: name -> reason."""
    reasons = {name: to.refusal(names[name], spec, keys) for name, spec in specs.items()}
    return {name: reason for name, reason in reasons.items() if reason}


def _error(path: str, refused: dict[str, str], colliding: dict[str, str]) -> UnsupportedError:
    reasons, advice = refused | colliding, ["Nothing was written"]
    if refused:
        advice.append("Leave unsupported tensors out with --exclude or --skip-unsupported")
    if colliding:
        advice.append("Give colliding tensors other names with --rename or --map, or --exclude one")
    return UnsupportedError(
        f"{count_of(len(reasons), 'tensor')} cannot be stored: "
        + "; ".join(f"{name!r}: {reason}" for name, reason in reasons.items()),
        file=path,
        advice=". ".join(advice),
    )


def _casts(specs: Mapping[str, TensorSpec], options: Options) -> dict[str, Cast]:
    if options.cast is None:
        return {}
    target = CAST_TYPES[options.cast]
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
    return (OutputArray.numeric(name, spec, encoding.after(cast)),)


def _split_strings(arrays: Sequence[OutputArray]) -> list[str]:
    """Return a note for each tensor of strings in two arrays."""
    names: dict[str, list[str]] = {}
    for array in arrays:
        names.setdefault(array.spec.name, []).append(array.name)
    shapes = {array.spec.name: list(array.spec.shape) for array in arrays}
    return [
        f"{name}: strings of shape {shapes[name]}, stored as {' and '.join(both)}"
        for name, both in names.items()
        if len(both) > 1
    ]
