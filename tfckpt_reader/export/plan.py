"""The plan of a conversion: its options, the tensors to write, their names and their encodings.

Reads no numbers and writes nothing. All refusals are collected and reported at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import TensorNotFoundError, UnsupportedError, located
from tfckpt_reader.export.elements import CAST_TYPES, Cast, is_floating
from tfckpt_reader.export.presence import missing_files
from tfckpt_reader.export.rename import collisions, renamed
from tfckpt_reader.export.transfer import Source
from tfckpt_reader.objects.bookkeeping import bookkeeping
from tfckpt_reader.objects.edit import edited_graph
from tfckpt_reader.objects.paths import ATTRIBUTES, OBJECT_GRAPH
from tfckpt_reader.objects.roles import by_names
from tfckpt_reader.objects.selection import Selected, Selection, words
from tfckpt_reader.objects.totals import ALL, NAMES
from tfckpt_reader.tensor.names import select
from tfckpt_reader.tensor.spec import TensorSpec, Unplaced
from tfckpt_reader.text import count_of, quoted, shortened

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.checkpoint import Checkpoint
    from tfckpt_reader.errors import CheckpointNotFoundError
    from tfckpt_reader.export.destination import Destination
    from tfckpt_reader.export.formats.base import Format
    from tfckpt_reader.export.transfer import OutputArray
    from tfckpt_reader.objects.roles import Role
    from tfckpt_reader.tensor.partitions import Partition


@dataclass(frozen=True, slots=True)
class Options:
    """Options of `convert`, under the names of its keyword arguments, and their defaults.

    The docstring of `convert` documents each.

    Raises:
        ValueError: no float can be cast to `cast`, or a role is unknown.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    strip_prefix: str = ""
    rename: Sequence[str] = ()
    names: Mapping[str, str] | str | None = None
    only: str | Sequence[str] = ()
    without: str | Sequence[str] = ()
    ema: bool = False
    allow_no_weights: bool = False
    cast: str | None = None
    raw: bool = False
    format: str | None = None
    compress: bool = False
    flat: bool = False
    chunk_size: int | None = None
    shards: int = 1
    partitions: Mapping[str, Partition] = field(default_factory=dict)
    force: bool = False
    skip_unsupported: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.cast is not None and self.cast not in CAST_TYPES:
            raise ValueError(f"cannot cast to {self.cast!r}, only to {', '.join(CAST_TYPES)}")
        _ = self.selection

    @property
    def selection(self) -> Selection:
        """The choice of tensors."""
        only, without = words(self.only), words(self.without)
        return Selection(self.include, self.exclude, only, without, self.ema)


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
    lost: tuple[str, ...]
    """Names of weights left out by patterns or roles, not by exact names."""
    roles: Mapping[str, Role]
    roles_by: str
    """Evidence for the roles."""


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
    to = destination.format
    view = ckpt.renamed(options.names if isinstance(options.names, str) else "key")
    roles, roles_by = _roles(ckpt, options)
    chosen = options.selection.apply(ckpt.specs, lambda: roles, view.name_of)
    selected, notes = _selected(ckpt, chosen, options, everything=to.is_checkpoint)
    _require_weights(ckpt, chosen, options)
    notes += view.notes_of(selected)
    names, without_effect = _named(ckpt, selected, view.name_of, options)
    if to.is_checkpoint and OBJECT_GRAPH in selected:
        names[OBJECT_GRAPH] = OBJECT_GRAPH
        notes += _leave_graph(selected, names)
    skipped = _refusals(selected, names, to, ())
    held = {name: spec for name, spec in selected.items() if name not in skipped}
    skipped |= _refusals(held, names, to, {to.collision_key(names[name]) for name in held})
    specs = {name: spec for name, spec in selected.items() if name not in skipped}
    refused = {} if options.skip_unsupported else skipped
    colliding = collisions({name: names[name] for name in specs}, to.collision_key)
    missing = missing_files(ckpt.reader, specs.values(), chosen=bool(options.include))
    _require_storable(destination, refused, colliding, missing)
    casts = _casts(specs, options.cast)
    arrays: list[OutputArray] = []
    for name, spec in specs.items():
        source = Source(spec, ckpt.reader, partial(ckpt.read, spec.name))
        if name == OBJECT_GRAPH and to.is_checkpoint:
            source = _graph_source(source, ckpt.specs, {each: names[each] for each in specs})
        arrays += _arrays(to, source, names[name], casts.get(name), raw=options.raw)
    reason = to.refusal_of_all(arrays, provenance)
    if reason:
        raise UnsupportedError(
            reason, file=destination.path, advice="Leave some out with --exclude"
        )
    notes += [*without_effect, *_split_strings(arrays)]
    return Plan(tuple(specs), arrays, skipped, notes, casts, chosen.lost, roles, roles_by)


def _roles(ckpt: Checkpoint, options: Options) -> tuple[Mapping[str, Role], str]:
    """Return the roles of the tensors, and their evidence: names alone where no option asks."""
    if options.selection.by_role or options.include or options.exclude:
        return ckpt.roles, ALL
    return by_names(ckpt.specs), NAMES


def _selected(
    ckpt: Checkpoint, chosen: Selected, options: Options, *, everything: bool
) -> tuple[dict[str, TensorSpec], list[str]]:
    """Return the tensors to write, and notes.

    Args:
        ckpt: The checkpoint.
        chosen: The tensors that its patterns and roles choose.
        options: Its patterns.
        everything: Do not leave out what other programs have no use for.
    """
    names, specs = list(chosen.sources), ckpt.specs.listed
    left_out: dict[str, list[str]] = {}
    for name in () if everything else names:
        contents = bookkeeping(name, specs[name].dtype)
        if contents is not None and name not in options.include:
            left_out.setdefault(contents, []).append(name)
    notes = [_left_out(contents, each) for contents, each in left_out.items()]
    unmatched = [each for each in options.partitions if not select(ckpt.specs, [each])]
    notes += [*chosen.notes, *(f"no tensor matches {pattern!r}" for pattern in unmatched)]
    kept = set(names).difference(*left_out.values())
    if not kept:
        raise _nothing_left(ckpt, notes, is_empty=len(names) == len(ckpt.specs))
    if everything and OBJECT_GRAPH in ckpt.specs and OBJECT_GRAPH not in names:
        graph = select([OBJECT_GRAPH], (), options.exclude)
        names, kept = [*graph, *names], kept.union(graph)
    sources = chosen.sources
    return {n: specs[sources.get(n, n)] for n in names if n in kept}, notes


def _named(
    ckpt: Checkpoint, selected: Iterable[str], names: Mapping[str, str], options: Options
) -> tuple[dict[str, str], list[str]]:
    """Return the name of each tensor in the destination, and notes about steps without effect."""
    listed = options.names if isinstance(options.names, Mapping) else {}
    begin = {key: names[key] for key in selected}
    after, notes = renamed(begin.values(), options.strip_prefix, options.rename, listed)
    absent = [name for name in listed if name not in ckpt.specs]
    notes = [*(f"there is no tensor {quoted(name)} to rename" for name in absent), *notes]
    return {key: after[name] for key, name in begin.items()}, notes


def _require_weights(ckpt: Checkpoint, chosen: Selected, options: Options) -> None:
    """Refuse to leave out all weights, unless every tensor to write is named exactly.

    Raises:
        UnsupportedError: no weight is left of a checkpoint that has some.
    """
    if not chosen.lost or chosen.has_weights or options.allow_no_weights:
        return
    raise UnsupportedError(
        f"no weight is left to write: {chosen.loss}",
        file=ckpt.reader.path,
        advice="Nothing was written. tfckpt ls --roles --names full shows what each tensor is; "
        "--allow-no-weights writes the others",
    )


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


def _require_storable(
    destination: Destination,
    refused: dict[str, str],
    colliding: dict[str, str],
    missing: CheckpointNotFoundError | None,
) -> None:
    """Raise one error about all tensors that cannot be stored, and all missing files."""
    if missing is not None and not (refused or colliding):
        raise missing
    reasons, advice = refused | colliding, ["Nothing was written"]
    if refused:
        advice.append("Leave unsupported tensors out with --exclude or --skip-unsupported")
    if refused and destination.format.advice:
        advice.append(destination.format.advice)
    if colliding:
        advice.append("Give colliding tensors other names with --rename or --map, or --exclude one")
    if missing is not None:
        advice.append(f"Besides, {missing}")
    if reasons:
        raise UnsupportedError(
            f"{count_of(len(reasons), 'tensor')} cannot be stored: "
            + "; ".join(f"{name!r}: {reason}" for name, reason in reasons.items()),
            file=destination.path,
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
    to: Format, source: Source, name: str, cast: Cast | None, *, raw: bool
) -> Iterable[OutputArray]:
    """Return the arrays for a tensor, with the cast that counts its damage."""
    arrays = to.arrays(source, name, cast, raw=raw)
    return arrays if cast is None else [replace(array, cast=cast) for array in arrays]


def _leave_graph(selected: dict[str, TensorSpec], names: Mapping[str, str]) -> list[str]:
    """Leave out an object graph of which no tensor has a key of an object any more; return notes.

    TensorFlow restores objects only from keys with their paths.
    """
    before = [name for name in selected if ATTRIBUTES in name]
    left = [name for name in before if ATTRIBUTES not in names[name]]
    if not left:
        return []
    if len(left) == len(before):
        del selected[OBJECT_GRAPH]
    counted = count_of(len(left), "tensor")
    return [f"{counted} left the object graph: the new names are no paths of objects"]


def _graph_source(
    graph: Source, keys: Mapping[str, TensorSpec], new_keys: Mapping[str, str]
) -> Source:
    """Return the object graph of the tensors that stay, under their new keys."""
    if graph.spec.shape or all(new_keys.get(key) == key for key in keys):
        return graph

    def read(**_: object) -> NDArray[Any]:
        import numpy as np

        (data,) = graph.read().flat
        with located(graph.reader.path, tensor=OBJECT_GRAPH):
            return np.array(edited_graph(data, keys, new_keys), object)

    return Source(TensorSpec(Unplaced(OBJECT_GRAPH, graph.spec.dtype, ())), graph.reader, read)


def _split_strings(arrays: Sequence[OutputArray]) -> list[str]:
    """Return a note for each tensor of strings in two arrays."""
    return [
        f"{one.spec.name}: strings of shape {list(one.spec.shape)}, "
        f"stored as {one.name} and {other.name}"
        for one, other in pairwise(arrays)
        if one.spec is other.spec and one.name != other.name
    ]
