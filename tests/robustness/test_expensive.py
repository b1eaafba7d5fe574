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
from expensive import KINDS
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
    "overlaps": (0.728, 0.295, 0.391, 0.473, 0.111, 0.328),
    "slices": (0.192, 0.338, 0.522, 0.173, 0.328, 0.099),
    "corners": (1.0, 1.0, 1.0, 0.056, 0.0, 0.288),
    "keys": (0.613, 0.871, 0.255, 0.214, 0.613, 0.255),
    "variants": (0.215, 0.637, 0.89, 0.367, 0.139, 0.155),
    "v1_values": (0.131, 0.749, 0.458, 0.695, 0.37, 0.378),
    "v1_header": (0.535, 0.622, 0.013, 0.842, 0.622, 0.291),
    "graph_text": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "graph": (0.531, 0.045, 0.466, 0.959, 0.531, 0.959),
    "names": (0.903, 0.669, 0.146, 0.931, 0.079, 0.171),
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
def test_it_ends(kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, json.dumps([kind, SIZE, WORST[kind], MOST_CALLS, MEMORY])],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{Path(__file__).parents[1] / 'support'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    codes = {code for code, _ in json.loads(done.stdout).values()}
    assert codes <= {0, 1, 2}
