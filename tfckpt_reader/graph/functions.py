"""The functions of a graph's library: graphs with arguments and results.

Rank 9: knows no file. FORMAT 5.5, 5.7; TensorFlow ``core/framework/function.proto``.

Inside, an input is ``argument``, or ``node:output:index`` where output is a name in the
definition of the node's op. A function may call itself; a call is a name and is not followed.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tfckpt_reader._protos import parse
from tfckpt_reader.errors import CorruptCheckpointError, TensorNotFoundError
from tfckpt_reader.graph.attributes import Attributes, name_text
from tfckpt_reader.graph.graph import Graph, Tensor
from tfckpt_reader.graph.nodes import OpDefinition, Outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Function(Graph):
    """A function of the library, as a graph.

    Attributes:
        definition: What it takes and gives, as the definition of an op.
        results: Name of a result -> the tensor inside that it is.
        attrs: Its attributes.
    """

    _in_function = True

    def __init__(
        self, data: bytes, definitions: Callable[[], Mapping[str, OpDefinition]], file: str
    ) -> None:
        message = parse("FunctionDef", data)
        super().__init__(message.node_def, definitions, file)
        self.definition = OpDefinition.of(message.signature)
        self.name = self.definition.name
        self.results = {name_text(entry.key): name_text(entry.value) for entry in message.ret}
        self.attrs = Attributes(message.attr, f"function {self.name!r}", file)

    @cached_property
    def arguments(self) -> dict[str, Tensor]:
        """Name -> the tensor that goes in; dtypes that depend on the call are None."""
        return {
            argument.name: Tensor(argument.name, None, number, argument.dtype, None)
            for number, argument in enumerate(self.definition.inputs)
        }

    def tensor(self, name: str) -> Tensor:
        """Return an argument, or a tensor by its name ``node:output:index``.

        Raises:
            TensorNotFoundError: there is no such argument, node or output.
            CheckpointError: what says its dtype or shape cannot be decoded.
        """
        if name in self.arguments:
            return self.arguments[name]
        node, _, output = name.partition(":")
        operation = self.operation(node)
        outputs = self.outputs_of(operation)
        if outputs is None:
            return Tensor(name, operation, None, None, None)
        return self._tensor(operation, self._index(node, output, outputs), name)

    def _index(self, node: str, output: str, outputs: list[Outputs]) -> int:
        """Return which of a node's outputs `output:index` is, counted through all."""
        wanted, _, digits = output.partition(":")
        first = 0
        for arg in outputs:
            if arg.name == wanted and (not digits or digits.isdecimal()):
                index = int(digits[:10] or 0)
                if arg.number is None or index < arg.number:
                    return first + index
            first += arg.number or 0
        raise TensorNotFoundError(
            f"node {node!r} of function {self.name!r} has no output {output!r}",
            file=self._file,
        )

    def _origin(self, text: str) -> str:
        return text.partition(":")[0]

    def _is_known(self, name: str) -> bool:
        return name in self.arguments or super()._is_known(name)

    def __repr__(self) -> str:
        return f"<Function {self.name!r}, {len(self)} nodes>"


def decode_functions(
    libraries: list[bytes], definitions: Callable[[], Mapping[str, OpDefinition]], file: str
) -> dict[str, Function]:
    """Decode the functions of a library: name -> function; of several of a name the last counts.

    Raises:
        CorruptCheckpointError: one of them is no function; says which.
    """
    found: dict[str, Function] = {}
    for library in libraries:
        for number, data in enumerate(parse("FunctionLibrary", library).function):
            try:
                function = Function(data, definitions, file)
            except CorruptCheckpointError as error:
                error.structure, error.file = f"function {number}", file
                raise
            found[function.name] = function
    return found
