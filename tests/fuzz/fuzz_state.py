"""A state file of any text: a checkpoint inside its folder, or our error, never one outside."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import harness
import writers as w

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.paths.locate import latest_checkpoint, locate
from tfckpt_reader.paths.state_file import read_state

PATHS = (
    *(b"ck", b"ck-1", b"sub/ck2", b"./ck", b"sub/../ck", b"../outside", b"/outside", b"~/ck"),
    *(b"v1", b"v1-?????-of-00002", b"", b".", b"..", b"sub", b"ck.index", b"checkpoint", b"a\\ck"),
    *(b"\0", b"\xff\xfe", "ü".encode(), b"a" * 300, b"*", b"[c]k", b"link", b"\n", b"'\"\\"),
)
_TOKENS = (
    *(b"model_checkpoint_path", b"all_model_checkpoint_paths", b"last_preserved_timestamp"),
    *(b"all_model_checkpoint_timestamps", b": ", b":", b'"', b"'", b"\n", b" ", b"#", b"{", b"}"),
    *(b"[", b"]", b",", b";", b"<", b">", b"\\", b"\\x", b"\\777", b"\\u00e9", b"1e999", b"nan"),
    *(b"-1", b"0x7f", b"\xef\xbb\xbf", b"\r\n", b"\0", b"\xff", b"unknown_field: 1", b"\xc3\xbc"),
)


@functools.lru_cache
def _folder() -> Path:
    """outside.index, and in/ with two V2 checkpoints and a V1 one; the state file is put there."""
    holder = harness.Folder()
    top = Path(holder.path)
    _KEPT.append(holder)
    (top / "in" / "sub").mkdir(parents=True)
    for prefix in ("outside", "in/ck", "in/sub/ck2"):
        w.write_bundle(top / prefix, {})
    w.write_v1(top / "in" / "v1", {})
    return top


_KEPT: list[harness.Folder] = []


def one(data: bytes) -> None:
    choices = harness.Choices(data)
    kind = choices.below(3)
    expected = None
    if kind == 0:
        text = choices.rest()
    elif kind == 1:
        expected = choices.pick(PATHS) if choices.flag() else choices.some(30)
        text = b"# one\nmodel_checkpoint_path: " + _quoted(expected, choices) + b"\n"
    else:
        parts: list[bytes] = []
        while choices and len(parts) < 60:
            piece = choices.below(80)
            parts.append(
                _TOKENS[piece % len(_TOKENS)]
                if piece < 60
                else _quoted(choices.pick(PATHS), choices)
            )
        text = b"".join(parts)
    inside = _folder() / "in"
    path = inside / "checkpoint"
    path.write_bytes(text)
    try:
        state = read_state(str(path))
    except CheckpointError:
        assert not expected
    else:
        assert state.newest
        assert expected is None or os.fsencode(state.newest) == expected
    for found in (latest_checkpoint(inside), _located(inside), _located(path)):
        if found is not None:
            absolute = os.path.abspath(found)
            assert absolute == str(inside) or absolute.startswith(str(inside) + os.sep)
            assert os.path.exists(found + ".index") or os.path.exists(found)


def _located(path: Path) -> str | None:
    try:
        return locate(path).prefix
    except CheckpointError:
        return None


def _quoted(value: bytes, choices: harness.Choices) -> bytes:
    """The bytes as a literal of the text format, in one of its ways."""
    mark = choices.pick((b'"', b"'"))
    octal = choices.flag()
    out = b""
    for byte in value:
        if octal or byte < 32 or byte > 126 or byte in b"\\\"'":
            out += b"\\%03o" % byte
        else:
            out += bytes([byte])
        if choices.below(16) == 15:
            out += mark + b" " + mark
    return mark + out + mark


def seeds() -> Iterator[bytes]:
    for text in (
        b'model_checkpoint_path: "ck"\nall_model_checkpoint_paths: "ck"\n',
        b'model_checkpoint_path: "/outside"',
        b"model_checkpoint_path: '../outside'  # no\nlast_preserved_timestamp: 1.5",
        b'\xef\xbb\xbfmodel_checkpoint_path: "v1-?????-of-00002"\r\n',
        b'model_checkpoint_path: "unterminated',
        b"all_model_checkpoint_timestamps: [1, 2.5, inf, nan]",
        b"",
    ):
        yield b"\0" + text
    for at in range(len(PATHS)):
        yield bytes([1, 1, at, at & 1, at >> 1 & 1])
    yield bytes([1, 0, 5]) + b"a/b\xff\0" + bytes([1, 0, 15, 15])
    yield bytes([2, 0, 4, 61, 1, 0, 8, 1, 4, 66, 0, 1, 8, 3, 4, 13, 21, 15, 25, 14])


if __name__ == "__main__":
    harness.main("state")
