"""First bytes of a file, and what kind of file they say it is.

Knows no checkpoint. Content is only compared with signatures; nothing is ever opened,
unpacked or unpickled. Used to say what a wrong file is instead of "bad magic number".
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD_SIZE = 512
"""Bytes from the start of a file that are looked at."""

_GET_REAL_FILE = "Get the real file, for instance with: git lfs pull"
_DOWNLOAD_AGAIN = "Download it again"
_UNPACK = "Unpack it first"
_NOT_OURS = "It is not a TensorFlow checkpoint"

_LFS = b"version https://git-lfs.github.com/spec/"
_STATE = re.compile(rb"\s*(#[^\n]*\n\s*)*(all_)?model_checkpoint_path")

_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras .h5)", "Open it with h5py or Keras"),
    (b"GGUF", "a GGUF model", _NOT_OURS),
    (b"\x93NUMPY", "a NumPy .npy array", "Open it with numpy.load"),
    (b"\x1f\x8b", "gzip-compressed", _UNPACK),
    (b"BZh", "bzip2-compressed", _UNPACK),
    (b"\xfd7zXZ\x00", "xz-compressed", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"%PDF", "a PDF document", _NOT_OURS),
    (b"\x89PNG", "a PNG image", _NOT_OURS),
    (b"PAR1", "a Parquet file", _NOT_OURS),
    (b"\x7fELF", "a program", _NOT_OURS),
)
_ZIP_MEMBERS: tuple[tuple[bytes, str, str], ...] = (
    (b".npy", "a NumPy .npz archive", "Open it with numpy.load"),
    (b"/data.pkl", "a PyTorch checkpoint (zip)", "Open it with torch.load"),
    (b"/version", "a PyTorch checkpoint (zip)", "Open it with torch.load"),
    (b"metadata.json", "a Keras .keras archive", "Open it with Keras"),
    (b"config.json", "a Keras .keras archive", "Open it with Keras"),
)


def _starts(head: bytes) -> tuple[str, str] | None:
    return next(((what, advice) for sign, what, advice in _STARTS if head.startswith(sign)), None)


def _lfs_pointer(head: bytes) -> tuple[str, str] | None:
    if not head.startswith(_LFS):
        return None
    size = re.search(rb"\nsize (\d{1,20})\n", head)
    of = f" for {int(size[1]):,} bytes" if size else ""
    return f"a Git LFS pointer{of}, not the file itself", _GET_REAL_FILE


def _web_page(head: bytes) -> tuple[str, str] | None:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head")):
        return "an HTML page", f"{_DOWNLOAD_AGAIN}: a web server answered with a page instead"
    if start.startswith(b"<?xml"):
        return "an XML document", f"{_DOWNLOAD_AGAIN}: a server may have answered with an error"
    return None


def _zip(head: bytes) -> tuple[str, str] | None:
    if not head.startswith(b"PK\x03\x04"):
        return None
    member = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    for end, what, advice in _ZIP_MEMBERS:
        if member.endswith(end):
            return what, advice
    return "a zip archive", _UNPACK


def _tar(head: bytes) -> tuple[str, str] | None:
    return ("a tar archive", _UNPACK) if head[257:262] == b"ustar" else None


def _pickle(head: bytes) -> tuple[str, str] | None:
    if len(head) > 2 and head[0] == 0x80 and head[1] in range(2, 6):
        return "a Python pickle (an old PyTorch checkpoint?)", (
            f"{_NOT_OURS}; a pickle can run code when it is loaded"
        )
    return None


def _safetensors(head: bytes) -> tuple[str, str] | None:
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < 1 << 32:
        return "a safetensors file", "Open it with safetensors"
    return None


def _tflite(head: bytes) -> tuple[str, str] | None:
    return ("a TensorFlow Lite model", _NOT_OURS) if head[4:8] == b"TFL3" else None


def _events(head: bytes) -> tuple[str, str] | None:
    found = b"brain.Event:" in head[:64]
    return ("a TensorBoard event file", "Name the checkpoint instead") if found else None


def _onnx(head: bytes) -> tuple[str, str] | None:
    if (
        head[:1] == b"\x08"
        and head[2:3] == b"\x12"
        and re.match(rb"(pytorch|tf2onnx|onnx|keras2onnx|skl2onnx|CNTK)", head[4:])
    ):
        return "an ONNX model", _NOT_OURS
    return None


def _state_file(head: bytes) -> tuple[str, str] | None:
    if _STATE.match(head):
        return "a `checkpoint` state file", "Name the state file or its folder, not this"
    return None


def _json(head: bytes) -> tuple[str, str] | None:
    return ("a JSON file", _NOT_OURS) if re.match(rb'\s*\{\s*("|\})', head) else None


def _zeros(head: bytes) -> tuple[str, str] | None:
    if head and not head.strip(b"\0"):
        return "zero bytes only, at least where it begins", (
            f"{_DOWNLOAD_AGAIN}: an unfinished copy looks like this"
        )
    return None


_TESTS: tuple[Callable[[bytes], tuple[str, str] | None], ...] = (
    _starts, _lfs_pointer, _web_page, _zip, _tar, _pickle, _safetensors, _tflite, _events, _onnx,
    _state_file, _json, _zeros,
)  # fmt: skip
_FOLDER_MARKS: tuple[tuple[str, str], ...] = (
    (".zarray", "a zarr array"),
    (".zgroup", "a zarr group"),
    ("zarr.json", "a zarr group"),
    ("_CHECKPOINT_METADATA", "an Orbax checkpoint"),
    ("manifest.ocdbt", "an Orbax or TensorStore checkpoint"),
    ("_METADATA", "an Orbax checkpoint"),
    ("model.safetensors", "a folder of safetensors weights"),
    ("pytorch_model.bin", "a folder of PyTorch weights"),
    ("keras_metadata.pb", "a Keras SavedModel"),
)


def describe(head: bytes) -> tuple[str, str] | None:
    """Return what a file that begins with `head` is and what to do about it, or None.

    Both are phrases for an error: "an HTML page", "Download it again: …".
    """
    if not head:
        return "empty", _DOWNLOAD_AGAIN
    return next(filter(None, (test(head) for test in _TESTS)), None)


def is_state_file(head: bytes) -> bool:
    """Tell whether a file that begins with `head` is a `checkpoint` state file."""
    return _STATE.match(head) is not None


def describe_folder(names: set[str]) -> str | None:
    """Return what a folder that holds files of these names is, if it is some other format."""
    for mark, what in _FOLDER_MARKS:
        if mark in names:
            return what
    return None


def read_head(path: str) -> bytes:
    """Return the first HEAD_SIZE bytes of a regular file; b"" for anything else."""
    if not os.path.isfile(path):
        return b""
    try:
        with open(path, "rb") as file:
            return file.read(HEAD_SIZE)
    except OSError:
        return b""
