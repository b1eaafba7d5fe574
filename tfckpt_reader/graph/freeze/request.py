"""The part of a graph to freeze: what was asked for, else the signature, else a guess.

Knows no graph.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from tfckpt_reader.errors import TensorNotFoundError
from tfckpt_reader.graph.decode.operation import tensor_name
from tfckpt_reader.graph.infer.endpoints import Endpoint, signed_endpoints
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tfckpt_reader.graph.decode.signatures import Signature
    from tfckpt_reader.tensor.dtypes import DataType


class Options(TypedDict, total=False):
    """How to freeze."""

    fold_defaults: bool
    """Replace placeholders that have a default value by it."""
    given: Mapping[str, float]
    """Placeholder -> the number or truth value that takes its place."""
    inference: bool
    """Switch training and dropout off: give the placeholders for them the values they need."""
    keep_tables: bool
    """Keep lookup tables, and the operations that fill them."""
    average: bool
    """Use the moving averages of variables where the values have them."""
    cast: DataType | None
    """Type to store floating-point weights in; None: their own."""


@dataclass(frozen=True, slots=True)
class Request:
    """The part of a graph to freeze."""

    outputs: Sequence[str]
    """Names of tensors."""
    inputs: Sequence[str]
    """Tensors at which the graph begins anew, beside its placeholders and its input pipeline."""
    reason: str
    """The source of the outputs, or the reason for a guess."""
    around: Sequence[str] = ()
    """The outputs of the model: those asked for may be inside of functions that these call."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Tensor -> its name in the signature."""


def request(
    signatures: Mapping[str, Signature],
    likely: Callable[[], Sequence[Endpoint]],
    outputs: Sequence[str] | None,
    inputs: Sequence[str] | None,
    signature: str | None,
) -> Request:
    """Return the part to freeze.

    Args:
        signatures: Key -> signature.
        likely: Returns likely outputs of the model, the best first.
        outputs: Those asked for; None for those of the signature, or the best.
        inputs: Those asked for; None for those of the signature if the outputs are, too.
        signature: Key of the signature; None for the default one.

    Raises:
        TensorNotFoundError: there is no such signature.
    """
    if signature is not None and signature not in signatures:
        listed = ", ".join(signatures) or "none"
        problem = f"there is no signature {quoted(signature)}"
        raise TensorNotFoundError(problem, advice=f"There is: {listed}")
    chosen = signatures if signature is None else {signature: signatures[signature]}
    signed = signed_endpoints(chosen)
    around = [end.name for end in signed.outputs if end.name] if signed else []
    if outputs:
        return Request(outputs, inputs or (), "asked for", around)
    if signed is None:
        best = likely()[:1]
        reason = "".join(end.reason for end in best)
        return Request([end.name for end in best], inputs or (), reason)
    aliases = {tensor_name(end.name): end.alias for ends in signed for end in ends if end.name}
    given = [end.name for end in signed.inputs if end.name] if inputs is None else inputs
    return Request(around, given, signed.outputs[0].reason if around else "", around, aliases)
