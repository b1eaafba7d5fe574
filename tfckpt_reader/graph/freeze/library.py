"""Functions that stay functions, such as branches and bodies of loops, with values for variables.

Knows no file. FORMAT 5.5; TensorFlow ``core/framework/function.proto``,
``core/ops/functional_ops.cc``.

Such a function takes variables as arguments. A copy of it takes their values: the argument has
another type, and what read the variable passes the value on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.encoding.wire_format import encode_field, encode_number, fields
from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError
from tfckpt_reader.graph.decode.operation import FunctionCall, decode_attribute
from tfckpt_reader.graph.freeze.node import Node, draft_of, is_function, kept
from tfckpt_reader.graph.freeze.prune import unique
from tfckpt_reader.graph.freeze.readers import PASS_ON, READERS, passed
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.names import key_of, name_text
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tfckpt_reader.graph.functions import Function
    from tfckpt_reader.tensor.proto_fields import PartialShape

# Fields of FunctionDef, OpDef and ArgDef.
_SIGNATURE, _NODE, _RETURN, _ATTR, _ARG_ATTR, _ARG_ID = 1, 3, 4, 5, 7, 8
_NAME, _INPUT, _OUTPUT, _TYPE = 1, 2, 3, 3
_SHAPES = b"_input_shapes"
_MOST_DEPTH = 100


class Value(NamedTuple):
    """The value that takes the place of a variable."""

    dtype: DataType
    shape: PartialShape


class _Caller(NamedTuple):
    """An op that calls functions with its inputs."""

    functions: tuple[str, ...]
    """Attributes with a function, or with a list of them."""
    types: str
    """Attribute with the types of the arguments."""
    first: int
    """Index of the input that is the first argument."""


_IF = _Caller(("then_branch", "else_branch"), "Tin", 1)
_CASE = _Caller(("branches",), "Tin", 1)
_WHILE = _Caller(("cond", "body"), "T", 0)
_CALL = _Caller(("f",), "Tin", 0)
CALLERS = {
    **dict.fromkeys(("If", "StatelessIf"), _IF),
    **dict.fromkeys(("Case", "StatelessCase"), _CASE),
    **dict.fromkeys(("While", "StatelessWhile"), _WHILE),
    **dict.fromkeys(("PartitionedCall", "StatefulPartitionedCall"), _CALL),
}


class Library:
    """The functions of a frozen graph, copied where they take variables."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._functions = functions
        self._copies: dict[str, bytes] = {}
        self._nodes: dict[str, list[Node]] = {}
        self._known: dict[tuple[str, tuple[tuple[int, Value], ...]], str] = {}

    def pass_values(self, node: Node, given: Mapping[int, Value], depth: int = 0) -> None:
        """Change a node that calls functions so that it passes values, not variables.

        Args:
            node: The node.
            given: Index of an input that is a variable -> its value.
            depth: Number of calls around it.

        Raises:
            UnsupportedError: a function uses a variable otherwise than by reading it.
        """
        caller = CALLERS[node.op]
        values = {index - caller.first: value for index, value in given.items()}
        if min(values) < 0 or depth > _MOST_DEPTH:
            raise UnsupportedError(f"node {quoted(node.name)} ({node.op}) takes a variable")
        for name in caller.functions:
            called = node.attr(name)
            new = [self._copy(each, values, depth) for each in _as_list(called)]
            if not new:
                node.needed(name, FunctionCall)  # raises
            node.set(name, new if isinstance(called, list) else new[0])
        types = node.needed(caller.types, list)
        if max(values) >= len(types):
            raise CorruptCheckpointError(
                f"node {quoted(node.name)} ({node.op}) has more inputs than types"
            )
        for index, value in values.items():
            types[index] = value.dtype
        node.set(caller.types, types)
        for name in ("output_shapes", "_output_shapes") if caller is _WHILE else ():
            shapes = node.attr(name)
            if isinstance(shapes, list) and len(shapes) == len(types):
                node.set(
                    name, [values[n].shape if n in values else s for n, s in enumerate(shapes)]
                )

    def _copy(self, call: FunctionCall, values: Mapping[int, Value], depth: int) -> FunctionCall:
        key = call.name, tuple(sorted(values.items()))
        if key not in self._known:
            function = self._functions.get(call.name)
            if function is None or max(values) >= len(function.definition.inputs):
                raise CorruptCheckpointError(
                    f"the function {quoted(call.name)} is not in the file, or takes fewer inputs"
                )
            name = unique(f"{call.name}_frozen", {**self._functions, **self._copies})
            self._copies[name] = b""
            self._known[key] = name
            copy = _Copy(function, values, self, depth + 1)
            self._copies[name] = copy.encoded(name)
            self._nodes[name] = list(copy.nodes.values())
        return FunctionCall(self._known[key], call.attrs)

    def called_by(self, nodes: Iterable[Node]) -> dict[str, list[Node]]:
        """Return name -> nodes of each function that some nodes call, directly or through others.

        Raises:
            UnsupportedError: a function is missing.
        """
        called: dict[str, list[Node]] = {}
        waiting = [name for node in nodes for name in _functions_of(node, self._functions)]
        while waiting:
            name = waiting.pop()
            if name in called:
                continue
            if name in self._nodes:
                called[name] = self._nodes[name]
            elif name in self._functions:
                function = self._functions[name]
                called[name] = list(draft_of(function, range(len(function))).values())
            else:
                raise UnsupportedError(f"the function {quoted(name)} is nowhere in the file")
            inner = called[name]
            waiting += [each for node in inner for each in _functions_of(node, self._functions)]
        return called

    def encoded(self, names: Iterable[str]) -> bytes:
        """Return some functions as a FunctionDefLibrary."""
        stored = (self._copies.get(name) or self._functions[name].stored for name in names)
        return b"".join(encode_field(1, each) for each in stored)


def _as_list(called: object) -> list[FunctionCall]:
    calls = called if isinstance(called, list) else [called]
    return [call for call in calls if isinstance(call, FunctionCall)]


def _functions_of(node: Node, functions: Mapping[str, Function]) -> Iterator[str]:
    """Yield the names of the functions that a node calls."""
    if node.op in functions:
        yield node.op
    if functions:
        for value in node.attributes().values():
            if is_function(value):
                yield from (call.name for call in _as_list(decode_attribute(value)))


class _Copy:
    """A function on its way to taking values."""

    def __init__(
        self, function: Function, values: Mapping[int, Value], library: Library, depth: int
    ) -> None:
        self._function = function
        self._values = values
        arguments = function.definition.inputs
        self._handles = {arguments[n].name: value for n, value in values.items()}
        self._renamed: dict[str, str] = {}
        self.nodes = draft_of(function, range(len(function)))
        self._follow()
        for node in list(self.nodes.values()):
            given = {
                n: self._handles[text]
                for n, text in enumerate(node.data_inputs)
                if text in self._handles
            }
            if given:
                self._take(node, given, library, depth)
        for node in self.nodes.values():
            if any(text in self._renamed for text in node.inputs):
                node.change(inputs=[self._renamed.get(text, text) for text in node.inputs])

    def _follow(self) -> None:
        """Find the tensors that are variables: arguments, and what passes them on."""
        users: dict[str, list[Node]] = {}
        for node in self.nodes.values():
            if node.op in PASS_ON:
                for text in node.data_inputs[:1]:
                    users.setdefault(text, []).append(node)
        waiting = list(self._handles)
        while waiting:
            text = waiting.pop()
            for node in users.get(text, ()):
                name = f"{node.name}:output:0"
                if name not in self._handles:
                    self._handles[name] = self._handles[text]
                    waiting.append(name)

    def _take(self, node: Node, given: dict[int, Value], library: Library, depth: int) -> None:
        value = given.get(0)
        if node.op in PASS_ON and value:
            node.become(node.op, node.inputs, T=value.dtype, **kept(node, *passed(node)))
        elif node.op in READERS and value and len(given) == 1:
            READERS[node.op](node, value.dtype, self.nodes, ":output:0")
            self._renamed[f"{node.name}:value:0"] = f"{node.name}:output:0"
        elif node.op in CALLERS:
            library.pass_values(node, given, depth)
        else:
            raise UnsupportedError(
                f"node {quoted(node.name)} ({node.op}) of the function "
                f"{quoted(self._function.name)} uses a variable itself, not its value"
            )

    def encoded(self, name: str) -> bytes:
        """Return the FunctionDef under another name."""
        parts = [encode_field(_SIGNATURE, self._signature(name))]
        for number, _, data in fields(self._function.stored):
            if isinstance(data, int) or number in (_SIGNATURE, _NODE, _ARG_ATTR, _ARG_ID):
                continue
            entry = parse("Entry", data) if number in (_RETURN, _ATTR) else None
            if number == _RETURN and entry is not None:
                text = name_text(entry.value)
                new = key_of(self._renamed.get(text, text))
                parts.append(encode_field(_RETURN, _entry(entry.key, new)))
            elif number != _ATTR or entry is None or entry.key != _SHAPES:
                parts.append(encode_field(number, data))
        nodes = (b"".join(node.encoded()) for node in self.nodes.values())
        return b"".join([*parts, *(encode_field(_NODE, node) for node in nodes)])

    def _signature(self, name: str) -> bytes:
        """Return the signature with another name, and with the types of the values."""
        definition, results = self._function.definition, self._function.results
        values = {
            _INPUT: dict(self._values),
            _OUTPUT: {
                n: self._handles[text]
                for n, each in enumerate(definition.outputs)
                if (text := results.get(each.name, "")) in self._handles
            },
        }
        arguments = {_INPUT: definition.inputs, _OUTPUT: definition.outputs}
        seen = {_INPUT: 0, _OUTPUT: 0}
        parts = [encode_field(_NAME, key_of(name))]
        stored = [v for n, _, v in fields(self._function.stored) if n == _SIGNATURE]
        for number, _, value in fields(memoryview(b"".join(map(bytes, stored)))):
            if isinstance(value, int):
                parts.append(encode_number(number, value))
            elif number in seen:
                index = seen[number]
                seen[number] += 1
                new = values[number].get(index)
                own = encode_field(_NAME, key_of(arguments[number][index].name))
                argument = value if new is None else own + encode_number(_TYPE, new.dtype)
                parts.append(encode_field(number, argument))
            elif number != _NAME:
                parts.append(encode_field(number, value))
        return b"".join(parts)


def _entry(key: bytes, value: bytes) -> bytes:
    return encode_field(1, key) + encode_field(2, value)
