"""Likely inputs of a model without a signature.

Knows no file; sees operations by number.

An input is a placeholder needed by the outputs, or else a tensor from the graph's own input
pipeline. Rates and switches are placeholders too: with a single value, or with an unknown shape and
used only in arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.graph.decode.operation import attribute_of, split_name
from tfckpt_reader.graph.infer.op_roles import ARITHMETIC, PLACEHOLDERS
from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tfckpt_reader.graph.infer.dataflow import Flow
    from tfckpt_reader.graph.infer.likely import ModelOutputs
    from tfckpt_reader.graph.infer.op_roles import Role

_FEATURE = "a placeholder that the likeliest outputs need"
_ANOTHER = "a placeholder that less likely outputs need"
_RATE = "a placeholder of unknown shape that outputs need only to calculate with: a rate, perhaps"
_SETTING = "a placeholder of a single value that outputs need: a switch, a size or a rate, perhaps"
_GIVEN = "outputs need it; the graph's own input pipeline gives it"
_FEEDS = "a placeholder that only the graph's own input pipeline uses"
_LABELS = "a placeholder that only losses and metrics need: labels, perhaps"
_GIVEN_LABELS = "only losses and metrics need it; the graph's own input pipeline gives it"
_TRAINS = "a placeholder that only training uses"
_ASIDE = "a placeholder that no likely output needs"
_UNUSED = "a placeholder that nothing uses"
_INPUT_RANKS = (
    *(_FEATURE, _ANOTHER, _RATE, _SETTING, _GIVEN, _FEEDS, _LABELS, _GIVEN_LABELS),
    *(_TRAINS, _ASIDE, _UNUSED),
)
_REASONS: Mapping[Role, str] = {"feeding": _FEEDS, "training": _TRAINS}


def find_inputs(
    flow: Flow, roles: Mapping[int, Role], outputs: ModelOutputs
) -> list[tuple[int, str, str]]:
    """Return likely inputs, the likeliest first: operation, tensor, and reason.

    Args:
        flow: The operations, with the edges cut by `outputs`.
        roles: Number of an auxiliary operation -> its role.
        outputs: The likely outputs.
    """
    groups = (outputs.likeliest, outputs.likely, outputs.scoring)
    first, needed, scored = (flow.reach(group, flow.sources, lambda _: True) for group in groups)
    inputs = []
    for number, tensor, users in _given(flow, outputs.given):
        if number in roles:
            why = _REASONS.get(roles[number], "")
        elif users & needed:
            why = _why_needed(flow, number, likeliest=bool(users & first))
        else:
            why = _why_not(flow, number, scored=bool(users & scored))
        inputs.append((number, tensor, why))
    likely = [each for each in inputs if each[2]]
    return sorted(_with_a_feature(likely), key=lambda each: _INPUT_RANKS.index(each[2]))


def _with_a_feature(inputs: list[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
    """Call rates, or else settings, features of a model that has no other input."""
    reasons = {why for _, _, why in inputs}
    if not reasons.isdisjoint((_FEATURE, _ANOTHER, _GIVEN, _FEEDS)):
        return inputs
    only = _RATE if _RATE in reasons else _SETTING
    return [(n, tensor, _FEATURE if why == only else why) for n, tensor, why in inputs]


def _given(flow: Flow, numbers: list[int]) -> Iterator[tuple[int, str, set[int]]]:
    """Yield the tensors of placeholders and the used ones of the pipeline, with their users."""
    own = {n for n in numbers if flow.types[n] not in PLACEHOLDERS}
    used: dict[int, dict[str, set[int]]] = {}
    for user in dict.fromkeys(user for number in own for user in flow.users[number]):
        for name in flow.operation(user).inputs:
            number = flow.graph.number_of(split_name(name)[0])
            if number in own:
                used.setdefault(number, {}).setdefault(name, set()).add(user)
    for number in numbers:
        if number not in own:
            yield number, f"{flow.names[number]}:0", {number, *flow.users[number]}
        for name in sorted(used.get(number, ()), key=lambda name: split_name(name)[1] or 0):
            yield number, name, used[number][name]


def _why_needed(flow: Flow, number: int, *, likeliest: bool) -> str:
    operation = flow.operation(number)
    if operation.type not in PLACEHOLDERS:
        return _GIVEN
    feature = _FEATURE if likeliest else _ANOTHER
    dtype, shape = attribute_of(operation, "dtype", DataType), flow.shape(number)
    if dtype == DataType.STRING or shape:
        return feature
    has_default = operation.type == "PlaceholderWithDefault" and all(
        flow.types[source] == "Const" for source in flow.sources[number]
    )
    if shape == () or has_default or dtype == DataType.BOOL:
        return _SETTING
    calculates = all(flow.types[user] in ARITHMETIC for user in flow.users[number])
    return _RATE if calculates else feature


def _why_not(flow: Flow, number: int, *, scored: bool) -> str:
    if flow.types[number] not in PLACEHOLDERS:
        return _GIVEN_LABELS if scored else ""
    if scored:
        return _LABELS
    return _ASIDE if flow.users[number] else _UNUSED
