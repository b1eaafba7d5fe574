"""Writing an HDF5 file with h5py: groups, datasets, their attributes, strings and deflated chunks.

Knows no names of tensors and no options. No clock is in the file: equal arrays make equal files.
HDF5 of 1.8 and later reads it.
"""

from __future__ import annotations

import io
import zlib
from contextlib import closing, contextmanager
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from h5py import h5d, h5f, h5fd, h5g, h5p, h5s, h5t

from tfckpt_reader.export.formats.chunks import CHUNK, chunk_shape, chunked
from tfckpt_reader.export.formats.deflate import in_order
from tfckpt_reader.export.formats.grouped import BYTE_LISTS
from tfckpt_reader.export.transfer import array_bytes, require_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tfckpt_reader.export.formats.chunks import Chunk
    from tfckpt_reader.export.formats.grouped import GroupArray
    from tfckpt_reader.export.transfer import Job

_ALIGNED, _ALIGNMENT = 1 << 16, 4096
"""Arrays of so many bytes begin on a page."""
_WORTH_DEFLATING = 1 << 10
"""Bytes; a smaller array gains less than its chunk's entry takes."""
_LEVEL = 6


class _File(io.FileIO):
    """A file for HDF5, which has no way back from an error: the first is kept, to be raised.

    So is Ctrl-C, which may come while HDF5 calls.
    """

    error: BaseException | None = None

    def write(self, data: Any) -> int:
        try:
            done = 0
            while done < len(data) and self.error is None:
                done += super().write(memoryview(data)[done:]) or 0
        except BaseException as error:  # noqa: BLE001 - raised by `created`
            self.error = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except BaseException as error:  # noqa: BLE001 - raised by `created`
            self.error = self.error or error
        return 0


@contextmanager
def created(path: str) -> Iterator[h5f.FileID]:
    """Make an empty HDF5 file of an existing file; close it in the end.

    Raises:
        OSError: it cannot be written.
    """
    with _File(path, "r+b") as file:
        try:
            with closing(_opened(file)) as opened:
                yield opened
        finally:
            if file.error is not None:
                raise file.error


def _opened(file: _File) -> h5f.FileID:
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_V18)
    access.set_alignment(_ALIGNED, _ALIGNMENT)
    access.set_fileobj_driver(h5fd.fileobj_driver, file)
    return h5f.create(b"-", h5f.ACC_TRUNC, _timeless(h5p.FILE_CREATE), access)


def _timeless(kind: Any) -> Any:
    """Return properties to make an object with, of which no time is stored."""
    properties = h5p.create(kind)
    properties.set_obj_track_times(False)
    return properties


class Hdf5Writer:
    """Adds arrays to a file.

    Args:
        file: From `created`.
        job: Source of the numbers; its provenance becomes attributes of the root.
        chunk_size: Most bytes of a chunk. Default: only deflated arrays are in chunks.
    """

    def __init__(self, file: h5f.FileID, job: Job, chunk_size: int | None) -> None:
        self._file, self._job = file, job
        self._chunk_size = chunk_size
        self._groups = {""}
        self._group_properties = _timeless(h5p.GROUP_CREATE)
        self._utf8 = h5p.create(h5p.LINK_CREATE)
        self._utf8.set_char_encoding(h5t.CSET_UTF8)
        self._allocated = _timeless(h5p.DATASET_CREATE)
        self._allocated.set_alloc_time(h5d.ALLOC_TIME_EARLY)
        self._allocated.set_fill_time(h5d.FILL_TIME_NEVER)
        h5py.AttributeManager(h5py.Group(h5g.open(file, b"/"))).update(job.provenance)

    def add(self, array: GroupArray) -> int | None:
        """Add an array; return the offset for its bytes, or None if they are written.

        Raises:
            CheckpointError: the tensor cannot be read, or is damaged.
        """
        if array.holds_strings:
            self._write_strings(array, array.strings(self._job))
        elif array.shape and array.nbytes and (self._chunk_size or self._deflates(array)):
            self._write_chunks(array)
        else:
            dataset = self._dataset(array, _numpy_type(array), self._allocated)
            return dataset.get_offset() or 0  # an array without elements has none
        return None

    def _dataset(self, array: GroupArray, dtype: np.dtype[Any], properties: Any) -> Any:
        self._add_group(array.name.rpartition("/")[0])
        space = h5s.create_simple(array.shape) if array.shape else h5s.create(h5s.SCALAR)
        stored, name = h5t.py_create(dtype, logical=True), array.name.encode()
        dataset = h5d.create(self._file, name, stored, space, properties, self._utf8)
        if array.attributes:
            h5py.AttributeManager(h5py.Dataset(dataset)).update(array.attributes)
        return dataset

    def _add_group(self, name: str) -> None:
        """Make a group, and those around it, unless they are there."""
        missing = []
        while name not in self._groups:
            missing.append(name)
            name = name.rpartition("/")[0]
        for each in reversed(missing):
            h5g.create(self._file, each.encode(), self._utf8, self._group_properties)
            self._groups.add(each)

    def _write_strings(self, array: GroupArray, strings: NDArray[Any]) -> None:
        is_list = array.type_name == BYTE_LISTS
        dtype = h5py.vlen_dtype(np.uint8) if is_list else h5py.string_dtype("ascii")
        held = np.empty(strings.size, dtype)
        for i, string in enumerate(strings.flat):
            held[i] = np.frombuffer(string, np.uint8) if is_list else string
        dataset = self._dataset(array, dtype, _timeless(h5p.DATASET_CREATE))
        dataset.write(h5s.ALL, h5s.ALL, held.reshape(strings.shape))

    def _deflates(self, array: GroupArray) -> bool:
        return self._job.compress and array.nbytes >= _WORTH_DEFLATING

    def _write_chunks(self, array: GroupArray) -> None:
        itemsize = array.itemsize
        shape = chunk_shape(array.shape, itemsize, self._chunk_size or CHUNK)
        properties = _timeless(h5p.DATASET_CREATE)
        properties.set_chunk(shape)
        pack = _filled
        if self._deflates(array):
            properties.set_shuffle()
            properties.set_deflate(_LEVEL)
            pack = _deflated
        dataset = self._dataset(array, _numpy_type(array), properties)
        size, pack = 0, partial(pack, prod(shape), itemsize)
        stream = chunked(array_bytes(self._job, array), array.shape, shape, itemsize)
        with closing(in_order(pack, stream)) as packed:
            for chunk, data in packed:
                first = tuple(i * n for i, n in zip(chunk.place, shape, strict=True))
                dataset.write_direct_chunk(first, data)
                size += len(chunk.data)
        require_size(array, size)


def _numpy_type(array: GroupArray) -> np.dtype[Any]:
    return np.dtype(array.type_name).newbyteorder("<")


def _filled(elements: int, itemsize: int, chunk: Chunk) -> tuple[Chunk, bytes]:
    """Return a chunk, and its bytes in the file: filled up."""
    return chunk, bytes(chunk.data.ljust(elements * itemsize, b"\0"))


def _deflated(elements: int, itemsize: int, chunk: Chunk) -> tuple[Chunk, bytes]:
    """Return a chunk, and its bytes in the file: filled up, shuffled, deflated."""
    whole = np.frombuffer(chunk.data.ljust(elements * itemsize, b"\0"), np.uint8)
    return chunk, zlib.compress(whole.reshape(elements, itemsize).T.tobytes(), _LEVEL)
