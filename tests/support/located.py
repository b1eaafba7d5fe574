"""Small checkpoints at given paths, and assertions on what a path leads to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w

import tfckpt_reader as tfckpt
from tfckpt_reader.paths.layout import Location
from tfckpt_reader.paths.locate import locate

TENSORS: dict[str, Any] = {"a": np.array([1, 2]), "b": w.Strings([b"x"], ())}
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 1234\n" % (b"0" * 64)


def v2(prefix: Path | str, value: int = 0, shards: int = 1) -> str:
    w.write_bundle(prefix, {**TENSORS, "value": np.array(value)}, shards=shards)
    return str(prefix)


def v1(path: Path | str, value: int = 0) -> str:
    w.write_v1(path, {**TENSORS, "value": np.array(value)})
    return str(path)


def v1_shards(base: Path | str, value: int = 0, shards: int = 2) -> str:
    w.write_v1_shards(base, {**TENSORS, "value": np.array(value)}, shards=shards)
    return f"{base}-?????-of-{shards:05d}"


def state(folder: Path, path: str, name: str = "checkpoint") -> Path:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    (folder / name).write_text(f'model_checkpoint_path: "{escaped}"\n', "utf-8")
    return folder / name


def assert_value(path: Any, value: int) -> Location:
    """Require that the checkpoint at a path has this value; return its location."""
    with tfckpt.open(path) as ckpt:
        assert ckpt["value"] == value
        assert set(ckpt) == {"a", "b", "value"}
        found = locate(path)
        assert set(found.notes) <= set(ckpt.notes)
        assert ckpt.version == found.version
        assert ckpt.reader.prefix == found.prefix
    return found


def assert_none(path: Any, *words: str) -> tfckpt.CheckpointError:
    with pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
        tfckpt.open(path)
    for word in words:
        assert word in str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)
    return caught.value
