"""The text of TensorFlow's ``inspect_checkpoint``.

TensorFlow ``python/tools/inspect_checkpoint.py``.
"""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from math import prod
from typing import TYPE_CHECKING, Any

from tfckpt_reader.compat.errors import InternalError
from tfckpt_reader.compat.reader import NewCheckpointReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfckpt_reader.compat.reader import CheckpointReader

_TRUE, _FALSE = ("true", "t", "1"), ("false", "f", "0")


def inspected(
    reader: CheckpointReader,
    tensor_name: str = "",
    *,
    all_tensors: bool = False,
    all_tensor_names: bool = False,
    count_exclude_pattern: str = "",
) -> Iterator[str]:
    """Yield the text that TensorFlow prints, a call of ``print`` at a time.

    Args:
        reader: The checkpoint.
        tensor_name: Print this tensor.
        all_tensors: Print all tensors, whatever `tensor_name` is.
        all_tensor_names: Print all names, dtypes and shapes.
        count_exclude_pattern: Regular expression for names that are left out of the count.

    Raises:
        OpError: a tensor is damaged.
        ValueError: the pattern is no regular expression.
    """
    shapes = reader.get_variable_to_shape_map()
    if all_tensors or all_tensor_names:
        dtypes = reader.get_variable_to_dtype_map()
        for name in sorted(shapes):
            yield f"tensor: {name} ({dtypes[name].name}) {shapes[name]}"
            if all_tensors:
                yield _value(reader, name)
    elif not tensor_name:
        yield reader.debug_string().decode("utf-8", errors="ignore")
    elif not reader.has_tensor(tensor_name):
        yield f"Tensor {tensor_name} not found in checkpoint"
        return
    else:
        dtype = reader.get_variable_to_dtype_map()[tensor_name]
        yield f"tensor: {tensor_name} ({dtype.name}) {shapes[tensor_name]}"
        yield str(reader.get_tensor(tensor_name))
    yield from _count(shapes, count_exclude_pattern)


def _value(reader: CheckpointReader, name: str) -> str:
    try:
        return str(reader.get_tensor(name))
    except InternalError:
        return "<not convertible to a numpy dtype>"


def _count(shapes: dict[str, list[int]], exclude: str) -> Iterator[str]:
    sizes = {name: prod(shape) for name, shape in shapes.items()}
    total = sum(sizes.values())
    if exclude:
        try:
            excluded = [size for name, size in sizes.items() if re.search(exclude, name)]
        except re.error as error:
            raise ValueError(f"{exclude!r} is no regular expression: {error}") from error
        total -= sum(excluded)
        params = f"{len(excluded)} tensors ({sum(excluded)} params)"
        yield f"# Excluding {params} that match {exclude} when counting."
    yield f"# Total number of params: {total}"


def print_tensors_in_checkpoint_file(
    file_name: str,
    tensor_name: str,
    all_tensors: bool,  # noqa: FBT001
    all_tensor_names: bool = False,  # noqa: FBT001, FBT002
    count_exclude_pattern: str = "",
) -> None:
    """Print tensors of a checkpoint, or their names.

    Unlike TensorFlow's function, it raises its errors instead of printing them.
    """
    for text in inspected(
        NewCheckpointReader(file_name),
        tensor_name,
        all_tensors=all_tensors,
        all_tensor_names=all_tensor_names,
        count_exclude_pattern=count_exclude_pattern,
    ):
        print(text)  # noqa: T201


def parse_numpy_printoption(kv_str: str) -> dict[str, Any]:
    """Return an option of ``numpy.set_printoptions``, given as ``name=value``.

    Raises:
        ArgumentTypeError: there is no such option, or its value cannot be given as text.
    """
    import numpy as np

    name, equals, text = kv_str.partition("=")
    if not (name and equals):
        raise ArgumentTypeError(f"'{kv_str}' is not in the form k=v.")
    options = dict(np.get_printoptions())
    if name not in options:
        raise ArgumentTypeError(f"'{name}' is not a valid printoption.")
    if options[name] is None:
        raise ArgumentTypeError(f"Setting '{name}' from the command line is not supported.")
    kind: Any = type(options[name])
    try:
        return {name: _boolean(text) if kind is bool else kind(text)}
    except ValueError as error:
        raise ArgumentTypeError(f"'{text}' is no value of '{name}'.") from error


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError(text)
    return text.lower() in _TRUE
