"""What a file tells beside its graph: savers, collections, variables, signatures, assets.

Knows no graph and no file. FORMAT 5.2 to 5.4, 5.7; TensorFlow
``core/protobuf/meta_graph.proto``, ``saver.proto``, ``core/framework/variable.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import (
    CheckpointError,
    CorruptCheckpointError,
    UnsupportedError,
    enough_memory,
    located,
)
from tfckpt_reader.graph.decode.tf1_values import (
    VARIABLE_COLLECTIONS,
    decode_cond,
    decode_queue_runner,
    decode_variable,
    decode_while,
)
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.tensor.proto_fields import PartialShape, data_type, partial_shape
from tfckpt_reader.tensor.tensor_proto import decode_tensor_proto
from tfckpt_reader.text import shortened

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tfckpt_reader.tensor.dtypes import DataType

_VERSIONS = ("LEGACY", "V1", "V2")
_ASSET = "/tensorflow.AssetFileDef"
MOST_VALUES = 1 << 20
"""Values that a collection is taken to have: two bytes can claim to be one."""
MOST_TENSORS = 1 << 18
"""Inputs and outputs of a signature, and what those are made of."""
_DEEPEST = 50
"""Tensors within each other: each is two messages, and protobuf ends at a hundred."""


@dataclass(frozen=True, slots=True)
class Saver:
    """How a Saver of TensorFlow 1 was set up."""

    version: str
    """"LEGACY", "V1", "V2", or the number of a version that is not known."""
    max_to_keep: int
    """Checkpoints to keep; 0: all."""
    keep_checkpoint_every_n_hours: float
    sharded: bool
    filename_tensor_name: str
    save_tensor_name: str
    restore_op_name: str


@dataclass(frozen=True, slots=True)
class AnyValue:
    """A message of a kind that is not decoded here."""

    type_url: str
    value: bytes | None
    """None where none is stored, or where a text spells the message out."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor that a signature names."""

    name: str
    """Empty for a sparse tensor, and for a composite one."""
    dtype: DataType
    """Of a composite tensor an unknown one: its components have theirs."""
    shape: PartialShape
    """Sizes, None for an unknown one; None where not even the rank is known."""
    sparse: tuple[str, str, str] | None = None
    """Names of the values, the indices and the dense shape of a sparse tensor."""
    composite: str = ""
    """What kind of composite tensor it is, such as "RaggedTensorSpec"."""
    components: tuple[TensorInfo, ...] = ()
    """What a composite tensor is made of."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives: alias -> tensor."""

    name: str
    method_name: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    _defaults: Mapping[str, bytes] = field(repr=False)
    _file: str = field(repr=False, compare=False)

    @property
    def defaults(self) -> dict[str, NDArray[Any]]:
        """Alias -> what an input is where it is not given, for those that need not be.

        Raises:
            CheckpointError: one of them cannot be right; it names the file and the alias.
        """
        found = {}
        for alias, data in self._defaults.items():
            with located(self._file, tensor=alias), enough_memory(self._file):
                found[alias] = decode_tensor_proto(memoryview(data))
        return found


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that belongs to a SavedModel."""

    filename: str
    """Below its folder ``assets``."""
    tensor_name: str
    """The tensor that is fed its path."""


def _tensor_info(message: Any, left: Iterator[int], depth: int = 0) -> TensorInfo:
    kind = message.WhichOneof("encoding")
    sparse, composite = message.coo_sparse, message.composite_tensor
    if depth > _DEEPEST:
        raise CorruptCheckpointError("its tensors lie too deep", expected=f"at most {_DEEPEST}")
    _take(left)
    return TensorInfo(
        name_text(message.name),
        data_type(message.dtype),
        partial_shape(message.tensor_shape) if message.HasField("tensor_shape") else None,
        (
            name_text(sparse.values_tensor_name),
            name_text(sparse.indices_tensor_name),
            name_text(sparse.dense_shape_tensor_name),
        )
        if kind == "coo_sparse"
        else None,
        name_text(composite.type_spec.type_spec_class_name),
        tuple([_tensor_info(each, left, depth + 1) for each in composite.components]),
    )


def _take(left: Iterator[int]) -> None:
    if next(left, None) is None:
        most = f"at most {MOST_TENSORS:,}"
        raise UnsupportedError("has more tensors than are listed here", expected=most)


def decode_signature(name: str, data: bytes, file: str) -> Signature:
    """Decode a SignatureDef; `file` is what errors call the file, later on."""
    message = parse("Signature", data)
    left = iter(range(MOST_TENSORS))
    for _ in message.defaults:
        _take(left)
    inputs, outputs = (
        {name_text(e.key): _tensor_info(parse("TensorInfo", e.value), left) for e in entries}
        for entries in (message.inputs, message.outputs)
    )
    defaults = {name_text(entry.key): entry.value for entry in message.defaults}
    return Signature(name, name_text(message.method_name), inputs, outputs, defaults, file)


def decode_asset(data: bytes | memoryview) -> Asset:
    """Decode an AssetFileDef."""
    message = parse("Asset", data)
    return Asset(name_text(message.filename), name_text(message.tensor_info.name))


def decode_saver(data: bytes | memoryview) -> Saver:
    """Decode a SaverDef."""
    message = parse("Saver", data)
    number = message.version
    return Saver(
        _VERSIONS[number] if 0 <= number < len(_VERSIONS) else str(number),
        message.max_to_keep,
        message.keep_checkpoint_every_n_hours,
        message.sharded,
        name_text(message.filename_tensor_name),
        name_text(message.save_tensor_name),
        name_text(message.restore_op_name),
    )


def _any(message: Any) -> Asset | AnyValue:
    url = name_text(message.type_url)
    if url.endswith(_ASSET):
        return decode_asset(message.value)
    return AnyValue(url, message.value if message.HasField("value") else None)


_KINDS: dict[str, Callable[[Any], Any]] = {
    "node_list": name_text,
    "bytes_list": bytes,
    "int64_list": int,
    "float_list": float,
    "any_list": _any,
}
_BYTES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(VARIABLE_COLLECTIONS, decode_variable),
    "savers": decode_saver,
    "queue_runners": decode_queue_runner,
    "cond_context": decode_cond,
    "while_context": decode_while,
}


class Collections(Mapping[str, list[Any]]):
    """Name of a collection -> its values, decoded at each access.

    `VariableDefinition`, `Saver`, `Asset`, `AnyValue`, and what is in contexts.py; str for names of
    nodes and tensors, int, float; bytes where a value is a message that is not decoded here, or a
    user's own bytes.

    Raises:
        CheckpointError: on access, where a value cannot be right, or there are more than a
            million; it names the collection.
    """

    __slots__ = ("_file", "_stored")

    def __init__(self, entries: Sequence[memoryview], file: str) -> None:
        pairs = (parse("Entry", entry) for entry in entries)
        self._stored: dict[str, bytes] = {name_text(pair.key): pair.value for pair in pairs}
        self._file = file

    def kind(self, name: str) -> str | None:
        """Return how the values are stored: ``node_list``, ``bytes_list`` and so on."""
        return self._values(name)[0] or None

    def count(self, name: str) -> int:
        """Return how many values a collection has, without decoding them."""
        return len(self._values(name)[1])

    def _values(self, name: str) -> tuple[str, Sequence[Any]]:
        with self._named(name):
            message = parse("Collection", self._stored[name])
        kind = message.WhichOneof("kind")
        return kind or "", getattr(message, kind).value if kind else ()

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        try:
            with enough_memory(self._file):
                yield
        except CheckpointError as error:
            error.file, error.structure = self._file, f"collection {shortened(name)!r}"
            raise

    def __getitem__(self, name: str) -> list[Any]:
        kind, values = self._values(name)
        with self._named(name):
            if len(values) > MOST_VALUES:
                most, got = f"at most {MOST_VALUES:,}", f"{len(values):,}"
                problem = "has more values than are listed here"
                raise UnsupportedError(problem, expected=most, got=got)
            decode = _BYTES.get(name, bytes) if kind == "bytes_list" else _KINDS.get(kind, bytes)
            return [decode(value) for value in values]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def __repr__(self) -> str:
        return f"<Collections: {', '.join(self._stored)}>"
