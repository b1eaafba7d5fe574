"""Ctrl-C in the midst of a command: the signal itself, while threads are at work.

The child sends it to itself, once the command has said for the first time how far it is: a parent
that the machine lets wait may come when all is done.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import tfckpt_reader

A_MOMENT_LATER = """
def interrupt():
    time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt).start()
"""
IN_A_FINALIZER = """
class Finalized:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

Finalized()
"""
_CHILD = """
import os, signal, sys, threading, time
from tfckpt_reader.cli import main, output

def call(self, done, total, really=output.ProgressBar.__call__, what=[sys.argv[1]]):
    if what:
        exec(what.pop(), globals())
    really(self, done, total)

output.ProgressBar.__call__ = call
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
code = main(sys.argv[2:])
# Where it comes while threads are waited for, they end by themselves a moment later.
for _ in range(3000):
    if threading.active_count() == 1:
        break
    time.sleep(0.01)
print(threading.active_count(), "thread left")
sys.exit(code)
"""


def interrupted(
    *command: str | Path, how: str = A_MOMENT_LATER
) -> subprocess.CompletedProcess[str]:
    """Run a command and interrupt it; stdout ends with the number of threads left."""
    return subprocess.run(
        [sys.executable, "-c", _CHILD, how, *map(str, command)],
        env={**os.environ, "PYTHONPATH": str(Path(tfckpt_reader.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
