"""Kinds of foreign files. Samples come from the real writers where possible."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st

from tfckpt_reader.storage.sniff import (
    HEAD_SIZE,
    describe,
    describe_folder,
    is_state_file,
    read_head,
)

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 123456\n" % (b"0" * 64)


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("model.ckpt.index")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    return buffer.getvalue()


def saved(*, npz: bool) -> bytes:
    buffer = io.BytesIO()
    if npz:
        np.savez(buffer, kernel=np.zeros(3))
    else:
        np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


KINDS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "lfs": (LFS, "Git LFS pointer for 123,456 bytes"),
    "lfs without a size": (LFS.split(b"size")[0], "Git LFS pointer, not the file itself"),
    "html": (b"<!DOCTYPE html><html><body>404</body>", "HTML"),
    "html, in capitals": (b"\n  <HTML>\n<head>", "HTML"),
    "html with a mark": (b"\xef\xbb\xbf<!doctype html>", "HTML"),
    "xml": (b'<?xml version="1.0"?><Error><Code>AccessDenied', "XML"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
    "npy": (saved(npz=False), ".npy"),
    "npz": (saved(npz=True), ".npz"),
    "pytorch": (zipped("archive/data.pkl", "archive/version"), "PyTorch"),
    "keras": (zipped("metadata.json", "config.json", "model.weights.h5"), ".keras"),
    "zip": (zipped("model.ckpt.index"), "zip"),
    "tar": (tarred(), "tar"),
    "gzip": (gzip.compress(tarred()), "gzip"),
    "bzip2": (bz2.compress(b"content"), "bzip2"),
    "xz": (lzma.compress(b"content"), "xz"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x00", "zstd"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", "7-Zip"),
    "rar": (b"Rar!\x1a\x07\x01\x00", "RAR"),
    "gguf": (b"GGUF\x03\x00\x00\x00", "GGUF"),
    "safetensors": (safetensors(), "safetensors"),
    "tflite": (b"\x1c\x00\x00\x00TFL3\x14\x00", "TensorFlow Lite"),
    "pdf": (b"%PDF-1.7\n", "PDF"),
    "png": (b"\x89PNG\r\n\x1a\n", "PNG"),
    "program": (b"\x7fELF\x02\x01\x01", "program"),
    "state": (b'model_checkpoint_path: "model.ckpt-1"\n', "state file"),
    "state, list first": (b'# kept\n\nall_model_checkpoint_paths: "a"\n', "state file"),
    "json": (b'{\n "weights": []}', "JSON"),
    "zeros": (bytes(600), "zero bytes"),
    "events": (b"\x18" + bytes(8) + b"....\x09\x80brain.Event:2" + bytes(9), "event file"),
    "onnx": (b"\x08\x07\x12\x07pytorch\x1a\x031.9", "ONNX"),
    **{
        f"pickle {n}": (pickle.dumps({"state_dict": [1]}, protocol=n), "pickle")
        for n in (2, 3, 4, 5)
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_kind(kind: str) -> None:
    content, word = KINDS[kind]
    found = describe(content[:HEAD_SIZE])
    assert found is not None
    what, advice = found
    assert word in what
    assert advice
    assert is_state_file(content) == (word == "state file")


def test_files_of_checkpoints_are_of_no_foreign_kind() -> None:
    """Indexes, V1 files, data of all kinds."""
    tensors: dict[str, w.Plain] = {
        "float": np.linspace(-1, 1, 300, dtype=np.float32),
        "int": np.arange(1, 300),
        "text": w.Strings([b"some text"], ()),
    }
    files = [*w.bundle_files(tensors).values(), w.v1_table(tensors)]
    files += [
        w.bundle_files({name: tensor})[".data-00000-of-00001"] for name, tensor in tensors.items()
    ]
    for content in files:
        assert describe(content[:HEAD_SIZE]) is None


def test_advice_for_files_that_can_be_repaired() -> None:
    for kind, word in (("lfs", "git lfs pull"), ("html", "Download"), ("gzip", "Unpack")):
        found = describe(KINDS[kind][0])
        assert found is not None
        assert word in found[1]


@given(st.binary(max_size=HEAD_SIZE))
def test_any_bytes(head: bytes) -> None:
    found = describe(head)
    assert found is None or all(found)


@given(st.sampled_from(sorted(KINDS)), st.integers(0, 60))
def test_cut_samples(kind: str, size: int) -> None:
    """A head of any length raises nothing."""
    head = KINDS[kind][0][:size]
    assert describe(head) == describe(bytes(head))


@pytest.mark.parametrize(
    ("names", "word"),
    [
        ({".zarray", "0.0"}, "zarr"),
        ({"zarr.json"}, "zarr"),
        ({"_CHECKPOINT_METADATA", "default"}, "Orbax"),
        ({"manifest.ocdbt", "d"}, "Orbax"),
        ({"model.safetensors", "config.json"}, "safetensors"),
        ({"pytorch_model.bin"}, "PyTorch"),
    ],
)
def test_folders(names: set[str], word: str) -> None:
    found = describe_folder(names)
    assert found is not None
    assert word in found


def test_folders_of_no_kind() -> None:
    assert describe_folder(set()) is None
    assert describe_folder({"model.ckpt.index", "checkpoint", "readme.txt"}) is None


def test_read_head(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"x" * 10_000)
    (tmp_path / "short").write_bytes(b"abc")
    assert read_head(str(tmp_path / "long")) == b"x" * HEAD_SIZE
    assert read_head(str(tmp_path / "short")) == b"abc"
    assert read_head(str(tmp_path / "missing")) == b""
    assert read_head(str(tmp_path)) == b""
    assert read_head("a\0b") == b""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_head(str(tmp_path / "pipe")) == b""
