"""The interface of an export format.

A format determines the encoding of elements, the allowed names and the layout of the file. It must
not know the checkpoint, the options or other formats.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.export.elements import Encoding, widened
from tfckpt_reader.export.transfer import OutputArray
from tfckpt_reader.storage.filesystem import exists, is_file
from tfckpt_reader.storage.writing.targets import new_file
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.proto_fields import require_axes

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray

    from tfckpt_reader.export.elements import Cast
    from tfckpt_reader.export.transfer import Job, Source
    from tfckpt_reader.tensor.partitions import Partition
    from tfckpt_reader.tensor.spec import TensorSpec


def is_utf8(name: str) -> bool:
    """Return whether the bytes of a name are UTF-8: others are lone surrogates in a str."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


class Settings(NamedTuple):
    """Settings of `convert` that only some formats have, under the names of its arguments."""

    compress: bool = False
    flat: bool = False
    chunk_size: int | None = None
    shards: int = 1
    partitions: Mapping[str, Partition] = {}

    @property
    def chosen(self) -> set[str]:
        """The names of those that are not the default."""
        default = Settings()
        return {name for name in self._fields if getattr(self, name) != getattr(default, name)}


class Format(ABC):
    """A format to export to. Instances hold only settings."""

    suffix: ClassVar[str]
    """End of a destination's path; "/" for a folder of any name."""
    is_folder: ClassVar[bool] = False
    to_url: ClassVar[bool] = True
    """Whether it can be written to a URL."""
    settings: ClassVar[frozenset[str]] = frozenset()
    """Names of the `Settings` that it has."""
    is_checkpoint: ClassVar[bool] = False
    """Whether it holds the object graph, and the states of iterators, too."""
    advice: ClassVar[str | None] = None
    """A way around refusals that only this format has."""
    type_names: ClassVar[Mapping[DataType, str]]
    """Dtypes of numbers held unchanged -> the format's name of the type."""

    def encoding(self, dtype: DataType, *, raw: bool) -> Encoding | None:
        """Return the encoding of numbers of a dtype; None for strings and unsupported dtypes.

        A dtype without a type name is widened.

        Args:
            dtype: The tensor's.
            raw: Store the bits of dtypes that NumPy lacks, as unsigned integers.
        """
        if raw and dtype.needs_ml_dtypes:
            return Encoding(DataType.UINT8 if dtype.itemsize == 1 else DataType.UINT16)
        return Encoding(dtype) if dtype in self.type_names else widened(dtype)

    def configured(self, settings: Settings) -> Format:  # noqa: ARG002 - the default
        """Return the format with settings that it has.

        Raises:
            ValueError: one is impossible.
            UnsupportedError: a library that writes the format is not installed.
        """
        return self

    def arrays(
        self, source: Source, name: str, cast: Cast | None, *, raw: bool
    ) -> tuple[OutputArray, ...]:
        """Return the arrays for a tensor.

        Args:
            source: The tensor.
            name: Its name in the destination.
            cast: Applied to its elements, if any.
            raw: As for `encoding`.
        """
        spec = source.spec
        encoding = self.encoding(spec.dtype if cast is None else cast.target, raw=raw)
        if encoding is None:
            return self.string_arrays(name, spec, source.read)
        dtype, encode = encoding.after(cast)
        array = OutputArray(name, self.type_names[dtype], spec.shape, dtype.itemsize, spec, encode)
        return (array,)

    def string_arrays(
        self, name: str, spec: TensorSpec, read: Callable[[], NDArray[np.object_]]
    ) -> tuple[OutputArray, ...]:
        """Return the arrays for a tensor of strings, unless the format refuses them.

        Args:
            name: Its name in the destination.
            spec: The tensor.
            read: Returns its elements. Called once here and once for each array at its writing, so
                that only one tensor's strings are in memory.
        """
        raise NotImplementedError

    def refusal(self, name: str, spec: TensorSpec, keys: Container[str]) -> str | None:
        """Return the reason against holding a tensor under a name, or None.

        Args:
            name: Its name in the destination.
            spec: The tensor.
            keys: Collision keys of all names in the destination.
        """
        reason = self.tensor_refusal(spec)
        if reason is not None:
            return reason
        try:
            require_axes(spec.shape)
        except UnsupportedError as error:
            return error.problem
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            return "its name is not UTF-8"
        return self.name_refusal(name, spec, keys)

    @abstractmethod
    def tensor_refusal(self, spec: TensorSpec) -> str | None:
        """Return the reason against a dtype or a shape, or None."""

    @abstractmethod
    def name_refusal(self, name: str, spec: TensorSpec, keys: Container[str]) -> str | None:
        """Return the reason against a name in UTF-8, or None; arguments as for `refusal`."""

    def refusal_of_all(
        self,
        arrays: Sequence[OutputArray],  # noqa: ARG002 - the default
        provenance: Mapping[str, str],  # noqa: ARG002 - the default
    ) -> str | None:
        """Return the reason against holding all arrays together, or None."""
        return None

    def collision_key(self, name: str) -> str:
        """Return a key, unique among the names in one destination."""
        return name

    def own_file(self, path: str) -> str:
        """Return the file or folder that exists if the destination at `path` does."""
        return path

    def opened(self, path: str, *, replace: bool) -> AbstractContextManager[Any]:
        """Yield something new to write to, for `write`; give it its name on success.

        Args:
            path: The name.
            replace: Replace what has it in the end, instead of raising FileExistsError.
        """
        return new_file(path, replace=replace)

    def files_to_replace(self, path: str) -> set[str]:
        """Return the names of the files removed by replacing a folder; none for a file.

        Raises:
            FileExistsError: another kind of file or folder is there.
        """
        if exists(path) and not is_file(path):
            raise FileExistsError(f"{path} is not a regular file; choose another path")
        return set()

    @abstractmethod
    def write(self, output: Any, job: Job) -> None:
        """Write all arrays to an open binary file, or into the empty folder at a path."""
