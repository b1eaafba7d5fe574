"""The checkpoint as a mapping from names to arrays.

Knows no exporter and no command line. `paths` locates the files; `formats` reads them, V1 and V2
behind one interface.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.formats.opening import reader_of
from tfckpt_reader.paths.layout import tensor_files
from tfckpt_reader.paths.listing import listed_once
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.paths.unchanged import Guard, require_same
from tfckpt_reader.specs import Names, Specs
from tfckpt_reader.tensor.rows import require_fit, row_range
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

    from tfckpt_reader.formats.reader import Reader
    from tfckpt_reader.graph.meta_graph import MetaGraph
    from tfckpt_reader.lazy import LazyTensor
    from tfckpt_reader.objects.meaning import Meaning
    from tfckpt_reader.objects.names import Renamed, TensorNames
    from tfckpt_reader.objects.object_graph import ObjectGraph
    from tfckpt_reader.objects.roles import Role
    from tfckpt_reader.paths.layout import Location
    from tfckpt_reader.paths.unchanged import Snapshot
    from tfckpt_reader.tensor.spec import TensorSpec


class Checkpoint(Names["NDArray[Any]"]):
    """A checkpoint: name -> array, read when asked for. Made by `open`.

    ``ckpt[name]`` is a read-only array, C-contiguous, aligned and native: a view of the mapped
    file where the bytes allow it, else a copy. The crc of a view is compared once, at the first
    access; that of a copy each time. An array stays valid after `close`. Strings are object arrays
    of bytes, scalars are arrays of rank 0. If the files change, what was not read yet is an error.
    It pickles as path and options: unpickling opens the same files again, if they are unchanged.

    Two checkpoints are equal only if they are the same object. Safe to use from several threads.

    Attributes:
        notes: Assumptions made while locating and reading it, a line each.
        version: "V1" or "V2".
        checks: Whether it compares crcs.
    """

    def __init__(
        self, reader: Reader, guard: Guard, *, check: bool, mmap: bool | None = None
    ) -> None:
        self._open_reader: Reader | None = reader
        self._guard = guard
        self._specs = Specs(reader, guard)
        self.checks, self._mmap = check, mmap
        self._meta_graph: MetaGraph | None = None
        self.version = reader.version
        self._shards = count_of(reader.shard_count, "shard")

    @property
    def reader(self) -> Reader:
        """The reader of the format, for exporters.

        Raises:
            ValueError: the checkpoint is closed.
        """
        return self._specs.reader

    @property
    def specs(self) -> Specs:
        """The index: name -> TensorSpec. Touches no data."""
        _ = self.reader
        return self._specs

    @property
    def notes(self) -> tuple[str, ...]:
        """Assumptions made while locating and reading it."""
        named = self.__dict__.get("_meaning")
        of_reader = self._open_reader.notes if self._open_reader else ()
        return (*self._guard.location.notes, *of_reader, *(named.notes if named else ()))

    def __getitem__(self, name: str) -> NDArray[Any]:
        reader = self._open_reader or self.reader
        # Hot path: most tensors are small.
        spec = self._specs.known.get(name) or self._specs[name]
        try:
            array = reader.array(spec, check=self.checks)
        except (MemoryError, CheckpointError):
            with self._guard:  # not around the hot path: entering it costs time
                raise
        if not self.checks:
            self._guard.confirm(checked=False)
        return array

    def __contains__(self, name: object) -> bool:
        return name in self.specs

    def __iter__(self) -> Iterator[str]:
        return iter(self.specs)

    def __len__(self) -> int:
        return len(self.specs)

    def read(
        self,
        name: str,
        *,
        rows: slice | None = None,
        check: bool | None = None,
        out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """Read a tensor, or some of its rows, into memory of its own: owned and writable.

        Args:
            name: The tensor.
            rows: A slice along axis 0, with step 1 and bounds as Python's. Only its bytes are read,
                unless `check`.
            check: Compare the crc; it covers the whole tensor, so with `rows` all of it is read.
                Default: as the checkpoint was opened, but not with `rows`.
            out: Array to fill and return, of the same dtype and shape; undefined after an error.

        Raises:
            TensorNotFoundError: no tensor has that name.
            ValueError: `rows` of a scalar or with a step, or an `out` that does not fit.
            CheckpointError: as for ``ckpt[name]``.
        """
        spec = self.specs.within(name, rows)
        wanted = row_range(spec, rows)
        if check is None:
            check = self.checks and rows is None
        if out is not None:
            require_fit(out, spec, wanted)
        is_plain = out is None or (out.flags.c_contiguous and out.flags.aligned)
        with self._guard:
            array = self.reader.read(spec, wanted, check=check, out=out if is_plain else None)
        self._guard.confirm(checked=check)
        if out is not None and not is_plain:
            out[...] = array
        return array if out is None else out

    def lazy(self, name: str) -> LazyTensor:
        """Return a tensor that is read when it is indexed, only the wanted rows; it pickles.

        Raises:
            TensorNotFoundError: no tensor has that name.
        """
        from tfckpt_reader.lazy import LazyTensor

        return LazyTensor(self, self.specs[name], self._guard.snapshot)

    def load(self, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
        """Read many tensors at once, large ones on threads, into owned and writable arrays.

        Args:
            names: The tensors; by default all.

        Raises:
            TensorNotFoundError: no tensor has one of the names.
            CheckpointError: as for ``ckpt[name]``; nothing is returned then.
        """
        from tfckpt_reader.formats.loading import load

        wanted = self.specs.listed if names is None else names
        known = self.specs.known
        specs = [known.get(name) or self._specs[name] for name in wanted]
        with self._guard:
            arrays = load(self.reader, specs, check=self.checks)
        self._guard.confirm(checked=self.checks)
        return arrays

    @property
    def meta_graph(self) -> MetaGraph | None:
        """The graph beside the checkpoint; its variables have values.

        It is in the ``.meta`` file, or in the ``saved_model.pb`` of a SavedModel; None without
        such a file. Everything else works without it. Read once, at the first access.

        Raises:
            CheckpointError: the file exists but cannot be read.
        """
        from tfckpt_reader.graph.meta_graph import load
        from tfckpt_reader.paths.companions import graph_file_of

        prefix = self.reader.prefix
        if self._meta_graph is None:
            path = graph_file_of(prefix)
            self._meta_graph = None if path is None else load(path, read=self.__getitem__)
        return self._meta_graph

    def variables(self, *, trainable: bool = False) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield name and value of the variables saved as they are, in the order of the graph.

        Args:
            trainable: Only trainable variables; else all but local ones.

        Raises:
            CheckpointNotFoundError: no graph beside the checkpoint lists them.
            TensorNotFoundError: the checkpoint lacks a variable of the graph.
            CheckpointError: as for ``ckpt[name]``.
        """
        from tfckpt_reader.graph.variables import saved_values

        return saved_values(self.meta_graph, f"{self.reader.prefix}.meta", trainable=trainable)

    @cached_property
    def _meaning(self) -> Meaning:
        from tfckpt_reader.formats.opening import scalar_string
        from tfckpt_reader.objects.meaning import Meaning

        def read(spec: TensorSpec) -> bytes | memoryview:
            with self._guard:
                return scalar_string(self.reader, spec)

        def collections() -> Mapping[str, Collection[str]]:
            from tfckpt_reader.graph.variables import keys_of_collections

            meta = self.meta_graph
            return {} if meta is None else keys_of_collections(meta.variables_of)

        return Meaning(self.specs, read, collections, self.reader.path)

    @property
    def object_graph(self) -> ObjectGraph | None:
        """The saved Python objects; None in a checkpoint by names alone."""
        return self._meaning.object_graph

    @property
    def roles(self) -> Mapping[str, Role]:
        """Name -> role: weight, optimizer slot, moving average …, and the evidence for it."""
        return self._meaning.roles

    def find(self, text: str) -> tuple[TensorNames, ...]:
        """Return the tensors with `text` in key, full name or object path, by whole components."""
        return self._meaning.names.find(text)

    def renamed(self, kind: str) -> Renamed[NDArray[Any]]:
        """Return the same tensors under other names: "full_name" or "object_path".

        A tensor without such a name of its own keeps its key; the result's notes say which.
        """
        return self._meaning.renamed(self, kind)

    def close(self) -> None:
        """Drop the files. Arrays handed out stay valid: they keep their map alive."""
        self._open_reader = None
        self._specs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        _ = self.reader
        if self._mmap is None:
            raise TypeError("only what tfckpt_reader.open returned can be pickled")
        return reopened, (self._guard.snapshot, self.checks, self._mmap)

    # Mapping compares contents, which would read every tensor.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        state = "" if self._open_reader else " (closed)"
        totals = f", {count_of(len(self._specs), 'tensor')}" if self._specs.complete else ""
        return f"<Checkpoint {self._specs.label!r} {self.version}, {self._shards}{totals}>{state}"


@listed_once()
def open(  # noqa: A001 - the module's one verb; callers write tfckpt.open
    path: str | os.PathLike[str] | bytes,
    *,
    check: bool = True,
    mmap: bool = True,
    filesystem: object = None,
) -> Checkpoint:
    """Open a checkpoint of any kind.

    Args:
        path: A prefix, any file of a checkpoint, a `checkpoint` state file, a folder with one, a
            SavedModel. Never a glob. It may be a URL of any of these.
        check: Compare each tensor's crc at its first access.
        mmap: Map the data files; with False they are read, and every access copies.
        filesystem: A store of obstore, or a filesystem of fsspec, in which `path` lies.

    Raises:
        CheckpointNotFoundError: no checkpoint is there; the message lists its neighbours.
        CorruptCheckpointError: the file is damaged, or of another kind.
        UnsupportedError: it was written for newer readers only.
    """
    return open_location(locate(path, filesystem=filesystem), check=check, mmap=mmap)


def open_location(location: Location, *, check: bool = True, mmap: bool = True) -> Checkpoint:
    """Open a checkpoint that has been located."""
    with Guard(location, location.files or [location.first_file]) as guard:
        reader = reader_of(location, mmap=mmap)
        guard.watch(tensor_files(location, reader.shard_count))
        return Checkpoint(reader, guard, check=check, mmap=mmap)


def reopened(files: Snapshot, check: bool, mmap: bool) -> Checkpoint:  # noqa: FBT001 - for pickle
    """Open a checkpoint again that was pickled; raise CheckpointError if its files changed."""
    require_same(files.files)
    return open_location(files.location, check=check, mmap=mmap)
