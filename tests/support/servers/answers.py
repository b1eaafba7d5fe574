"""What the package answers about a checkpoint, as values to compare: here, and behind a URL."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from graphs import facts
from numpy.typing import NDArray
from oracles import value_bytes

import tfckpt_reader as tfckpt
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.verification.reports.json_report import document, json_stream


class Site:
    """A folder here, and the URL where its copy is.

    Args:
        folder: The folder.
        url: The URL, without a slash at the end.
        options: Arguments of each call about the URL.
    """

    def __init__(self, folder: Path, url: str, **options: Any) -> None:
        self.folder, self.url, self.options = str(folder), url, options
        scheme, _, rest = url.partition("://")
        # A file system of the user's own, and secrets, show as a number in the scheme.
        self._names = re.compile(rf"{scheme}(\+\d+)?://{re.escape(rest)}")

    def here(self, text: str) -> str:
        """Return a text with the folder in place of the URL."""
        return self._names.sub(lambda _: self.folder, text)

    def both(self, ask: Callable[..., Any], path: str) -> tuple[Any, Any]:
        """Ask about a path in the folder, and about the same behind the URL."""
        expected = outcome(lambda: ask(f"{self.folder}/{path}".rstrip("/")), str)
        return expected, outcome(
            lambda: ask(f"{self.url}/{path}".rstrip("/"), **self.options), self.here
        )


def outcome(ask: Callable[[], Any], here: Callable[[str], str]) -> Any:
    """Return an answer, or the error, with `here` applied to all text in it."""
    try:
        return _translated(ask(), here)
    except tfckpt.CheckpointError as error:
        return type(error).__name__, error.kind, here(str(error))


def _translated(value: Any, here: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return here(value)
    if isinstance(value, (list, tuple)):
        return [_translated(each, here) for each in value]
    if isinstance(value, dict):
        return {_translated(k, here): _translated(v, here) for k, v in value.items()}
    return value


def array_facts(array: NDArray[Any]) -> Any:
    """Return the dtype, the shape and a hash of the bytes; of variants what is in them."""
    if array.dtype == object and array.size and isinstance(array.flat[0], tfckpt.Variant):
        return [
            (v.type_name, bytes(v.metadata), [array_facts(np.asarray(t)) for t in v.tensors])
            for v in array.flat
        ]
    return array.dtype.name, array.shape, hashlib.sha256(value_bytes(array)).hexdigest()


def contents(path: str, **options: Any) -> dict[str, Any]:
    """Return all that `open` gives: specs, notes, arrays looked up, listed, loaded and by rows."""
    with tfckpt.open(path, **options) as ckpt:
        found: dict[str, Any] = {"specs": repr(dict(ckpt.specs)), "prefix": ckpt.reader.prefix}
        found["arrays"] = {
            name: outcome(lambda name=name: array_facts(ckpt[name]), str)  # type: ignore[misc]
            for name in ckpt
        }
        found["rows"] = {
            name: outcome(lambda n=name: array_facts(ckpt.read(n, rows=slice(1, 3))), str)  # type: ignore[misc]
            for name, spec in ckpt.specs.items()
            if spec.shape
        }
        sound = [name for name, facts in found["arrays"].items() if isinstance(facts, tuple)]
        found["loaded"] = {name: array_facts(a) for name, a in ckpt.load(sound).items()}
        found["notes"] = list(ckpt.notes)
        return found


def report(path: str, **options: Any) -> str:
    """Return the report of `verify`, as JSON."""
    return "".join(json_stream(document(tfckpt.verify(path, **options))))


def reports(folder: str, **options: Any) -> list[str]:
    """Return the reports of `verify_all`, as JSON."""
    found = tfckpt.verify_all(folder, **options)
    return ["".join(json_stream(document(each))) for each in found]


def graph(path: str, **options: Any) -> Any:
    """Return the graph beside a checkpoint, and what its objects are."""
    with tfckpt.open(path, **options) as ckpt:
        meta = ckpt.meta_graph
        roles = {name: str(role) for name, role in ckpt.roles.items()}
        return None if meta is None else facts(meta), roles, str(ckpt.renamed("full_name").notes)


def written(path: str, **options: Any) -> Any:
    """Return a hash of what `convert` writes, and what it says of it."""
    with TemporaryDirectory() as folder:
        done = tfckpt.convert(path, f"{folder}/out.npz", skip_unsupported=True, **options)
        data = Path(f"{folder}/out.npz").read_bytes()
        return hashlib.sha256(data).hexdigest(), repr(done).replace(folder, "")


def located(path: str, **options: Any) -> Any:
    """Return the checkpoint that a path leads to, and what was assumed."""
    found = locate(path, **options)
    return found.version, found.prefix, list(found.files), list(found.notes)


def latest(folder: str, **options: Any) -> Any:
    return tfckpt.latest_checkpoint(folder, **options)


def kept(folder: str, **options: Any) -> str:
    return repr(tfckpt.kept_checkpoints(folder, **options))
