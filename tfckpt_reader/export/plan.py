"""What a conversion is going to write: which tensors, under which names, in which form.

Reads no numbers and writes nothing. All that cannot be done is said here, at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.errors import TensorNotFoundError, UnsupportedError
from tfckpt_reader.export.arrays import Form, Stored, numeric
from tfckpt_reader.export.elements import TARGETS, Cast, is_floating
from tfckpt_reader.export.formats import npy, npz, safetensors
from tfckpt_reader.export.formats import npy_folder as folder
from tfckpt_reader.export.rename import Rule, collisions, target_names
from tfckpt_reader.objects.object_graph import OBJECT_GRAPH
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.names import select
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from tfckpt_reader.checkpoint import Checkpoint
    from tfckpt_reader.tensor.spec import TensorSpec


class Format(NamedTuple):
    """What a format does with the tensors that were chosen.

    What writes it takes the file, or the path of an empty folder, the reader, the arrays, what is
    told the bytes read, and what the format says about itself, if it does.
    """

    end: str
    """Of a target's name."""
    why_refused: Callable[[str, TensorSpec, Container[str]], str | None]
    """Says why it cannot hold a tensor under a name, beside others whose names, or what `same`
    makes of them, come last."""
    form: Callable[..., Form | None]
    """How it stores numbers of a dtype."""
    write: Callable[..., None]
    write_deflated: Callable[..., None] | None = None
    """Writes it compressed, if it can be."""
    is_folder: bool = False
    says_about: bool = False
    """Whether it holds what it was made from, and by what."""
    same: Callable[[str], str] = str
    """Returns what two target names may not have in common."""
    too_much: Callable[[Sequence[Stored], Mapping[str, str]], str | None] = lambda *_: None
    """Says why it cannot hold all of the arrays together."""


FORMATS = {
    "npz": Format(".npz", npz.why_refused, npy.form, npz.write, npz.write_deflated),
    "safetensors": Format(
        ".safetensors",
        safetensors.why_refused,
        safetensors.form,
        safetensors.write,
        says_about=True,
        too_much=safetensors.too_much,
    ),
    "npy": Format(
        "/",
        folder.why_refused,
        npy.form,
        folder.write,
        is_folder=True,
        says_about=True,
        same=folder.same,
    ),
}
"""What a format is called -> itself."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for; see `convert`."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    strip_prefix: str = ""
    rename: Sequence[str] = ()
    names: Mapping[str, str] | None = None
    cast: str | None = None
    raw: bool = False
    skip_unsupported: bool = False

    def __post_init__(self) -> None:
        if self.cast is not None and self.cast not in TARGETS:
            raise ValueError(f"cannot cast to {self.cast!r}, only to {', '.join(TARGETS)}")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is going to be written."""

    targets: dict[str, str]
    """Name of each tensor -> what it is called in the target."""
    arrays: tuple[Stored, ...]
    skipped: dict[str, str]
    """Name -> why it is left out."""
    notes: tuple[str, ...]
    casts: dict[str, Cast]
    """Name -> what counts its overflows."""


def make_plan(
    ckpt: Checkpoint, target: str, to: Format, options: Options, about: Mapping[str, str]
) -> Plan:
    """Choose and name the tensors, and find each one's form.

    Raises:
        TensorNotFoundError: no tensor is left.
        UnsupportedError: some cannot be stored, or would share a name; all are named.
        ValueError: an option makes no sense.
    """
    specs, notes = _selected(ckpt, options.include, options.exclude)
    rules = [Rule.parse(text) for text in options.rename]
    listed = options.names or {}
    notes += [f"there is no tensor {name!r} to rename" for name in listed if name not in ckpt.specs]
    notes += _without_effect(specs, options.strip_prefix, rules)
    targets = target_names(
        specs, strip_prefix=options.strip_prefix, rules=rules, listed=options.names
    )
    skipped = _refusals(specs, targets, to, ())
    held = {name: spec for name, spec in specs.items() if name not in skipped}
    skipped |= _refusals(held, targets, to, {to.same(targets[name]) for name in held})
    clashing = collisions({n: targets[n] for n in held if n not in skipped}, to.same)
    unheld = {} if options.skip_unsupported else skipped
    if unheld or clashing:
        raise _refused(target, unheld, clashing)
    casts: dict[str, Cast] = {}
    arrays: list[Stored] = []
    for name, spec in specs.items():
        if name not in skipped:
            arrays += _stored(ckpt, spec, targets[name], to, options, casts)
    too_much = to.too_much(arrays, about)
    if too_much:
        raise UnsupportedError(too_much, file=target, advice="Leave some out with --exclude")
    written = {name: targets[name] for name in specs if name not in skipped}
    return Plan(written, tuple(arrays), skipped, (*notes, *_in_two(arrays)), casts)


def _refusals(
    specs: Mapping[str, TensorSpec], targets: Mapping[str, str], to: Format, names: Container[str]
) -> dict[str, str]:
    """Return which tensors a format cannot hold beside others of some names: name -> why."""
    found = {name: to.why_refused(targets[name], spec, names) for name, spec in specs.items()}
    return {name: why for name, why in found.items() if why}


def _selected(
    ckpt: Checkpoint, include: Sequence[str], exclude: Sequence[str]
) -> tuple[dict[str, TensorSpec], list[str]]:
    names = select(ckpt.specs, include, exclude)
    notes = []
    if OBJECT_GRAPH in names and OBJECT_GRAPH not in include:
        names.remove(OBJECT_GRAPH)
        notes.append(f"1 tensor left out: {OBJECT_GRAPH}, which holds no weights")
    unmatched = [pattern for pattern in (*include, *exclude) if not select(ckpt.specs, [pattern])]
    notes += [f"no tensor matches {pattern!r}" for pattern in unmatched]
    if not names:
        raise TensorNotFoundError(
            f"of {count_of(len(ckpt.specs), 'tensor')} none is left to write",
            file=ckpt.reader.path,
            advice="; ".join([*notes, "list them with: tfckpt ls"]),
        )
    return {name: ckpt.specs[name] for name in names}, notes


def _without_effect(names: Iterable[str], strip_prefix: str, rules: Sequence[Rule]) -> list[str]:
    """Return a line for each way of renaming that renames nothing: likely it is mistyped."""
    found, notes = list(names), []
    if not any(name.startswith(strip_prefix) for name in found):
        notes.append(f"no name begins with {strip_prefix!r}")
    found = [name.removeprefix(strip_prefix) for name in found]
    for rule in rules:
        if not any(rule.pattern.search(name) for name in found):
            notes.append(f"in no name {rule.pattern.pattern!r} is found")
        found = [rule.pattern.sub(rule.replacement, name) for name in found]
    return notes


def _stored(
    ckpt: Checkpoint,
    spec: TensorSpec,
    name: str,
    to: Format,
    options: Options,
    casts: dict[str, Cast],
) -> tuple[Stored, ...]:
    if spec.dtype is DataType.STRING:
        return npy.strings(name, spec, partial(ckpt.read, spec.name, check=True))
    wanted = TARGETS.get(options.cast or "")
    cast = None
    if wanted not in (None, spec.dtype) and is_floating(spec.dtype):
        casts[spec.name] = cast = Cast(spec.dtype, wanted)
    form = to.form(spec.dtype if cast is None else wanted, raw=options.raw)
    if form is None:
        raise UnsupportedError(f"the format has no form for {spec.dtype}", tensor=spec.name)
    if cast is None:
        return (numeric(name, spec, form),)
    change = cast if form.change is None else _chain(cast, form.change)
    return (numeric(name, spec, form._replace(change=change)),)


def _chain(first: Cast, then: Callable[[memoryview], memoryview]) -> Callable[..., memoryview]:
    return lambda piece: then(first(piece))


def _in_two(arrays: Sequence[Stored]) -> list[str]:
    """Return a line for each tensor of strings that is stored in two arrays."""
    names: dict[str, list[str]] = {}
    for stored in arrays:
        names.setdefault(stored.spec.name, []).append(stored.name)
    shapes = {stored.spec.name: list(stored.spec.shape) for stored in arrays}
    return [
        f"{name}: strings of shape {shapes[name]}, stored as {' and '.join(both)}"
        for name, both in names.items()
        if len(both) > 1
    ]


def _refused(target: str, unheld: dict[str, str], clashing: dict[str, str]) -> UnsupportedError:
    refused, advice = unheld | clashing, ["Nothing was written"]
    if unheld:
        advice.append("Leave out what cannot be held with --exclude or --skip-unsupported")
    if clashing:
        advice.append("Name what clashes otherwise with --rename or --map, or --exclude it")
    return UnsupportedError(
        f"{count_of(len(refused), 'tensor')} cannot be stored: "
        + "; ".join(f"{name!r}: {why}" for name, why in refused.items()),
        file=target,
        advice=". ".join(advice),
    )
