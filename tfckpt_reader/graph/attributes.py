"""What a node says of itself: attributes, decoded when asked for.

Rank 5: knows no graph. FORMAT 5.5, 5.6; TensorFlow ``core/framework/attr_value.proto``.

An attribute becomes a plain value of Python: a number, bool or bytes; a DataType; a shape; an
array for a tensor; a FunctionRef; a tuple of these for a list. Nothing here recurses: the
attributes of a function that an attribute names are decoded when they are asked for in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from tfckpt_reader._protos import parse
from tfckpt_reader._protos.values import data_type
from tfckpt_reader.errors import (
    CheckpointError,
    CorruptCheckpointError,
    UnsupportedError,
    enough_memory,
    locate,
)
from tfckpt_reader.spec import name_of
from tfckpt_reader.tensor_proto import decode_tensor_proto

if TYPE_CHECKING:
    from collections.abc import Callable

Shape: TypeAlias = "tuple[int | None, ...] | None"
"""Sizes per axis, None for an unknown one; None altogether where even the rank is unknown."""

_LARGEST_LIST = 1 << 26
_HIGHEST_RANK = 254
_LIST_KINDS = ("s", "i", "f", "b", "type", "shape", "tensor", "func")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands, for errors: the file, and the node or function in it."""

    file: str | None = None
    what: str = ""

    def located(self, error: CheckpointError, structure: str = "") -> CheckpointError:
        """Add the place to an error that is about to be raised again."""
        parts = (self.what, structure, error.structure or "")
        error.structure = ": ".join(part for part in parts if part) or None
        if self.file is not None:
            locate(error, self.file)
        return error


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """An attribute that names a function of the library."""

    name: str
    attrs: Attrs = field(compare=False, repr=False)


class Attrs(Mapping[str, Any]):
    """Name -> value of each attribute of a node; decoded anew at each access.

    ``kind(name)`` tells what an attribute is without decoding it: a tensor may be large.

    Raises:
        CorruptCheckpointError: an attribute cannot be right; names the node.
        UnsupportedError: a tensor of a kind that is not read: a resource, a variant.
    """

    __slots__ = ("_entries", "_place", "_values")

    def __init__(self, entries: Sequence[bytes] = (), place: Place = NOWHERE) -> None:
        self._entries: Sequence[bytes] | None = entries
        self._values: dict[str, bytes] = {}
        self._place = place

    @property
    def _raw(self) -> dict[str, bytes]:
        if self._entries is not None:
            self._values = dict(map_entries(self._entries, self._place))
            self._entries = None
        return self._values

    def __getitem__(self, name: str) -> Any:
        raw = self._raw[name]
        try:
            with enough_memory(self._place.file or ""):
                return decode_attr(raw, self._place)
        except CheckpointError as error:
            raise self._place.located(error, f"attribute {name!r}") from error

    def raw(self, name: str) -> bytes:
        """Return an attribute as the file has it, a serialized AttrValue; b"" if there is none."""
        return self._raw.get(name, b"")

    def tensor_proto(self, name: str) -> bytes:
        """Return the serialized TensorProto of an attribute, undecoded; b"" if it is none."""
        found: bytes = _parsed(self.raw(name)).tensor
        return found

    def functions(self, name: str) -> list[FunctionRef]:
        """Return the functions that an attribute names, alone or in a list; few are decoded."""
        value = _parsed(self.raw(name))
        if value.WhichOneof("value") == "func":
            return [function_ref(value.func, self._place)]
        stored = parse("AttrList", value.list).func if len(value.list) <= _LARGEST_LIST else ()
        return [function_ref(raw, self._place) for raw in stored]

    def kind(self, name: str) -> str:
        """Return what an attribute is: "i", "type", "list", "tensor", … or ""."""
        return _parsed(self.raw(name)).WhichOneof("value") or ""

    def __contains__(self, name: object) -> bool:
        return name in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __repr__(self) -> str:
        return f"<Attrs {', '.join(sorted(self._raw))}>"


def map_entries(entries: Sequence[bytes], place: Place) -> Iterator[tuple[str, bytes]]:
    """Yield key and value of the entries of a map; of equal keys the last counts.

    Raises:
        CorruptCheckpointError: one is no entry of a map.
    """
    for entry in entries:
        try:
            found = parse("MapEntry", entry)
        except CheckpointError as error:
            raise place.located(error) from error
        yield name_of(found.key), found.value


def decode_attr(raw: bytes, place: Place) -> Any:
    """Return the value of a serialized AttrValue; None if it has none."""
    value = _parsed(raw)
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "list":
        return _decode_list(value.list, place)
    if kind == "placeholder":
        return name_of(value.placeholder)
    return _decode(kind, getattr(value, kind), place)


def _parsed(raw: bytes) -> Any:
    return parse("AttrValue", raw)


def _decode_list(raw: bytes, place: Place) -> tuple[Any, ...]:
    if len(raw) > _LARGEST_LIST:
        raise UnsupportedError(f"a list of {len(raw):,} bytes is longer than is decoded here")
    values = parse("AttrList", raw)
    for kind in _LIST_KINDS:
        found = getattr(values, kind)
        if len(found):
            return tuple([_decode(kind, value, place) for value in found])
    return ()


def _decode(kind: str, value: Any, place: Place) -> Any:
    decoder = _DECODERS.get(kind)
    if kind == "func":
        return function_ref(value, place)
    return decoder(value) if decoder is not None else value


def function_ref(raw: bytes, place: Place) -> FunctionRef:
    """Return what a serialized NameAttrList names."""
    found = parse("NameAttrList", raw)
    name = name_of(found.name)
    inner = Place(place.file, f"{place.what}: function {name!r}")
    return FunctionRef(name, Attrs(list(found.attr), inner))


def shape_of(raw: bytes) -> Shape:
    """Return the shape of a serialized TensorShapeProto.

    Raises:
        CorruptCheckpointError: a size below -1, or too many axes.
    """
    if len(raw) > 64 * _HIGHEST_RANK and raw.count(b"\x12") > _HIGHEST_RANK:
        raise _impossible(f"{len(raw):,} bytes of sizes")
    found = parse("Shape", raw)
    if found.unknown_rank:
        return None
    sizes = [dim.size for dim in found.dim]
    if len(sizes) > _HIGHEST_RANK or min(sizes, default=0) < -1:
        raise _impossible(f"rank {len(sizes)}: {sizes[:8]}")
    return tuple([None if size < 0 else size for size in sizes])


def _impossible(got: str) -> CorruptCheckpointError:
    return CorruptCheckpointError(
        "shape cannot be",
        structure="shape",
        expected=f"at most {_HIGHEST_RANK} sizes, each -1 (unknown) or more",
        got=got,
    )


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "type": data_type,
    "shape": shape_of,
    "tensor": lambda raw: decode_tensor_proto(memoryview(raw)),
}
