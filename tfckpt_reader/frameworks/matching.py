"""Which stored tensor belongs to which weight of a model: by name, by order, by shape.

Knows names and shapes only, no file and no framework.

A wrong match is worse than none. A way of matching counts if it gives each weight one tensor of its
shape; where two ways count, they must agree.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.text import count_of, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Shape = tuple[int, ...]
_LAST = {"depthwise_kernel": "kernel", "weights": "kernel", "biases": "bias"}
"""Last part of a name in Keras 2 or TF-Slim -> that in Keras 3."""
_NUMBER = re.compile(r"(.*?)(?:_(\d{1,9}))?")


class Weight(NamedTuple):
    """A weight of the model, or a tensor of the checkpoint under one of its names."""

    name: str
    shape: Shape
    key: str = ""
    """Of the tensor."""

    def __str__(self) -> str:
        return f"{quoted(self.name)} {list(self.shape)}"

    @property
    def last(self) -> str:
        """Last part of the name: "kernel", "bias"; "" for a number, which says nothing."""
        last = self.name.rsplit("/", 1)[-1]
        return "" if last.isdecimal() else _LAST.get(last, last)


@dataclass(slots=True)
class Way:
    """A way of matching: what it found, and what it lacks."""

    how: str
    """"name", "object_path", "order" or "shape"."""
    tensors: dict[int, Weight] = field(default_factory=dict)
    """Number of a weight of the model -> its tensor."""
    problems: list[str] = field(default_factory=list)
    """Reasons that it gives no weight or not all, in a few words each."""
    doubtful: bool = False
    """Whether what it found may be wrong, so that nothing of it may be used."""
    reach: int = 0
    """Number of weights that any object was found for, right or wrong."""
    ambiguous: bool = False
    """Whether it gives every weight a tensor, and in more than one manner."""

    def __str__(self) -> str:
        first, *others = self.problems
        more = f" and {count_of(len(others), 'other')}" if others else ""
        return f"by {self.label}: {first}{more}"

    @property
    def label(self) -> str:
        """Its name, for messages."""
        return self.how.replace("_", " ")

    def refuse(self, problem: str) -> None:
        """Note a problem because of which nothing of it may be used."""
        self.problems.insert(0, problem)
        self.doubtful = True


def by_name(wanted: Sequence[Weight], stored: Iterable[Weight]) -> Way:
    """Match equal names; tensors that share one must be told apart before.

    A name with another shape gives no match. If only some names are equal, layers numbered
    automatically may have been numbered from elsewhere: dense and dense_1 then are dense_1 and
    dense_2, and dense_1 must not get the tensor of its name.
    """
    way, named, asked = Way("name"), defaultdict(list), defaultdict(list)
    for tensor in stored:
        named[tensor.name].append(tensor)
    for number, weight in enumerate(wanted):
        asked[weight.name].append(number)
    for number, weight in enumerate(wanted):
        tensors = named.get(weight.name, [])
        if len(asked[weight.name]) > 1:
            way.problems.append(f"several weights of the model are called {quoted(weight.name)}")
        elif not tensors:
            way.problems.append(f"no tensor is called {quoted(weight.name)}")
        elif len(tensors) > 1:
            keys = ", ".join(quoted(tensor.key) for tensor in tensors[:3])
            way.problems.append(f"several tensors are called {quoted(weight.name)}: {keys}")
        else:
            _add(way, number, weight, tensors[0])
    if way.problems and way.tensors:
        shifted = _shifted((weight.name for weight in wanted), named)
        if shifted:
            way.refuse(f"numbers differ in the layers {shifted}")
    return way


def _add(way: Way, number: int, weight: Weight, tensor: Weight) -> bool:
    """Match a weight and a tensor if their shapes are equal."""
    if weight.shape != tensor.shape:
        way.problems.append(f"{weight} of the model is {tensor} in the checkpoint")
        return False
    way.tensors[number] = tensor
    return True


def _shifted(ours: Iterable[str], theirs: Iterable[str]) -> str | None:
    """Return a family of numbered layers whose lowest numbers differ on the two sides."""
    low, high = _lowest_numbers(ours), _lowest_numbers(theirs)
    for family in low.keys() & high.keys():
        if low[family] != high[family]:
            both = [f"{family}{f'_{n}' if n else ''}" for n in (low[family], high[family])]
            return f"from {quoted(both[0])} in the model, from {quoted(both[1])} in the checkpoint"
    return None


def _lowest_numbers(names: Iterable[str]) -> dict[str, int]:
    lowest: dict[str, int] = {}
    for name in names:
        parts = name.split("/")[:-1]
        for count, part in enumerate(parts):
            base, number = _NUMBER.fullmatch(part).groups()  # type: ignore[union-attr]
            family = "/".join([*parts[:count], base])
            lowest[family] = min(lowest.get(family, 1 << 30), int(number or 0))
    return lowest


def by_order(wanted: Sequence[Weight], stored: Sequence[Weight]) -> Way:
    """Match two lists in their order: as long as each other, and equal in every shape.

    The last parts of names must be equal, too: gamma and beta have one shape.
    """
    way = Way("order")
    if len(wanted) != len(stored):
        way.problems.append(
            f"the model has {count_of(len(wanted), 'weight')}, the checkpoint lists {len(stored)}"
        )
    else:
        for number, (weight, tensor) in enumerate(zip(wanted, stored, strict=True)):
            if tensor.last and weight.last != tensor.last:
                way.problems.append(f"weight {number} is {weight} here and {tensor} there")
            else:
                _add(way, number, weight, tensor)
    if way.problems:
        way.doubtful = True
    return way


def by_training_order(
    wanted: Sequence[Weight], trainable: Sequence[int], stored: Sequence[Weight], objects: Way
) -> Way:
    """Match the trainable weights, given by their numbers, in order, and the others by objects.

    It must not contradict any object that was found.
    """
    way = by_order([wanted[number] for number in trainable], stored)
    way.tensors = {trainable[number]: tensor for number, tensor in way.tensors.items()}
    known = {} if objects.doubtful else objects.tensors
    for number in set(range(len(wanted))) - set(trainable):
        if number in known:
            way.tensors[number] = known[number]
        else:
            way.refuse(f"no optimizer lists, and no saved object is {wanted[number]}")
    conflict = disagreement(wanted, [way, objects]) if known else None
    if conflict:
        way.refuse(conflict)
    return way


def by_shape(wanted: Sequence[Weight], stored: Sequence[Weight]) -> Way:
    """Match what has the same last part of its name and a shape that no other has."""
    way = Way("shape")
    groups: Mapping[tuple[str, Shape], list[Weight]] = defaultdict(list)
    for tensor in stored:
        groups[tensor.last, tensor.shape].append(tensor)
    for number, weight in enumerate(wanted):
        tensors = groups.get((weight.last, weight.shape), [])
        if len(tensors) != 1:
            kind = f"a {quoted(weight.last)} {list(weight.shape)}"
            way.refuse(f"{count_of(len(tensors), 'tensor')} of the checkpoint could be {kind}")
        else:
            way.tensors[number] = tensors[0]
    if len({tensor.key for tensor in way.tensors.values()}) < len(way.tensors):
        way.refuse("several weights of the model have one shape")
    elif not way.problems and len(stored) != len(wanted):
        way.refuse(f"{count_of(len(stored) - len(wanted), 'tensor')} would be left")
    return way


def by_objects(wanted: Sequence[Weight], found: Mapping[int, Sequence[Weight]]) -> Way:
    """Match what a walk over the objects found: number of a weight -> tensors of its object."""
    way = Way("object_path", reach=len(found))
    for number, weight in enumerate(wanted):
        tensors = found.get(number, ())
        if len(tensors) > 1:
            way.refuse(f"{weight} is both {tensors[0]} and {tensors[1]}")
        elif not tensors:
            way.problems.append(f"no saved object is {weight}")
        elif not _add(way, number, weight, tensors[0]):
            way.doubtful = True
    return way


def disagreement(wanted: Sequence[Weight], ways: Sequence[Way]) -> str | None:
    """Say where two ways give a weight different tensors; None if they never do."""
    for way in ways[1:]:
        for number in sorted(way.tensors.keys() & ways[0].tensors.keys()):
            one, other = ways[0].tensors[number], way.tensors[number]
            if one.key != other.key:
                return (
                    f"{wanted[number]} of the model is {one}, key {quoted(one.key)}, by "
                    f"{ways[0].label}, but {other}, key {quoted(other.key)}, by {way.label}"
                )
    return None
