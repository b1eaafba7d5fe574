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
    PLACEHOLDERS,
    READINGS,
    REDUCTIONS,
    SELECTIONS,
    SHAPES,
    differentiated,
    is_pipeline,
)
from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tfckpt_reader.graph.infer.dataflow import Flow
    from tfckpt_reader.graph.infer.op_roles import Role

_NAMES_OF_OPS = frozenset(
    [
        "add",
        "sub",
        "mul",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "concat",
        "stack",
        "split",
        "transpose",
        "strided_slice",
    ]
)
"""Names that TensorFlow gives operations, beside those of their ops."""
_DEFAULT_NAME = re.compile(r"(?i)identity|control_dependency|group_deps|stop_?gradient")
"""Names of identities that no author chose."""
_LABEL = re.compile(r"(?i)label|target|ground_?truth|gold")
_WHILE = frozenset({"While", "StatelessWhile"})
_MOST_SELECTIONS = 8
_LOOP_OF = {"Exit": {"LoopCond"}, "Identity": _WHILE}
"""Op that ends a loop -> types of the operation that identifies the loop."""

_END = "what the model computes in the end: nothing uses it further"
_SCORED = "what losses and metrics are computed from"
_NAMED = "a tensor that its author gave a name of its own, though it is used further"
_CARRIED = "a loop ends with it, but another result of that loop is used further"
_TOLD = "losses are computed from it, but it depends on labels, by their name"
_OF_WEIGHTS = "computed from variables alone; nothing uses it further"
_NUMBER = "a single number that the model computes in the end"
_UNLEARNED = "computed without any variable; nothing uses it further"
_BY_SHAPE = "depends on no more than the shape of the inputs; nothing uses it further"
_WATCHED = "used by nothing but training and summaries"
_FLAG = "a truth value of the graph's control flow"
_MEASURE = "a loss or a metric, it seems: where plain arithmetic ends"
_OUTPUT_RANKS = (
    _END,
    _SCORED,
    _NAMED,
    _OF_WEIGHTS,
    _TOLD,
    _CARRIED,
    _NUMBER,
    _UNLEARNED,
    _BY_SHAPE,
    _WATCHED,
    _FLAG,
    _MEASURE,
)
_LIKELY = (_END, _SCORED, _NAMED, _OF_WEIGHTS, _NUMBER)


class ModelOutputs:
    """Likely outputs of a graph, and the sets of operations behind them.

    Args:
        flow: The operations; edges into auxiliary operations and into shapes are cut.
        roles: Number of an auxiliary operation -> its role.
        losses: Operations in the collection of losses.

    Attributes:
        given: Placeholders, and results of the graph's own input pipeline.
        _start: Sources of values: the given operations of the model, or else its variables.
        _valued: Operations that depend on given values.
        _learned: Operations that depend on variables; all, in a graph without variables.
        _parameters: Operations that depend on variables alone, without single numbers.
        _ends: Operations that depend on given values and have at most auxiliary users.
        _differentiated: Operations that the graph has a gradient of.
    """

    def __init__(self, flow: Flow, roles: Mapping[int, Role], losses: Iterable[int]) -> None:
        self._roles = roles
        self._losses = frozenset(losses)
        self._differentiated = differentiated(flow)
        self._all_users = flow.users
        flow.cut(roles)
        users_of_shapes = flow.users
        flow.cut(flow.of_types(SHAPES))
        self._flow = flow
        users = flow.users
        variables = flow.of_types(VARIABLE_OPS)
        self.given = [
            n
            for n, op_type in enumerate(flow.types)
            if op_type in PLACEHOLDERS or (n not in roles and is_pipeline(op_type))
        ]
        start = self._start = {n for n in self.given if n not in roles} or set(variables)
        # They depend on given values, or only on their shapes.
        touched = flow.reach(start, users_of_shapes, lambda n: n not in roles)
        valued = self._valued = flow.reach(start, users, lambda n: n not in roles)
        learned = flow.reach(variables, users, lambda _: True)
        self._learned = learned or set(range(len(flow.types)))
        self._parameters = flow.reach(
            variables, users, lambda n: n not in valued and self._type(n) not in REDUCTIONS
        )
        by_value = (n for n in valued - start if not users[n])
        by_shape = (n for n in touched - valued if not users_of_shapes[n])
        self._ends = sorted([*by_value, *by_shape])

    def _type(self, number: int) -> str:
        return self._flow.types[number]

    def _may_measure(self, number: int) -> bool:
        """Return whether an end may be a loss or a metric."""
        if number not in self._valued or not self._calculates(number):
            return False
        if number in self._losses or self._type(number) in LOSSES:
            return True
        shape = self._flow.shape(number)
        single = shape == () or (shape is None and self._type(number) in REDUCTIONS)
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
        trained = self._losses | self._differentiated
        watched = any(n in trained or self._is_watched(n) for n in scoring)
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
        reasons |= {n: _NAMED for n in self._named() if n not in reasons}
        reasons |= {n: _TOLD if n in self._told else _SCORED for n in self._scored()}
        reasons |= {n: _OF_WEIGHTS for n in self._of_weights() if n not in reasons}
        ranked = [(number, why) for number, why in sorted(reasons.items()) if why]
        return sorted(ranked, key=lambda pair: self._rank(*pair))

    def _rank(self, number: int, why: str) -> tuple[int, int]:
        """Return what to sort by: code that nothing uses any more seldom has a name of its own."""
        rank = _OUTPUT_RANKS.index(why)
        if self._has_own_name(number):
            return rank, 0
        return (_OUTPUT_RANKS.index(_SCORED), 1) if why == _END else (rank, 2)

    def _has_own_name(self, number: int) -> bool:
        """Return whether its name is another than TensorFlow gives operations of its type."""
        op = self._type(number)
        name = re.sub(r"_\d+$", "", self._flow.names[number].rpartition("/")[2])
        is_default = name in (op, op.removesuffix("V2")) or name in _NAMES_OF_OPS
        return not is_default and not _DEFAULT_NAME.match(name)

    @cached_property
    def likely(self) -> list[int]:
        """The results of the model in `ranked`; all of `ranked` if it holds none."""
        return [n for n, why in self.ranked if why in _LIKELY] or [n for n, _ in self.ranked]

    @cached_property
    def likeliest(self) -> list[int]:
        """The outputs in `ranked` with the best reason."""
        return [n for n, why in self.ranked if why == self.ranked[0][1]]

    def _named(self) -> Iterator[int]:
        """Yield results of the model in an Identity at the top, whose name is no default."""
        results = (self._valued & self._learned) - self._start - self._labelled
        for number in results.difference(self._roles):
            name = self._flow.names[number]
            is_named = "/" not in name and not _DEFAULT_NAME.match(name)
            if is_named and self._type(number) == "Identity" and self._flow.shape(number) != ():
                yield number

    def _of_weights(self) -> Iterator[int]:
        """Yield the operations on variables alone that nothing uses."""
        for number in self._parameters.difference(self._roles):
            is_value = self._type(number) not in (*VARIABLE_OPS, "ReadVariableOp", "Identity")
            if is_value and not self._all_users[number] and self._flow.shape(number) != ():
                yield number

    def _why(self, number: int) -> str:
        roles = self._roles_of_users(number)
        if self._type(number) == "ReadVariableOp":  # the value of a variable, left unused
            return ""
        if roles and not self._is_watched(number):
            return ""
        return next(
            reason
            for applies, reason in (
                (number in self.scoring, _MEASURE),
                (number not in self._valued, _BY_SHAPE),
                (bool(roles), _WATCHED),
                (self._is_flag(number), _FLAG),
                (number not in self._learned, _UNLEARNED),
                (self._flow.shape(number) == (), _NUMBER),
                (self._loop_of(self._whole(number)) in self._going_on, _CARRIED),
                (True, _END),
            )
            if applies
        )

    def _is_flag(self, number: int) -> bool:
        """Return whether it is a truth value made by control flow for itself."""
        return (
            self._type(number) in ("Switch", "Merge", "Identity")
            and self._flow.shape(number) == ()
            and attribute_of(self._flow.operation(number), "T", DataType) == DataType.BOOL
        )

    def _loop_of(self, number: int) -> int | None:
        """Return the operation that identifies the loop ending here, or None."""
        op_type, sources = self._type(number), self._flow.sources[number][:1]
        if op_type == "Exit":  # of a Switch, of a value and the loop's condition
            sources = [n for switch in sources for n in self._flow.sources[switch][:2]]
        loops = _LOOP_OF.get(op_type, ())
        return next((n for n in sources if self._type(n) in loops), None)

    def _whole(self, number: int) -> int:
        """Return the operation whose value another selects a part of, without a name of its own."""
        sources = self._flow.sources
        for _ in range(_MOST_SELECTIONS):
            if self._type(number) not in SELECTIONS or self._has_own_name(number):
                break
            if not sources[number] or self._type(sources[number][0]) in _WHILE:
                break
            number = sources[number][0]
        return number

    @cached_property
    def _going_on(self) -> set[int | None]:
        """Loops with a result in further use."""
        users = self._flow.users
        return {self._loop_of(n) for n in self._valued if users[n]} - {None}

    @cached_property
    def _labels(self) -> set[int]:
        return {n for n in self._start if self._all_within(n, self.scoring)}

    @cached_property
    def _told(self) -> set[int]:
        """Operations that depend on what is named as labels."""
        named = {n for n in self._start if _LABEL.search(self._flow.names[n])}
        return self._flow.reach(named, self._flow.users, lambda _: True)

    @cached_property
    def _labelled(self) -> set[int]:
        """Labels, and the arithmetic that depends on them."""
        return self._flow.reach(self._labels, self._flow.users, lambda n: n in self.scoring)

    def _scored(self) -> set[int]:
        """Return the results of the model used for losses and metrics only."""
        flow, scoring = self._flow, self.scoring
        labels, labelled = self._labels, self._labelled
        # Arithmetic before the labels enter is the model's: a distance, a sum of squares.
        last = {n for each in labelled - labels for n in flow.sources[each]} - labelled
        own = {n for each in last & scoring for n in flow.sources[each]} & scoring
        own = flow.reach(own, flow.sources, lambda n: n in scoring)
        scores = scoring - own - last
        scored = {n for each in scores for n in flow.sources[each]} - scores - own - labels
        scored = self._without_readings(scored - self._targets(scored))
        likely = {n for n in scored & self._valued & self._learned if flow.shape(n) != ()}
        scored = {n for n in likely if self._all_within(n, scoring)}
        # If all of it follows from labels, a loss uses the result otherwise, too: in a loop.
        is_open = bool(scored) and scored <= self._told
        return (is_open and likely - self._told) or scored

    def _targets(self, numbers: set[int]) -> set[int]:
        """Return those that scores take as a target: without a gradient back to them."""
        stopped = {n for n in self.scoring if self._type(n) == "StopGradient"}
        only = self._flow.only_for(stopped, lambda n: n in self.scoring or n in numbers)
        return only & numbers

    def _flattens(self, number: int) -> bool:
        """Return whether a loss of TensorFlow reshapes what it takes, in its own scope."""
        names, scope = self._flow.names, self._scope(number)
        return self._type(number) == "Reshape" and any(
            self._type(user) in LOSSES and scope in (names[user], self._scope(user))
            for user in self._flow.users[number]
        )

    def _scope(self, number: int) -> str:
        return self._flow.names[number].rpartition("/")[0]

    def _without_readings(self, numbers: set[int]) -> set[int]:
        """Replace operations that only prepare an output for a score by that output."""

        def reads(number: int) -> bool:
            is_reading = self._type(number) in READINGS or self._flattens(number)
            return number in self.scoring and is_reading

        flow = self._flow
        readings = {n for n in numbers if reads(n)}
        readings = flow.reach(readings, flow.sources, reads)
        return (numbers | {n for each in readings for n in flow.sources[each]}) - readings
