"""Running a model in OpenVINO: inputs to outputs, without TensorFlow.

Knows no other framework. The graph is frozen, and OpenVINO reads and compiles that.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfckpt_reader.checkpoint import open  # noqa: A004 - the verb of that module
from tfckpt_reader.errors import CheckpointNotFoundError, UnsupportedError
from tfckpt_reader.frameworks.openvino_graphs import (
    behind_strings,
    with_known_sizes,
    with_uniform_draws,
)
from tfckpt_reader.graph.freeze.weights import fits
from tfckpt_reader.graph.meta_graph import read_meta_graph
from tfckpt_reader.paths.companions import SAVED_MODEL_FILES
from tfckpt_reader.tensor.dtypes import to_numpy
from tfckpt_reader.text import nearest, quoted, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray
    from typing_extensions import Unpack

    from tfckpt_reader.graph.freeze.frozen import FrozenGraph
    from tfckpt_reader.graph.freeze.request import Options
    from tfckpt_reader.graph.infer.endpoints import Endpoint
    from tfckpt_reader.graph.meta_graph import MetaGraph

_LACKING = re.compile(r"No (?:conversion rule|translator) found for operations?: ([^\n]*)")
_NOISE = re.compile(r"^(Exception from|Check '|To facilitate|Summary|Model wasn't|FrontEnd API)")
_EXACT = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY"}
"""Settings without which some processors compute float32 in bfloat16."""
_EXAMPLES = 3
"""Nodes, or tensors, listed in an error."""


class Model:
    """A compiled model: a function from arrays to arrays, under the names of the graph's tensors.

    Attributes:
        inputs: What it takes.
        outputs: What it gives.
        changes: The differences from the model's own graph, a line each.
    """

    def __init__(self, frozen: FrozenGraph, read: _Read) -> None:
        self.inputs = frozen.inputs
        self.outputs = frozen.outputs
        self.changes = frozen.changes
        self._read = read
        self._given = {name: port for port in read.model.inputs for name in port.get_names()}
        self._names = _names(self.inputs, frozen.cuts)

    def __call__(
        self, inputs: Mapping[str, ArrayLike] | ArrayLike | None = None
    ) -> dict[str, NDArray[Any]]:
        """Run the model.

        Args:
            inputs: Name of an input, as the graph or the signature has it, -> array; or the array
                of the only input. An array of another type is converted if no kind changes: float64
                to float32, not to int32.

        Returns:
            Name of an output's tensor -> its value, owned and writable.

        Raises:
            ValueError: an input is unknown, missing, or of another dtype or shape.
            UnsupportedError: OpenVINO fails.
        """
        given = self._arrays(inputs)
        compiled = self._read.compiled({name: array.ndim for name, array in given.items()})
        try:
            results = compiled(given)
        except RuntimeError as error:
            raise UnsupportedError(f"OpenVINO cannot run it: {_reason(error)}") from error
        ports = {name: port for port in compiled.outputs for name in port.get_names()}
        return {each.name: results[ports[each.name]].copy() for each in self.outputs}

    def _arrays(self, inputs: Any) -> dict[str, NDArray[Any]]:
        """Return name -> array, of those inputs that OpenVINO still needs."""
        if not isinstance(inputs, Mapping):
            only = [e for e in self.inputs if e.name in self._given] or list(self.inputs)
            if len(only) != 1 and inputs is not None:
                raise ValueError(f"the model has {len(only)} inputs: {_listed(only)}; name them")
            inputs = {} if inputs is None else {only[0].name: inputs}
        arrays: dict[str, NDArray[Any]] = {}
        for name, value in inputs.items():
            if name not in self._names:
                alike = nearest(name, list(self._names)) or list(self._names)[:_EXAMPLES]
                raise ValueError(
                    f"the model has no input {quoted(name)}; nearest: {', '.join(alike)}"
                )
            end = self._names[name]
            if end.name in self._given:
                arrays[end.name] = _fitting(end, value, self._given[end.name])
        missing = [e for e in self.inputs if e.name in self._given and e.name not in arrays]
        if missing:
            raise ValueError(f"an input is missing: {_listed(missing)}")
        return arrays


def load_model(
    path: str | os.PathLike[str] | bytes,
    outputs: Sequence[str] | None = None,
    inputs: Sequence[str] | None = None,
    *,
    signature: str | None = None,
    graph: str | os.PathLike[str] | None = None,
    **options: Unpack[Options],
) -> Model:
    """Compile a model for the processor, to run it without TensorFlow.

    OpenVINO lacks ops on strings. They are cut off, with what looks them up, or decodes them: the
    model takes the numbers that they give. It draws random numbers of its own.

    Args:
        path: A checkpoint with a graph, a SavedModel, or a frozen graph (``.pb``).
        outputs: Names of tensors. Default: those of the signature, else the likeliest one.
        inputs: Tensors at which the model begins. Default: as for `MetaGraph.freeze`.
        signature: Key of the signature.
        graph: File of the graph, if it is not beside the checkpoint.
        options: As for `MetaGraph.freeze`.

    Raises:
        CheckpointError: the model cannot be read or frozen, as for `MetaGraph.freeze`.
        UnsupportedError: OpenVINO is not installed, or lacks an op: names it and a node.
    """
    openvino = _openvino()
    name = os.fsdecode(path)
    if name.endswith((".pb", ".pbtxt")) and os.path.basename(name) not in SAVED_MODEL_FILES:
        meta = read_meta_graph(name)
        return _load(openvino, meta, {}, (outputs, inputs, signature), options)
    with open(path, mmap=False) as ckpt:
        meta_graph = ckpt.meta_graph if graph is None else read_meta_graph(graph)
        if meta_graph is None:
            raise CheckpointNotFoundError(
                "there is no graph beside the checkpoint",
                file=f"{ckpt.reader.prefix}.meta",
                advice="Copy the .meta file too, or name it with graph=",
            )
        return _load(openvino, meta_graph, ckpt, (outputs, inputs, signature), options)


def _openvino() -> Any:
    try:
        return import_module("openvino")
    except ImportError as error:
        raise UnsupportedError(
            f"openvino cannot be imported: {error}", advice="Install it: pip install openvino"
        ) from error


def _load(
    openvino: Any, meta: MetaGraph, values: Mapping[str, Any], part: tuple[Any, ...], options: Any
) -> Model:
    outputs, inputs, signature = part
    options = {"keep_tables": True, **options}
    frozen = whole = meta.freeze(outputs, inputs, values=values, signature=signature, **options)
    lacking: tuple[str, ...] = ()
    while True:
        behind = behind_strings(whole, lacking) if inputs is None else []
        if behind:
            own = [each.name for each in whole.inputs if meta.find(each.name.rpartition(":")[0])]
            ends = outputs or [each.name for each in whole.outputs]
            frozen = meta.freeze(ends, [*own, *behind], values=values, **options)
        try:
            frozen = with_uniform_draws(with_known_sizes(frozen))
            return Model(frozen, _Read(openvino, frozen))
        except _LackingOpError as error:
            lacking = (*lacking, *error.ops)
            if not behind or behind_strings(whole, lacking) in ([], behind):
                raise


class _LackingOpError(UnsupportedError):
    """OpenVINO lacks ops of a graph."""

    ops: tuple[str, ...] = ()


def _tensors_of(frozen: FrozenGraph, names: Iterable[str]) -> list[str]:
    wanted = frozenset(names)
    texts = (text for node in frozen.nodes.values() for text in node.data_inputs)
    return list(dict.fromkeys(text for text in texts if text.partition(":")[0] in wanted))


class _Read:
    """A frozen graph that OpenVINO has read, and compiles when the ranks of its inputs are known.

    Raises:
        UnsupportedError: OpenVINO lacks an op, or fails.
    """

    def __init__(self, openvino: Any, frozen: FrozenGraph) -> None:
        self._openvino = openvino
        self._core = openvino.Core()
        self._frozen = frozen
        self._compiled: dict[tuple[int, ...], Any] = {}
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "model.pb")
            frozen.write(file)
            with self._refusing():
                self.model = self._core.read_model(file)
                for end in frozen.outputs:
                    if not any(end.name in port.get_names() for port in self.model.outputs):
                        self.model.add_outputs(end.name)
        self._unranked = [
            next(iter(port.get_names()))
            for port in self.model.inputs
            if port.get_partial_shape().rank.is_dynamic
        ]
        if not self._unranked:
            self.compiled({})

    def compiled(self, ranks: Mapping[str, int]) -> Any:
        """Return the compiled model for some ranks of inputs whose rank the graph leaves open."""
        key = tuple(ranks[name] for name in self._unranked)
        if key not in self._compiled:
            with self._refusing():
                if key:
                    shapes = zip(self._unranked, key, strict=True)
                    self.model.reshape(
                        {n: self._openvino.PartialShape([-1] * rank) for n, rank in shapes}
                    )
                self._compiled[key] = self._core.compile_model(self.model, "CPU", _EXACT)
        return self._compiled[key]

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise _refusal(self._frozen, error) from error


def _refusal(frozen: FrozenGraph, error: RuntimeError) -> UnsupportedError:
    lacking = _LACKING.search(str(error))
    ops = [op.strip() for op in lacking[1].split(",")] if lacking else []
    nodes = [node for op in ops for node in frozen.nodes.values() if node.op == op]
    if not ops:
        return UnsupportedError(f"OpenVINO cannot compile it: {_reason(error)}")
    if not nodes:
        return _lacking(ops, f"OpenVINO lacks {', '.join(ops)}, in functions that the graph calls")
    behind = _tensors_of(frozen, [nodes[0].name])[:_EXAMPLES]
    named = f"the op {quoted(nodes[0].op)}, as of node {quoted(nodes[0].name)}"
    others = ", ".join(op for op in ops if op != nodes[0].op)
    problem = f"OpenVINO lacks {named}{f', and {others}' if others else ''}"
    advice = f"Begin behind it, with inputs={behind} (--input)" if behind else None
    return _lacking(ops, problem, advice)


def _lacking(ops: Iterable[str], problem: str, advice: str | None = None) -> UnsupportedError:
    error = _LackingOpError(problem, advice=advice)
    error.ops = tuple(ops)
    return error


def _reason(error: RuntimeError) -> str:
    """Return the line of OpenVINO's message that says most."""
    lines = [line.strip(" -") for line in str(error).splitlines()]
    telling = [line for line in lines if line and not _NOISE.match(line)] or lines
    return shortened(telling[0])


def _names(inputs: Iterable[Endpoint], cuts: Mapping[str, str]) -> dict[str, Endpoint]:
    """Return each name that an input goes by -> the input; the tensor's own name counts first."""
    ends = list(inputs)
    names = {end.alias: end for end in ends if end.alias}
    names |= {cuts[end.name]: end for end in ends if end.name in cuts}
    names |= {end.name.removesuffix(":0"): end for end in ends}
    return names | {end.name: end for end in ends}


def _listed(ends: Iterable[Endpoint]) -> str:
    return ", ".join(end.name for end in ends)


def _fitting(end: Endpoint, value: Any, port: Any) -> NDArray[Any]:
    """Return an input as an array of its dtype.

    Raises:
        ValueError: it is of another kind of dtype, or of another shape.
    """
    import numpy as np

    array = np.asarray(value)
    wanted = array.dtype if end.dtype is None else to_numpy(end.dtype)
    shape = port.get_partial_shape()
    if not _is_of(array.shape, shape) or not np.can_cast(array.dtype, wanted, "same_kind"):
        raise ValueError(
            f"input {quoted(end.name)} must be {end.dtype} {shape}, "
            f"not {array.dtype} {list(array.shape)}"
        )
    return np.ascontiguousarray(array, wanted).reshape(array.shape)


def _is_of(sizes: tuple[int, ...], shape: Any) -> bool:
    """Return whether sizes agree with a shape of OpenVINO."""
    if shape.rank.is_dynamic:
        return True
    return fits(sizes, tuple(None if size.is_dynamic else size.get_length() for size in shape))
