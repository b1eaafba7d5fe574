"""What TensorFlow's own tests pin down, case by case: section 8 of the format's specification.

The number in a test's name is the case's. Files are made by the tests' own writer, or are fixtures
that TensorFlow wrote. Statuses translate so: NotFound to CheckpointNotFoundError or, for a name,
TensorNotFoundError; OutOfRange to TruncatedError; DataLoss, Internal and InvalidArgument about
bytes to CorruptCheckpointError; what asks for a newer reader to UnsupportedError.

Two readings need a word. TensorFlow's V1 reader checks all headers when it opens a file; here a
header's tensors are looked at when asked for, so "opening fails" is a listing that fails. And a
TensorFlow slice may cut any axis, while `read` cuts rows: a case about columns reads the whole.
"""

from __future__ import annotations

import re
from pathlib import Path

WRITER = "about writing only"
SESSION = "about TensorFlow's sessions, ops or models only"
OBJECTS = "about the object graph or MetaGraphDef beyond the keys of tensors"
LAST = 86
NOT_APPLICABLE = {
    14: WRITER + ": flips the endianness of files in place",
    36: SESSION + ": slices in text are arguments of ops",
    49: SESSION + ": a cache of readers that ops share",
    51: WRITER,
    52: WRITER + ": an estimate before saving",
    53: WRITER + ": refuses to save",
    61: SESSION + ": waiting for a trainer",
    62: SESSION + ": initialising variables",
    68: WRITER + ": refuses to save",
    70: OBJECTS,
    72: OBJECTS,
    73: OBJECTS,
    74: WRITER,
    81: OBJECTS,
    84: SESSION + ": restoring into objects",
    85: OBJECTS,
}


def test_every_case_is_a_test_or_not_applicable() -> None:
    texts = [path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    tested = re.findall(r"^def test_case_(\d+)_", "\n".join(texts), re.MULTILINE)
    cases = set(map(int, tested))
    assert not cases & set(NOT_APPLICABLE)
    assert {*cases, *NOT_APPLICABLE} == set(range(1, LAST + 1))
