"""Files by TensorFlow's names; `tests/tensorflow` compares them with TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfckpt_reader.compat import errors, gfile


def test_lines(tmp_path: Path) -> None:
    path = f"file://{tmp_path}/text"
    with gfile.GFile(path, "w") as file:
        file.write("ä\r\nb\n\nc")
    assert list(gfile.GFile(path)) == ["ä\n", "b\n", "\n", "c"]
    assert gfile.GFile(path).readlines() == list(gfile.GFile(path))
    with gfile.GFile(path) as file:
        assert next(file) == "ä\n"
        assert file.read() == "b\n\nc"
        assert file.size() == 8
    assert gfile.GFile(path, "rb").readline() == b"\xc3\xa4\n"
    assert (tmp_path / "text").read_bytes() == b"\xc3\xa4\r\nb\n\nc"


def test_errors(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file, missing = str(tmp_path / "file"), str(tmp_path / "missing")
    for call, kind in (
        (lambda: gfile.GFile(missing), errors.NotFoundError),
        (lambda: gfile.listdir(missing), errors.NotFoundError),
        (lambda: gfile.mkdir(file), errors.AlreadyExistsError),
        (lambda: gfile.rename(file, file), errors.AlreadyExistsError),
        (lambda: gfile.listdir(file), errors.OpError),
        (lambda: gfile.GFile(file, "x"), errors.InvalidArgumentError),
    ):
        with pytest.raises(kind) as caught:
            call()
        assert caught.value.file in {file, missing}
    gfile.rename(file, missing, overwrite=True)
    assert gfile.exists(missing)
    assert not gfile.exists(file)
