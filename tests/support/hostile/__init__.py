"""Hostile and awkward checkpoints: each a good one of which one thing was changed, and named.

A case says what it changes, writes its files to a folder, and says what must come of it: exact
values, or the exception and a part of its message. Odd but harmless files must still be read, so
a reader that refuses everything fails here too. The groups are those of hostile input that the
project keeps a list of: 1 to 12 are the table, 13 to 23 the bundle, 26 to 28 files and V1; 24,
the object graph, has tests of its own.

With `tests/support` on the path:

    python -m hostile OUTDIR   writes all cases, one folder each
    python -m hostile --table  runs all through TensorFlow, if installed; prints both
"""

from __future__ import annotations

from hostile.blocks import blocks
from hostile.case import Case
from hostile.entries import entries, headers
from hostile.files import folders, kinds_of_files
from hostile.footers import files_and_footers
from hostile.slices import slices
from hostile.v1 import v1
from hostile.values import values

CASES: tuple[Case, ...] = (
    *files_and_footers(),
    *blocks(),
    *headers(),
    *entries(),
    *slices(),
    *values(),
    *kinds_of_files(),
    *folders(),
    *v1(),
)
