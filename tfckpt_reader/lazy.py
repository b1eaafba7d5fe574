"""A tensor that is read when it is indexed, as far along axis 0 as the index needs.

Knows no file: a checkpoint hands its rows over. The numbers and errors are NumPy's own, since NumPy
applies each index to the rows that were read.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Protocol

from tfckpt_reader.errors import CorruptCheckpointError, ErrorKind
from tfckpt_reader.storage.filesystem import portable_path
from tfckpt_reader.storage.source import CHUNK
from tfckpt_reader.tensor.dense import empty_rows
from tfckpt_reader.tensor.dtypes import to_numpy
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from tfckpt_reader.paths.unchanged import Snapshot
    from tfckpt_reader.tensor.spec import Segment, TensorSpec, Unplaced


class Tensors(Protocol):
    """Reads tensors, or rows of them: a `Checkpoint`."""

    def read(self, name: str, *, rows: slice | None = None) -> NDArray[Any]:
        """Return a tensor, checked, or some rows of it; owned."""

    def lazy(self, name: str) -> LazyTensor:
        """Return a tensor to be read later."""


class LazyTensor:
    """A tensor of a checkpoint, read when it is indexed. Made by `Checkpoint.lazy`.

    ``tensor[index]`` equals ``array[index]`` of the whole array, for each index that NumPy takes.
    Only the rows along axis 0 between the first and the last wanted one are read, in pieces of at
    most a megabyte where a step leaves some out. An index that does not begin with an integer, a
    slice or integers reads all. ``np.asarray(tensor)`` is the whole tensor.

    Arrays are owned and writable. The crc covers a whole tensor: it is compared when all rows are
    read at once, unless the checkpoint was opened without checks.

    It pickles without data: see `Checkpoint`.
    """

    def __init__(self, source: Tensors, spec: TensorSpec, files: Snapshot) -> None:
        self._source = source
        self._files = files
        self.spec = spec
        """Its description in the index."""

    @property
    def name(self) -> str:
        """Its name in the checkpoint."""
        return self.spec.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Elements per axis; () for a scalar."""
        return self.spec.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's type of the elements; object for strings."""
        return to_numpy(self.spec.dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.spec.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.spec.elements

    @property
    def nbytes(self) -> int:
        """Bytes of the array in memory; of strings, those of the references alone."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        """Return what the index takes from the array: an array, or one element.

        Raises:
            IndexError: as NumPy.
            CheckpointError: as for ``ckpt[name]``.
        """
        first, *others = index if isinstance(index, tuple) and index else (index,)
        if not self.shape or isinstance(first, (bool, type(None), type(...))):
            return self._read(slice(None))[index]
        if isinstance(first, slice):
            return self._rows(range(self.shape[0])[first])[(slice(None), *others)]
        try:
            row = operator.index(first)
        except TypeError:
            return self._selected(first, index, others)
        row = self._row(row)
        return self._read(slice(row, row + 1))[(0, *others)]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 - NumPy's own signature
        """Return the whole tensor, owned.

        Raises:
            ValueError: `copy` is False, but a file is no memory to share.
            CheckpointError: as for ``ckpt[name]``.
        """
        if copy is False:
            raise ValueError(f"tensor {quoted(self.name)} is read from a file, which is a copy")
        array = self._read(slice(None))
        return array if dtype is None else array.astype(dtype, copy=False)

    def __repr__(self) -> str:
        return f"<LazyTensor {quoted(self.name)} {self.spec.dtype} {list(self.shape)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._source, self.spec)

    def __dask_tokenize__(self) -> object:
        """Return plain values that differ where the bytes do: path, position, size and crc."""
        stored = [(each.shard, each.offset, each.nbytes, each.crc32c) for each in self._parts]
        files = self._files.files if any(crc is None for *_, crc in stored) else ()
        path, _ = portable_path(self._files.location.prefix)
        kind = str(self.spec.dtype), self.shape
        return type(self).__name__, path, self.spec.key, kind, stored, [file[1:] for file in files]

    @property
    def _parts(self) -> list[Segment | Unplaced]:
        """Its stored bytes, in slices or not."""
        return [each.segment for each in self.spec.slices] or [self.spec.segment]

    @property
    def _has_positions(self) -> bool:
        """Whether a row can be read without those before it: numbers of V2."""
        return bool(self.spec.dtype.itemsize) and self._parts[0].offset is not None

    def _row(self, row: int) -> int:
        """Return a row counted from the front."""
        count = self.shape[0]
        if not -count <= row < count:
            raise IndexError(f"index {row} is out of bounds for axis 0 with size {count}")
        return row % count

    def _selected(self, first: ArrayLike, index: Any, others: list[Any]) -> Any:
        """Return what an index takes that begins with an array, or something like one."""
        import numpy as np

        numbers = np.asarray(first)
        if numbers.dtype.kind not in "iu" or not numbers.size:
            return self._read(slice(None))[index]  # a mask takes any row
        for bound in (numbers.min(), numbers.max()):
            self._row(int(bound))
        rows = numbers.astype(np.int64) % self.shape[0]
        low = int(rows.min())
        block = self._read(slice(low, int(rows.max()) + 1))
        return block[(rows - low, *others)]

    def _rows(self, wanted: range) -> NDArray[Any]:
        """Return some rows; between those with a step, few others are in memory at a time."""
        if wanted.step == 1:
            return self._read(slice(wanted.start, wanted.stop))
        if wanted.step < 0:
            return self._rows(wanted[::-1])[::-1]
        out = empty_rows(self.spec, wanted)
        row_size = self.nbytes // max(1, self.shape[0])
        at_once = max(1, CHUNK // (max(1, row_size) * wanted.step))
        if not self._has_positions:
            at_once = max(1, len(wanted))
        for done in range(0, len(wanted), at_once):
            some = wanted[done : done + at_once]
            block = self._read(slice(some[0], some[-1] + 1))
            out[done : done + len(some)] = block[:: wanted.step]
        return out

    def _read(self, rows: slice) -> NDArray[Any]:
        """Return adjacent rows; all of them are checked."""
        is_all = not self.shape or rows.indices(self.shape[0])[:2] == (0, self.shape[0])
        return self._source.read(self.name, rows=None if is_all else rows)


def _restored(source: Tensors, spec: TensorSpec) -> LazyTensor:
    """Return a tensor that was pickled, of a checkpoint that was opened again.

    Raises:
        CorruptCheckpointError: the index describes another tensor now.
    """
    tensor = source.lazy(spec.name)
    if tensor.spec != spec:
        raise CorruptCheckpointError(
            "the checkpoint has changed since the tensor was pickled",
            kind=ErrorKind.CHANGED,
            file=tensor._files.location.prefix,  # noqa: SLF001
            tensor=spec.name,
            expected=spec,
            got=tensor.spec,
            advice="Take the tensor from the checkpoint again",
        )
    return tensor
