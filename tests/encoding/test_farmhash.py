"""Fingerprint64 against published numbers and against files written by TensorFlow."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from project import FIXTURES

from tfckpt_reader import verify
from tfckpt_reader.encoding.farmhash import fingerprint64

# TensorFlow's own test of it, and BigQuery's page on FARM_FINGERPRINT, which counts in int64.
PUBLISHED = {
    b"Hello": 15404698994557526151,
    b"World": 18308117990299812472,
    b"1footrue": -1541654101129638711 % (1 << 64),
    b"2applefalse": 2794438866806483259,
    b"3true": -4880158226897771312 % (1 << 64),
}


@pytest.mark.parametrize("data", PUBLISHED)
def test_published(data: bytes) -> None:
    assert fingerprint64(data) == PUBLISHED[data]


def test_every_branch_by_length() -> None:
    """TensorFlow's answers for the beginnings of one text: 0 to 200 bytes, and some longer."""
    lines = (FIXTURES / "fingerprint64.txt").read_text("ascii").splitlines()[1:]
    answers = {int(size): int(answer) for size, answer in map(str.split, lines)}
    assert len(answers) > 200
    text = bytes(i * i % 251 for i in range(max(answers)))
    for size, answer in answers.items():
        assert fingerprint64(text[:size]) == answer, size


@pytest.mark.parametrize("size", [0, 5, 16, 17, 64, 65, 1000])
def test_any_buffer_is_accepted(size: int) -> None:
    data = random.Random(size).randbytes(size)  # noqa: S311 - any bytes
    assert fingerprint64(memoryview(data)) == fingerprint64(data)


@pytest.mark.parametrize("bit", range(0, 8 * 130, 7))
def test_every_byte_counts(bit: int) -> None:
    data = bytearray(130)
    whole = fingerprint64(bytes(data))
    data[bit >> 3] ^= 1 << (bit & 7)
    assert fingerprint64(bytes(data)) != whole


@pytest.mark.tensorflow
def test_beside_tensorflow() -> None:
    import tensorflow as tf

    generator = random.Random(0)  # noqa: S311 - any bytes
    for size in [*range(300), 4095, 65_537]:
        data = generator.randbytes(size)
        tensor: Any = tf.constant(list(data), tf.uint8, shape=[1, size])
        answer = tf.raw_ops.Fingerprint(data=tensor, method="farmhash64").numpy().tobytes()
        assert fingerprint64(data) == int.from_bytes(answer, "little"), size


@pytest.mark.tensorflow
def test_of_a_saved_model_written_now(tmp_path: Path) -> None:
    import tensorflow as tf

    module = tf.Module()
    module.kernel = tf.Variable([[1.0, 2.0]])
    tf.saved_model.save(module, str(tmp_path / "m"))
    assert (tmp_path / "m" / "fingerprint.pb").exists()
    report = verify(tmp_path / "m", level="values")
    assert (report.problems, report.tensors > 0) == ((), True)
    index = tmp_path / "m" / "variables" / "variables.index"
    written = tf.saved_model.experimental.read_fingerprint(str(tmp_path / "m"))
    assert written.checkpoint_hash == fingerprint64(index.read_bytes())
