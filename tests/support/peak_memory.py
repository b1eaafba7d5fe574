"""The most memory that the command takes, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import tfckpt_reader as tfckpt

MOST = 150 << 10
"""KiB that a process may take for a checkpoint of numbers, however large it is."""

CONVERTED = """
import os, re, sys
if sys.argv[3] == "nowhere":
    os.pwrite = lambda _fd, data, _offset: len(data)  # the disk need not have room for it
from tfckpt_reader.cli import main
assert main([*sys.argv[4:], sys.argv[1], *filter(None, sys.argv[2:3])]) == 0
print(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
"""


def peak_kib(source: Path, target: str, *command: str, where: str = "disk") -> int:
    """Most memory that the command took, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", CONVERTED, str(source), target, where, *command],
        env={**os.environ, "PYTHONPATH": str(Path(tfckpt.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1])
