"""Kinds of foreign files and folders, recognised by their first bytes or by names in them.

Independent of checkpoints. Content is only compared with signatures; nothing is unpacked or
unpickled. An error then names a wrong file instead of reporting a "bad magic number".
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder

from tfckpt_reader.storage.filesystem import peek

HEAD_SIZE = 512
"""Bytes from the start of a file that suffice to recognise it."""

_GET_REAL_FILE = "Get the real file, for instance with: git lfs pull"
_DOWNLOAD_AGAIN = "Download it again"
_UNPACK = "Unpack it first"
_NOT_OURS = "It is not a TensorFlow checkpoint"
_RUNS_CODE = f"{_NOT_OURS}; a pickle can run code when it is loaded"
_WEB_PAGE = f"{_DOWNLOAD_AGAIN}: a web server answered with a page instead"
_WEB_ERROR = f"{_DOWNLOAD_AGAIN}: a server may have answered with an error"
_UNFINISHED = f"{_DOWNLOAD_AGAIN}: an unfinished copy looks like this"

_NAME_OTHER = "Name the file without ._ at its beginning instead"

_LFS = b"version https://git-lfs.github.com/spec/"
_UNITY = b"fileFormatVersion:"
_ZIP = b"PK\x03\x04"
_STATE = (
    rb"(\xef\xbb\xbf)?\s*(#[^\n]*\n\s*)*"
    rb"(model_checkpoint_path|all_model_checkpoint_(paths|timestamps)|last_preserved_timestamp)"
)
_MINDSPORE = (
    rb"\x0a.{1,4}?\x0a.{1,2}?[\w./-]+\x12.{1,4}?(\x08.{1,9}?)*\x12.(Float|Int|UInt|BFloat|Bool|str)"
)
_BASE64 = rb"[A-Za-z0-9+/\r\n]{512}"
_TABLE = rb"\x00\x00[\x80-\xff]{0,4}[\x01-\x7f][\x08\x0a\x10\x12\x1a]"
"""An empty key, the size of its value, and the first byte of a message."""
_BLANK = rb"(?i)[\xef\xbb\xbf \t\r\n]*"
"""White space and a byte order mark; the rest of the pattern ignores case."""
_PAGE = _BLANK + rb"<(!doctype html|html|head)"

IS_TEXT = "it is text, and not what TensorFlow wrote"
_HIGH = bytes(range(0x80, 0x100))
_ENOUGH_HIGH = 8
"""This many characters are not UTF-8 by chance."""
_ENOUGH_LOW = 256
"""This many bytes are not all below 128 by chance."""
_PRINTABLE = re.compile(rb"[\t\n\f\r\x20-\x7e]*")

_HEADS: tuple[tuple[bytes, str, str], ...] = (
    (rb"\x00\x05\x16[\x00\x07]", "an AppleDouble file (attributes of macOS)", _NAME_OTHER),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras .h5)", "Open it with h5py or Keras"),
    (rb"GGUF", "a GGUF model", _NOT_OURS),
    (rb"\x93NUMPY", "a NumPy .npy array", "Open it with numpy.load"),
    (rb"\x1f\x8b", "gzip-compressed", _UNPACK),
    (rb"BZh", "bzip2-compressed", _UNPACK),
    (rb"\xfd7zXZ\x00", "xz-compressed", _UNPACK),
    (rb"\x28\xb5\x2f\xfd", "zstd-compressed", _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (rb"Rar!", "a RAR archive", _UNPACK),
    (rb"\x00GITCRYPT\x00", "encrypted by git-crypt", "Unlock it: git-crypt unlock"),
    (rb"Salted__", "encrypted by OpenSSL", "Decrypt it first"),
    (rb"%PDF", "a PDF document", _NOT_OURS),
    (rb"\x89PNG", "a PNG image", _NOT_OURS),
    (rb"PAR1", "a Parquet file", _NOT_OURS),
    (rb"\x7fELF", "a program", _NOT_OURS),
    (_PAGE, "an HTML page", _WEB_PAGE),
    (_BLANK + rb"<\?xml", "an XML document", _WEB_ERROR),
    (rb".{257}ustar", "a tar archive", _UNPACK),
    (rb"\x80[\x02-\x05].", "a Python pickle (an old PyTorch checkpoint?)", _RUNS_CODE),
    (rb'.{4}\x00{4}\{"', "a safetensors file", "Open it with safetensors"),
    (rb".{4}TFL3", "a TensorFlow Lite model", _NOT_OURS),
    (rb".{0,52}brain\.Event:", "a TensorBoard event file", "Name the checkpoint instead"),
    (rb"\x08.\x12.(pytorch|tf2onnx|onnx|keras2onnx|skl2onnx|CNTK)", "an ONNX model", _NOT_OURS),
    (_MINDSPORE, "a MindSpore checkpoint", _NOT_OURS),
    (rb"[0-9A-Fa-f\r\n]{512}", "hexadecimal text", "Decode it first"),
    (_BASE64, "base64 text", "Decode it first"),
    (_UNITY, "a .meta file of the Unity editor", _NOT_OURS),
    (_STATE, "a `checkpoint` state file", "Name the state file or its folder, not this"),
    (rb'\s*\{\s*("|\})', "a JSON file", _NOT_OURS),
    (rb"\x00+\Z", "zero bytes only, at least where it begins", _UNFINISHED),
)
"""Pattern of the first bytes, kind of file, and advice; the first match counts."""
_ZIP_MEMBERS: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    ((b".npy",), "a NumPy .npz archive", "Open it with numpy.load"),
    ((b"/data.pkl", b"/version"), "a PyTorch checkpoint (zip)", "Open it with torch.load"),
    ((b"metadata.json", b"config.json"), "a Keras .keras archive", "Open it with Keras"),
)
"""Endings of the first member's name, kind of archive, and advice."""
_FOLDER_MARKS: tuple[tuple[str, str], ...] = (
    (".zarray", "a zarr array"),
    (".zgroup", "a zarr group"),
    ("zarr.json", "a zarr group"),
    ("_CHECKPOINT_METADATA", "an Orbax checkpoint"),
    ("manifest.ocdbt", "an Orbax or TensorStore checkpoint"),
    ("_METADATA", "an Orbax checkpoint"),
    ("model.safetensors", "a folder of safetensors weights"),
    ("pytorch_model.bin", "a folder of PyTorch weights"),
    ("keras_metadata.pb", "a Keras SavedModel without its saved_model.pb and its variables"),
)
"""Name of a file in the folder, and kind of folder."""


def describe(head: bytes) -> tuple[str, str] | None:
    """Return the kind of a file and advice, by its first bytes; None for an unknown kind.

    Both are phrases for an error: "an HTML page", "Download it again: …".
    """
    if not head:
        return "empty", _DOWNLOAD_AGAIN
    if head.startswith(_LFS):
        size = re.search(rb"\nsize (\d{1,20})\n", head)
        target = f" for {int(size[1]):,} bytes" if size else ""
        return f"a Git LFS pointer{target}, not the file itself", _GET_REAL_FILE
    if head.startswith(_ZIP):
        member = head[30 : 30 + int.from_bytes(head[26:28], "little")]
        known = ((kind, advice) for ends, kind, advice in _ZIP_MEMBERS if member.endswith(ends))
        return next(known, ("a zip archive", _UNPACK))
    # Compiled here, not on import: most runs describe nothing.
    matches = ((k, advice) for start, k, advice in _HEADS if re.match(start, head, re.DOTALL))
    return next(matches, None)


def looks_like_table(head: bytes) -> bool:
    """Return whether a file with these first bytes begins as the table of a checkpoint does.

    Its first key is empty, and its value a message.
    """
    return re.match(_TABLE, head, re.DOTALL) is not None


def describe_text(data: bytes, *, low: bool = True) -> str | None:
    """Return how bytes that should be binary became text, as a clause; None if they did not.

    Of random bytes above 127, hardly any are valid UTF-8.

    Args:
        data: All of them, or the first ones.
        low: Whether at least half of them should be above 127, but for zeros.
    """
    high = len(data) - len(data.translate(None, _HIGH))
    clause = None
    if not high:
        if len(data) >= _ENOUGH_HIGH and _PRINTABLE.fullmatch(data):
            clause = IS_TEXT
        elif low and len(data) - data.count(0) >= _ENOUGH_LOW:
            clause = "none of its bytes is above 127: a program took it for ASCII text"
        return clause
    if low and len(data) >= _ENOUGH_LOW and any(data) and any(not any(data[n::2]) for n in (2, 3)):
        return "every second of its bytes is zero: a program stored it as text in UTF-16"
    try:
        text = getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return None
    if text.count("\ufffd") >= _ENOUGH_HIGH:
        clause = "its bytes above 127 were replaced by EF BF BD, and are lost"
    elif high >= 2 * _ENOUGH_HIGH:
        clause = "its bytes above 127 are encoded in UTF-8"
    return f"{clause}: a program took it for text" if clause else None


def is_state_file(head: bytes) -> bool:
    """Return whether a file with these first bytes is a `checkpoint` state file."""
    return re.match(_STATE, head) is not None


def is_editor_file(head: bytes) -> bool:
    """Return whether a ``.meta`` file with these first bytes is one of the Unity editor."""
    return head.startswith(_UNITY)


def is_web_page(head: bytes) -> bool:
    """Return whether a file with these first bytes is a page of HTML."""
    return re.match(_PAGE, head) is not None


def describe_folder(names: set[str]) -> str | None:
    """Return the kind of a folder with files of these names; None for an unknown kind."""
    return next((kind for mark, kind in _FOLDER_MARKS if mark in names), None)


def read_head(path: str) -> bytes:
    """Return the first HEAD_SIZE bytes of a regular file; b"" for anything else."""
    return peek(path, HEAD_SIZE)
