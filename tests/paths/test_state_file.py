"""The `checkpoint` state file: FORMAT 1.2."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tfckpt_reader as tfckpt
from tfckpt_reader.paths.state_file import STATE_FILE, State, format_state, read_state, write_state


def state_of(folder: Path, text: str | bytes) -> State:
    path = folder / STATE_FILE
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return read_state(str(path))


def newest(folder: Path, text: str | bytes) -> str:
    return state_of(folder, text).newest


def test_all_fields(tmp_path: Path) -> None:
    text = (
        'model_checkpoint_path: "ckpt-2"\n'
        'all_model_checkpoint_paths: "ckpt-1"\n'
        'all_model_checkpoint_paths: "ckpt-2"\n'
        "all_model_checkpoint_timestamps: 1700000060.25\n"
        "all_model_checkpoint_timestamps: 1700000120.5\n"
        "last_preserved_timestamp: 1699999999.75\n"
    )
    expected = State("ckpt-2", ("ckpt-1", "ckpt-2"), (1700000060.25, 1700000120.5), 1699999999.75)
    assert state_of(tmp_path, text) == expected
    assert state_of(tmp_path, 'model_checkpoint_path: "a"') == State("a", (), (), 0.0)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('model_checkpoint_path: "a"', "a"),
        ("model_checkpoint_path: 'a'", "a"),
        ('# kept by hand\nmodel_checkpoint_path: "a" # newest', "a"),
        ('model_checkpoint_path: "a" "b"\n  \'c\'', "abc"),
        ('model_checkpoint_path:"a"', "a"),
        ('\n\n  model_checkpoint_path\t:\n "a"\n\n', "a"),
        ('model_checkpoint_path: "a"\r\nall_model_checkpoint_paths: "a"\r\n', "a"),
        ('model_checkpoint_path: "old"\nmodel_checkpoint_path: "new"', "new"),
        ('model_checkpoint_path: "ü/漢"', "ü/漢"),
        (r'model_checkpoint_path: "\303\274"', "ü"),
        (r'model_checkpoint_path: "\xc3\xbc"', "ü"),
        (r'model_checkpoint_path: "a\tb\"c\\d"', 'a\tb"c\\d'),
        (r'model_checkpoint_path: "C:\\models\\ckpt-1"', r"C:\models\ckpt-1"),
        ('\ufeffmodel_checkpoint_path: "a"', "a"),
        ('model_checkpoint_path: "a";all_model_checkpoint_paths: ["a", "b"]', "a"),
        ('model_checkpoint_path: "m-?????-of-00002"', "m-?????-of-00002"),
        ('model_checkpoint_path: "."', "."),
    ],
)
def test_text_format(tmp_path: Path, text: str, path: str) -> None:
    assert newest(tmp_path, text) == path


def test_lists(tmp_path: Path) -> None:
    state = state_of(
        tmp_path,
        'model_checkpoint_path: "a" all_model_checkpoint_paths: ["b", "c"]\n'
        "all_model_checkpoint_timestamps: [1, 2.5, inf, nan, -1e3]",
    )
    assert state.kept == ("b", "c")
    assert state.timestamps[:3] == (1.0, 2.5, math.inf)
    assert math.isnan(state.timestamps[3])
    assert state.timestamps[4] == -1000


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode here")
def test_paths_that_are_not_utf_8(tmp_path: Path) -> None:
    assert os.fsencode(newest(tmp_path, r'model_checkpoint_path: "a\377"')) == b"a\xff"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_as_the_shell_of_windows_writes(tmp_path: Path, encoding: str) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    (tmp_path / STATE_FILE).write_bytes(f'{mark}model_checkpoint_path: "ü"'.encode(encoding))
    state = read_state(str(tmp_path / STATE_FILE))
    assert state.newest == "ü"
    assert "UTF-16" in state.fault


@pytest.mark.parametrize(
    "text",
    [
        "model_checkpoint_path",
        "model_checkpoint_path:",
        'model_checkpoint_path: "a',
        "model_checkpoint_path: a",
        "model_checkpoint_path: 5",
        'model_checkpoint_path: "a" unknown: 1',
        'model_checkpoint_path: "a"\n<html>',
        '{"model_checkpoint_path": "a"}',
        b'model_checkpoint_path: "\xff"',
        b"\x80\x04\x95",
        bytes(100),
    ],
)
def test_broken(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(tfckpt.CorruptCheckpointError) as caught:
        newest(tmp_path, text)
    assert caught.value.file == str(tmp_path / STATE_FILE)
    assert caught.value.advice


@pytest.mark.parametrize(
    "text", ["", "\n", "# nothing", 'model_checkpoint_path: ""', 'all_model_checkpoint_paths: "a"']
)
def test_no_newest(tmp_path: Path, text: str) -> None:
    with pytest.raises(tfckpt.CorruptCheckpointError, match="names no checkpoint") as caught:
        newest(tmp_path, text)
    assert isinstance(caught.value, ValueError)


def test_foreign_files_are_named(tmp_path: Path) -> None:
    for content, word in ((b"\x89HDF\r\n\x1a\n" + bytes(9), "HDF5"), (b"<html></html>", "HTML")):
        with pytest.raises(tfckpt.CorruptCheckpointError, match=word):
            newest(tmp_path, content)


def test_missing_and_unreadable(tmp_path: Path) -> None:
    with pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
        read_state(str(tmp_path / "missing"))
    assert caught.value.file == str(tmp_path / "missing")
    with pytest.raises(tfckpt.CheckpointError):
        read_state(str(tmp_path))


def test_impossible_paths(tmp_path: Path) -> None:
    for name in ("a\0b", f"{tmp_path}/{'x' * 5000}"):
        with pytest.raises(tfckpt.CheckpointError):
            read_state(name)


def test_a_hundred_megabytes(tmp_path: Path) -> None:
    path = tmp_path / STATE_FILE
    with path.open("wb") as file:
        file.write(b'model_checkpoint_path: "a')
        file.truncate(100 << 20)
    with pytest.raises(tfckpt.CorruptCheckpointError, match="larger than"):
        read_state(str(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    """In its own process, since a pipe would block it for ever."""
    os.mkfifo(tmp_path / STATE_FILE)
    code = (
        "import sys, tfckpt_reader as t\n"
        "from tfckpt_reader.paths.state_file import read_state\n"
        "assert t.latest_checkpoint(sys.argv[1]) is None\n"
        "for call in (t.open, read_state):\n"
        "    try:\n"
        "        call(sys.argv[1] + '/checkpoint')\n"
        "    except t.CheckpointError:\n"
        "        continue\n"
        "    raise SystemExit('no error')\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(Path(tfckpt.__file__).parents[1])},
    )
    try:
        assert run.wait(timeout=60) == 0
    finally:
        run.kill()
        run.wait()


@given(st.binary(max_size=60))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        assert newest(folder, text)
    except tfckpt.CheckpointError as error:
        assert error.file == str(folder / STATE_FILE)  # noqa: PT017 - or a state, which is rare


def test_text_as_tensorflow_writes_it() -> None:
    state = State("b", ("a", "b"), (1700000060.25, 1700000120.0), 0.5)
    assert format_state(state) == (
        'model_checkpoint_path: "b"\n'
        'all_model_checkpoint_paths: "a"\n'
        'all_model_checkpoint_paths: "b"\n'
        "all_model_checkpoint_timestamps: 1700000060.25\n"
        "all_model_checkpoint_timestamps: 1700000120.0\n"
        "last_preserved_timestamp: 0.5\n"
    )
    assert format_state(State(r"C:\ü")) == 'model_checkpoint_path: "C:\\\\\\303\\274"\n'


PATHS = (
    st.text(min_size=1)
    .filter(lambda text: text.isascii() or sys.platform != "win32")
    .filter(lambda text: not any(0xD800 <= ord(c) < 0xE000 for c in text))
)


@given(
    PATHS,
    st.lists(PATHS, max_size=3).map(tuple),
    st.lists(st.floats(allow_nan=False), max_size=3).map(tuple),
    st.floats(allow_nan=False),
)
def test_written_state_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    newest: str,
    kept: tuple[str, ...],
    timestamps: tuple[float, ...],
    last: float,
) -> None:
    state = State(newest, kept, timestamps, last)
    path = str(tmp_path_factory.getbasetemp() / "written")
    write_state(path, state)
    assert read_state(path) == state
