"""Small files that cost much end in an answer or one line, in 1 GiB and a counted number of calls.

Calls are counted, of Python and of C functions: a clock would count the other programs too. The
dials are the worst that `tests/fuzz/expensive_files.py` found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from expensive import DIALS, KINDS
from project import ROOT

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS"),
    pytest.mark.slow,
]
MEMORY = 1 << 30
SIZE = 100_000
MOST_CALLS = 25_000_000
"""Some seconds, for 100 KB: up to a megabyte of claims is free, however small the files."""
WORST: dict[str, tuple[float, ...]] = {
    "overlaps": (0.2, 0.2, 0.2, 0.5, 0.3, 0.0),
    "slices": (0.8, 0.6, 0.6, 0.2, 1.0, 0.9),
    "corners": (0.5, 1.0, 0.8, 0.5, 0.0, 0.2),
    "keys": (0.3, 0.8, 0.7, 0.1, 0.0, 0.0),
    "variants": (0.3, 0.9, 0.7, 0.4, 0.3, 0.0),
    "v1_values": (0.3, 0.5, 0.3, 0.9, 0.9, 0.0),
    "v1_header": (0.4, 1.0, 0.0, 1.0, 0.1, 0.2),
    "graph_text": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "graph": (0.9, 0.0, 0.5, 1.0, 0.0, 0.0),
    "names": (1.0, 0.0, 0.3, 0.9, 0.0, 0.0),
    "state": (0.0, 0.3, 0.0, 0.0, 0.0, 0.0),
}
_CHILD = """
import json, resource, sys
from expensive import work_of

kind, size, dials, most, memory = json.loads(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
print(json.dumps(work_of(kind, size, dials, most)))
"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["worst", "middle"])
def test_it_ends(kind: str, which: str) -> None:
    dials = WORST[kind] if which == "worst" else (0.5,) * DIALS
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, json.dumps([kind, SIZE, dials, MOST_CALLS, MEMORY])],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{Path(__file__).parents[1] / 'support'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    codes = {code for code, _ in json.loads(done.stdout).values()}
    assert codes <= {0, 1, 2}
