"""Names of tensors and of the operations they come from.

Rank 1: knows no graph. FORMAT 5.5.

An input is ``name`` (output 0), ``name:k`` or ``^name`` (control); in the body of a function it is
``name:output:k`` or the plain name of an argument. No operation's name has a colon in it.
"""

from __future__ import annotations

_LONGEST_NUMBER = 10


def full_input(name: str, *, in_function: bool = False) -> str:
    """Return the full name of the tensor that an input names: ``x`` is ``x:0``, but in functions.

    A number is written shortly: ``x:00`` is ``x:0``.
    """
    if in_function:
        return name
    node, colon, index = name.rpartition(":")
    if not colon:
        return name + ":0"
    number = output_number(index)
    return name if number is None else f"{node}:{number}"


def output_number(text: str) -> int | None:
    """Return the number of an output; None if the text is none."""
    good = text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER
    return int(text) if good else None


def producer_of(tensor: str) -> str:
    """Return the name of the operation that a tensor comes from, by the tensor's name."""
    return tensor.partition(":")[0]
