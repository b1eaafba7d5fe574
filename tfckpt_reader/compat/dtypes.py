"""TensorFlow's dtype objects.

TensorFlow ``python/framework/dtypes.py``.
"""

from __future__ import annotations

import builtins
from typing import Any

from tfckpt_reader.tensor.dtypes import BY_NUMBER, REFERENCE_OFFSET, DataType, to_numpy

_ALIASES = {"half": "float16", "float": "float32", "double": "float64"}
_REFERENCE = "_ref"
_NO_NUMBERS = (DataType.STRING, DataType.BOOL, DataType.RESOURCE)
_LARGEST_NUMERIC = DataType.UINT64


class DType:
    """The type of a tensor's elements; equal to its name, its number and its NumPy type."""

    __slots__ = ("_type",)

    def __init__(self, type_enum: int) -> None:
        self._type = BY_NUMBER.get(type_enum) or DataType.unknown(type_enum)

    @property
    def name(self) -> str:
        """TensorFlow's name."""
        return str(self._type)

    @property
    def as_datatype_enum(self) -> int:
        """TensorFlow's number."""
        return int(self._type)

    @property
    def base_dtype(self) -> DType:
        """The type without the reference; itself for any other."""
        number = int(self._type)
        return DType(number - REFERENCE_OFFSET) if number > REFERENCE_OFFSET else self

    @property
    def real_dtype(self) -> DType:
        """The type of the real part; itself for any type that is not complex."""
        base = {"complex64": DataType.FLOAT32, "complex128": DataType.FLOAT64}
        return DType(base[self._base]) if self.is_complex else self

    @property
    def as_numpy_dtype(self) -> Any:
        """The NumPy scalar type; for a quantised type, a structured dtype as TensorFlow has it.

        Raises:
            KeyError: a variant or a resource.
        """
        import numpy as np

        base = BY_NUMBER.get(self.base_dtype.as_datatype_enum)
        if base in (DataType.VARIANT, DataType.RESOURCE, None):
            raise KeyError(int(self._type))
        if base is DataType.STRING:
            return object
        found = to_numpy(base)
        return np.dtype([(self._base, found)]) if self.is_quantized else found.type

    @property
    def size(self) -> int:
        """Bytes of an element; 0 where elements differ."""
        base = BY_NUMBER.get(self.base_dtype.as_datatype_enum)
        return base.itemsize if base else 0

    @property
    def _base(self) -> str:
        return self.base_dtype.name

    @property
    def is_bool(self) -> bool:
        """Whether it is bool."""
        return self._base == "bool"

    @property
    def is_complex(self) -> bool:
        """Whether it is complex."""
        return self._base.startswith("complex")

    @property
    def is_floating(self) -> bool:
        """Whether it is a real floating-point type."""
        return self._base.startswith(("float", "bfloat"))

    @property
    def is_integer(self) -> bool:
        """Whether it is an integer; quantised types are not."""
        return self._base.startswith(("int", "uint"))

    @property
    def is_quantized(self) -> bool:
        """Whether it is quantised."""
        return self._base.startswith(("qint", "quint"))

    @property
    def is_unsigned(self) -> bool:
        """Whether it is an unsigned integer; quantised types are not."""
        return self._base.startswith("uint")

    @property
    def is_numeric(self) -> bool:
        """Whether it is a number of a byte or more, float8 aside."""
        base = self.base_dtype.as_datatype_enum
        return base <= _LARGEST_NUMERIC and base not in (*_NO_NUMBERS, DataType.VARIANT)

    @property
    def is_numpy_compatible(self) -> bool:
        """Whether `as_numpy_dtype` exists."""
        return self._base not in ("variant", "resource")

    def is_compatible_with(self, other: object) -> bool:
        """Return whether the other type, or its base, is this one."""
        theirs = as_dtype(other)
        return self.as_datatype_enum in (
            theirs.as_datatype_enum,
            theirs.base_dtype.as_datatype_enum,
        )

    def __eq__(self, other: object) -> bool:
        try:
            return self.as_datatype_enum == as_dtype(other).as_datatype_enum
        except TypeError:
            return False

    def __hash__(self) -> int:
        return self.as_datatype_enum

    def __repr__(self) -> str:
        return f"tf.{self.name}"

    def __str__(self) -> str:
        return f"<dtype: {self.name!r}>"

    def __reduce__(self) -> tuple[type[DType], tuple[int]]:
        return DType, (self.as_datatype_enum,)


BY_NAME = {str(dtype): DType(dtype) for dtype in DataType}
"""TensorFlow's name -> dtype."""
BY_NAME |= {alias: BY_NAME[name] for alias, name in _ALIASES.items()}
_OF_PYTHON: dict[type, str] = {float: "float32", bool: "bool", object: "string"}


def as_dtype(type_value: object) -> DType:
    """Return the dtype for a name, a number, a NumPy type or dtype, an array, or a dtype.

    Raises:
        TypeError: no dtype belongs to it.
    """
    if isinstance(type_value, DType):
        return type_value
    found: DType | None = None
    if isinstance(type_value, str):
        found = _by_name(type_value)
    elif isinstance(type_value, int):
        base = type_value - REFERENCE_OFFSET if type_value > REFERENCE_OFFSET else type_value
        found = DType(type_value) if base in BY_NUMBER else None
    elif type_value is not None:
        found = _by_numpy(type_value)
    if found is None:
        raise TypeError(
            f"Cannot convert the argument `type_value`: {type_value!r} to a TensorFlow DType."
        )
    return found


def _by_name(name: str) -> DType | None:
    base = BY_NAME.get(name.removesuffix(_REFERENCE))
    if base is None or not name.endswith(_REFERENCE):
        return base
    return DType(base.as_datatype_enum + REFERENCE_OFFSET)


def _by_numpy(value: Any) -> DType | None:
    """Return the dtype of a type, a NumPy dtype, or anything with a `dtype`."""
    import numpy as np

    if isinstance(value, type):
        if value in _OF_PYTHON or value.__module__ == builtins.__name__:
            return BY_NAME.get(_OF_PYTHON.get(value, ""))
        described: Any = value
    else:
        described = getattr(value, "dtype", value)
    try:
        dtype = np.dtype(described)
    except TypeError:
        return None
    return BY_NAME["string"] if dtype.kind in "SUO" else BY_NAME.get(dtype.name)
