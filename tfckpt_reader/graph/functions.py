"""Functions of a graph's library: graphs with arguments and results.

Knows no file. FORMAT 5.5, 5.7; TensorFlow ``core/framework/function.proto``.

Inside, an input is ``argument``, or ``node:output:index`` with the name of an output in the
definition of the node's op. A function may call itself: decoding follows no calls.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tfckpt_reader.encoding.wire_format import split_fields
from tfckpt_reader.errors import CheckpointError, TensorNotFoundError
from tfckpt_reader.graph.connectivity import ARGUMENT
from tfckpt_reader.graph.decode.node_store import MOST_NODES, StoredNodes
from tfckpt_reader.graph.decode.op_defs import OpDefinition
from tfckpt_reader.graph.decode.operation import Attributes, FunctionCall
from tfckpt_reader.graph.graph import Graph, Tensor
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.tensor.proto_fields import shape_or_none
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MOST_FUNCTIONS = 1 << 18
_FUNCTION, _NODE_DEF = 1, 3
_SHAPES = "_input_shapes"
"""Attribute with the shapes of a function's arguments."""
_CALLED = frozenset({"f", "then_branch", "else_branch", "body", "cond"})
"""Attributes of ops with a function to call."""


class Function(Graph):
    """A function of the library, as a graph.

    Attributes:
        definition: Its arguments and results, as the definition of an op.
        results: Name of a result -> the tensor inside.
        attrs: Its attributes.
        stored: The bytes of its FunctionDef.
    """

    _canonical = staticmethod(lambda text: text)

    def __init__(
        self,
        data: memoryview,
        definitions: Callable[[], Mapping[str, OpDefinition]],
        file: str,
        most: int,
    ) -> None:
        self.stored = data
        (spans,), rest = split_fields(data, (_NODE_DEF,), most)
        message = parse("FunctionDef", rest)
        super().__init__(StoredNodes(data, spans, _NODE_DEF, file), definitions)
        self.definition = OpDefinition.of(message.signature)
        self.name = self.definition.name
        self.results = {name_text(entry.key): name_text(entry.value) for entry in message.ret}
        self.attrs = Attributes(message.attr, f"function {quoted(self.name)}", file)
        self._frozen = True

    @staticmethod
    def origin(text: str) -> str:
        """Return the operation, or the argument, of a tensor."""
        return text.partition(":")[0]

    @cached_property
    def arguments(self) -> dict[str, Tensor]:
        """Name -> input tensor; a dtype that depends on the call is None.

        Raises:
            CheckpointError: the attribute with their shapes is damaged.
        """
        stored = self.attrs.get(_SHAPES)
        shapes = dict(enumerate(stored)) if isinstance(stored, list) else {}
        return {
            argument.name: Tensor(
                argument.name, None, number, argument.dtype, shape_or_none(shapes.get(number))
            )
            for number, argument in enumerate(self.definition.inputs)
        }

    def tensor(self, name: str) -> Tensor:
        """Return an argument, or a tensor by its name ``node:output:index``.

        Raises:
            TensorNotFoundError: the function lacks the argument, node or output.
            CheckpointError: an attribute with its dtype or shape is damaged.
        """
        if self._numbers.get(name) == ARGUMENT:
            return self.arguments[name]
        node, _, output = name.partition(":")
        operation = self.operation(node)
        outputs = self.outputs_of(operation)
        if outputs is None:
            return Tensor(name, operation, None, None, None)
        wanted, _, digits = output.partition(":")
        first = 0
        for arg in outputs:
            if arg.name == wanted and (not digits or digits.isdecimal()):
                index = int(digits[:10] or 0)
                if arg.number is None or index < arg.number:
                    return self._tensor(operation, first + index, name)
            first += arg.number or 0
        raise TensorNotFoundError(
            f"node {quoted(node)} of function {quoted(self.name)} has no output {quoted(output)}",
            file=self.file,
        )

    @cached_property
    def _numbers(self) -> dict[str, int]:
        arguments = dict.fromkeys((each.name for each in self.definition.inputs), ARGUMENT)
        return {**arguments, **super()._numbers}

    def _has_output(self, definition: OpDefinition, number: int, text: str) -> bool:
        name, _, digits = text.partition(":")[2].partition(":")
        position = definition.positions.get(name)
        if position is None or (digits and not digits.isdecimal()):
            return False
        single = definition.output_count is not None
        sizes = None if single else self._sizes(definition, number)
        size = sizes[position] if sizes else 1 if single else None
        return size is None or int(digits[:10] or 0) < size

    def _defects(self) -> Iterator[str]:
        yield from super()._defects()
        for name, text in self.results.items():
            source = self._numbers.get(self.origin(text))
            if source is None:
                yield f"result {quoted(name)} names nothing: {quoted(text)}"
            elif source != ARGUMENT:
                wrong = self._wrong_output(source, self.types[source], text)
                if wrong:
                    yield f"result {quoted(name)} is {quoted(text)}, {wrong}"

    def __repr__(self) -> str:
        return f"<Function {self.name!r}, {len(self)} nodes>"


def decode_functions(
    libraries: list[memoryview], definitions: Callable[[], Mapping[str, OpDefinition]], file: str
) -> dict[str, Function]:
    """Decode the functions of a library: name -> function; of equal names the last counts.

    Raises:
        CorruptCheckpointError: a function is damaged; names it.
        UnsupportedError: more than a quarter of a million, or four million nodes in all.
    """
    functions: dict[str, Function] = {}
    left = MOST_NODES
    for library in libraries:
        (spans,), _ = split_fields(library, (_FUNCTION,), MOST_FUNCTIONS)
        for number, (begin, end) in enumerate(zip(spans[::2], spans[1::2], strict=True)):
            try:
                function = Function(library[begin:end], definitions, file, left)
            except CheckpointError as error:
                error.file, error.structure, error.offset = file, f"function {number}", None
                raise
            left -= len(function)
            functions[function.name] = function
    return functions


def functions_called(graph: Graph, name: str, functions: Mapping[str, Function]) -> list[Function]:
    """Return the functions called by an operation of a graph, directly or by other functions."""
    called: dict[str, Function] = {}
    waiting = [graph.operation(name)]
    while waiting:
        operation = waiting.pop()
        attrs = operation.attrs
        values = [attrs[name] for name in attrs if name in _CALLED]
        names = [operation.type, *(v.name for v in values if isinstance(v, FunctionCall))]
        new = [functions[name] for name in names if name in functions and name not in called]
        called.update((function.name, function) for function in new)
        waiting.extend(operation for function in new for operation in function.operations)
    return list(called.values())
