"""Every hostile case comes out as it says, by every way to read: no more, no less, no other error.

Limits of time and memory are in test_limits.py; here a hang ends in an alarm.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from hostile import CASES
from hostile.__main__ import main
from hostile.case import Case, Fails
from hostile.outcomes import as_table, compared
from reading import check_tensor

import tfckpt_reader as tfckpt
from tfckpt_reader import CheckpointError, CheckpointNotFoundError

PATIENCE = 120
BY_NAME = {case.name: case for case in CASES}


@pytest.fixture(autouse=True)
def alarm(request: pytest.FixtureRequest) -> Iterator[None]:
    """End a test that hangs: a pipe is waited for, or a loop does not end.

    Those with TensorFlow run all cases in one, and have a patience of their own.
    """
    of_main_thread = threading.current_thread() is threading.main_thread()
    with_tensorflow = request.node.get_closest_marker("tensorflow") is not None
    if with_tensorflow or not hasattr(signal, "SIGALRM") or not of_main_thread:
        yield
        return

    def ring(_signal: int, _frame: object) -> None:
        pytest.fail(f"still busy after {PATIENCE} s")  # no OSError, which somebody would handle

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def assert_fails(fails: Fails, read: Callable[[], object]) -> None:
    with pytest.raises(CheckpointError) as caught:
        read()
    assert type(caught.value) is fails.kind, str(caught.value)
    assert fails.says in str(caught.value)
    assert "\n" not in str(caught.value)


def assert_value(expected: Any, array: Any) -> None:
    if callable(expected):
        assert expected(array)
        return
    right = np.asarray(expected)
    assert (array.dtype, array.shape) == (right.dtype, right.shape)
    if right.dtype == object:
        assert array.tolist() == right.tolist()
    else:
        assert array.tobytes() == right.tobytes()


def assert_comes_out(expected: Any, read: Callable[[], Any]) -> None:
    """A value, a test of one, or a failure."""
    if isinstance(expected, Fails):
        assert_fails(expected, read)
    else:
        assert_value(expected, read())


@pytest.mark.parametrize("name", BY_NAME)
def test_case(tmp_path: Path, name: str) -> None:
    case = BY_NAME[name]
    path = case.write(tmp_path / "case")
    if case.opening:
        assert_fails(case.opening, lambda: tfckpt.open(path))
        assert_fails(case.opening, lambda: tfckpt.open(path, mmap=False))
    else:
        for mmap in (True, False):
            check_lookups(case, path, mmap=mmap)
            check_listing(case, path, mmap=mmap)
            check_other_ways(case, path, mmap=mmap)
    check_verify(case, path)
    check_convert(case, path, tmp_path / "out")


def check_lookups(case: Case, path: Path, *, mmap: bool) -> None:
    """By name, before anything is listed."""
    for name, expected in case.values.items():
        with tfckpt.open(path, mmap=mmap) as ckpt:
            assert_comes_out(expected, lambda: ckpt[name])  # noqa: B023 - called at once
            if not isinstance(expected, Fails):
                assert name in ckpt


def check_listing(case: Case, path: Path, *, mmap: bool) -> None:
    """All names, in order; and then each value."""
    ckpt = tfckpt.open(path, mmap=mmap)
    assert case.note in "\n".join(ckpt.notes) or case.values
    if case.listing:
        assert_fails(case.listing, lambda: list(ckpt))
        return
    assert list(ckpt) == list(case.values)
    for name, expected in case.values.items():
        assert_comes_out(expected, lambda: ckpt[name])  # noqa: B023
    assert case.note in "\n".join(ckpt.notes)


def check_other_ways(case: Case, path: Path, *, mmap: bool) -> None:
    """Rows, copies, streams and sums agree with the whole; unchecked rows end in our errors."""
    ckpt = tfckpt.open(path, mmap=mmap)
    for name, expected in case.values.items():
        if isinstance(expected, Fails):
            assert_fails(expected, lambda: ckpt.read(name))  # noqa: B023
            ours(lambda: ckpt.specs[name].shape and ckpt.read(name, rows=slice(0, 1)))  # noqa: B023
            checked = ours(lambda: check_tensor(ckpt.reader, ckpt.specs[name]))  # noqa: B023
            # Bytes may be as their crcs say, and yet not be readable.
            if case.group not in (13, 22) and expected.kind is not tfckpt.UnsupportedError:
                assert isinstance(checked, CheckpointError)
            continue
        if callable(expected):
            continue
        whole = np.asarray(expected)
        assert_value(whole, ckpt.read(name))
        if whole.ndim:
            for rows in (slice(0, 1), slice(1, 3), slice(-1, None), slice(5, 2)):
                assert_value(whole[rows], ckpt.read(name, rows=rows))
        check_tensor(ckpt.reader, ckpt.specs[name])
        if whole.dtype != object:
            stream = b"".join(bytes(piece) for piece in ckpt.reader.chunks(ckpt.specs[name]))
            assert stream == whole.tobytes() or sys.byteorder == "big"


def ours(read: Callable[[], object]) -> object:
    """Return the result, or our error."""
    try:
        return read()
    except CheckpointError as error:
        return error


def failures(case: Case) -> list[Fails]:
    found = [fails for fails in (case.opening, case.listing) if fails]
    return found + [value for value in case.values.values() if isinstance(value, Fails)]


def check_verify(case: Case, path: Path) -> None:
    """It reports; it raises only where there is nothing to verify, or no file at all."""
    fails = failures(case)
    if case.opening and case.opening.kind in (CheckpointNotFoundError, CheckpointError):
        assert_fails(case.opening, lambda: tfckpt.verify(path))
        return
    report = tfckpt.verify(path)
    errors = [problem for problem in report.problems if problem.severity == "error"]
    assert report.ok == (not errors)
    if any(fail.kind is not tfckpt.UnsupportedError for fail in fails):
        assert not report.ok
    for problem in report.problems:
        assert "\n" not in str(problem)


def check_convert(case: Case, path: Path, folder: Path) -> None:
    """A file that NumPy reads, or an error and no file."""
    folder.mkdir()
    target = folder / "out.npz"
    result = ours(lambda: tfckpt.convert(path, target))
    if isinstance(result, Exception):
        assert os.listdir(folder) == []
        assert failures(case) or isinstance(result, tfckpt.UnsupportedError)
        return
    assert not case.opening
    assert not case.listing
    assert os.listdir(folder) == ["out.npz"]
    assert not any(isinstance(value, Fails) for value in case.values.values())
    assert zipfile.ZipFile(target).testzip() is None
    with np.load(target) as npz:
        for name, expected in case.values.items():
            if name in npz.files and npz[name].dtype == getattr(expected, "dtype", None):
                assert_value(expected, npz[name])


def test_cases_are_many_and_mixed() -> None:
    """Raising on everything, or on nothing, would not do."""
    assert {case.group for case in CASES} >= {*range(1, 24), 26, 27, 28} - {11}
    harmless = [case for case in CASES if not failures(case)]
    assert len(harmless) > 80
    assert len(CASES) - len(harmless) > 200
    assert len(BY_NAME) == len(CASES)


def test_script_writes_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["hostile", str(tmp_path)])
    main()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(BY_NAME)


# What changes while it is read.


def test_replaced_between_open_and_read(tmp_path: Path) -> None:
    """The data file of another save takes the place of the one that the index describes."""
    w.write_bundle(tmp_path / "x", {"a": np.arange(4, dtype=np.float32)})
    w.write_bundle(tmp_path / "y", {"a": np.ones(4, np.float32)})
    with tfckpt.open(tmp_path / "x") as ckpt:
        os.replace(tmp_path / "y.data-00000-of-00001", tmp_path / "x.data-00000-of-00001")
        with pytest.raises(tfckpt.ChecksumError):
            ckpt["a"]


def test_replaced_after_read_keeps_the_old(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "x", {"a": np.arange(4, dtype=np.float32), "b": np.ones(2)})
    w.write_bundle(tmp_path / "y", {"a": np.ones(4, np.float32), "b": np.zeros(2)})
    with tfckpt.open(tmp_path / "x") as ckpt:
        before = ckpt["a"]
        os.replace(tmp_path / "y.data-00000-of-00001", tmp_path / "x.data-00000-of-00001")
        assert before.tolist() == [0, 1, 2, 3]
        assert ckpt["b"].tolist() == [1, 1]


@pytest.mark.parametrize("way", ["get", "read", "rows", "check", "stream"])
def test_cut_while_open(tmp_path: Path, way: str) -> None:
    """Without a map, a file that becomes shorter is an error; with one it would be SIGBUS."""
    w.write_bundle(tmp_path / "x", {"a": np.arange(1 << 16, dtype=np.float32), "z": np.ones(2)})
    with tfckpt.open(tmp_path / "x", mmap=False) as ckpt:
        assert ckpt["z"].tolist() == [1, 1]
        os.truncate(tmp_path / "x.data-00000-of-00001", 4096)
        ways: dict[str, Callable[[], object]] = {
            "get": lambda: ckpt["a"],
            "read": lambda: ckpt.read("a"),
            "rows": lambda: ckpt.read("a", rows=slice(5000, 6000)),
            "check": lambda: check_tensor(ckpt.reader, ckpt.specs["a"]),
            "stream": lambda: list(ckpt.reader.chunks(ckpt.specs["a"])),
        }
        with pytest.raises(tfckpt.TruncatedError):
            ways[way]()
    with pytest.raises(tfckpt.TruncatedError):
        tfckpt.open(tmp_path / "x")["a"]


@pytest.mark.slow
def test_cut_and_grown_by_another_thread(tmp_path: Path) -> None:
    """Read again and again while another thread cuts the file and writes it anew."""
    right = np.arange(1 << 18, dtype=np.float32)
    w.write_bundle(tmp_path / "x", {"a": right})
    data = tmp_path / "x.data-00000-of-00001"
    contents = data.read_bytes()
    done = threading.Event()

    def disturb() -> None:
        while not done.is_set():
            os.truncate(data, 100)
            data.write_bytes(contents)

    thread = threading.Thread(target=disturb)
    thread.start()
    read = 0
    try:
        for _ in range(300):
            try:
                array = tfckpt.open(tmp_path / "x", mmap=False)["a"]
            except CheckpointError:
                continue
            read += 1
            np.testing.assert_array_equal(array, right)
    finally:
        done.set()
        thread.join()
    data.write_bytes(contents)
    np.testing.assert_array_equal(tfckpt.open(tmp_path / "x", mmap=False)["a"], right)


# TensorFlow on the same files.


@pytest.mark.tensorflow
@pytest.mark.slow
def test_tensorflow_agrees(tmp_path: Path) -> None:
    """Where both give a tensor it is the same; where only TensorFlow does, there is a reason."""
    outcomes = compared(tmp_path)
    print("\n" + as_table(outcomes))  # noqa: T201 - the table is the point
    wrong = [f"{outcome.case.name}: {what}" for outcome in outcomes for what in outcome.wrong]
    assert not wrong, "\n".join(wrong)
