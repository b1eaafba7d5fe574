"""Checkpoints in Dask: arrays that are read chunk by chunk, and work spread over a cluster.

Knows no other framework. Verification and conversion run here, in the client; they hand the reading
of byte ranges, and small checkpoints, to the workers as units of work (`storage.workers.Spread`).
A unit may run twice, with the same result: a worker that dies costs a retry.

All workers must see the files under the paths of the client: in a shared file system, on one
machine, or behind a URL. A file that is converted to must lie where the workers can write to it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

from tfckpt_reader import export
from tfckpt_reader.checkpoint import open  # noqa: A004 - the verb of that module
from tfckpt_reader.errors import CheckpointNotFoundError
from tfckpt_reader.frameworks.tensors import framework
from tfckpt_reader.storage.filesystem import exists, path_of, portable_path
from tfckpt_reader.storage.source import page_buffer
from tfckpt_reader.storage.workers import BUFFER, spreading
from tfckpt_reader.verification import folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    import dask.array as da
    from distributed import Client

    from tfckpt_reader.export import Conversion
    from tfckpt_reader.lazy import LazyTensor
    from tfckpt_reader.storage.workers import Result, Task
    from tfckpt_reader.verification.report import Report

    Path = str | os.PathLike[str] | bytes

_PACKAGES = "'dask[array]' distributed"
_RETRIES = 3
"""Further tries of a unit that raised an error."""
_AHEAD = 3
"""Units per thread of the cluster that are submitted at once."""


def open_array(path: Path, name: str, chunks: Any = "auto", **options: Any) -> da.Array:
    """Return a tensor as a Dask array; its chunks are read when they are computed.

    Equal files give equal tokens and graphs: they depend on path, position, size and crc. The crc
    covers a whole tensor, so that of a tensor in several chunks is not compared: see `verify_all`.

    Args:
        path: The checkpoint, as for `open`; on all workers.
        name: The tensor.
        chunks: "auto": rows of about the size in Dask's setting ``array.chunk-size``, from borders
            of slices to borders of slices and never across two data files; other axes whole. Or
            the number of rows, or anything that Dask takes.
        options: As for `open`.

    Raises:
        UnsupportedError: Dask is not installed.
        CheckpointError: as for `open` and `Checkpoint.lazy`.
    """
    return _array(open(path, **options).lazy(name), chunks)


def open_arrays(path: Path, **options: Any) -> dict[str, da.Array]:
    """Return name -> Dask array of all tensors; the rest as for `open_array`."""
    ckpt = open(path, **options)
    return {name: _array(ckpt.lazy(name), "auto") for name in ckpt}


def _array(tensor: LazyTensor, chunks: Any) -> da.Array:
    import numpy as np

    arrays: Any = framework("dask.array", _PACKAGES)
    if tensor.shape and isinstance(chunks, int):
        chunks = (chunks, *tensor.shape[1:])
    if tensor.shape and isinstance(chunks, str) and chunks == "auto":
        chunks = (_row_chunks(tensor), *tensor.shape[1:])
    meta = np.empty((0,) * tensor.ndim, tensor.dtype)
    array: da.Array = arrays.from_array(tensor, chunks, meta=meta)
    return array


def _row_chunks(tensor: LazyTensor) -> tuple[int, ...]:
    """Return the rows of each chunk."""
    import dask
    from dask.utils import parse_bytes

    count = tensor.shape[0]
    nbytes = tensor.spec.nbytes or tensor.nbytes
    limit = parse_bytes(dask.config.get("array.chunk-size"))
    most = max(1, limit * count // max(1, nbytes))
    sizes: list[int] = []
    shard_before = None
    for rows, shard in _runs(tensor):
        if sizes and shard == shard_before and sizes[-1] + rows <= most:
            sizes[-1] += rows
            continue
        number = -(-rows // most)
        sizes += [rows * (i + 1) // number - rows * i // number for i in range(number)]
        shard_before = shard
    return tuple(sizes) or (0,)


def _runs(tensor: LazyTensor) -> Iterator[tuple[int, object]]:
    """Yield the rows between two borders of slices, and the data files that hold them."""
    starting: dict[int, list[tuple[int, int | None]]] = {}
    borders = {0, tensor.shape[0]}
    for each in tensor.spec.slices:
        start, end = each.start[0], each.start[0] + each.shape[0]
        borders |= {start, end}
        starting.setdefault(start, []).append((end, each.shard))
    current: list[tuple[int, int | None]] = []
    for low, high in pairwise(sorted(borders)):
        current = [each for each in (*current, *starting.get(low, ())) if each[0] > low]
        yield high - low, {shard for _, shard in current}


def verify_all(
    paths: Path | Iterable[Path], client: Client | None = None, **options: Any
) -> tuple[Report, ...]:
    """Verify every checkpoint in folders, as `tfckpt_reader.verify_all` does, on a cluster.

    The reports are the same, whatever the workers. Paths in them are absolute.

    Args:
        paths: A folder, or several.
        client: Of the cluster. Default: the current one; without any, all is done here.
        options: As for `tfckpt_reader.verify_all`.

    Raises:
        UnsupportedError: distributed is not installed.
        CheckpointNotFoundError: a worker does not see a folder; or as `tfckpt_reader.verify_all`.
        ChildProcessError: workers died again and again.
    """
    several = [paths] if isinstance(paths, (str, bytes, os.PathLike)) else list(paths)
    filesystem = options.pop("filesystem", None)
    folders = [_absolute(path, filesystem) for path in several]
    with _spread_over(client, folders):
        return tuple(report for path in folders for report in folder.verify_all(path, **options))


def convert(path: Path, out: Path, client: Client | None = None, **options: Any) -> Conversion:
    """Convert a checkpoint, as `tfckpt_reader.convert` does, on a cluster: to the same bytes.

    The workers read, check and write the numbers of V2 checkpoints. The rest is done here: strings,
    tensors cut along another axis than 0, V1, compression. The destination gets its name here, when
    all of it is complete.

    Args:
        path: The checkpoint, as for `open`.
        out: The destination, which the workers share.
        client: As for `verify_all`.
        options: As for `tfckpt_reader.convert`.

    Raises:
        UnsupportedError: distributed is not installed.
        CheckpointNotFoundError: a worker does not see the checkpoint, or the unfinished file.
        ChildProcessError: workers died again and again.
        CheckpointError: as for `tfckpt_reader.convert`; so other errors.
    """
    destination = os.path.join(os.path.abspath(os.path.dirname(os.fsdecode(out))), "")
    source = _absolute(path, options.pop("filesystem", None))
    with _spread_over(client, [destination]):
        name = os.path.basename(os.fsdecode(out))
        return export.convert(source, destination + name, **options)


def connected(scheduler: str) -> Client:
    """Return a new client of a cluster, to be closed.

    Args:
        scheduler: Its address, such as ``tcp://host:8786``.

    Raises:
        UnsupportedError: distributed is not installed.
        OSError: nothing answers there.
    """
    client: Client = framework("distributed", _PACKAGES).Client(scheduler, set_as_default=False)
    return client


def _absolute(path: Path, filesystem: object) -> str:
    return path_of(*portable_path(path_of(path, filesystem)))


@contextmanager
def _spread_over(client: Client | None, paths: Sequence[str]) -> Iterator[None]:
    """Spread the work of a block over a cluster; its workers must see `paths`."""
    client = client or _current_client()
    if client is not None:
        _require_visible(client, paths)
    with spreading(None if client is None else _Cluster(client)):
        yield


def _current_client() -> Client | None:
    distributed = framework("distributed", _PACKAGES)
    try:
        found: Client = distributed.default_client()
    except ValueError:
        return None
    return found


def _require_visible(client: Client, paths: Sequence[str]) -> None:
    for path in paths:
        for worker, sees in client.run(_sees, portable_path(path)).items():
            if not sees:
                raise CheckpointNotFoundError(
                    f"worker {worker} does not see it",
                    file=path,
                    advice="Put it where all workers see it under this path, or name a URL",
                )


def _sees(place: tuple[str, object]) -> bool:
    return exists(path_of(*place))


class _Cluster:
    """A `Spread` over the workers of a cluster."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.width = max(1, sum(client.nthreads().values()))

    def __call__(
        self, tasks: Iterable[Task], work: Callable[[Task, memoryview], Result]
    ) -> Generator[tuple[Task, Result], None, None]:
        """Yield each task and its result, in the order of completion."""
        distributed = framework("distributed", _PACKAGES)
        waiting: dict[Any, Task] = {}
        remaining = iter(tasks)
        done = distributed.as_completed(loop=self._client.loop)

        def submit(count: int) -> None:
            for task in islice(remaining, count):
                future = self._client.submit(_run, work, task, pure=False, retries=_RETRIES)
                waiting[future] = task
                done.add(future)

        try:
            submit(_AHEAD * self.width)
            for future in done:
                yield waiting.pop(future), future.result()
                future.release()
                submit(1)
        except distributed.KilledWorker as error:
            raise ChildProcessError(f"workers died again and again: {error}") from error
        finally:
            self._client.cancel(list(waiting))


def _run(work: Callable[[Task, memoryview], Result], task: Task) -> Result:
    """Do one unit of work: on a worker."""
    return work(task, page_buffer(BUFFER))
