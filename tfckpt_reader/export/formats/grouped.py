"""The part that formats with groups share: names as paths, NumPy's types, and strings as elements.

Knows no file. Each ``/`` of a name ends a group. With the setting ``flat`` there are no groups:
``/``, a backslash, ``%`` and NUL become ``%`` and two hexadecimal digits, and so does the first
character of a reserved name; ``urllib.parse.unquote`` returns the name.

How a dtype is stored:

==============================  =====================================  ====================
TensorFlow                      in the file                            with ``raw``
==============================  =====================================  ====================
dtypes of NumPy, with bool      the same                               the same
quantised                       their integers                         the same
bfloat16                        float32                                uint16, the bits
float8 kinds, float4            float32                                uint8, the bits
int4, int2 / uint4, uint2       int8 / uint8                           uint8, the bits
string                          elements of variable length            the same
variant, resource               refused
==============================  =====================================  ====================

Where the type has another name, the attribute ``tensorflow_dtype`` has TensorFlow's.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from tfckpt_reader.export.formats.base import Format
from tfckpt_reader.export.formats.npy import shape_refusal
from tfckpt_reader.export.transfer import OutputArray, require_size
from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from numpy.typing import NDArray

    from tfckpt_reader.export.elements import Cast
    from tfckpt_reader.export.transfer import Job, Source
    from tfckpt_reader.tensor.spec import TensorSpec

DTYPE = "tensorflow_dtype"
"""The attribute with TensorFlow's name of a type."""
STRINGS, BYTE_LISTS = "bytes", "uint8[]"
"""Types of elements of variable length."""
_ESCAPED = re.compile(r"[%/\\\0]")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupArray(OutputArray):
    """An array in a group."""

    dtype: DataType
    """The type in TensorFlow, after a cast."""
    read: Callable[[], NDArray[Any]]
    """Reads the tensor."""

    @property
    def holds_strings(self) -> bool:
        """Whether its elements differ in length."""
        return self.dtype is DataType.STRING

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes: the type of numbers, where another one stores it."""
        is_same = self.holds_strings or self.type_name == str(self.dtype)
        return {} if is_same else {DTYPE: str(self.dtype)}

    def strings(self, job: Job) -> NDArray[Any]:
        """Read an array of strings.

        Raises:
            CheckpointError: the tensor is damaged, or has changed.
        """
        strings = self.read()
        size = sum(map(len, strings.flat))
        require_size(self, size)
        job.on_read(size)
        return strings


_CHUNK_SIZES = range(1 << 10, (1 << 30) + 1)


@dataclass(frozen=True)
class GroupedFormat(Format):
    """Base of the formats with groups."""

    flat: bool = False
    chunk_size: int | None = None
    """Most bytes of a chunk; None for the format's own default."""

    advice: ClassVar = "--flat (flat=True) stores names without groups"
    type_names: ClassVar = {
        dtype: dtype.numpy_name
        for dtype in DataType
        if dtype.itemsize and not dtype.needs_ml_dtypes
    }

    def __post_init__(self) -> None:
        if self.chunk_size is not None and self.chunk_size not in _CHUNK_SIZES:
            least, most = _CHUNK_SIZES[0], _CHUNK_SIZES[-1]
            raise ValueError(f"a chunk has {least:,} to {most:,} bytes, not {self.chunk_size:,}")

    @abstractmethod
    def part_refusal(self, part: str) -> str | None:
        """Return the reason against the name of a group or an array, or None."""

    @abstractmethod
    def string_type(self, strings: NDArray[Any]) -> str:
        """Return the format's name of the type for strings."""

    def tensor_refusal(self, spec: TensorSpec) -> str | None:
        """Return the reason against a dtype or a shape, or None."""
        if not spec.dtype.itemsize and spec.dtype is not DataType.STRING:
            return f"{spec.dtype} tensors cannot be stored in an {self.suffix}"
        return shape_refusal(spec)

    def name_refusal(self, name: str, spec: TensorSpec, keys: Container[str]) -> str | None:  # noqa: ARG002 - of any type
        """Return the reason against a name: that of a part, or a tensor has the name of a group."""
        parts = self.stored_name(name).split("/")
        reasons = filter(None, map(self.part_refusal, parts))
        groups = ("/".join(parts[:count]) for count in range(1, len(parts)))
        taken = (
            f"{each!r} is a tensor, so it cannot be a group too"
            for each in groups
            if self.collision_key(each) in keys
        )
        return next(chain(reasons, taken), None)

    def stored_name(self, name: str) -> str:
        """Return the name of the array for a tensor, with the groups before it."""
        if not self.flat:
            return name
        text = _ESCAPED.sub(_escape, name)
        return re.sub(r"^[ -~]", _escape, text) if self.part_refusal(text) else text

    def arrays(
        self, source: Source, name: str, cast: Cast | None, *, raw: bool
    ) -> tuple[OutputArray, ...]:
        """Return the array for a tensor; arguments as for the base."""
        spec, stored = source.spec, self.stored_name(name)
        dtype = spec.dtype if cast is None else cast.target
        encoding = self.encoding(dtype, raw=raw)
        make = partial(GroupArray, stored, spec=spec, shape=spec.shape, dtype=dtype)
        make = partial(make, read=source.read)
        if encoding is not None:
            held, encode = encoding.after(cast)
            return (make(self.type_names[held], itemsize=held.itemsize, encode=encode),)
        strings = source.read()
        size = sum(map(len, strings.flat))
        return (make(self.string_type(strings), itemsize=0, size=size),)


def _escape(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"
