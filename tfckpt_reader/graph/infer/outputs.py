"""Likely outputs of a model without a signature.

Knows no file; sees operations by number.

An output has no users once the auxiliary operations are out of the graph. Losses and metrics have
none either, but they are numbers: plain arithmetic on results of the model and on labels. Going
back from them, through the arithmetic, to values without labels leads to the model's own output.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from tfckpt_reader.graph.decode.operation import VARIABLE_OPS, attribute_of
from tfckpt_reader.graph.infer.op_roles import (
    ARITHMETIC,
    LOSSES,
    MARGINS,
    PIPELINE,
    PLACEHOLDERS,
    READINGS,
    REDUCTIONS,
    SHAPES,
)
from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tfckpt_reader.graph.infer.dataflow import Flow
    from tfckpt_reader.graph.infer.op_roles import Role

_LOOP_OF = {"Exit": {"LoopCond"}, "Identity": {"While", "StatelessWhile"}}
"""Op that ends a loop -> types of the operation that identifies the loop."""

_END = "what the model computes in the end: nothing uses it further"
_SCORED = "what losses and metrics are computed from"
_CARRIED = "a loop ends with it, but another result of that loop is used further"
_NUMBER = "a single number that the model computes in the end"
_UNLEARNED = "computed without any variable; nothing uses it further"
_BY_SHAPE = "depends on no more than the shape of the inputs; nothing uses it further"
_WATCHED = "used by nothing but training and summaries"
_FLAG = "a truth value of the graph's control flow"
_MEASURE = "a loss or a metric, it seems: where plain arithmetic ends"
_RANKS = (_END, _SCORED, _CARRIED, _NUMBER, _UNLEARNED, _BY_SHAPE, _WATCHED, _FLAG, _MEASURE)
_LIKELY = (_END, _SCORED, _NUMBER)


class ModelOutputs:
    """Likely outputs of a graph, and the sets of operations behind them.

    Args:
        flow: The operations; edges into auxiliary operations and into shapes are cut.
        roles: Number of an auxiliary operation -> its role.
        losses: Operations in the collection of losses.

    Attributes:
        given: Placeholders, and results of the graph's own input pipeline.
    """

    def __init__(self, flow: Flow, roles: Mapping[int, Role], losses: Iterable[int]) -> None:
        self._operations = flow.operations
        self._roles = roles
        self._losses = frozenset(losses)
        self._all_users = flow.users
        flow.cut(roles)
        self._users_of_shapes = flow.users
        flow.cut({n for n, each in enumerate(flow.operations) if each.type in SHAPES})
        self._flow = flow
        self._variables = [n for n, each in enumerate(flow.operations) if each.type in VARIABLE_OPS]
        self.given = [
            n
            for n, each in enumerate(flow.operations)
            if each.type in PLACEHOLDERS or (n not in roles and re.fullmatch(PIPELINE, each.type))
        ]

    def _type(self, number: int) -> str:
        return self._operations[number].type

    @cached_property
    def _start(self) -> set[int]:
        """Sources of values: the given operations of the model, or else its variables."""
        return {n for n in self.given if n not in self._roles} or set(self._variables)

    @cached_property
    def _touched(self) -> set[int]:
        """Operations that depend on given values, or only on their shapes."""
        users = self._users_of_shapes
        return self._flow.reach(self._start, users, lambda n: n not in self._roles)

    @cached_property
    def _valued(self) -> set[int]:
        """Operations that depend on given values."""
        users = self._flow.users
        return self._flow.reach(self._start, users, lambda n: n not in self._roles)

    @cached_property
    def _learned(self) -> set[int]:
        """Operations that depend on variables; all, in a graph without variables."""
        learned = self._flow.reach(self._variables, self._flow.users, lambda _: True)
        return learned or set(range(len(self._operations)))

    @cached_property
    def _parameters(self) -> set[int]:
        """Operations that depend on variables alone, without single numbers."""
        return self._flow.reach(
            self._variables,
            self._flow.users,
            lambda n: n not in self._valued and self._type(n) not in REDUCTIONS,
        )

    @cached_property
    def _ends(self) -> list[int]:
        """Operations that depend on given values and have at most auxiliary users."""
        users = self._flow.users
        by_value = (n for n in self._valued - self._start if not users[n])
        by_shape = (n for n in self._touched - self._valued if not self._users_of_shapes[n])
        return sorted([*by_value, *by_shape])

    def _may_measure(self, number: int) -> bool:
        """Return whether an end may be a loss or a metric."""
        operation = self._operations[number]
        if number not in self._valued or not self._calculates(number):
            return False
        if number in self._losses or operation.type in LOSSES:
            return True
        shape = self._flow.shape(number)
        single = shape == () or (shape is None and operation.type in REDUCTIONS)
        return single and number in self._learned

    def _calculates(self, number: int) -> bool:
        """Return whether it does arithmetic with values only, not with variables."""
        sources = self._flow.sources[number]
        if self._type(number) == "Relu":  # of a margin, as in a hinge loss, not of a layer
            return any(self._is_margin(source) for source in sources[:1])
        return self._type(number) in ARITHMETIC and self._parameters.isdisjoint(sources)

    def _is_margin(self, number: int) -> bool:
        """Return whether it adds a constant, or subtracts from one."""
        known = (self._valued, self._parameters)
        both = self._flow.sources[number][:2]
        return self._type(number) in MARGINS and any(
            all(source not in those for those in known) for source in both
        )

    @cached_property
    def scoring(self) -> set[int]:
        """Arithmetic for losses and metrics alone; empty for a graph without them."""
        ends = [n for n in self._ends if self._may_measure(n)]
        scoring = self._flow.only_for(ends, lambda n: n in self._valued and self._calculates(n))
        watched = any(n in self._losses or self._is_watched(n) for n in scoring)
        labels = any(self._all_within(n, scoring) for n in self._start)
        return scoring if watched or labels else set()

    def _is_watched(self, number: int) -> bool:
        return not self._roles_of_users(number).isdisjoint(("summaries", "training"))

    def _roles_of_users(self, number: int) -> set[Role]:
        return {self._roles[n] for n in self._all_users[number] if n in self._roles}

    def _all_within(self, number: int, numbers: set[int]) -> bool:
        """Return whether an operation has users, all of them in `numbers`."""
        users = self._flow.users[number]
        return bool(users) and numbers.issuperset(users)

    @cached_property
    def ranked(self) -> list[tuple[int, str]]:
        """Likely outputs with their reasons, the likeliest first."""
        reasons = {n: self._why(n) for n in self._ends}
        reasons |= dict.fromkeys(self._scored(), _SCORED)
        ranked = [(number, why) for number, why in sorted(reasons.items()) if why]
        return sorted(ranked, key=lambda pair: _RANKS.index(pair[1]))

    @cached_property
    def likely(self) -> list[int]:
        """The results of the model in `ranked`; all of `ranked` if it holds none."""
        return [n for n, why in self.ranked if why in _LIKELY] or [n for n, _ in self.ranked]

    @cached_property
    def likeliest(self) -> list[int]:
        """The outputs in `ranked` with the best reason."""
        return [n for n, why in self.ranked if why == self.ranked[0][1]]

    def _why(self, number: int) -> str:
        roles = self._roles_of_users(number)
        if roles and not self._is_watched(number):
            return ""
        whole = self._flow.shape(number) != ()
        return next(
            reason
            for applies, reason in (
                (number in self.scoring, _MEASURE),
                (number not in self._valued, _BY_SHAPE),
                (bool(roles), _WATCHED),
                (self._is_flag(number), _FLAG),
                (number not in self._learned, _UNLEARNED),
                (not whole, _NUMBER),
                (self._loop_of(number) in self._going_on, _CARRIED),
                (True, _END),
            )
            if applies
        )

    def _is_flag(self, number: int) -> bool:
        """Return whether it is a truth value made by control flow for itself."""
        operation = self._operations[number]
        controls = operation.type in ("Switch", "Merge", "Identity")
        return (
            controls
            and self._flow.shape(number) == ()
            and attribute_of(operation, "T", DataType) == DataType.BOOL
        )

    def _loop_of(self, number: int) -> int | None:
        """Return the operation that identifies the loop ending here, or None."""
        op_type, sources = self._type(number), self._flow.sources[number][:1]
        if op_type == "Exit":  # of a Switch, of a value and the loop's condition
            sources = [n for switch in sources for n in self._flow.sources[switch][:2]]
        loops = _LOOP_OF.get(op_type, ())
        return next((n for n in sources if self._type(n) in loops), None)

    @cached_property
    def _going_on(self) -> set[int]:
        """Loops with a result in further use."""
        users = self._flow.users
        loops = {self._loop_of(n) for n in self._valued if users[n]}
        return {n for n in loops if n is not None}

    def _scored(self) -> set[int]:
        """Return the results of the model used for losses and metrics only."""
        flow, scoring = self._flow, self.scoring
        labels = {n for n in self._start if self._all_within(n, scoring)}
        labelled = flow.reach(labels, flow.users, lambda n: n in scoring)
        # Arithmetic before the labels enter is the model's: a distance, a sum of squares.
        last = {n for each in labelled - labels for n in flow.sources[each]} - labelled
        own = {n for each in last & scoring for n in flow.sources[each]} & scoring
        own = flow.reach(own, flow.sources, lambda n: n in scoring)
        scores = scoring - own - last
        scored = {n for each in scores for n in flow.sources[each]} - scores - own - labels
        likely = self._without_readings(scored) & self._valued & self._learned
        return {n for n in likely if self._all_within(n, scoring) and flow.shape(n) != ()}

    def _without_readings(self, numbers: set[int]) -> set[int]:
        """Replace operations that only prepare an output for a score by that output."""

        def reads(number: int) -> bool:
            return number in self.scoring and self._type(number) in READINGS

        flow = self._flow
        readings = {n for n in numbers if reads(n)}
        readings = flow.reach(readings, flow.sources, reads)
        return (numbers | {n for each in readings for n in flow.sources[each]}) - readings
