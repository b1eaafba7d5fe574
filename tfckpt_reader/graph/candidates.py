"""What may go into a model and come out of it, where no signature says so.

Rank 11: knows no file.

What comes out is what nothing takes any further, once the machinery is out of the graph. Losses
and metrics look the same; but they are numbers that plain arithmetic makes of what the model
computes, and going back through it leads to the model's own output. What goes in is a placeholder
that this output needs.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from tfckpt_reader.dtypes import DataType
from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.graph.machinery import FEEDING, SUMMARIES, TRAINING
from tfckpt_reader.graph.nodes import VARIABLE_OPS, split_name, stored_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tfckpt_reader.graph.attributes import PartialShape
    from tfckpt_reader.graph.flow import Flow
    from tfckpt_reader.graph.nodes import Operation

_Key = TypeVar("_Key")
_PLACEHOLDERS = {"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"}
_PIPELINE = re.compile(r"(IteratorGetNext|QueueDequeue|ReaderRead|Unstage)\w*")
_SHAPE_ONLY = {"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"}
_REDUCTIONS = {"Mean", "Sum", "Max", "Min", "Prod", "All", "Any", "EuclideanNorm", "L2Loss"}
_LOSSES = {"SoftmaxCrossEntropyWithLogits", "SparseSoftmaxCrossEntropyWithLogits", "L2Loss"} | {
    *("CTCLoss", "CTCLossV2", "InTopK", "InTopKV2")
}
_ARITHMETIC = {
    *(_LOSSES | _REDUCTIONS | _SHAPE_ONLY),
    *"Add AddV2 AddN Sub Mul MulNoNan Div RealDiv DivNoNan Neg Abs Square SquaredDifference".split(),
    *"Sqrt Rsqrt Pow Exp Expm1 Log Log1p Xlogy Maximum Minimum ClipByValue Sign Round".split(),
    *"Floor Ceil Softplus Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd".split(),
    *"LogicalOr LogicalNot Select SelectV2 Where Cast Identity Snapshot StopGradient".split(),
    *"CheckNumerics Reshape Squeeze ExpandDims OneHot ArgMax ArgMin BroadcastTo Print".split(),
}

_MARGINS = {"Sub", "Add", "AddV2"}

_SINK = "it is computed from the inputs, and nothing takes it any further"
_NUMBER = "it is computed from the inputs, and nothing takes it any further; a single number"
_SCORED = "of what the model computes, this is what the loss and the metrics are computed from"
_BY_SHAPE = "nothing takes it any further; only the shape of the inputs has a part in it"
_UNLEARNED = "it is computed from the inputs, and nothing takes it any further; no variable is used"
_FLAG = "nothing takes it any further, but it is a truth value of the graph's control flow"
_WATCHED = "nothing but training and summaries takes it any further"
_MEASURE = "nothing takes it any further, but it looks like a loss or a metric"
_OUTPUT_RANKS = (_SINK, _SCORED, _NUMBER, _UNLEARNED, _BY_SHAPE, _WATCHED, _FLAG, _MEASURE)

_FEATURE = "a placeholder that the outputs are computed from"
_RATE = "a placeholder of unknown shape that is only calculated with: may be a rate"
_SETTING = "a placeholder of a single value that the outputs depend on: a switch, a size or a rate"
_GIVEN = "the graph's own input pipeline gives it to the model"
_LABELS = "a placeholder that only losses and metrics are computed from: labels, it seems"
_GIVEN_LABELS = "the graph's own input pipeline gives it to the losses and metrics"
_FEEDS = "a placeholder that only the graph's own input pipeline takes"
_TRAINS = "a placeholder that only training takes"
_ASIDE = "a placeholder that no output needs"
_UNUSED = "a placeholder that nothing takes"
_INPUT_RANKS = (
    *(_FEATURE, _RATE, _SETTING, _GIVEN, _FEEDS, _LABELS, _GIVEN_LABELS, _TRAINS, _ASIDE, _UNUSED),
)


class Candidates:
    """The candidates of a graph: numbers of operations, as in its `Flow`, each with its reason.

    Args:
        flow: The operations; what goes into machinery is cut off.
        kinds: Number of an operation that is not the model's -> what it is there for.
        losses: Operations that the file calls losses.
    """

    def __init__(self, flow: Flow, kinds: Mapping[int, str], losses: Iterable[int]) -> None:
        self._operations = flow.operations
        self._kinds = kinds
        self._losses = frozenset(losses)
        self._users_at_first = flow.users
        flow.cut(kinds)
        self._users_of_shapes = flow.users
        flow.cut({n for n, each in enumerate(flow.operations) if each.type in _SHAPE_ONLY})
        self._flow = flow
        self.given = [n for n in range(len(flow.operations)) if self._is_given(n)]
        """Placeholders, and what the graph's own pipeline gives."""

    def _type(self, number: int) -> str:
        return self._operations[number].type

    def _is_given(self, number: int) -> bool:
        op_type = self._type(number)
        return op_type in _PLACEHOLDERS or (
            number not in self._kinds and _PIPELINE.fullmatch(op_type) is not None
        )

    @cached_property
    def _start(self) -> list[int]:
        """Where values come from: what is given to the model, else its variables."""
        given = [number for number in self.given if number not in self._kinds]
        return given or self._variables

    @cached_property
    def _variables(self) -> list[int]:
        return [n for n in range(len(self._operations)) if self._type(n) in VARIABLE_OPS]

    @cached_property
    def _touched(self) -> set[int]:
        """What depends on what is given, if only on its shape."""
        flow = self._flow
        return flow.reach(self._start, self._users_of_shapes, lambda n: n not in self._kinds)

    @cached_property
    def _valued(self) -> set[int]:
        """What depends on the values of what is given."""
        flow = self._flow
        return flow.reach(self._start, flow.users, lambda n: n not in self._kinds)

    @cached_property
    def _learned(self) -> set[int]:
        """What depends on variables; all that there is, where there are none."""
        flow = self._flow
        found = flow.reach(self._variables, flow.users, lambda _: True)
        return found or set(range(len(self._operations)))

    @cached_property
    def _parameters(self) -> set[int]:
        """What depends on variables alone, and is more than a single number."""
        flow = self._flow
        return flow.reach(
            self._variables,
            flow.users,
            lambda n: n not in self._valued and self._type(n) not in _REDUCTIONS,
        )

    @cached_property
    def _ends(self) -> list[int]:
        """What depends on what is given and goes nowhere but, perhaps, into machinery."""
        users, given = self._flow.users, set(self._start)
        by_value = (n for n in self._valued - given if not users[n])
        by_shape = (n for n in self._touched - self._valued if not self._users_of_shapes[n])
        return sorted([*by_value, *by_shape])

    @cached_property
    def _seeds(self) -> list[int]:
        """The ends that may be losses or metrics."""
        found = self._valued & self._learned
        return [n for n in self._ends if n in found and self._may_measure(n)]

    def _may_measure(self, number: int) -> bool:
        operation = self._operations[number]
        if not self._is_arithmetic(number):
            return False
        if number in self._losses or operation.type in _LOSSES:
            return True
        shape = shape_of(operation)
        return shape == () or (shape is None and operation.type in _REDUCTIONS)

    def _is_arithmetic(self, number: int) -> bool:
        """Tell whether it calculates with values only, not with variables."""
        sources = self._flow.sources[number]
        if self._type(number) == "Relu":  # of a margin, as in a hinge loss, not of a layer
            return any(self._type(n) in _MARGINS and self._has_constant(n) for n in sources)
        return self._type(number) in _ARITHMETIC and self._parameters.isdisjoint(sources)

    def _has_constant(self, number: int) -> bool:
        constants = self._parameters | self._valued
        return not constants.issuperset(self._flow.sources[number])

    @cached_property
    def _scoring(self) -> set[int]:
        """The arithmetic that is there for losses and metrics alone; empty if there are none."""
        flow = self._flow
        found = flow.only_for(
            self._seeds, lambda n: n in self._valued and self._is_arithmetic(n)
        )
        measures = any(
            n in self._losses or self._kinds_of_users(n) & {SUMMARIES, TRAINING}
            for n in found
        )
        labels = any(self._all_within(number, found) for number in self._start)
        return found if measures or labels else set()

    def _all_within(self, number: int, those: set[int]) -> bool:
        """Tell whether something is taken, by these alone."""
        users = self._flow.users[number]
        return bool(users) and those.issuperset(users)

    def _kinds_of_users(self, number: int) -> set[str]:
        return {self._kinds[n] for n in self._users_at_first[number] if n in self._kinds}

    @cached_property
    def outputs(self) -> list[tuple[int, str]]:
        """What may come out, the likeliest first, and why."""
        scoring = self._scoring
        likely = (self._valued & self._learned) - set(self._start)
        found = {n: self._why_end(n) for n in self._ends}
        for number in sorted({s for n in scoring for s in self._flow.sources[n]} - scoring):
            whole = self._all_within(number, scoring)
            if number in likely and whole and shape_of(self._operations[number]) != ():
                found[number] = _SCORED
        return _ranked(dict(sorted(found.items())), _OUTPUT_RANKS)

    def _why_end(self, number: int) -> str:
        kinds = self._kinds_of_users(number)
        if kinds and kinds.isdisjoint((SUMMARIES, TRAINING)):
            return ""
        if number in self._scoring:
            return _MEASURE
        if number not in self._valued:
            return _BY_SHAPE
        if kinds:
            return _WATCHED
        if self._is_flag(number):
            return _FLAG
        if number not in self._learned:
            return _UNLEARNED
        return _NUMBER if shape_of(self._operations[number]) == () else _SINK

    def _is_flag(self, number: int) -> bool:
        """Tell whether it is a truth value that control flow made for itself."""
        operation = self._operations[number]
        of_flow = operation.type in ("Switch", "Merge", "Identity")
        return of_flow and dtype_of(operation, "T") == DataType.BOOL and shape_of(operation) == ()

    @cached_property
    def inputs(self) -> list[tuple[str, str]]:
        """What may go in, the likeliest first, and why."""
        likely = [n for n, why in self.outputs if why in (_SINK, _SCORED, _NUMBER)]
        wanted = likely or [number for number, _ in self.outputs]
        flow = self._flow
        needed = flow.reach(wanted, flow.sources, lambda _: True)
        scored = flow.reach(self._scoring, flow.sources, lambda _: True)
        found = {
            tensor: self._why_given(number, users, needed, scored)
            for number in self.given
            for tensor, users in self._given_by(number).items()
        }
        return _ranked(found, _INPUT_RANKS)

    def _given_by(self, number: int) -> dict[str, set[int]]:
        """Return the tensors of a placeholder, or what is used of the pipeline's: and by whom."""
        operation = self._operations[number]
        if operation.type in _PLACEHOLDERS:
            return {f"{operation.name}:0": {number, *self._flow.users[number]}}
        found: dict[str, set[int]] = {}
        for user in self._flow.users[number]:
            for name in self._operations[user].inputs:
                if split_name(name)[0] == operation.name:
                    found.setdefault(name, set()).add(user)
        return dict(sorted(found.items(), key=lambda pair: split_name(pair[0])[1] or 0))

    def _why_given(
        self, number: int, users: set[int], needed: set[int], scored: set[int]
    ) -> str:
        if number in self._kinds:
            return {FEEDING: _FEEDS, TRAINING: _TRAINS}.get(self._kinds[number], "")
        own = self._type(number) not in _PLACEHOLDERS
        if users & needed:
            return _GIVEN if own else self._why_needed(number)
        if users & scored:
            return _GIVEN_LABELS if own else _LABELS
        if own:
            return ""
        return _ASIDE if self._users_at_first[number] else _UNUSED

    def _why_needed(self, number: int) -> str:
        operation = self._operations[number]
        dtype, shape = dtype_of(operation), shape_of(operation)
        if dtype == DataType.STRING:
            return _FEATURE
        constant = all(self._type(n) == "Const" for n in self._flow.sources[number])
        default = operation.type == "PlaceholderWithDefault" and constant
        if shape == () or (shape is None and (default or dtype == DataType.BOOL)):
            return _SETTING
        users = self._flow.users[number]
        rate = shape is None and all(self._type(n) in _ARITHMETIC for n in users)
        return _RATE if rate else _FEATURE


def _ranked(reasons: Mapping[_Key, str], ranks: tuple[str, ...]) -> list[tuple[_Key, str]]:
    """Return what has a reason, by the ranks of the reasons, else in the order given."""
    order = {reason: rank for rank, reason in enumerate(ranks)}
    found = [(key, reason) for key, reason in reasons.items() if reason]
    return sorted(found, key=lambda pair: order[pair[1]])


def shape_of(operation: Operation) -> PartialShape:
    """Return the shape of its first output; None where the file does not say it, or lies."""
    try:
        return None if operation.type == "Const" else stored_shape(operation, 0)[1]
    except CheckpointError:
        return None


def dtype_of(operation: Operation, attribute: str = "dtype") -> DataType | None:
    """Return the dtype that an attribute says."""
    try:
        dtype = operation.attrs.get(attribute)
    except CheckpointError:
        return None
    return dtype if isinstance(dtype, DataType) else None
