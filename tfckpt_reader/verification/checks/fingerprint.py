"""Compare a SavedModel's index with the fingerprint of its export.

Knows no tensor. Beside ``variables/variables.index`` lies ``fingerprint.pb`` with the
Fingerprint64 of the whole index; the index in turn holds the crcs of all data. TensorFlow writes
it since 2.12 and never compares it: ``tensorflow/cc/saved_model/fingerprinting.cc``. Its other
hashes are those of normalised messages, and are not compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.encoding.farmhash import fingerprint64
from tfckpt_reader.encoding.wire_format import VARINT, fields
from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError, ErrorKind, located
from tfckpt_reader.paths.companions import saved_model_of
from tfckpt_reader.storage.filesystem import exists, join
from tfckpt_reader.storage.opening import open_file
from tfckpt_reader.storage.sniff import describe, describe_text

if TYPE_CHECKING:
    from tfckpt_reader.storage.source import ByteSource
    from tfckpt_reader.verification.findings import Findings

FINGERPRINT_FILE = "fingerprint.pb"
_CHECKPOINT_HASH = 5
"""Field of FingerprintDef."""
_LARGEST = 1 << 16
"""Bytes: five numbers, a version and a UUID take about a hundred."""


def check_fingerprint(index: ByteSource, findings: Findings) -> None:
    """Compare a sound index with the fingerprint beside it, if any."""
    model = saved_model_of(index.name.removesuffix(".index"))
    path = None if model is None else join(model, FINGERPRINT_FILE)
    if path is None or not exists(path):
        return
    try:
        expected = _checkpoint_hash(path)
        got = fingerprint64(index.read(0, index.size))
        if expected not in (0, got):  # 0: the field is absent
            findings.add(
                "TFC502",
                f"its hash is not the one in {FINGERPRINT_FILE}",
                file=index.name,
                expected=f"{expected:#018x}",
                got=f"{got:#018x}",
            )
    except CheckpointError as error:
        findings.add_error("TFC501", error)


def _checkpoint_hash(path: str) -> int:
    file = open_file(path)
    if file.size > _LARGEST:
        raise CorruptCheckpointError(
            "is too large", file=path, expected=f"at most {_LARGEST} bytes", got=file.size
        )
    data = file.read(0, file.size)
    known = describe(bytes(data))
    if known is not None:
        raise CorruptCheckpointError(
            f"this is {known[0]}", kind=ErrorKind.FOREIGN, file=path, advice=known[1]
        )
    checkpoint_hash = 0
    with located(path):
        text = describe_text(bytes(data), low=False)
        if text is not None:
            raise CorruptCheckpointError(f"no fingerprint: {text}")
        for number, kind, value in fields(data):
            if number == _CHECKPOINT_HASH and kind == VARINT:
                checkpoint_hash = int(value)
    return checkpoint_hash
