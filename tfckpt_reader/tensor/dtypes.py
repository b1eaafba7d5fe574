"""TensorFlow's element types: their numbers, names, sizes, and NumPy types.

Knows no protobuf and no bytes. FORMAT 3.4; TensorFlow ``core/framework/types.proto``.
"""

from __future__ import annotations

import enum
from functools import cache
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CorruptCheckpointError, ErrorKind, UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Self

REFERENCE_OFFSET = 100
"""The number of a reference type is that of its base type plus this; none is ever stored."""


class DataType(enum.IntEnum):
    """A TensorFlow dtype. ``int()`` is TensorFlow's number, ``str()`` its name.

    Each member also carries:
        itemsize: Bytes per element in a file; 0 where elements differ in length.
        numpy_name: The NumPy (or ml_dtypes) type that holds it; "" where there is none.
        bits: Significant low bits of the stored byte, for types narrower than one; else 0.
    """

    itemsize: int
    numpy_name: str
    bits: int

    FLOAT32 = 1, 4, "float32"
    FLOAT64 = 2, 8, "float64"
    INT32 = 3, 4, "int32"
    UINT8 = 4, 1, "uint8"
    INT16 = 5, 2, "int16"
    INT8 = 6, 1, "int8"
    STRING = 7, 0, "object"
    COMPLEX64 = 8, 8, "complex64"
    INT64 = 9, 8, "int64"
    BOOL = 10, 1, "bool"
    QINT8 = 11, 1, "int8"
    QUINT8 = 12, 1, "uint8"
    QINT32 = 13, 4, "int32"
    BFLOAT16 = 14, 2, "bfloat16"
    QINT16 = 15, 2, "int16"
    QUINT16 = 16, 2, "uint16"
    UINT16 = 17, 2, "uint16"
    COMPLEX128 = 18, 16, "complex128"
    FLOAT16 = 19, 2, "float16"
    RESOURCE = 20, 0, ""
    VARIANT = 21, 0, "object"
    UINT32 = 22, 4, "uint32"
    UINT64 = 23, 8, "uint64"
    FLOAT8_E5M2 = 24, 1, "float8_e5m2"
    FLOAT8_E4M3FN = 25, 1, "float8_e4m3fn"
    FLOAT8_E4M3FNUZ = 26, 1, "float8_e4m3fnuz"
    FLOAT8_E4M3B11FNUZ = 27, 1, "float8_e4m3b11fnuz"
    FLOAT8_E5M2FNUZ = 28, 1, "float8_e5m2fnuz"
    INT4 = 29, 1, "int4", 4
    UINT4 = 30, 1, "uint4", 4
    INT2 = 31, 1, "int2", 2
    UINT2 = 32, 1, "uint2", 2
    FLOAT4_E2M1FN = 33, 1, "float4_e2m1fn", 4

    def __new__(cls, number: int, itemsize: int, numpy_name: str, bits: int = 0) -> Self:
        """Make a member from its row in the table above."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.itemsize = itemsize
        member.numpy_name = numpy_name
        member.bits = bits
        return member

    @classmethod
    def _missing_(cls, value: object) -> DataType | None:
        return cls.unknown(value) if isinstance(value, int) else None  # a pickled one

    @classmethod
    def unknown(cls, number: int) -> DataType:
        """Return a stand-in for a number outside the table: it can be listed, not read."""
        base = BY_NUMBER.get(number - REFERENCE_OFFSET)
        member = int.__new__(cls, number)
        member._value_ = number
        member._name_ = f"{base.name}_REF" if base is not None else f"UNKNOWN_{number}"
        member.itemsize, member.numpy_name, member.bits = 0, "", 0
        return member

    __hash__ = int.__hash__  # the enum's own is slow, and each array needs it

    def __str__(self) -> str:
        return self.name.lower()

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    @property
    def needs_ml_dtypes(self) -> bool:
        """Whether NumPy needs the ml_dtypes package for the type."""
        return self.bits > 0 or self is DataType.BFLOAT16 or self.numpy_name.startswith("float8")


BY_NUMBER: dict[int, DataType] = {int(dtype): dtype for dtype in DataType}


def require_readable(dtype: DataType) -> None:
    """Refuse types that are never stored, and unknown types.

    Raises:
        CorruptCheckpointError: number 0, or a reference type.
        UnsupportedError: a resource, or a number unknown to TensorFlow 2.21.
    """
    if dtype.numpy_name:
        return
    if 0 < dtype < REFERENCE_OFFSET:
        why = "" if dtype in BY_NUMBER else f": dtype number {int(dtype)} is newer than this reader"
        raise UnsupportedError(f"{dtype} tensors are not read{why}")
    raise CorruptCheckpointError(
        "this dtype is never stored", kind=ErrorKind.ENTRY, structure="index entry", got=dtype
    )


@cache
def to_numpy(dtype: DataType) -> np.dtype[Any]:
    """Return the NumPy dtype of arrays of `dtype`, in native byte order.

    Strings and variants are object arrays; quantised types are their plain integers.

    Raises:
        CheckpointError: none exists; see `require_readable`.
        UnsupportedError: ml_dtypes is needed and not installed.
    """
    import numpy as np

    require_readable(dtype)
    if not dtype.needs_ml_dtypes:
        return np.dtype(dtype.numpy_name)
    try:
        import ml_dtypes

        found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, dtype.numpy_name))
    except (ImportError, AttributeError) as error:
        raise UnsupportedError(
            f"NumPy has no {dtype} of its own",
            advice="Install the types: pip install -U ml_dtypes",
        ) from error
    return found
