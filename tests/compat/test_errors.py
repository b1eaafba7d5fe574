"""The table of errors: the classes by which a script can catch each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import writers as w
from project import FIXTURES

import tfckpt_reader as tfckpt
import tfckpt_reader.compat as train
from tfckpt_reader.compat import errors

PREFIX = str(FIXTURES / "saver_tf1" / "model.ckpt-1")
VARIANT = str(FIXTURES / "variant" / "model.ckpt")


@pytest.mark.parametrize(
    ("path", "name", "classes"),
    [
        (PREFIX, "no", (train.NotFoundError, KeyError, tfckpt.TensorNotFoundError)),
        (f"{PREFIX}x", "v1", (train.NotFoundError, OSError, tfckpt.CheckpointNotFoundError)),
        (f"{PREFIX}.index", "v1", (train.DataLossError, ValueError, tfckpt.CorruptCheckpointError)),
        (f"{PREFIX}.meta", "v1", (train.DataLossError, ValueError)),
        (str(FIXTURES), "v1", (ValueError, OSError, tfckpt.CheckpointNotFoundError)),
        (VARIANT, "ragged", (errors.InternalError,)),
    ],
)
def test_classes(path: str, name: str, classes: tuple[type[Exception], ...]) -> None:
    with pytest.raises(tfckpt.CheckpointError) as caught:
        train.load_variable(path, name)
    for kind in classes:
        assert isinstance(caught.value, kind)
    if isinstance(caught.value, train.OpError):
        assert caught.value.message == str(caught.value)
        assert caught.value.error_code in {5, 13, 15}


def test_damage(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"v": np.arange(100)})
    data = tmp_path / "p.data-00000-of-00001"
    whole = data.read_bytes()
    data.write_bytes(whole[:10])
    with pytest.raises(IndexError) as caught:
        train.load_variable(tmp_path / "p", "v")
    assert isinstance(caught.value, train.DataLossError)
    data.write_bytes(whole[:-1] + b"\xff")
    with pytest.raises(train.DataLossError) as changed:
        train.load_variable(tmp_path / "p", "v")
    assert changed.value.tensor == "v"
    assert changed.value.file == str(data)
    assert not isinstance(changed.value, (IndexError, errors.InternalError))


def test_the_words_that_scripts_look_for() -> None:
    for path, words in (
        (PREFIX, "Key no not found in checkpoint: "),
        (
            "no",
            "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for ",
        ),
        (f"{PREFIX}.data-00000-of-00001", "Unable to open table file "),
    ):
        with pytest.raises(train.OpError) as caught:
            train.load_variable(path, "no")
        assert str(caught.value).startswith(words)
        assert "\n" not in str(caught.value)
