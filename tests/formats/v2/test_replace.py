"""A checkpoint in place of another: whatever happens, one of the two is there, and whole."""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfckpt_reader as tfckpt

OLD = {"a": np.full((50, 3), 1.0), "b": np.arange(7), "old": np.ones(9)}
NEW = {"a": np.full((50, 3), 2.0), "b": np.arange(8), "new": np.zeros(4)}
STEPS = ("replace", "link", "unlink", "rmdir", "mkdir", "fsync", "pwrite", "ftruncate")


def values(prefix: Path) -> dict[str, list[Any]]:
    with tfckpt.open(prefix) as ckpt:
        return {name: array.tolist() for name, array in ckpt.items()}


def as_lists(tensors: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: array.tolist() for name, array in sorted(tensors.items())}


def killed_at(step: int, action: Callable[[], None]) -> bool:
    """Do it in a child that ends without warning before its step of this number; say if it did."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        left = [step]

        def counted(really: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                if not left[0]:
                    os._exit(9)
                left[0] -= 1
                return really(*arguments, **options)

            return call

        try:
            for name in STEPS:
                setattr(os, name, counted(getattr(os, name)))
            action()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 2), (1, 2), (3, 1)])
def test_killed_at_every_step(tmp_path: Path, before: int, after: int) -> None:
    prefix, seen = tmp_path / "model.ckpt", set()
    for step in range(100):
        tfckpt.save(prefix, OLD, shards=before)
        was_killed = killed_at(step, lambda: tfckpt.save(prefix, NEW, shards=after))
        found = values(prefix)
        assert found in (as_lists(OLD), as_lists(NEW)), step
        assert tfckpt.verify(prefix).ok, step
        seen.add(found == as_lists(NEW))
        if not was_killed:
            break
    assert seen == {False, True}
    assert not was_killed


def fork_and_kill(action: Callable[[], None], seconds: float) -> bool:
    """Do it in a child that is killed after a time; say if it was."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            action()
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_200_moments(tmp_path: Path) -> None:
    """The same checkpoint, saved over and over: a number in each tensor says which one it is."""
    prefix, rng = tmp_path / "model.ckpt", np.random.default_rng(0)

    def tensors(number: int) -> dict[str, Any]:
        return {f"t{i}": np.full(200_000, number) for i in range(4)}

    def timed() -> float:
        start = time.perf_counter()
        tfckpt.save(prefix, tensors(0), shards=2)
        return time.perf_counter() - start

    longest, old, killed, new = max(timed(), timed()), 0, 0, 0
    for number in range(1, 201):
        save = partial(tfckpt.save, prefix, tensors(number), shards=2)
        killed += fork_and_kill(save, rng.uniform(0, 1.5 * longest))
        with tfckpt.open(prefix) as ckpt:
            (found,) = {int(each) for array in ckpt.values() for each in (array[0], array[-1])}
            assert all((array == found).all() for array in ckpt.values())
        assert found in (old, number)
        new += found == number
        old = found
        assert tfckpt.verify(prefix).ok
    assert killed > 20
    assert 20 < new < 190


def test_nothing_is_left_of_the_old_one(tmp_path: Path) -> None:
    prefix = tmp_path / "model.ckpt"
    for shards in (1, 1, 3, 3, 2):
        tfckpt.save(prefix, OLD, shards=shards)
        names = [f"model.ckpt.data-{i:05d}-of-{shards:05d}" for i in range(shards)]
        assert sorted(os.listdir(tmp_path)) == [*names, "model.ckpt.index"]


def test_a_disk_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    prefix = tmp_path / "model.ckpt"
    tfckpt.save(prefix, OLD)
    monkeypatch.setattr(os, "link", link)
    tfckpt.save(prefix, NEW)
    assert values(prefix) == as_lists(NEW)
    assert sorted(os.listdir(tmp_path)) == ["model.ckpt.data-00000-of-00001", "model.ckpt.index"]


@pytest.mark.parametrize("failing", ["fsync", "replace", "link", "pwrite"])
def test_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    prefix = tmp_path / "model.ckpt"
    tfckpt.save(prefix, OLD)
    with monkeypatch.context() as patched:
        patched.setattr(os, failing, full)
        if failing == "link":  # then it is copied
            patched.setattr("shutil.copyfileobj", full)
        with pytest.raises(OSError, match="No space left"):
            tfckpt.save(prefix, NEW)
    assert values(prefix) == as_lists(OLD)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_in_place_of_damage(tmp_path: Path) -> None:
    prefix = tmp_path / "model.ckpt"
    tfckpt.save(prefix, OLD)
    (tmp_path / "model.ckpt.index").write_bytes(b"no table")
    tfckpt.save(prefix, NEW)
    assert values(prefix) == as_lists(NEW)


def test_arrays_of_the_old_one_stay(tmp_path: Path) -> None:
    prefix = tmp_path / "model.ckpt"
    tfckpt.save(prefix, OLD)
    with tfckpt.open(prefix) as ckpt:
        view = ckpt["a"]
        tfckpt.save(prefix, NEW)
        assert view.tolist() == OLD["a"].tolist()
