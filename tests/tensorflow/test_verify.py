"""What `verify` calls sound, TensorFlow reads, and reads the same.

Every bit of every row of an index is turned over, and of a V1 file; every row is cut short at every
byte, or left out; each under checksums that are right, so that only the meaning can give it away.
Most are errors. Of those that are none, all must come out of TensorFlow as they do here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from defects import put, rows_of

import tfckpt_reader as tfckpt

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]

TENSORS: dict[str, Any] = {
    "f": np.array([1.5, -2], np.float32),
    "i": np.array([7, 8, 9], np.int32),
    "s": w.Strings([b"ab", b"", b"xyz"], (3,)),
    "u": np.array(5, np.int64),
}
GRID = np.arange(1, 13, dtype=np.int16).reshape(3, 4)
ONLY_V2: dict[str, Any] = {  # TensorFlow reads no V1 tensor that is in slices or empty
    "g": w.Sliced(GRID, [[(0, 2), (0, 4)], [(2, 1), (0, 3)], [(2, 1), (3, 1)]]),
    "zero": np.zeros((0, 2), np.int16),
}
NOT_ASKED = {"INT8", "QINT8", "VARIANT"}
"""Types that TensorFlow stores and its reader, of V1 or altogether, does not give back."""


def changed(rows: w.Rows) -> Iterator[w.Rows]:
    for number, (key, value) in enumerate(rows):
        before, after = rows[:number], rows[number + 1 :]
        for place in range(8 * len(value)):
            yield [*before, (key, flipped(value, place)), *after]
        for size in range(len(value)):
            yield [*before, (key, value[:size]), *after]
        for place in range(8 * len(key)):
            yield sorted([*before, (flipped(key, place), value), *after])
        yield [*before, *after]


def flipped(data: bytes, place: int) -> bytes:
    at = place >> 3
    return data[:at] + bytes([data[at] ^ 1 << (place & 7)]) + data[at + 1 :]


def v1_rows() -> w.Rows:
    found: w.Rows = []

    def take(rows: w.Rows) -> w.Rows:
        found.extend(rows)
        return rows

    w.v1_table(TENSORS, edit_rows=take)
    return found


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_sound_checkpoints_are_read_by_tensorflow(version: str, tmp_path: Path) -> None:
    from tf_oracle import TensorFlow, value_of

    tensors = TENSORS if version == "V1" else {**TENSORS, **ONLY_V2}
    prefix = put(tmp_path, {} if version == "V1" else w.bundle_files(tensors))
    suffix = "" if version == "V1" else ".index"
    sound = 0
    with TensorFlow() as tensorflow:
        for rows in changed(v1_rows() if version == "V1" else rows_of(tensors)):
            Path(f"{prefix}{suffix}").write_bytes(w.table(rows))
            report = tfckpt.verify(prefix)
            if report.problems:
                continue
            sound += 1
            listing = tensorflow.listing(str(prefix))
            with tfckpt.open(prefix) as ckpt:
                assert isinstance(listing, dict), listing
                assert {name.decode() for name in listing} == set(ckpt)
                for name, spec in ckpt.specs.items():
                    if spec.dtype.name not in NOT_ASKED:
                        theirs = tensorflow.get(str(prefix), name.encode())
                        assert theirs == value_of(ckpt[name]), rows
    assert sound > 100
