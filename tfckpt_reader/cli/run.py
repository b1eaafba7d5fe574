"""The command ``run``: the outputs of a model for given inputs, in OpenVINO."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli import output
from tfckpt_reader.cli.describe.notation import shape_text
from tfckpt_reader.cli.freeze import add_part, guess_notes, part_options
from tfckpt_reader.cli.path_argument import CHECKPOINT
from tfckpt_reader.export.formats.npy_folder import file_name
from tfckpt_reader.storage.writing.atomic import atomic_file

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from numpy.typing import NDArray


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``run``."""
    add = parser.add_argument
    add("path", metavar="PATH", help=f"{CHECKPOINT}; or a frozen graph (.pb)")
    feed = "array for an input; may be repeated"
    add("--feed", action="append", default=[], metavar="NAME=FILE.npy", help=feed)
    add("--out", metavar="DIR", help="write each output there, as an .npy file")
    add_part(parser)


def run(arguments: Namespace) -> int:
    """Run a model."""
    feeds = dict(map(_feed, arguments.feed))
    from tfckpt_reader.frameworks.openvino import load_model

    model = load_model(
        arguments.path,
        arguments.output or None,
        arguments.input or None,
        signature=arguments.signature,
        graph=arguments.graph,
        **part_options(arguments),
    )
    output.print_notes(guess_notes(model.outputs, arguments))
    results = model(feeds)
    files = {name: _written(arguments.out, name, array) for name, array in results.items()}
    if arguments.json:
        facts = [
            {"name": name, "dtype": str(array.dtype), "shape": array.shape, "file": files[name]}
            for name, array in results.items()
        ]
        output.print_json({"path": arguments.path, "outputs": facts})
        return 0
    for name, array in results.items():
        where = f" -> {files[name]}" if files[name] else ""
        output.print_lines(f"{array.dtype} {shape_text(array.shape)}  {name}{where}")
    return 0


def _feed(text: str) -> tuple[str, NDArray[Any]]:
    """Return name and array of ``NAME=FILE.npy``.

    Raises:
        ValueError: it has another form, or the file is no array of numbers.
    """
    from numpy.lib.format import read_array

    name, equals, file = text.partition("=")
    if not equals or not name:
        raise ValueError(f"--feed {text}: write it as NAME=FILE.npy")
    try:
        with open(file, "rb") as stream:
            return name, read_array(stream, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{file}: no .npy file of numbers") from error


def _written(folder: str | None, name: str, array: NDArray[Any]) -> str | None:
    """Write an output; return its file, or None without a folder."""
    import numpy as np

    if folder is None:
        return None
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, file_name(name))
    with atomic_file(path) as file:
        np.save(file, array, allow_pickle=False)
    return path
