"""Runs a script whose ``import tensorflow`` then means this package.

python -m tfckpt_reader.compat [--force] script.py [ARGUMENT …]
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback

from tfckpt_reader.compat.stand_in import MissingModuleError, MissingNameError, install

_USAGE = "usage: python -m tfckpt_reader.compat [--force] script.py [ARGUMENT …]"
_HELP = """
Runs a script that reads checkpoints by TensorFlow's functions, without TensorFlow.
--force does so where TensorFlow itself is installed, too."""
_FAILED = 2


def main(arguments: list[str]) -> int:
    """Run the script that the arguments name; return an exit code."""
    force = arguments[:1] == ["--force"]
    script = arguments[force:]
    if script[:1] in (["-h"], ["--help"]):
        print(_USAGE + "\n" + _HELP)  # noqa: T201
        return 0
    if not script or script[0].startswith("-"):
        return _failed(_USAGE)
    if not os.path.exists(script[0]):
        return _failed(f"{script[0]}: there is no such file")
    try:
        install(force=force)
    except ImportError as error:
        return _failed(f"{error}; to use tfckpt_reader.compat all the same, give --force")
    sys.argv[:] = script
    sys.path[0] = os.path.dirname(os.path.abspath(script[0]))
    try:
        runpy.run_path(script[0], run_name="__main__")
    except (MissingNameError, MissingModuleError) as error:
        frames = traceback.extract_tb(error.__traceback__)
        inner = [f for f in frames if not f.filename.startswith(("<", os.path.dirname(__file__)))]
        where = f"{inner[-1].filename}:{inner[-1].lineno}: " if inner else ""
        return _failed(f"{where}{error}")
    return 0


def _failed(line: str) -> int:
    print(line, file=sys.stderr)  # noqa: T201
    return _FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
