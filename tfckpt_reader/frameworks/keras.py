"""Filling the weights of a Keras 3 model, whatever its backend, from a checkpoint.

Imports nothing: the model brings its framework along.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfckpt_reader.checkpoint import open  # noqa: A004 - the verb of that module
from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.frameworks.matching import (
    Way,
    Weight,
    by_name,
    by_objects,
    by_order,
    by_shape,
    by_training_order,
    disagreement,
)
from tfckpt_reader.frameworks.stored_weights import StoredWeights
from tfckpt_reader.tensor.dtypes import DataType, to_numpy
from tfckpt_reader.text import count_of, quoted, shortened

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.checkpoint import Checkpoint

WAYS = ("name", "object_path", "order", "shape")
"""How weights are matched, the surest first."""
_SOURCES = {"object_path": "no object graph", "order": "no order of its weights"}


@dataclass(frozen=True, slots=True)
class Filled:
    """A weight that got a value."""

    variable: str
    """Its path in the model."""
    tensor: str
    """Key of the tensor."""
    how: str
    """One of `WAYS`."""


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """The result of `load_weights`; as text, a line for people."""

    filled: tuple[Filled, ...]
    unfilled: tuple[str, ...]
    """Paths of weights of the model that kept their values; empty if `strict`."""
    unused: tuple[str, ...]
    """Keys of weights of the checkpoint that the model has no place for; empty if `strict`."""
    notes: tuple[str, ...]
    """Values that were rounded, and the checkpoint's own notes, a line each."""

    def __str__(self) -> str:
        counts = {how: sum(each.how == how for each in self.filled) for how in WAYS}
        parts = [
            f"{count_of(count, 'weight')} by {how.replace('_', ' ')}"
            for how, count in counts.items()
            if count
        ]
        parts += [f"not filled: {', '.join(self.unfilled)}"] if self.unfilled else []
        parts += [f"not used: {', '.join(self.unused)}"] if self.unused else []
        return "; ".join([*parts, *self.notes])


def load_weights(
    model: Any,
    path: str | os.PathLike[str] | bytes,
    strict: bool = True,  # noqa: FBT001, FBT002 - as PyTorch's load_state_dict has it
    *,
    by: str | None = None,
    root: str | None = None,
) -> LoadedWeights:
    """Fill the weights of a Keras 3 model from a checkpoint or SavedModel of any Keras.

    A weight belongs to the tensor with its path as full name; or of the saved object at its place
    in the model; or at its place in the stored list of weights; or to the only tensor of its shape
    and kind. A way counts if it gives every weight one tensor of the same shape. If several ways
    count, they must agree. All tensors are read, and their crcs compared, before any is assigned.

    Weights are what ``model.weights`` lists: no state of optimizers, metrics or random numbers.

    Args:
        model: The model, built.
        path: The checkpoint, as for `tfckpt_reader.open`.
        strict: Require a tensor for each weight, and that none of the checkpoint's weights is left.
            Otherwise fill those that names and saved objects give, where they do not contradict.
        by: The one way to go: "name", "object_path", "order" or "shape". Default: all.
        root: Path of the saved object, or name scope, that is the model: "generator". Default:
            found out.

    Raises:
        UnsupportedError: model and checkpoint do not fit, or fit in several ways; or a number does
            not fit into the type of a weight. The model is unchanged.
        ValueError: the model has no weights yet, is of another Keras, or `by` is unknown.
        CheckpointError: as for `tfckpt_reader.open` and reading. The model is unchanged.
    """
    variables, wanted = _weights_of(model)
    if by not in (None, *WAYS):
        raise ValueError(f"by is one of {', '.join(WAYS)}, not {by!r}")
    with open(path) as ckpt:
        stored = StoredWeights(ckpt, root)
        try:
            chosen = _chosen(wanted, _ways(model, variables, wanted, stored, by), strict=strict)
            unused = _unused(chosen, stored, strict=strict)
        except UnsupportedError as error:
            error.file = ckpt.reader.path
            raise
        notes = list(ckpt.notes)
        arrays = {
            number: _fitting(ckpt, tensor.key, variables[number], notes)
            for number, (tensor, _) in chosen.items()
        }
    for number, array in arrays.items():
        variables[number].assign(array)
    return LoadedWeights(
        tuple(Filled(wanted[n].name, tensor.key, how) for n, (tensor, how) in chosen.items()),
        tuple(weight.name for n, weight in enumerate(wanted) if n not in chosen),
        tuple(unused),
        tuple(notes),
    )


def _weights_of(model: Any) -> tuple[Sequence[Any], list[Weight]]:
    """Return the variables that are weights, and their names and shapes."""
    variables = list(getattr(model, "weights", ()))
    if not variables:
        raise ValueError("the model has no weights yet: build it, or call it once")
    if not all(hasattr(variable, "path") for variable in variables):
        raise ValueError("this is no model of Keras 3: its weights have no path")
    return variables, [Weight(each.path, tuple(map(int, each.shape))) for each in variables]


def _ways(
    model: Any,
    variables: Sequence[Any],
    wanted: Sequence[Weight],
    stored: StoredWeights,
    by: str | None,
) -> list[Way]:
    """Return what each way gives, the surest first; by shape only if no other gives all."""
    trainable = [number for number, variable in enumerate(variables) if variable.trainable]

    def objects() -> Way:
        tried = [by_objects(wanted, found) for found in stored.objects(model, variables)]
        return _best("object_path", wanted, tried)

    def order() -> Way:
        tried = [by_order(wanted, listed) for listed in stored.orders] or [
            by_training_order(wanted, trainable, listed, objects()) for listed in stored.trained
        ]
        return _best("order", wanted, tried)

    tries: dict[str, Callable[[], Way]] = {
        "name": lambda: by_name(wanted, stored.tensors.values()),
        "object_path": objects,
        "order": order,
        "shape": lambda: by_shape(wanted, stored.weights),
    }
    ways: list[Way] = []
    for how in WAYS if by is None else (by,):
        if by or how != "shape" or all(way.problems for way in ways):
            ways.append(tries[how]())
    return ways


def _best(how: str, wanted: Sequence[Weight], tried: Sequence[Way]) -> Way:
    """Return the try that finds the most weights: the model may be one of several saved objects."""
    if not tried:
        return Way(how, problems=[f"the checkpoint stores {_SOURCES[how]}"])
    best = min(tried, key=lambda way: (-way.reach, way.doubtful, -len(way.tensors)))
    equals = [way for way in tried if way.reach == best.reach and not way.doubtful]
    conflict = disagreement(wanted, equals or [best])
    if conflict:
        best.ambiguous = not best.problems
        best.refuse(f"several saved objects fit, choose one with root=: {conflict}")
    return best


def _chosen(
    wanted: Sequence[Weight], ways: Sequence[Way], *, strict: bool
) -> dict[int, tuple[Weight, str]]:
    """Return number of a weight -> its tensor, and the surest way that leads to it.

    Raises:
        UnsupportedError: no way gives all, or not any if not `strict`; or two ways differ.
    """
    complete = [way for way in ways if not way.problems]
    used = complete or [way for way in ways if way.tensors and not way.doubtful and not strict]
    if not used or any(way.ambiguous for way in ways):
        raise UnsupportedError(
            f"the {count_of(len(wanted), 'weight')} of the model do not match the checkpoint: "
            + "; ".join(str(way) for way in ways if way.problems),
            advice="Nothing was assigned",
        )
    conflict = disagreement(wanted, used)
    if conflict:
        ways_found = " or ".join(f"by={way.how!r}" for way in used)
        raise UnsupportedError(
            f"the model matches the checkpoint in several ways: {conflict}",
            advice=f"Nothing was assigned. Choose {ways_found}",
        )
    sure = [way for way in ways if not way.doubtful]
    tensors = {n: tensor for way in used for n, tensor in way.tensors.items()}
    return {
        n: (tensor, next(way.how for way in sure if way.tensors.get(n) == tensor))
        for n, tensor in sorted(tensors.items())
    }


def _unused(
    chosen: Mapping[int, tuple[Weight, str]], stored: StoredWeights, *, strict: bool
) -> list[str]:
    """Return the keys of weights of the checkpoint that no weight of the model got.

    Raises:
        UnsupportedError: there are some, and `strict`.
    """
    unused = stored.left_over(tensor for tensor, _ in chosen.values())
    if unused and strict:
        raise UnsupportedError(
            f"the model has no place for {count_of(len(unused), 'weight')} of the checkpoint: "
            + shortened(", ".join(map(str, unused))),
            advice="Nothing was assigned. Pass strict=False to leave them, or root= for one model",
        )
    return [tensor.key for tensor in unused]


def _fitting(ckpt: Checkpoint, key: str, variable: Any, notes: list[str]) -> NDArray[Any]:
    """Read a tensor in the type of a variable; note it if that rounds.

    Raises:
        UnsupportedError: a number does not fit into the type.
    """
    import numpy as np

    array = ckpt.read(key)
    dtype = to_numpy(DataType[str(variable.dtype).upper()])
    if array.dtype == dtype:
        return array
    with np.errstate(all="ignore"):
        cast = array.astype(dtype)
        back = cast.astype(array.dtype)
    floats = all(_is_float(each) for each in (array, cast))
    if np.array_equal(back, array, equal_nan=floats):
        return cast
    infinite = floats and bool((~np.isfinite(cast.astype("f4")) & np.isfinite(array)).any())
    if not floats or infinite:
        raise UnsupportedError(
            f"{quoted(variable.path)} of the model is {dtype}, which cannot hold the values of "
            f"{array.dtype}",
            tensor=key,
            file=ckpt.reader.path,
        )
    notes.append(f"{variable.path}: rounded from {array.dtype} to {dtype}")
    return cast


def _is_float(array: NDArray[Any]) -> bool:
    return array.dtype.kind == "f" or "float" in array.dtype.name
