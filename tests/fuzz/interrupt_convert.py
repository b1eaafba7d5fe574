"""Conversions ended by one or two signals at random moments: a whole result or nothing, no litter.

``python tests/fuzz/interrupt_convert.py [RUNS]`` makes RUNS for each format and number of signals,
and prints how they ended; exit code 1 if any left something else.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
import writers as w

TARGETS = ("out.npz", "out.safetensors", "out/")
RNG = random.Random()  # noqa: S311 - moments, no secrets
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MOST_BETWEEN = 0.02
"""Seconds between the first and the second signal."""


def reset() -> None:
    """Ignore no signal, nor let children: those of nohup and in the background do."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def command(source: Path, target: str) -> subprocess.Popen[bytes]:
    """Begin a conversion."""
    arguments = [sys.executable, "-m", "tfckpt_reader", "convert", str(source), target]
    return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def duration(source: Path, target: str, folder: Path) -> float:
    """Return the seconds of a conversion without signals."""
    began = time.monotonic()
    assert command(source, target).wait() == 0
    took = time.monotonic() - began
    empty(folder)
    return took


def empty(folder: Path) -> None:
    """Remove the results."""
    shutil.rmtree(folder)
    folder.mkdir()


def outcome(
    source: Path, target: str, folder: Path, sent: list[signal.Signals], moment: float
) -> str:
    """Return how a conversion ended that got signals, the first after `moment` seconds."""
    child = command(source, target)
    for number, pause in zip(sent, (moment, RNG.uniform(0, MOST_BETWEEN)), strict=False):
        time.sleep(pause)
        child.send_signal(number)
    said = child.communicate(timeout=120)[1]
    left = sorted(os.listdir(folder))
    state = "nothing" if not left else "whole" if left == ["out" + suffix(target)] else f"{left}"
    is_empty = left and not any(path.stat().st_size for path in (folder, *folder.rglob("*.*")))
    text = " with a traceback" if b"Traceback" in said else ""
    return f"exit {child.returncode:4}: {'EMPTY' if is_empty else state}{text}"


def suffix(target: str) -> str:
    """Return the end of a target's file name."""
    return os.path.splitext(target.rstrip("/"))[1]


def main(runs: int) -> int:
    """Run all; return 1 if anything was left that is no whole result."""
    top = Path(tempfile.mkdtemp(prefix="interrupted"))
    folder, source, seen = top / "results", top / "model", Counter[tuple[str, int, str]]()
    folder.mkdir()
    reset()
    numbers = np.random.default_rng(1).random(1 << 20)
    w.write_bundle(source, {f"w{i}": numbers + i for i in range(4)})
    for name in TARGETS:
        target = f"{folder}/{name}"
        longest = duration(source, target, folder) * 1.1
        for count in (1, 2):
            for _ in range(runs):
                sent = [RNG.choice(SIGNALS)] * count
                ended = outcome(source, target, folder, sent, RNG.uniform(0, longest))
                seen[name, count, ended] += 1
                empty(folder)
    for (name, count, ended), times in sorted(seen.items()):
        sys.stdout.write(f"{name:16} {count} signal{'s' * (count - 1):1} {times:4} x {ended}\n")
    shutil.rmtree(top)
    return int(any("nothing" not in ended and "whole" not in ended for _, _, ended in seen))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
