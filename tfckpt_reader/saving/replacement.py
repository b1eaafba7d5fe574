"""An array in the place of a tensor.

Knows no file but that of the array.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.tensor.dtypes import DataType, to_numpy
from tfckpt_reader.tensor.spec import TensorSpec, Unplaced
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tfckpt_reader.export.sources.numpy_files import NumpyArray


class Replacement:
    """The array of a file, as a tensor's type and shape.

    Args:
        array: The array.
        spec: The tensor.

    Raises:
        ValueError: the shape is another.
    """

    def __init__(self, array: NumpyArray, spec: TensorSpec) -> None:
        if array.shape != spec.shape:
            raise ValueError(
                f"{array.file}: its shape is {list(array.shape)}, and that of "
                f"{quoted(spec.name)} {list(spec.shape)}"
            )
        self._array = array
        self.dtype, self.shape = spec.dtype, spec.shape
        parts = (each._replace(segment=_unplaced(each)) for each in spec.slices)
        self.spec = TensorSpec(_unplaced(spec), tuple(parts))
        """The tensor, with its slices, without its bytes."""

    def load(self) -> NDArray[Any]:
        """Read the array, in the tensor's type.

        Raises:
            ValueError: the type does not hold its elements.
        """
        import numpy as np

        array = self._array.load()
        if self.dtype is self._array.dtype:
            return array
        if DataType.STRING not in (self.dtype, self._array.dtype) and self.dtype.itemsize:
            with np.errstate(all="ignore"):
                cast = array.astype(to_numpy(self.dtype))
                back = cast.astype(array.dtype)
            if ((back == array) | ((back != back) & (array != array))).all():  # noqa: PLR0124 - NaN
                return cast
        raise ValueError(
            f"{self._array.file}: {self.dtype} does not hold its {array.dtype} numbers"
        )


def _unplaced(described: Any) -> Unplaced:
    segment = described.segment
    return Unplaced(segment.name, segment.dtype, segment.shape, segment.nbytes)
